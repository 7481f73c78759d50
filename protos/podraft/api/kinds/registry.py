"""The registry of kinds: the known kinds, by each of their names.

Owns: the look-ups, and the notices of kinds that come and go.

Invariants: a manifest's names, a group's resource and a message mean one kind each; a word means
the kind of the core group first, then a built-in one, then the one that was added first; a look-up
or iteration in any thread while a kind comes or goes sees the kinds before or after the change,
never a part of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

from google.protobuf.message import Message

from podraft.api.kinds.kind import AnyKind
from podraft.api.teacher import Teacher


class KnownKinds:
    """The known kinds by their names; iterated are those with objects, in order of creation."""

    def __init__(self, kinds: Iterable[AnyKind] = ()) -> None:
        """Take the kinds that are known from the start; of other known kinds, all.

        Raises:
            ValueError: Two kinds share a name that must be unique.
        """
        added = kinds._index.added if isinstance(kinds, KnownKinds) else tuple(kinds)
        self._index: _Index = _Index.of(added)

    def __iter__(self) -> Iterator[AnyKind]:
        return iter(self._index.ordered)

    def __reversed__(self) -> Iterator[AnyKind]:
        return reversed(self._index.ordered)

    def __len__(self) -> int:
        return len(self._index.ordered)

    def __contains__(self, kind: object) -> bool:
        return kind in self._index.added

    def by_manifest(self, api_version: str, name: str) -> AnyKind | None:
        """Return the kind that a manifest's ``apiVersion`` and ``kind`` name."""
        return self._index.by_manifest.get((api_version, name))

    def by_word(self, word: str) -> AnyKind | None:
        """Return the kind that a user names: ``po``, ``pod``, ``Pods``, ``deployments.apps``."""
        return self._index.by_word.get(word.lower())

    def by_group_resource(self, group_resource: str) -> AnyKind | None:
        """Return the kind of a resource with its group, as keys begin: ``deployments.apps``."""
        return self._index.by_group_resource.get(group_resource)

    def by_message_name(self, full_name: str) -> AnyKind | None:
        """Return the kind of a protobuf message, by its full name."""
        return self._index.by_message.get(full_name)

    def of(self, message: Message) -> AnyKind:
        """Return the kind of an object.

        Raises:
            KeyError: The message is not of a stored kind.
        """
        return self._index.by_message[message.DESCRIPTOR.full_name]

    def answered(self) -> tuple[AnyKind, ...]:
        """Return the kinds that have no objects: creating one asks a question.

        No look-up finds them, so nobody takes them for kinds that can be read, owned or applied.
        """
        return tuple(kind for kind in self._index.added if not kind.is_stored)

    def words(self) -> Iterator[str]:
        """Yield every word that names a kind, for help and completion."""
        yield from self._index.by_word

    def of_category(self, word: str) -> tuple[AnyKind, ...]:
        """Return the kinds that a word such as ``all`` names together."""
        return tuple(kind for kind in self if word.lower() in kind.categories)


class Change(NamedTuple):
    """A notice that a kind has come (``is_known``) or gone."""

    kind: AnyKind
    is_known: bool


Observer: TypeAlias = Callable[[Change], None]


class Registry(KnownKinds):
    """A registry of kinds that come and go."""

    def __init__(self, kinds: Iterable[AnyKind] = ()) -> None:
        """Begin with ``kinds``.

        Raises:
            ValueError: Two kinds share a name that must be unique.
        """
        super().__init__(kinds)
        self._observers: list[Observer] = []

    def add(self, kind: AnyKind) -> None:
        """Make a kind known.

        Raises:
            ValueError: The kind is known already, or another one has one of its names.
        """
        self._index = _Index.of((*self._index.added, kind))
        self._tell(Change(kind, is_known=True))

    def remove(self, kind: AnyKind) -> None:
        """Forget a kind.

        Raises:
            ValueError: The kind is not known.
        """
        if kind not in self:
            raise ValueError(f"{kind} is not known")
        self._index = _Index.of(tuple(other for other in self._index.added if other is not kind))
        self._tell(Change(kind, is_known=False))

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call ``observer`` after every change, in its thread; return a function that stops it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def _tell(self, change: Change) -> None:
        for observer in tuple(self._observers):
            observer(change)


class LearningKinds(KnownKinds):
    """The kinds of a tool: those that are built in, and what its teacher adds to them.

    A look-up that finds nothing asks the teacher; a process without one knows what it knew first.
    """

    def __init__(self, kinds: Iterable[AnyKind], teacher: Teacher) -> None:
        """Begin with ``kinds``.

        Raises:
            ValueError: Two kinds share a name that must be unique.
        """
        self._teacher = teacher
        self._first = self._present = _Index.of(tuple(kinds))
        self._lesson = teacher.lesson
        super().__init__(kinds)

    @property
    def _index(self) -> _Index:
        """The look-ups; what was learned in an earlier lesson is forgotten."""
        return self._present if self._lesson == self._teacher.lesson else self._first

    @_index.setter
    def _index(self, index: _Index) -> None:
        self._present, self._lesson = index, self._teacher.lesson

    def learn(self) -> None:
        """Ask the teacher for kinds; one that shares a name with a known kind is left out."""
        for kind in self._teacher.ask():
            with contextlib.suppress(ValueError):
                self._index = _Index.of((*self._index.added, kind))

    def by_manifest(self, api_version: str, name: str) -> AnyKind | None:
        """Return the kind that a manifest's ``apiVersion`` and ``kind`` name."""
        found = super().by_manifest(api_version, name)
        if found is None:
            self.learn()
            found = super().by_manifest(api_version, name)
        return found

    def by_word(self, word: str) -> AnyKind | None:
        """Return the kind that a user names: ``po``, ``pod``, ``Pods``, ``deployments.apps``."""
        found = super().by_word(word)
        if found is None:
            self.learn()
            found = super().by_word(word)
        return found

    def by_message_name(self, full_name: str) -> AnyKind | None:
        """Return the kind of a protobuf message, by its full name."""
        found = super().by_message_name(full_name)
        if found is None and full_name.startswith(_DECLARED):
            self.learn()
            found = super().by_message_name(full_name)
        return found


# The package of the messages of declared kinds.
_DECLARED = "podraft.custom."


@dataclass(frozen=True, slots=True)
class _Index:
    """The look-ups of one set of kinds."""

    added: tuple[AnyKind, ...]
    ordered: tuple[AnyKind, ...]
    by_manifest: dict[tuple[str, str], AnyKind]
    by_group_resource: dict[str, AnyKind]
    by_message: dict[str, AnyKind]
    by_word: dict[str, AnyKind]

    @classmethod
    def of(cls, kinds: tuple[AnyKind, ...]) -> _Index:
        stored = tuple(kind for kind in kinds if kind.is_stored)
        ordered = tuple(sorted(stored, key=lambda kind: kind.order))
        index = cls(kinds, ordered, {}, {}, {}, {})
        for kind in stored:
            _enter(index.by_manifest, (kind.api_version, kind.name), kind)
            _enter(index.by_group_resource, kind.group_resource, kind)
            _enter(index.by_message, kind.message_name, kind)
        # Among equals, sorting keeps the order of addition.
        for kind in sorted(stored, key=lambda kind: (kind.group != "", kind.custom)):
            for word in _words(kind):
                index.by_word.setdefault(word, kind)
        # A name that only one kind can have is not hidden by another kind's short name.
        index.by_word.update(index.by_group_resource)
        return index


def _words(kind: AnyKind) -> Iterator[str]:
    for word in (kind.resource, kind.name.lower(), *kind.short_names):
        yield word
        if kind.group:
            yield f"{word}.{kind.group}"


KeyT = TypeVar("KeyT", bound=Hashable)


def _enter(table: dict[KeyT, AnyKind], key: KeyT, kind: AnyKind) -> None:
    other = table.setdefault(key, kind)
    if other is not kind:
        raise ValueError(f"{kind} and {other} are both {key}")
