"""`diff`: what `apply` would change, as the API server sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import apply_options, manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session

_DIFFERENT = 1
_FAILED = 2
_COLOURS = {"+": "32", "-": "31", "@": "36"}


@command("diff")
@click.argument("arguments", nargs=-1, metavar="KIND|KIND/NAME...", shell_complete=complete_targets)
@click.option("--at", default="", metavar="REVISION|TIME|10m", help="Show what changed since then.")
@click.option("-l", "--selector", default="", help="With --at: the objects with these labels.")
@click.option("-A", "--all-namespaces", is_flag=True, help="With --at: in all namespaces.")
@click.option("--status", is_flag=True, help="With --at: changes of the status, too.")
@manifest_options(required=False)
@apply_options
@click.option("--ignore-unsupported", is_flag=True, help="Warn of unsupported fields, as apply.")
def diff(
    settings: Settings,
    arguments: tuple[str, ...],
    at: str,
    selector: str,
    all_namespaces: bool,
    status: bool,
    files: tuple[str, ...],
    recursive: bool,
    field_manager: str,
    force_conflicts: bool,
    ignore_unsupported: bool,
) -> None:
    """Show what apply would change, or with --at what changed since; nothing is written.

    With -f the API server checks and completes the objects as it would for apply.
    Exit status: 0 for no difference, 1 for differences, 2 when they cannot be told.

    \b
    podraft diff -f shop.yaml            podraft diff --at=10m
    podraft diff --at=4711 deploy/web    podraft diff --at=1h deploy,svc -l app=web
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.errors import CliError, usage
    from podraft.cli.manifests.declared import Place, read_items
    from podraft.cli.sessions.connection import namespace_of, run

    if bool(at) == bool(files) or ((arguments or selector or all_namespaces or status) and not at):
        raise usage("say either -f FILE, or --at=MOMENT and perhaps which objects")
    if at:
        _since(settings, at, arguments, selector, all_namespaces=all_namespaces, status=status)
        return

    async def body(session: Session) -> list[str]:
        from podraft.cli.plans.apply_plan import Terms
        from podraft.cli.plans.unified import difference
        from podraft.cli.sessions.applying import commit, read_live

        live = await read_live(session, items)
        terms = Terms(field_manager, force_conflicts)
        actions, stored = await commit(session, items, live, terms, "server")
        lines: list[str] = []
        for index, action in enumerate(actions):
            if action.outcome != "unchanged":
                lines += difference(action.item.word, live[index], stored[index])
        return lines

    try:
        items = read_items(
            files,
            Place(settings.namespace, namespace_of(settings)),
            "the manifests cannot be applied",
            recursive=recursive,
            ignore_unsupported=ignore_unsupported,
        )
        lines = run(settings, body)
    except CliError as error:
        # 1 means "different" to scripts, as for diff itself.
        raise CliError(*error.lines, exit_code=_FAILED) from None
    from podraft.cli.output import colour

    for line in lines:
        code = _COLOURS.get(line[:1]) if settings.coloured() else None
        printing.say(colour.paint(line, code) if code else line)
    if lines:
        raise SystemExit(_DIFFERENT)


def _since(
    settings: Settings,
    at: str,
    arguments: tuple[str, ...],
    selector: str,
    *,
    all_namespaces: bool,
    status: bool,
) -> None:
    from podraft.cli.command_line.targets import parse_targets
    from podraft.cli.errors import CliError
    from podraft.cli.sessions import at_difference, reading
    from podraft.cli.sessions.connection import run

    try:
        targets = parse_targets(arguments) if arguments else at_difference.everything()

        async def body(session: Session) -> list[str]:
            query = reading.Query(session.namespace, selector, "", all_namespaces)
            return await at_difference.lines_since(session, at, targets, query, status=status)

        lines = run(settings, body)
    except CliError as error:
        raise CliError(*error.lines, exit_code=_FAILED) from None
    for line in lines:
        printing.say(line)
    if lines:
        raise SystemExit(_DIFFERENT)
