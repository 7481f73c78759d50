"""`get`: list objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.output_options import output_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.command_line.targets import Target
    from podraft.cli.output.formats import Format
    from podraft.cli.output.listing import Listing
    from podraft.cli.sessions.connection import Session
    from podraft.cli.sessions.reading import Found, Query


@command("get")
@click.argument(
    "arguments",
    nargs=-1,
    metavar="KIND[,KIND]|KIND/NAME|all [NAME]...",
    shell_complete=complete_targets,
)
@output_options(wide=True, columns=True)
@manifest_options(required=False, text="List the objects that these manifests name.")
@click.option("-w", "--watch", is_flag=True, help="Show changes as they happen, after the list.")
@click.option("--watch-only", is_flag=True, help="Show changes only, without the list.")
@click.option("--output-watch-events", is_flag=True, help="With -w: show what kind each change is.")
@click.option("-l", "--selector", default="", help="Labels to match: a=b,c!=d,e in (f,g),h,!i.")
@click.option("--field-selector", default="", help="Fields to match: status.phase!=Running.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("--sort-by", default="", metavar="PATH", help="Order by a field: .metadata.name.")
@click.option("--show-kind", is_flag=True, help="Show the kind before each name.")
@click.option("--show-labels", is_flag=True, help="Add a column with all labels.")
@click.option(
    "-L", "--label-columns", multiple=True, metavar="LABEL[,LABEL]", help="Add a column per label."
)
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
@click.option(
    "--chunk-size",
    type=click.IntRange(min=0),
    default=500,
    help="How many objects to ask for at once, 0 for all. [500]",
)
@click.option(
    "--subresource",
    type=click.Choice(["status"]),
    help="Only of kinds whose status is written apart; shows the whole object.",
)
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
    files: tuple[str, ...],
    recursive: bool,
    output: Format,
    watch: bool,
    watch_only: bool,
    output_watch_events: bool,
    selector: str,
    field_selector: str,
    all_namespaces: bool,
    sort_by: str,
    show_kind: bool,
    show_labels: bool,
    label_columns: tuple[str, ...],
    no_headers: bool,
    chunk_size: int,
    subresource: str | None,
    at: str,
    stale: bool,
    ignore_not_found: bool,
) -> None:
    """List objects: as a table, as YAML or JSON, by name, or by a template.

    \b
    podraft get pods -o wide             podraft get deploy,svc
    podraft get pod/web-1 -o yaml        podraft get pods -A -l app=web -w
    podraft get pods -o jsonpath='{.items[*].status.podIP}'
    podraft get pods -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.output.listing import Listing
    from podraft.cli.sessions.connection import run

    wanted = _Wanted(
        targets=_targets(settings, arguments, files, output, recursive=recursive),
        selectors=(selector, field_selector),
        all_namespaces=all_namespaces,
        output=output,
        watch=watch or watch_only,
        watch_only=watch_only,
        sort_by=sort_by,
        subresource=subresource or "",
        at=at,
        stale=stale,
        ignore_not_found=ignore_not_found,
        chunk=0 if at or stale else chunk_size,
    )
    _check(wanted)
    several = len(wanted.kinds) > 1 or any("all" in a.lower().split(",") for a in arguments[:1])
    listing = Listing(
        wide=output.name == "wide",
        with_namespace=all_namespaces,
        with_labels=show_labels,
        label_columns=tuple(one for text in label_columns for one in text.split(",") if one),
        headers=not no_headers,
        coloured=settings.coloured(),
        prefixed=show_kind or several,
        with_events=output_watch_events,
    )
    run(settings, lambda session: _get(session, wanted, listing))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The objects to list, at which moment, and how; `selectors` are by labels and by fields."""

    targets: Sequence[Target]
    selectors: tuple[str, str]
    all_namespaces: bool
    output: Format
    watch: bool
    watch_only: bool
    sort_by: str
    subresource: str
    at: str
    stale: bool
    ignore_not_found: bool
    chunk: int

    @property
    def kinds(self) -> list[AnyKind]:
        """The kinds of the targets, each once."""
        return list(dict.fromkeys(target.kind for target in self.targets))


def _targets(
    settings: Settings,
    arguments: Sequence[str],
    files: Sequence[str],
    output: Format,
    *,
    recursive: bool,
) -> list[Target]:
    from podraft.cli.command_line.targets import parse_targets
    from podraft.cli.errors import usage

    if not files:
        # A table is the same in all forms.
        return parse_targets(arguments, as_form=output.name in ("yaml", "json"))
    if arguments:
        raise usage("-f names the objects; it does not go with KIND or KIND/NAME")
    from podraft.cli.manifests.declared import Place, named_targets
    from podraft.cli.sessions.connection import namespace_of

    place = Place(settings.namespace, namespace_of(settings))
    return named_targets(files, place, "nothing was read", recursive=recursive)


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
    if wanted.sort_by:
        from podraft.cli.output import sorting

        sorting.path_of(wanted.sort_by)
        if wanted.watch:
            printing.warn("--sort-by orders the list only; changes come as they happen")
    if wanted.subresource:
        if len(names) < len(wanted.targets):
            raise usage("--subresource: name the objects")
        for kind in wanted.kinds:
            if wanted.subresource not in kind.subresources:
                raise usage(f"--subresource: a {kind.name} has no {wanted.subresource}")


async def _get(session: Session, wanted: _Wanted, listing: Listing) -> None:
    """Read and show the objects; watch them if that is wanted."""
    from podraft.cli.sessions import reading

    session = await _as_of(session, wanted)
    query = reading.Query(session.namespace, *wanted.selectors, wanted.all_namespaces, wanted.chunk)
    found = await reading.read(session, wanted.targets, query)
    if wanted.stale:
        from podraft.cli.sessions.staleness import say_how_old

        await say_how_old(session, found)
    if not wanted.watch_only:
        _show(session, found, wanted, query, listing)
    if not wanted.ignore_not_found:
        reading.complain_of_missing(found, session.namespace)
    if wanted.watch and not any(one.missing for one in found):
        from podraft.cli.sessions.following import Followed, show_changes

        followed = Followed(found[0], wanted.targets[0], query, wanted.output, listing)
        await show_changes(session, followed)


def _show(
    session: Session, found: Sequence[Found], wanted: _Wanted, query: Query, listing: Listing
) -> None:
    for one in found:
        _in_order(one, wanted.sort_by)
    if wanted.output.is_table:
        _table(session, found, query, listing, quiet=wanted.watch)
    else:
        single = len(wanted.targets) == 1 and wanted.targets[0].name is not None
        _documents(found, wanted, listing, single=single)


async def _as_of(session: Session, wanted: _Wanted) -> Session:
    """Return a session that reads at the wanted moment, or what one server knows."""
    if wanted.at:
        from podraft.cli.sessions.past import session_at

        # A table shows none of a Secret's values, so their hashes are enough.
        shows_values = wanted.output.shows_values
        return await session_at(session, wanted.at, hash_secret_values=not shows_values)
    if wanted.stale:
        from podraft.cli.sessions.staleness import stale_session

        return stale_session(session)
    return session


def _in_order(found: Found, sort_by: str) -> None:
    from podraft.api.columns import table_of

    if sort_by:
        from podraft.cli.output import sorting

        found.objects = sorting.in_order(found.objects, sorting.path_of(sort_by), sort_by)
        return
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


def _documents(found: Sequence[Found], wanted: _Wanted, listing: Listing, *, single: bool) -> None:
    from podraft.cli.command_line.targets import word_of

    objects = [obj for one in found for obj in one.objects]
    if wanted.output.is_for_names:
        lines = [word_of(one.kind, obj.metadata.name) for one in found for obj in one.objects]
        if lines:
            printing.data("".join(f"{line}\n" for line in lines))
        return
    if single and not objects:
        return
    printing.data(wanted.output.of_objects(objects, single=single, headers=listing.headers))
