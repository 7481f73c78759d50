"""`doctor`: check whether the cluster is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podraft.cli.diagnosis.core.findings import Examination, Finding


@command("doctor")
@click.option("-o", "--output", type=click.Choice(["json"]), help="All that was measured.")
@click.option("--no-disk", is_flag=True, help="Do not try the servers' disks (up to 3 s each).")
@click.option("-q", "--quiet", is_flag=True, help="Only what is not well.")
def doctor(settings: Settings, output: str | None, no_disk: bool, quiet: bool) -> int:
    """Ask every server how it is, and say what to do.

    Looks at servers and their group, disks, clocks, round trips, certificates, space, memory,
    versions and nodes, from here and from inside each server. Small files are written beside the
    store and removed again. Administrators only.

    Ends with 0 if all is well, 1 if there are warnings, 2 if there are errors.
    """
    import asyncio

    from podraft.cli.diagnosis.asking import examine
    from podraft.cli.diagnosis.core.cluster_rules import findings
    from podraft.cli.sessions.connection import load_config

    seen = asyncio.run(examine(load_config(settings), try_disks=not no_disk))
    found = findings(seen)
    if output == "json":
        from podraft.cli.output import documents

        printing.data(documents.render(_document(seen, found), output))
    else:
        _print(found, quiet=quiet)
    return max(finding.severity for finding in found)


def _print(found: Sequence[Finding], *, quiet: bool) -> None:
    from podraft.cli.diagnosis.core.findings import Severity

    words = {severity: severity.name.lower() for severity in Severity}
    shown = [finding for finding in found if finding.severity or not quiet]
    subject = max((len(finding.subject) for finding in shown), default=0)
    for finding in shown:
        printing.say(
            f"{words[finding.severity]:<7}  {finding.subject:<{subject}}  "
            f"{finding.check}: {finding.message}"
        )
        if finding.advice:
            printing.say(f"{'':<7}  {'':<{subject}}    -> {finding.advice}")
    counts = [
        f"{sum(finding.severity == severity for finding in found)} {words[severity]}"
        for severity in Severity
    ]
    printing.say(", ".join(counts))


def _document(seen: Examination, found: Sequence[Finding]) -> dict[str, Any]:
    from google.protobuf import json_format

    return {
        "findings": [
            {
                "severity": finding.severity.name.lower(),
                "subject": finding.subject,
                "check": finding.check,
                "message": finding.message,
                "advice": finding.advice,
            }
            for finding in found
        ],
        "servers": [
            {
                "address": server.address,
                "clockAheadSeconds": server.clock_ahead_s,
                "clockErrorSeconds": server.clock_error_s,
                "diagnosis": json_format.MessageToDict(server.diagnosis),
            }
            for server in seen.answered
        ],
        "unanswered": [
            {"address": address, "problem": problem} for address, problem in seen.unanswered
        ],
    }
