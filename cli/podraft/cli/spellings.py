"""Values that can be spelt in several ways, spelt in one, so that text compares as values do.

Quantities are the only ones that canonical JSON leaves as they were written (`1Gi` and
`1073741824`, `0.5` and `500m`).  Pure; finds them by the fields' types, so that a label
`1Gi` stays a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import Message

from podraft.api import quantities
from podraft.api.meta.v1 import meta_pb2

MessageT = TypeVar("MessageT", bound=Message)


def alike(*messages: MessageT) -> list[MessageT]:
    """Return copies in which equal quantities have the spelling of the first of them."""
    spelt: dict[int, str] = {}
    copies = []
    for message in messages:
        copy = type(message)()
        copy.CopyFrom(message)
        for quantity in _quantities_in(copy):
            try:
                value = quantities.nano(quantity)
            except quantities.InvalidQuantityError:
                continue
            quantity.string = spelt.setdefault(value, quantity.string)
        copies.append(copy)
    return copies


def _quantities_in(message: Message) -> Iterator[meta_pb2.Quantity]:
    if isinstance(message, meta_pb2.Quantity):
        yield message
        return
    for field, value in message.ListFields():
        inner = field.message_type
        if inner is None:
            continue
        for child in _children(field, value):
            yield from _quantities_in(child)


def _children(field: Any, value: Any) -> Iterable[Message]:
    if not field.is_repeated:
        return [value]
    if not field.message_type.GetOptions().map_entry:
        children: Iterable[Message] = value
        return children
    if field.message_type.fields_by_name["value"].message_type is None:
        return []
    return [value[key] for key in value]
