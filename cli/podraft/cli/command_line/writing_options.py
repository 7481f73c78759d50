"""The options of commands that write objects: ``--dry-run``, and how the outcome is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from podraft.api.ownership.holdings import COMMAND
from podraft.cli.command_line.output_options import output_options
from podraft.cli.command_line.settings import Settings

if TYPE_CHECKING:
    from podraft.cli.output.formats import Format


def writing_options() -> Callable[..., Any]:
    """Return a decorator that adds the options; the command gets ``outcomes``, an `Outcomes`."""
    dry_run = click.option(
        "--dry-run",
        type=click.Choice(["none", "client", "server"]),
        default="none",
        help="Write nothing; 'server' lets the API server check it.",
    )

    manager = click.option(
        "--field-manager",
        default=COMMAND,
        metavar="NAME",
        help="In whose name fields are written. [podraft]",
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_outcomes(
            settings: Settings,
            *arguments: Any,
            output: Format,
            dry_run: str,
            field_manager: str,
            **others: Any,
        ) -> Any:
            from podraft.cli.output.outcomes import Outcomes

            outcomes = Outcomes(output, dry_run, settings.coloured(), field_manager)
            return function(settings, *arguments, outcomes=outcomes, **others)

        decorated: Callable[..., Any] = dry_run(manager(output_options()(with_outcomes)))
        return decorated

    return decorate
