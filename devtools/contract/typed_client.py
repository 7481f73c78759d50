"""The SDK's typed property of each kind, as the text of a Python module for each sort of client.

Owns: the properties' names: a kind's plural, as Python spells it.

Invariant: pure; the text is formatted as `./dev lint` requires.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from podraft.api.kinds import AnyKind

_CLIENT = PurePosixPath("client/podraft/client")
_WIDTH = 100
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of client: the words for its calls, the name of its class, where a kind's calls are.

    ``resource`` is the class of a kind's calls, ``home`` its module.
    """

    words: str
    name: str
    resource: str
    home: str
    path: PurePosixPath


ASYNC = Sort(
    "The calls",
    "TypedResources",
    "ResourceClient",
    "podraft.client.calls.resources",
    _CLIENT / "calls/typed_resources.py",
)
SYNC = Sort(
    "The blocking calls",
    "SyncTypedResources",
    "SyncResource",
    "podraft.client.sync.resources",
    _CLIENT / "sync/typed_resources.py",
)

_HEAD = '''"""{words} of each built-in kind, as a typed property: ``client.pods``.

Written by `./dev generate` from the registry of kinds; do not edit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from google.protobuf.message import Message

'''

_CLASS = '''
ObjectT = TypeVar("ObjectT", bound=Message)


class {name}(ABC):
    """{words} of each kind; who inherits says how those of a kind are made."""

    @abstractmethod
    def resource(self, kind: Kind[ObjectT]) -> {resource}[ObjectT]:
        """Return {small} of one kind."""
'''


def text_of(kinds: Iterable[AnyKind], sort: Sort) -> str:
    """Return the whole module of a sort of client, with the kinds in their order."""
    known = tuple(kinds)
    properties = "".join(_property(kind, sort) for kind in known)
    said = {"words": sort.words, "name": sort.name, "resource": sort.resource}
    head, begin = (part.format(**said, small=_small(sort)) for part in (_HEAD, _CLASS))
    return head + "\n".join(_imports(known, sort)) + "\n" + begin + properties


def _small(sort: Sort) -> str:
    return sort.words[0].lower() + sort.words[1:]


def _imports(kinds: Iterable[AnyKind], sort: Sort) -> Iterator[str]:
    wanted: dict[str, set[str]] = defaultdict(set)
    wanted["podraft.api"].add("kinds")
    wanted["podraft.api.kinds"].add("Kind")
    wanted[sort.home].add(sort.resource)
    for kind in kinds:
        package, module = _module(kind)
        wanted[package].add(module)
    for package in sorted(wanted):
        names = sorted(wanted[package])
        line = f"from {package} import {', '.join(names)}"
        if len(line) > _WIDTH:
            line = "\n".join([f"from {package} import (", *(f"    {n}," for n in names), ")"])
        yield line


def _module(kind: AnyKind) -> tuple[str, str]:
    """Return the package and the module of a kind's generated message."""
    file = PurePosixPath(kind.message.DESCRIPTOR.file.name)
    return ".".join(file.parent.parts), f"{file.stem}_pb2"


def _property(kind: AnyKind, sort: Sort) -> str:
    words = _WORD_BEGINS.sub(" ", kind.plural_name).lower()
    message = f"{_module(kind)[1]}.{kind.name}"
    name = words.replace(" ", "_")
    signature = f"    def {name}(self) -> {sort.resource}[{message}]:"
    if len(signature) > _WIDTH:
        signature = f"    def {name}(\n        self,\n    ) -> {sort.resource}[{message}]:"
    return f'''
    @property
{signature}
        """{sort.words} of {words}."""
        return self.resource(kinds.{kind.field.upper()})
'''
