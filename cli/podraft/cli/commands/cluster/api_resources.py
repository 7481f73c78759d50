"""`api-resources`: list the kinds of objects; no cluster is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind

_HEADERS = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]


@command("api-resources")
@click.option("--api-group", default=None, help="Only kinds of this group; '' is the core group.")
@click.option(
    "--namespaced/--no-namespaced", default=None, help="Only kinds in namespaces, or not."
)
@click.option("--verbs", multiple=True, metavar="VERB,...", help="Only kinds with these verbs.")
@click.option("--categories", multiple=True, metavar="WORD,...", help="Only kinds of a category.")
@click.option("--sort-by", type=click.Choice(["name", "kind"]), help="[group, then name]")
@click.option("-o", "--output", type=click.Choice(["wide", "name"]))
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
def api_resources(
    settings: Settings,
    api_group: str | None,
    namespaced: bool | None,
    verbs: tuple[str, ...],
    categories: tuple[str, ...],
    sort_by: str | None,
    output: str | None,
    no_headers: bool,
) -> None:
    """List the kinds of objects that podraft knows."""
    from podraft.api import kinds
    from podraft.cli.output import tables
    from podraft.cli.plans.made.words import listed

    kinds.BUILT_IN.learn()
    wanted, words = set(listed(verbs)), set(listed(categories))
    shown = [
        kind
        for kind in kinds.BUILT_IN
        if api_group in (None, kind.group)
        and namespaced in (None, kind.namespaced)
        and wanted <= set(kind.verbs)
        and words <= set(kind.categories)
    ]
    keys = {"name": lambda kind: (kind.resource,), "kind": lambda kind: (kind.name,)}
    shown.sort(key=keys.get(sort_by or "", lambda kind: (kind.group, kind.resource)))
    if output == "name":
        printing.data("".join(f"{kind.group_resource}\n" for kind in shown))
        return
    wide = output == "wide"
    headers = [*_HEADERS, *(["VERBS", "CATEGORIES"] if wide else [])]
    rows = [_row(kind, wide=wide) for kind in shown]
    printing.text(tables.render(None if no_headers else headers, rows))


def _row(kind: AnyKind, *, wide: bool) -> list[str]:
    row = [
        kind.resource,
        ",".join(kind.short_names),
        kind.api_version,
        str(kind.namespaced).lower(),
        kind.name,
    ]
    return [*row, ",".join(kind.verbs), ",".join(kind.categories)] if wide else row
