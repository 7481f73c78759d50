"""The bounds of one object.

Owns: the bounds of its bytes and of its parts, and the check of both before anything else.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import Message

from podraft.api.limits import OBJECT_BYTES_MAX, object_too_large
from podraft.api.violations import InvalidObjectError

# Elements of lists and maps, in sum; the cost of one more is not its bytes alone.
OBJECT_VALUES_MAX: Final = 20_000
# Smaller objects cannot consist of that many parts.
_COUNTED_BYTES_MIN: Final = 32 * 1024


def check_extent(proposed: Message) -> int:
    """Check that an object is small enough; defaults and rules cost most for small parts.

    Raises:
        InvalidObjectError: It is too large, or consists of too many parts.
    """
    size = proposed.ByteSize()
    if size <= _COUNTED_BYTES_MIN:
        return size
    if size > OBJECT_BYTES_MAX:
        raise too_large(size)
    if _parts(proposed) > OBJECT_VALUES_MAX:
        raise InvalidObjectError.of(
            "", f"the object has more than {OBJECT_VALUES_MAX} values in lists and maps"
        )
    return size


def _parts(message: Any) -> int:
    """Count the elements of lists and maps, and stop at the first beyond the bound."""
    count, pending = 0, [message]
    while pending and count <= OBJECT_VALUES_MAX:
        for field, value in pending.pop().ListFields():
            if not field.is_repeated:
                if field.message_type is not None:
                    pending.append(value)
                continue
            count += len(value)
            if count > OBJECT_VALUES_MAX:
                break
            if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                pending.extend(value)
    return count


def too_large(size: int) -> InvalidObjectError:
    """Return the refusal of an object of ``size`` bytes."""
    return InvalidObjectError.of("", object_too_large(size))
