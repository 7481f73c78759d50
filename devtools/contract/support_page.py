"""The page of what podraft does with each kind: its calls, and its fields without effect.

Owns: which types have a section of their own, so that a field stands on the page once: those
that several others contain.

Invariant: pure; everything stands in the registry and in the options of the contract's fields.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from podraft.api import conversion, support
from podraft.api.codec.write import is_inline
from podraft.api.kinds import AnyKind
from podraft.api.views import View

PATH = PurePosixPath("docs/api-support.md")

_HEAD = """\
# What podraft does with each kind

Written by `./dev generate` from the registry of kinds and the contract; do not edit.

Objects hold every field that Kubernetes publishes for them, so what a client stores comes back.
podraft acts on all of these fields but those listed here. A manifest that sets one of them is
refused, with the reason and the line; with `--ignore-unsupported` it is stored and warned of.
`podraft explain KIND.FIELD` says the same.
"""
_VIEWS = """
## Other forms of stored kinds

Their objects are stored once. Services and manifests of both versions read and write them; the
rights that count are those to the stored kind.

| form | stored as | calls |
|---|---|---|"""
_OLD = """
## Old versions

Manifests of these versions are read in their present form, with the defaults of their time and a
warning; `podraft convert` prints it.

| version | kinds | read as |
|---|---|---|"""
# The descriptors of run time and of type checkers differ.
_Type: TypeAlias = Any


def text_of(kinds: Iterable[AnyKind], views: Iterable[View]) -> str:
    """Return the whole page, with the kinds by group and name."""
    known = sorted(
        kinds, key=lambda kind: (kind.api_version.count("/"), kind.api_version, kind.name)
    )
    page = _Page(known)
    parts = [_HEAD, "\n## Kinds\n", *(page.of_kind(kind) for kind in known)]
    shared = [page.of_type(each) for each in page.shared]
    if shared:
        parts += ["\n## Parts of several kinds\n", *shared]
    return "".join([*parts, _views(views), _old_versions()])


def _views(views: Iterable[View]) -> str:
    """Return the section of the kinds that are another form of stored ones."""
    rows = (
        f"| {view.kind.name} (`{view.kind.api_version}`) | `{view.of.api_version}` "
        f"| {', '.join(view.kind.verbs)} |"
        for view in views
    )
    return "\n".join([_VIEWS, *rows, ""])


def _old_versions() -> str:
    """Return the section of the old forms that manifests may have."""
    present: dict[tuple[str, str], list[str]] = defaultdict(list)
    for old in conversion.old_versions():
        kinds = present[old.api_version, old.present or "refused: it has no present form"]
        kinds.append(old.kind)
    rows = (
        f"| `{version}` | {', '.join(kinds)} | {f'`{now}`' if '/' in now else now} |"
        for (version, now), kinds in present.items()
    )
    return "\n".join([_OLD, *rows, ""])


class _Page:
    """The sections, which refer to each other."""

    def __init__(self, kinds: Iterable[AnyKind]) -> None:
        """Find the types that have sections of their own, in the order of their names."""
        parents: dict[str, set[str]] = defaultdict(set)
        types: dict[str, _Type] = {}
        roots = [kind.message.DESCRIPTOR for kind in kinds]
        for each in _reached(roots):
            for _, content in _contents(each):
                parents[content.full_name].add(each.full_name)
                types[content.full_name] = content
        wanted = [name for name in parents if len(parents[name]) > 1]
        self.shared = sorted((types[name] for name in wanted), key=_short_name)
        self._names = frozenset(wanted)

    def of_kind(self, kind: AnyKind) -> str:
        """Return the section of one kind."""
        words = ", ".join(f"`{word}`" for word in (kind.group_resource, *kind.short_names))
        calls = [*kind.verbs, *(method.name for method in kind.extra_methods)]
        facts = f"{words}. Calls: {', '.join(calls)}."
        if kind.subresources:
            facts += f" Subresources: {', '.join(kind.subresources)}."
        title = f"{kind.name} ({kind.api_version})"
        return _section(title, facts, list(self._rows(kind.message.DESCRIPTOR, "")))

    def of_type(self, type_: _Type) -> str:
        """Return the section of a type that several others contain."""
        return _section(_short_name(type_), "", list(self._rows(type_, "")))

    def _rows(self, type_: _Type, path: str) -> Iterator[str]:
        for field in type_.fields:
            here = path if is_inline(field) else f"{path}.{_step(field)}".removeprefix(".")
            content = support.content_of(field)
            if reason := support.reason_of(field):
                anyway = support.satisfied_by(field)
                fine = f" (not needed for {', '.join(f'`{one}`' for one in anyway)})"
                yield f"| `{here}` | {reason}{fine if anyway else ''} |"
            elif content is None or not support.has_unsupported(content):
                continue
            elif content.full_name in self._names:
                name = _short_name(content)
                anchor = name.replace(".", "").lower()
                yield f"| `{here}` | see [{name}](#{anchor}) |"
            else:
                yield from self._rows(content, here)


def _section(title: str, facts: str, rows: list[str]) -> str:
    lines = [f"\n### {title}\n"]
    if facts:
        lines += ["", facts]
    if rows:
        lines += ["", "| field | why it has no effect |", "|---|---|", *rows]
    return lines[0] + "\n".join(lines[1:]) + "\n"


def _step(field: Any) -> str:
    return f"{field.json_name}[]" if field.is_repeated else str(field.json_name)


def _short_name(type_: _Type) -> str:
    return str(type_.full_name).removeprefix("podraft.api.")


def _contents(type_: _Type) -> Iterator[tuple[Any, _Type]]:
    """Yield the fields through which fields without effect are reached, with their types."""
    for field in type_.fields:
        content = support.content_of(field)
        if content is None or support.reason_of(field):
            continue
        if support.has_unsupported(content):
            yield field, content


def _reached(roots: list[_Type]) -> list[_Type]:
    seen = {each.full_name: each for each in roots}
    ahead = list(roots)
    while ahead:
        for _, content in _contents(ahead.pop()):
            if content.full_name not in seen:
                seen[content.full_name] = content
                ahead.append(content)
    return list(seen.values())
