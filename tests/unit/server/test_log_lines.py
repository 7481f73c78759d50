"""What others said of themselves is one harmless line in the logs of server and agent."""

from __future__ import annotations

import logging
import sys

import pytest

from podraft.agent import logs as agent_logs
from podraft.api.characters import is_safe
from podraft.server.processes import logs as server_logs

HOSTILE = "no such image\x1b]0;title\x07\x1b[2J\u202e\x9b1m\r\n2026-01-01T00:00:00Z all is well"


@pytest.mark.parametrize(
    "formatter", [server_logs.LineFormatter("api"), agent_logs.LineFormatter()]
)
def test_a_record_is_one_line_that_does_nothing_to_a_terminal(formatter: logging.Formatter) -> None:
    try:
        raise RuntimeError(HOSTILE)
    except RuntimeError:
        raised = sys.exc_info()
    record = logging.LogRecord("n", logging.INFO, "f", 1, "said: %s", (HOSTILE,), raised)

    first, *others = formatter.format(record).split("\n")

    assert is_safe("\n".join([first, *others]))
    assert "no such image" in first
    assert all(line.startswith("    ") for line in others)
