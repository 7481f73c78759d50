"""The agent's log.

Invariant: a record begins with a line of its own and continues indented; text from containers,
images or other machines cannot affect the reader's terminal.
"""

from __future__ import annotations

import logging

from podraft.api.characters import visible


class LineFormatter(logging.Formatter):
    """A formatter of records as ``time level logger: message``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname).1s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line, with further lines indented below."""
        return visible(super().format(record)).replace("\n", "\n    ")


def configure(*, verbose: bool) -> None:
    """Send the logs of all loggers of the process to the standard error stream."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.WARNING)
