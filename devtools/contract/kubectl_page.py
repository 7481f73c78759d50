"""The page that says which of kubectl's commands and flags podraft has, as Markdown.

Owns: the page's form. What kubectl has, and why podraft lacks a part of it, stands in
``kubectl.toml``; what podraft has is asked of its commands themselves.

Invariant: pure, but for reading the table beside this module.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click

PATH = PurePosixPath("docs/kubectl-parity.md")
TABLE = Path(__file__).with_name("kubectl.toml")

_HEAD = """\
# kubectl's commands, and podraft's

Written by `./dev generate` from `devtools/contract/kubectl.toml` and from podraft's commands
themselves; do not edit. The names of commands and flags are those of kubectl 1.32's own help, with
what the published reference of 1.36 adds to the commands. What podraft has beyond kubectl
(`why`, `undo`, `history`, `doctor`, `--at`, …) is in `podraft --help`.

* **has**: the flags mean what they mean to kubectl.
* **has not**: with the reason, and what serves in its place.

"""


@dataclass(frozen=True, slots=True)
class Row:
    """One of kubectl's commands: the flags that podraft has, and those it lacks, with why."""

    command: str
    is_there: bool
    has: tuple[str, ...]
    lacks: tuple[tuple[str, str], ...]
    reason: str


def rows(root: click.Group) -> list[Row]:
    """Return a row for each of kubectl's commands; a reason is empty where the table has none."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [_row(root, name, flags.split(), table) for name, flags in table["commands"].items()]


def _row(root: click.Group, name: str, flags: list[str], table: dict[str, Any]) -> Row:
    command = _found(root, name.split())
    if command is None:
        return Row(name, False, (), (), table["lacking-commands"].get(name, ""))
    known = {option for parameter in command.params for option in _options(parameter)}
    known |= {option for parameter in root.params for option in _options(parameter)}
    lacking = [flag for flag in flags if flag not in known]
    reasons = table["lacking-flags"]
    return Row(
        name,
        True,
        tuple(flag for flag in flags if flag in known),
        tuple((flag, reasons.get(f"{name} {flag}", reasons.get(flag, ""))) for flag in lacking),
        "",
    )


def _options(parameter: click.Parameter) -> Iterator[str]:
    yield from (*parameter.opts, *parameter.secondary_opts)


def _found(root: click.Group, words: list[str]) -> click.Command | None:
    """Return podraft's command of a name; the root itself for no words."""
    command: click.Command = root
    for word in words:
        if not isinstance(command, click.Group):
            return None
        inner = command.get_command(click.Context(command), word)
        if inner is None:
            return None
        command = inner
    return command


def unknown_reasons() -> list[str]:
    """Return the table's reasons for commands and flags that kubectl never had."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    commands = table["commands"]
    flags = {flag for text in commands.values() for flag in text.split()}
    flags |= {f"{name} {flag}" for name, text in commands.items() for flag in text.split()}
    unknown = [name for name in table["lacking-commands"] if name not in commands]
    return unknown + [name for name in table["lacking-flags"] if name not in flags]


def text_of(root: click.Group) -> str:
    """Return the whole page."""
    every = rows(root)
    there = [row for row in every if row.is_there]
    absent = [row for row in every if not row.is_there]
    parts = [_HEAD, "## Commands that podraft has\n"]
    parts += [_section(row) for row in there]
    parts.append("\n## Commands that podraft has not\n\n| command | why |\n|---|---|\n")
    parts += [f"| `{row.command}` | {row.reason} |\n" for row in absent]
    return "".join(parts)


def _section(row: Row) -> str:
    title = f"`{row.command}`" if row.command else "Options of every command"
    has = ", ".join(f"`{flag}`" for flag in row.has)
    lines = [f"\n### {title}\n"]
    if has:
        lines.append(f"\nhas {has}\n")
    if row.lacks:
        lines.append("\n| has not | why |\n|---|---|\n")
        lines += [f"| `{flag}` | {reason} |\n" for flag, reason in row.lacks]
    if not row.has and not row.lacks:
        lines.append("\nhas no flags of its own.\n")
    return "".join(lines)
