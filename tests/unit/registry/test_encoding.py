"""What is composed from bytes decodes to the message that it stands for."""

import pytest
from google.protobuf.any_pb2 import Any
from hypothesis import given
from hypothesis import strategies as st

from podraft.api.cluster.v1.commit_pb2 import CommitResponse
from podraft.api.core.v1.config_map_service_pb2 import WatchConfigMapsResponse
from podraft.api.core.v1.config_pb2 import ConfigMap, ConfigMapList
from podraft.api.meta.v1.meta_pb2 import ListMeta, ObjectMeta
from podraft.server.registry import encoding
from podraft.server.registry.errors import RefusedError
from podraft.server.registry.pages import Continuation
from podraft.server.state.revisions import revision_suffix

texts = st.text(max_size=300)
revisions = st.integers(1, 2**63 - 1)


def config_map(name, data):
    return ConfigMap(metadata=ObjectMeta(name=name), data={"key": data})


@given(st.lists(st.tuples(texts, texts, revisions), max_size=5), revisions)
def test_a_list_of_stored_values_is_the_list_of_their_objects(items, revision):
    values, expected = [], []
    for name, data, written in items:
        message = config_map(name, data)
        values.append(message.SerializeToString() + revision_suffix(written))
        message.metadata.resource_version = str(written)
        expected.append(message)
    metadata = ListMeta(resource_version=str(revision))
    decoded = ConfigMapList.FromString(encoding.encode_list(values, metadata).joined())
    assert decoded == ConfigMapList(metadata=metadata, items=expected)


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 4]), texts), max_size=5))
def test_encoded_events_join_to_one_response(events):
    data = b"".join(
        encoding.encode_event(kind, config_map(name, "x").SerializeToString())
        for kind, name in events
    )
    decoded = WatchConfigMapsResponse.FromString(data)
    assert [(e.type, e.object) for e in decoded.events] == [
        (kind, config_map(name, "x")) for kind, name in events
    ]


@given(revisions)
def test_a_bookmark_carries_its_revision(revision):
    (event,) = WatchConfigMapsResponse.FromString(encoding.encode_bookmark(revision)).events
    assert event.type == encoding.BOOKMARK
    assert event.object == ConfigMap(metadata=ObjectMeta(resource_version=str(revision)))


@given(texts)
def test_an_encoded_any_unpacks(data):
    message = config_map("a", data)
    packed = Any()
    packed.Pack(message)
    encoded = encoding.encode_any(2, packed.type_url, message.SerializeToString())
    (found,) = CommitResponse.FromString(encoded).objects
    unpacked = ConfigMap()
    assert found.Unpack(unpacked)
    assert unpacked == message


@given(st.integers(0, 2**64 - 1))
def test_varints_have_seven_bits_a_byte(number):
    encoded = encoding.varint(number)
    assert sum((byte & 0x7F) << 7 * index for index, byte in enumerate(encoded)) == number
    assert [byte > 0x7F for byte in encoded] == [True] * (len(encoded) - 1) + [False]


@given(revisions, st.binary(max_size=50))
def test_a_continuation_survives_the_way_to_the_client(revision, rest):
    token = Continuation(revision, b"pods/a/" + rest)
    assert Continuation.decode(token.encode(b"key"), b"key") == token
    for sealed in (token.encode(b"another"), token.encode(b"key")[:-3]):
        with pytest.raises(RefusedError, match="continueToken"):
            Continuation.decode(sealed, b"key")
