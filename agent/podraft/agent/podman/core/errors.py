"""The error of a container that cannot be configured; users see its message."""

from __future__ import annotations


class ConfigurationError(Exception):
    """A container cannot be configured as its spec says; the message says why."""
