"""`diff`: what `apply` would change, as the API server sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.framework import command
from podraft.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podraft.cli.connection import Session

_DIFFERENT = 1
_FAILED = 2
_COLOURS = {"+": "32", "-": "31", "@": "36"}


@command("diff")
@click.option(
    "-f",
    "--filename",
    "names",
    multiple=True,
    required=True,
    metavar="FILE|DIR|-",
    help="A manifest, a directory of them, or - for standard input; may be repeated.",
)
@click.option("-R", "--recursive", is_flag=True, help="Look into directories of directories.")
@click.option("--ignore-unsupported", is_flag=True, help="Drop unsupported fields, as apply does.")
def diff(
    settings: Settings, names: tuple[str, ...], recursive: bool, ignore_unsupported: bool
) -> None:
    """Show what apply would change; nothing is written.

    The API server checks and completes the objects as it would for apply. Exit
    status: 0 for no difference, 1 for differences, 2 when they cannot be told.
    """
    from podraft.cli.connection import run
    from podraft.cli.declared import read_items, read_live
    from podraft.cli.errors import CliError

    async def body(session: Session) -> list[str]:
        from podraft.cli.commands.apply import commit

        live = await read_live(session, items)
        actions, stored = await commit(session, items, "server")
        lines: list[str] = []
        for index, action in enumerate(actions):
            if action.outcome != "unchanged":
                lines += difference(action.item.word, live[index], stored[index])
        return lines

    try:
        items = read_items(
            settings,
            names,
            "the manifests cannot be applied",
            recursive=recursive,
            ignore_unsupported=ignore_unsupported,
        )
        lines = run(settings, body)
    except CliError as error:
        # 1 means "different" to scripts, as it does for diff itself.
        raise CliError(*error.lines, exit_code=_FAILED) from None
    for line in lines:
        code = _COLOURS.get(line[:1]) if settings.coloured() else None
        click.echo(f"\x1b[{code}m{line}\x1b[0m" if code else line)
    if lines:
        raise SystemExit(_DIFFERENT)


def difference(word: str, before: Any, after: Any) -> list[str]:
    """Return the lines of a unified diff between two states of an object."""
    from difflib import unified_diff

    from podraft.cli.output.documents import as_yaml

    old, new = _shown(before), _shown(after)
    _hide_secrets(old, new)
    before_lines, after_lines = (as_yaml(v).splitlines() if v else [] for v in (old, new))
    names = (f"live/{word}", f"applied/{word}")
    return list(unified_diff(before_lines, after_lines, *names, lineterm=""))


def _shown(obj: Any) -> dict[str, Any]:
    """Return what of an object a user declares."""
    from podraft.api import codec
    from podraft.cli.manifests import LAST_APPLIED
    from podraft.cli.unsaid import without_unsaid

    if obj is None:
        return {}
    value = without_unsaid(codec.to_json(obj))
    metadata = dict(value.get("metadata", {}))
    annotations = {k: v for k, v in metadata.get("annotations", {}).items() if k != LAST_APPLIED}
    metadata["annotations"] = annotations
    if not annotations:
        metadata.pop("annotations")
    return {**value, "metadata": metadata}


def _hide_secrets(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Replace a Secret's values; that they differ is told."""
    if "Secret" not in (old.get("kind"), new.get("kind")):
        return
    before, after = old.get("data", {}), new.get("data", {})
    changed = {key for key in before if key in after and before[key] != after[key]}
    for value, data, note in ((old, before, "before"), (new, after, "after")):
        if data:
            value["data"] = _hidden(data, changed, note)


def _hidden(data: Mapping[str, str], changed: Iterable[str], note: str) -> dict[str, str]:
    return {key: f"*** ({note})" if key in changed else "***" for key in data}
