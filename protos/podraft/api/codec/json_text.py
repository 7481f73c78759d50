"""JSON text: bounded reading of what others wrote, and the one compact spelling of a value.

Owns: the bounds of JSON text, and the values whose type podraft does not know: they are kept as
text (`options.proto`, ``JSON_RAW``).

Invariant: reading takes linear time and fails with a violation, whatever the text; what `compact`
writes, `decode` reads as an equal value.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from podraft.api.codec.values import FaultError, described, to_text
from podraft.api.violations import InvalidObjectError, shown

# Also Kubernetes' limit for a request: a larger text is not a manifest but a misplaced file.
JSON_BYTES_MAX: Final = 3 * 1024 * 1024
# Twice what an object may have: parsing cannot be interrupted, and its time grows with these.
JSON_VALUES_MAX: Final = 50_000
# Of values whose type podraft does not know; merge patches have the same bound.
DEPTH_MAX: Final = 64
# Shorter text is parsed quickly, whatever it contains.
_COUNTED_JSON_BYTES: Final = 128 * 1024
_NUMBER_CHARACTERS_MAX: Final = 400
_INTEGER_BITS_MAX: Final = 1024


def decode(data: bytes | str) -> Any:
    """Return the JSON value in ``data``; duplicate keys, excessive size and depth are faults.

    Raises:
        InvalidObjectError: The text is not a valid JSON value.

    """
    if len(data) > JSON_BYTES_MAX:
        raise InvalidObjectError.of("", f"larger than {JSON_BYTES_MAX} bytes: {len(data)}")
    if len(data) > _COUNTED_JSON_BYTES and _values_at_most(data) > JSON_VALUES_MAX:
        raise InvalidObjectError.of("", f"more than {JSON_VALUES_MAX} values")
    try:
        return json.loads(
            data,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=lambda text: int(_bounded(text)),
            parse_float=_float,
        )
    except RecursionError:
        raise InvalidObjectError.of("", "nested too deeply") from None
    except ValueError as error:  # JSON and UTF-8 errors alike.
        raise InvalidObjectError.of("", f"not valid JSON: {error}") from None


def compact(value: object) -> bytes:
    """Return a JSON value as text in its one compact spelling; a date becomes a string.

    Raises:
        FaultError: The value is none of JSON's, is nested too deeply or cannot be written.

    """
    try:
        return json.dumps(
            _plain(value, 0), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
    except UnicodeEncodeError:
        raise FaultError("expected text, got characters that UTF-8 cannot encode") from None


def _plain(value: object, depth: int) -> object:
    """Return a value with YAML's dates as strings, checked to be one of JSON's."""
    if depth > DEPTH_MAX:
        raise FaultError(f"nested deeper than {DEPTH_MAX} objects or lists")
    match value:
        case None | bool() | str():
            return value
        case int() if value.bit_length() <= _INTEGER_BITS_MAX:
            return value
        case float() if math.isfinite(value):
            return value
        case datetime.date():
            return value.isoformat()
        case Mapping():
            return {to_text(key): _plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, depth + 1) for item in value]
        case _:
            raise FaultError(f"expected a JSON value, got {described(value)}")


def _values_at_most(data: bytes | str) -> int:
    """Return an upper bound of a JSON text's number of values; text in strings does not count."""
    text = data if isinstance(data, bytes) else data.encode(errors="replace")
    text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    strings = text.count(b'"') // 2
    if strings > 2 * JSON_VALUES_MAX:  # A value has at most one key.
        return strings // 2
    outside = b"".join(text.split(b'"')[::2])
    return 1 + outside.count(b",") + outside.count(b"[") + outside.count(b"{")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {shown(key)} stands twice in one object")
            seen.add(key)
    return result


def _bounded(number: str) -> str:
    # Reading digits takes more than linear time, and no field holds so many.
    if len(number) > _NUMBER_CHARACTERS_MAX:
        raise ValueError(f"a number of {len(number)} characters: no field holds it")
    return number


def _float(text: str) -> float:
    number = float(_bounded(text))
    if math.isinf(number):
        raise ValueError(f"{text} is out of range for a number")
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
