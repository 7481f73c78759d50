"""`get`: list objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command, complete_kinds
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.command_line.targets import Target
    from podraft.cli.output.listing import Listing
    from podraft.cli.sessions.connection import Session
    from podraft.cli.sessions.reading import Found, Query


@command("get")
@click.argument(
    "arguments",
    nargs=-1,
    metavar="KIND[,KIND]|KIND/NAME|all [NAME]...",
    shell_complete=complete_kinds,
)
@click.option("-o", "--output", type=click.Choice(["wide", "yaml", "json", "name"]))
@click.option("-w", "--watch", is_flag=True, help="Show changes as they happen, after the list.")
@click.option("-l", "--selector", default="", help="Labels to match: a=b,c!=d,e in (f,g),h,!i.")
@click.option("--field-selector", default="", help="Fields to match: status.phase!=Running.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("--show-labels", is_flag=True, help="Add a column with all labels.")
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
@click.option(
    "--at", default="", metavar="REVISION|TIME|10m", help="As it was then, or so long ago."
)
@click.option(
    "--stale", is_flag=True, help="Ask one server only, at once; it may not know the newest."
)
@click.option("--ignore-not-found", is_flag=True, help="It is no failure if a name is not there.")
def get(
    settings: Settings,
    arguments: tuple[str, ...],
    output: str | None,
    watch: bool,
    selector: str,
    field_selector: str,
    all_namespaces: bool,
    show_labels: bool,
    no_headers: bool,
    at: str,
    stale: bool,
    ignore_not_found: bool,
) -> None:
    """List objects: as a table, as YAML or JSON, or by name.

    \b
    podraft get pods -o wide             podraft get deploy,svc
    podraft get pod/web-1 -o yaml        podraft get pods -A -l app=web -w
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.command_line.targets import parse_targets
    from podraft.cli.output.listing import Listing
    from podraft.cli.sessions.connection import run

    wanted = _Wanted(
        targets=parse_targets(arguments),
        selectors=(selector, field_selector),
        all_namespaces=all_namespaces,
        output=output,
        watch=watch,
        at=at,
        stale=stale,
        ignore_not_found=ignore_not_found,
    )
    _check(wanted)
    listing = Listing(
        wide=output == "wide",
        with_namespace=all_namespaces,
        with_labels=show_labels,
        headers=not no_headers,
        coloured=settings.coloured(),
        prefixed=len(wanted.kinds) > 1 or "all" in arguments[0].lower().split(","),
    )
    run(settings, lambda session: _get(session, wanted, listing))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The objects to list, at which moment, and how; `selectors` are by labels and by fields."""

    targets: Sequence[Target]
    selectors: tuple[str, str]
    all_namespaces: bool
    output: str | None
    watch: bool
    at: str
    stale: bool
    ignore_not_found: bool

    @property
    def kinds(self) -> list[AnyKind]:
        """The kinds of the targets, each once."""
        return list(dict.fromkeys(target.kind for target in self.targets))


def _check(wanted: _Wanted) -> None:
    """Raise an error for options that contradict each other."""
    from podraft.cli.errors import usage

    if wanted.stale and (wanted.at or wanted.watch):
        raise usage("--stale shows what a server knows now; it goes neither with --at nor with -w")
    if wanted.watch and wanted.at:
        raise usage("-w shows what happens from now on; it does not go with --at")
    names = [target for target in wanted.targets if target.name]
    if wanted.watch and (len(wanted.kinds) > 1 or len(names) > 1):
        raise usage("-w watches one kind, or one object")


async def _get(session: Session, wanted: _Wanted, listing: Listing) -> None:
    """Read and show the objects; watch them if that is wanted."""
    from podraft.cli.sessions import reading

    session = await _as_of(session, wanted)
    query = reading.Query(session.namespace, *wanted.selectors, wanted.all_namespaces)
    found = await reading.read(session, wanted.targets, query)
    if wanted.stale:
        from podraft.cli.sessions.staleness import say_how_old

        await say_how_old(session, found)
    for one in found:
        _in_order(one)
    if wanted.output in (None, "wide"):
        _table(session, found, query, listing, quiet=wanted.watch)
    else:
        single = len(wanted.targets) == 1 and wanted.targets[0].name is not None
        _documents(found, wanted.output or "", single=single)
    if not wanted.ignore_not_found:
        reading.complain_of_missing(found, session.namespace)
    if wanted.watch and not any(one.missing for one in found):
        await _watch(session, found[0], wanted.targets[0].name, query, listing, wanted.output)


async def _as_of(session: Session, wanted: _Wanted) -> Session:
    """Return a session that reads at the wanted moment, or what one server knows."""
    if wanted.at:
        from podraft.cli.sessions.past import session_at

        # A table shows none of a Secret's values, so their hashes are enough.
        shows_values = wanted.output in ("yaml", "json")
        return await session_at(session, wanted.at, hash_secret_values=not shows_values)
    if wanted.stale:
        from podraft.cli.sessions.staleness import stale_session

        return stale_session(session)
    return session


def _in_order(found: Found) -> None:
    from podraft.api.columns import table_of

    order = table_of(found.kind).order
    if order is not None:
        found.objects.sort(key=order)


def _table(
    session: Session, found: Sequence[Found], query: Query, listing: Listing, *, quiet: bool
) -> None:
    shown = [one for one in found if one.objects]
    tables = [listing.table(one.kind, one.objects, session.now_s()) for one in shown]
    if tables:
        printing.text("\n".join(tables))
        return
    if quiet or any(one.missing for one in found):
        return
    namespaced = any(one.kind.namespaced for one in found) and not query.all_namespaces
    where = f" in {query.namespace} namespace" if namespaced else ""
    printing.say(f"No resources found{where}.", err=True)


def _documents(found: Sequence[Found], output: str, *, single: bool) -> None:
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.output import documents

    objects = [obj for one in found for obj in one.objects]
    if output == "name":
        lines = [word_of(one.kind, obj.metadata.name) for one in found for obj in one.objects]
        if lines:
            printing.data("".join(f"{line}\n" for line in lines))
        return
    if single and not objects:
        return
    value = documents.document_of(objects, single=single)
    printing.data(documents.render(value, output))


async def _watch(
    session: Session,
    found: Found,
    name: str | None,
    query: Query,
    listing: Listing,
    output: str | None,
) -> None:
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.output import documents
    from podraft.cli.sessions.watching import BOOKMARK, follow

    kind = found.kind
    start = found.resource_version
    if name is not None:
        start = found.objects[0].metadata.resource_version
    batches = follow(
        session.client.resource(kind),
        query.scope(kind),
        label_selector=query.label_selector,
        field_selector=f"metadata.name={name}" if name else query.field_selector,
        resource_version=start,
    )
    async for batch in batches:
        for event in batch:
            if event.type == BOOKMARK:
                continue
            if output == "name":
                text = word_of(kind, event.object.metadata.name) + "\n"
            elif output in ("yaml", "json"):
                value = documents.document_of([event.object], single=True)
                divider = "---\n" if output == "yaml" else ""
                text = divider + documents.render(value, output)
            else:
                text = listing.line(kind, event.object, session.now_s())
            (printing.data if output in ("name", "yaml", "json") else printing.text)(text)
