"""Decoding watch responses event by event.

Owns: one message type that every kind's ``Watch…Response`` decodes as, with the objects
left as bytes.  Reason: protobuf keeps all parts of a decoded message in one arena that
lives as long as any part is referenced.  Decoded whole, a single object that an
informer keeps would hold the memory of the hundreds that arrived beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from podraft.api.kinds import Kind
from podraft.api.meta.v1 import requests_pb2

ObjectT = TypeVar("ObjectT", bound=Message)


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[ObjectT]):
    """One change: a bookmark's ``object`` carries only ``metadata.resource_version``."""

    type: requests_pb2.WatchEventType
    object: ObjectT


WatchBatch: TypeAlias = list[WatchEvent[ObjectT]]


def _raw_response() -> type[Message]:
    """Build ``message Response { repeated Event events = 1; }`` with undecoded objects."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="podraft/client/raw_watch.proto", package="podraft.client", syntax="proto3"
    )
    event = file.message_type.add(name="RawWatchEvent")
    event.field.add(name="type", number=1, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    event.field.add(name="object", number=2, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    response = file.message_type.add(name="RawWatchResponse")
    response.field.add(
        name="events",
        number=1,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=".podraft.client.RawWatchEvent",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("podraft.client.RawWatchResponse")
    )


_RawResponse: Any = _raw_response()


def watch_decoder(kind: Kind[ObjectT]) -> Callable[[bytes], WatchBatch[ObjectT]]:
    """Return the function that decodes one response of the kind's watch."""
    decode = kind.message.FromString

    def decode_response(data: bytes) -> WatchBatch[ObjectT]:
        return [
            WatchEvent(event.type, decode(event.object))
            for event in _RawResponse.FromString(data).events
        ]

    return decode_response
