"""The suffix by which a stored value carries its own revision.

Owns: the few bytes at the end of a stamped value.  They are the protobuf encoding of
``metadata {resource_version: "<decimal>"}``; protobuf merges concatenated messages, so
``value + revision_suffix(r)`` parses as the object with that resourceVersion.

Invariant: ``split_suffix(value + revision_suffix(r)) == (value, r)`` for every value.
"""

from __future__ import annotations

_METADATA_TAG = 0x0A  # field 1 (metadata), length-delimited
_RESOURCE_VERSION_TAG = 0x32  # field 6 (resource_version), length-delimited
REVISION_MAX = 2**63 - 1


def revision_suffix(revision: int) -> bytes:
    """Return the bytes that stamp a value with ``revision``."""
    if not 0 < revision <= REVISION_MAX:
        raise ValueError(f"revision {revision} is not between 1 and {REVISION_MAX}")
    digits = b"%d" % revision
    length = len(digits)
    return bytes((_METADATA_TAG, length + 2, _RESOURCE_VERSION_TAG, length)) + digits


def split_suffix(value: bytes) -> tuple[bytes, int]:
    """Return the value without its suffix, and the revision that the suffix states.

    Raises:
        ValueError: The value does not end with a revision suffix.
    """
    # The length byte before the digits is below 20, so it is never a digit itself.
    end = len(value)
    start = end
    while start > 0 and 0x30 <= value[start - 1] <= 0x39:
        start -= 1
    length = end - start
    header = (
        bytes((_METADATA_TAG, length + 2, _RESOURCE_VERSION_TAG, length)) if length < 20 else b""
    )
    if not length or not header or value[start - 4 : start] != header:
        raise ValueError("the value does not end with a revision suffix")
    return value[: start - 4], int(value[start:])
