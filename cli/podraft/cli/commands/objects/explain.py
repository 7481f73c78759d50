"""`explain`: the meaning of kinds and fields, from the contract's comments; no cluster needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command, complete_kinds
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.explain import FieldDoc


@command("explain")
@click.argument("path", metavar="KIND[.FIELD]...", shell_complete=complete_kinds)
@click.option("--recursive", is_flag=True, help="List the fields of fields, without comments.")
def explain(settings: Settings, path: str, recursive: bool) -> None:
    """Explain a kind or one of its fields.

    For example: podraft explain deployment.spec.strategy
    """
    from podraft.api import explain as explanations
    from podraft.api.violations import InvalidObjectError
    from podraft.cli.errors import CliError

    try:
        kind, doc = explanations.explain(path)
    except InvalidObjectError as error:
        raise CliError(*(str(violation) for violation in error.violations)) from None
    lines = [f"KIND:     {kind.name}", f"VERSION:  {kind.api_version}", ""]
    is_kind = "." not in path.strip(".")
    if not is_kind:
        lines += [f"FIELD:    {doc.name} <{doc.type}>", ""]
    lines += ["DESCRIPTION:", *_wrapped(_description(doc), 4), ""]
    if doc.children:
        lines.append("FIELDS:")
        lines += _tree(doc, 1) if recursive else _fields(doc)
    printing.text("\n".join(lines).rstrip() + "\n")


def _description(doc: FieldDoc) -> str:
    texts = dict.fromkeys(text for text in (doc.comment, doc.type_comment, _effect(doc)) if text)
    return "\n\n".join(texts) or "<no description>"


def _effect(doc: FieldDoc) -> str:
    if not doc.unsupported:
        return ""
    return f"podraft stores it but does not act on it: {doc.unsupported}."


def _fields(doc: FieldDoc) -> Iterator[str]:
    for child in doc.children:
        yield f"  {child.name} <{child.type}>"
        yield from _wrapped(child.comment or child.type_comment or "<no description>", 4)
        yield from _wrapped(_effect(child), 4)
        yield ""


def _tree(doc: FieldDoc, depth: int) -> Iterator[str]:
    for child in doc.children:
        note = " (stored, not acted on)" if child.unsupported else ""
        yield f"{'  ' * depth}{child.name} <{child.type}>{note}"
        yield from _tree(child, depth + 1)


def _wrapped(text: str, indent: int) -> list[str]:
    """Return the lines of paragraphs, each wrapped; list items and indented lines stay lines."""
    from textwrap import wrap

    blank = " " * indent
    lines: list[str] = []
    paragraph: list[str] = []

    def flush() -> None:
        if paragraph:
            lines.extend(
                wrap(
                    " ".join(paragraph),
                    84,
                    initial_indent=blank,
                    subsequent_indent=blank,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
            paragraph.clear()

    for line in text.splitlines():
        if not line.strip():
            flush()
            lines.append("")
        elif line.startswith((" ", "* ", "- ")):
            flush()
            lines.append(blank + line)
        else:
            paragraph.append(line.strip())
    flush()
    return lines
