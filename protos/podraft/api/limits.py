"""The sizes that the API takes, for whoever sends and for whoever checks.

Owns: the bounds in bytes of an object and of a request, and the words in which they are refused.
"""

from __future__ import annotations

from typing import Final

# The size of objects that a store is meant for; larger things belong in images and volumes.
OBJECT_BYTES_MAX: Final = 1536 * 1024
# All writes of a commit are one request.
REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024


def object_too_large(size: int) -> str:
    """Return the description of the fault of an object of ``size`` bytes."""
    return f"the object has {size:,} bytes: expected at most {OBJECT_BYTES_MAX:,}"


def request_too_large(size: int) -> str:
    """Return the description of the fault of a request of ``size`` bytes."""
    return (
        f"the request has {size:,} bytes, the API server takes at most {REQUEST_BYTES_MAX:,}: "
        "write fewer objects at once"
    )
