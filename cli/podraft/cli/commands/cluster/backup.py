"""`backup`: copy the cluster's state to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.errors import CliError
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session


@command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def backup(settings: Settings, file: Path, force: bool) -> None:
    """Copy the cluster's state, as it is at one revision, to FILE.

    The cluster works on meanwhile. FILE holds every Secret, so only its owner may read it. It
    does not hold the cluster's keys and certificates: copy DATA_DIR/pki of the server, too.
    `podraft-server restore FILE` makes a new cluster of it.
    """
    from podraft.cli.sessions.connection import run
    from podraft.client.calls import backups

    if file.exists() and not force:
        raise CliError(f"{file} exists", "  --force replaces it")

    async def body(session: Session) -> str:
        try:
            summary = await backups.backup(session.client, file)
        except OSError as error:
            raise CliError(f"{error.filename or file}: {error.strerror}") from None
        return (
            f"{file}: {summary.records} keys at revision {summary.revision}, {summary.bytes} bytes"
        )

    printing.say(run(settings, body))
