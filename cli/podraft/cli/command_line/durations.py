"""Durations on the command line: ``30``, ``1m30s``, ``2h``."""

from __future__ import annotations

from typing import Any

import click


class Duration(click.ParamType[float]):
    """A duration, in seconds; a bare number is seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the duration in seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        from podraft.api import times

        try:
            return times.parse_duration_s(f"{value}s" if str(value).isdecimal() else value)
        except ValueError as error:
            self.fail(f"{error}, got {value!r}", param, ctx)


DURATION = Duration()
