"""`api-versions`: list the API groups and versions; no cluster is needed."""

from __future__ import annotations

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing


@command("api-versions")
def api_versions(settings: Settings) -> None:
    """List the API versions that podraft knows, as GROUP/VERSION."""
    from podraft.api import kinds

    printing.say(*sorted({kind.api_version for kind in kinds.BUILT_IN}))
