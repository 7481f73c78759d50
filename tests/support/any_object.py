"""Hypothesis strategies: any object of any kind, made from its descriptor.

Every field may be set, to any value that the codec could have read.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from podraft.api import kinds, quantities
from podraft.api.codec.forms import form_of, set_raw
from podraft.api.codec.write import is_inline
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import meta_pb2, options_pb2

# Drawing a whole object takes its time; a failure prints how to draw it again.
SETTINGS = settings(
    max_examples=20,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TEXTS = st.text(max_size=8)
QUANTITIES = st.builds(
    lambda number, suffix: quantities.canonical(f"{number}{suffix}"),
    st.integers(0, 10**6),
    st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "e3"]),
)
SECONDS = st.integers(0, 4_102_444_800)
SPECIAL: dict[str, st.SearchStrategy[Message]] = {
    "Time": st.builds(lambda s: meta_pb2.Time(seconds=s), SECONDS),
    "MicroTime": st.builds(
        lambda s, us: meta_pb2.MicroTime(seconds=s, nanos=us * 1000),
        SECONDS,
        st.integers(0, 999_999),
    ),
    "Quantity": st.builds(lambda text: meta_pb2.Quantity(string=text), QUANTITIES),
    "IntOrString": st.one_of(
        st.builds(
            lambda n: meta_pb2.IntOrString(type=0, int_val=n), st.integers(-(2**31), 2**31 - 1)
        ),
        st.builds(lambda s: meta_pb2.IntOrString(type=1, str_val=s), TEXTS),
    ),
}
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
}
# Of messages that contain themselves; the codec allows more.
DEPTH_MAX = 6
RAW_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), TEXTS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


def fill(draw: st.DrawFn, message: Any, required: bool = False, depth: int = 0) -> bool:
    """Set some fields; return whether any is set, as an empty inline message has no JSON."""
    match form_of(message.DESCRIPTOR):
        case options_pb2.JSON_RAW:
            set_raw(message, draw(RAW_VALUES))
            return True
        case options_pb2.JSON_EITHER:
            fill_either(draw, message, depth)
            return True
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()) and not required:
            continue
        if field.message_type is None or depth < DEPTH_MAX:
            set_field(draw, message, field, depth)
    return bool(message.ListFields())


def fill_either(draw: st.DrawFn, message: Any, depth: int) -> None:
    """Set one field of a message that stands for the one that is set, as the codec does."""
    field = draw(st.sampled_from(list(message.DESCRIPTOR.fields)))
    flags = [one for one in message.DESCRIPTOR.fields if one.type == FieldDescriptor.TYPE_BOOL]
    set_field(draw, message, field, depth)
    if field.message_type is not None and not field.is_repeated and flags:
        setattr(message, flags[0].name, True)


def set_field(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int = 0) -> None:
    target = field.message_type
    if target is None:
        values = SCALARS[field.type]
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(values, max_size=2)))
        else:
            setattr(message, field.name, draw(values))
    elif target.GetOptions().map_entry:
        set_map(draw, getattr(message, field.name), target.fields_by_name["value"], depth)
    elif field.is_repeated:
        for _ in range(draw(st.integers(0, 2))):
            fill(draw, getattr(message, field.name).add(), depth=depth + 1)
    elif target.name in SPECIAL:
        getattr(message, field.name).CopyFrom(draw(SPECIAL[target.name]))
    else:
        child = getattr(message, field.name)
        child.SetInParent()
        if not fill(draw, child, depth=depth + 1) and is_inline(field):
            message.ClearField(field.name)


def set_map(draw: st.DrawFn, entries: Any, value_field: FieldDescriptor, depth: int) -> None:
    for key in draw(st.lists(TEXTS, max_size=2)):
        message = value_field.message_type
        if message is None:
            entries[key] = draw(SCALARS[value_field.type])
        elif message.name in SPECIAL:
            entries[key].CopyFrom(draw(SPECIAL[message.name]))
        elif not entries[key].ListFields():  # Each key is drawn once.
            fill(draw, entries[key], depth=depth + 1)


@st.composite
def objects(draw: st.DrawFn, kind: AnyKind | None = None) -> Any:
    """Draw an object of the given kind, or of any kind."""
    chosen = kind if kind is not None else draw(st.sampled_from([*kinds.BUILT_IN]))
    message = chosen.message()
    fill(draw, message)
    return message


def damaged(draw: st.DrawFn, message: Any) -> Any:
    """Damage a message as a client could that no codec has checked: any text as a quantity."""
    if message.DESCRIPTOR.name == "Quantity":
        message.string = draw(st.text(max_size=6))
    elif message.DESCRIPTOR.name in ("Time", "MicroTime"):
        message.seconds = draw(st.integers(-(2**63), 2**63 - 1))
        message.nanos = draw(st.integers(-(2**31), 2**31 - 1))
    elif message.DESCRIPTOR.name == "IntOrString":
        message.type = draw(st.integers(-1, 2))
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in list(value):
                    damaged(draw, value[key])
        else:
            for child in value if field.is_repeated else [value]:
                damaged(draw, child)
    return message
