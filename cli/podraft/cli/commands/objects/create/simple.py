"""`create namespace`, `create serviceaccount`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes


@command("namespace")
@click.argument("name")
@writing_options()
def namespace(settings: Settings, name: str, outcomes: Outcomes) -> None:
    """Make a namespace."""
    from podraft.cli.sessions.writing.making import make

    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    make(settings, [manifest], outcomes)


@command("serviceaccount")
@click.argument("name")
@writing_options()
def serviceaccount(settings: Settings, name: str, outcomes: Outcomes) -> None:
    """Make a service account."""
    from podraft.cli.plans.made.access import service_account
    from podraft.cli.sessions.writing.making import make

    make(settings, [service_account(name)], outcomes)
