"""The server's log: one line per record, ``key=value`` after the message.

Owns: the format, and the log level.  Invariant: one record is one line, except
for tracebacks, whose lines are indented below theirs; text from others in a record cannot affect
the terminal of its reader.
"""

from __future__ import annotations

import logging
import sys
import time

from podraft.api.characters import visible

LEVELS = ("debug", "info", "warning", "error")


class LineFormatter(logging.Formatter):
    """A formatter of records as ``time level component message``."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line, with its traceback below."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        message = visible(record.getMessage().replace("\n", "\\n"))
        line = (
            f"{at}.{int(record.msecs):03d}Z level={record.levelname.lower()} "
            f"component={self._component} logger={record.name.removeprefix('podraft.server.')} "
            f"{message}"
        )
        if record.exc_info:
            trace = visible(self.formatException(record.exc_info))
            line += "".join(f"\n    {part}" for part in trace.split("\n"))
        return line


def configure(component: str, level: str) -> None:
    """Make all loggers of the process write to the standard error stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
