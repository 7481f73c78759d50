"""``--overrides``: a merge patch of what a command makes.  Pure."""

from __future__ import annotations

from typing import Any

from podraft.api import codec
from podraft.api.violations import InvalidObjectError
from podraft.cli.errors import usage


def overridden(manifest: dict[str, Any], patch: str) -> dict[str, Any]:
    """Return a manifest as a JSON merge patch makes it; an empty text changes nothing.

    Raises:
        CliError: The patch is no JSON object.
    """
    if not patch:
        return manifest
    try:
        merged = codec.merge_patch(manifest, codec.decode_json(patch))
    except InvalidObjectError as error:
        raise usage(f"--overrides: {error}") from None
    return dict(merged)
