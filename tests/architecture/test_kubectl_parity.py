"""What kubectl has and podraft has not is told with its reason; nothing lacks silently."""

from __future__ import annotations

from contract import kubectl_page
from podraft.cli.app import ENTRIES, cli


def test_whatever_podraft_lacks_of_kubectl_has_a_reason() -> None:
    rows = kubectl_page.rows(cli)
    assert len(rows) > 100
    assert sum(len(row.has) for row in rows) > 400
    silent = [row.command for row in rows if not row.is_there and not row.reason]
    silent += [f"{row.command} {flag}" for row in rows for flag, reason in row.lacks if not reason]
    assert silent == []


def test_reasons_are_of_what_kubectl_has() -> None:
    assert kubectl_page.unknown_reasons() == []


def test_the_page_asks_the_commands_themselves() -> None:
    there = {row.command for row in kubectl_page.rows(cli) if row.is_there}
    assert {"get", "create deployment", "set env"} <= there
    own = set(ENTRIES) - {name.partition(" ")[0] for name in there}
    assert {"why", "undo", "history"} <= own
