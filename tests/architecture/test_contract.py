"""The contract keeps its one shape, and Kubernetes' numbers, types and JSON names."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.descriptor_pool import Default

from podraft.api import explain, kinds
from podraft.api.authentication.v1 import token_request_pb2
from podraft.api.autoscaling.v1 import metrics_pb2, scale_pb2
from podraft.api.codec import merging
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import options_pb2
from podraft.api.policy.v1 import eviction_pb2

META = "podraft.api.meta.v1"
AUTOSCALING = "podraft.api.autoscaling.v1"
FIELDS = Path(__file__).with_name("kubernetes_fields.tsv")

# Messages that belong to no kind's service are known once their modules are imported.
OF_NO_KIND = (metrics_pb2, scale_pb2, eviction_pb2, token_request_pb2)

all_kinds = pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.name)


class Shape(NamedTuple):
    request: str
    response: str
    streams: bool


def expected_methods(kind: AnyKind) -> dict[str, Shape]:
    package = kind.message.DESCRIPTOR.file.package
    name, plural = kind.name, kind.plural_name
    message = kind.message.DESCRIPTOR.full_name
    update = Shape(f"{package}.Update{name}Request", message, False)
    methods = {
        f"Create{name}": Shape(f"{package}.Create{name}Request", message, False),
        f"Get{name}": Shape(f"{META}.GetRequest", message, False),
        f"List{plural}": Shape(f"{META}.ListRequest", f"{message}List", False),
        f"Watch{plural}": Shape(f"{META}.WatchRequest", f"{package}.Watch{plural}Response", True),
        f"Update{name}": update,
        f"Patch{name}": Shape(f"{META}.PatchRequest", message, False),
        f"Apply{name}": Shape(f"{package}.Apply{name}Request", message, False),
        f"Delete{name}": Shape(f"{META}.DeleteRequest", message, False),
    }
    if kind.has_status:
        methods[f"Update{name}Status"] = update
    if kind.scale is not None:
        assert "scale" in kind.subresources
        scale = f"{AUTOSCALING}.Scale"
        methods |= {
            f"Get{name}Scale": Shape(f"{META}.GetRequest", scale, False),
            f"Update{name}Scale": Shape(f"{AUTOSCALING}.UpdateScaleRequest", scale, False),
            f"Patch{name}Scale": Shape(f"{META}.PatchRequest", scale, False),
        }
    if "deletecollection" in kind.verbs:
        methods[f"Delete{name}Collection"] = Shape(
            f"{META}.DeleteCollectionRequest", f"{META}.DeleteCollectionResponse", False
        )
    return methods


def methods_of(kind: AnyKind) -> Any:
    service = kind.service_module.DESCRIPTOR.services_by_name[f"{kind.name}Service"]
    assert service.full_name == kind.service
    return service.methods_by_name


def shape(method: MethodDescriptor) -> Shape:
    assert not method.client_streaming, method.full_name
    streams = bool(method.server_streaming)
    return Shape(method.input_type.full_name, method.output_type.full_name, streams)


@all_kinds
def test_every_kinds_service_has_the_one_shape(kind: AnyKind) -> None:
    methods = methods_of(kind)
    extra = {method.name for method in kind.extra_methods}
    found = {name: shape(methods[name]) for name in methods if name not in extra}
    assert found == expected_methods(kind)
    assert extra <= set(methods)


@pytest.mark.parametrize("kind", kinds.BUILT_IN.answered(), ids=lambda kind: kind.name)
def test_a_kind_that_is_answered_is_created_and_nothing_else(kind: AnyKind) -> None:
    method = f"Create{kind.name}"
    assert {name: shape(found) for name, found in methods_of(kind).items()} == {
        method: expected_methods(kind)[method]
    }
    wanted = {kind.field: (1, kind.message_name), "options": (2, f"{META}.WriteOptions")}
    assert fields(kind.create_request.DESCRIPTOR) == wanted
    assert kind not in list(kinds.BUILT_IN)
    assert kinds.BUILT_IN.by_manifest(kind.api_version, kind.name) is None
    assert kinds.BUILT_IN.by_word(kind.resource) is None


@all_kinds
def test_the_table_names_methods_that_exist(kind: AnyKind) -> None:
    verbs = ["Create", "Get", "List", "Watch", "Update", "Patch", "Apply", "Delete"]
    verbs += ["UpdateStatus"] if kind.has_status else []
    verbs += ["GetScale", "UpdateScale", "PatchScale"] if kind.scale is not None else []
    verbs += ["DeleteCollection"] if "deletecollection" in kind.verbs else []
    for verb in verbs:
        service, _, method = kind.method(verb).removeprefix("/").partition("/")
        assert service == kind.service
        assert method in methods_of(kind)


def fields(descriptor: Any) -> dict[str, tuple[int, str]]:
    return {
        field.name: (field.number, field.message_type.full_name if field.message_type else "")
        for field in descriptor.fields
    }


@all_kinds
def test_requests_events_and_lists_have_the_one_shape(kind: AnyKind) -> None:
    message = kind.message.DESCRIPTOR.full_name
    package = kind.message.DESCRIPTOR.file.package
    wanted = {kind.field: (1, message), "options": (2, f"{META}.WriteOptions")}
    assert fields(kind.create_request.DESCRIPTOR) == wanted
    assert fields(kind.update_request.DESCRIPTOR) == wanted
    applying = {"force": (3, ""), "subresource": (4, ""), "only_create": (5, "")}
    assert fields(kind.apply_request.DESCRIPTOR) == wanted | applying
    event = f"{package}.{kind.name}WatchEvent"
    assert fields(kind.watch_response.DESCRIPTOR) == {"events": (1, event)}
    event_fields = fields(Default().FindMessageTypeByName(event))
    assert event_fields == {"type": (1, ""), "object": (2, message)}
    assert fields(kind.list_message.DESCRIPTOR) == {
        "metadata": (1, f"{META}.ListMeta"),
        "items": (2, message),
    }


@all_kinds
def test_every_object_has_metadata_first_and_status_where_the_table_says_so(kind: AnyKind) -> None:
    names = {field.name: field.number for field in kind.message.DESCRIPTOR.fields}
    assert names["metadata"] == 1
    assert ("status" in names) is kind.has_status


def test_words_name_one_kind_each() -> None:
    for kind in kinds.BUILT_IN:
        for word in (kind.resource, kind.name.lower(), *kind.short_names):
            assert kinds.BUILT_IN.by_word(word) is kind
        assert kinds.BUILT_IN.by_manifest(kind.api_version, kind.name) is kind


# ---- Kubernetes' facts ----------------------------------------------------------------------


class Fact(NamedTuple):
    label: str
    type: str
    name: str
    merging: str


def facts() -> dict[str, dict[int, Fact]]:
    found: dict[str, dict[int, Fact]] = defaultdict(dict)
    for line in FIELDS.read_text().splitlines():
        if line.startswith(("#", "package\t")):
            continue
        package, message, number, *fact = line.split("\t")
        found[f"podraft.api.{package}.{message}"][int(number)] = Fact(*fact)
    return found


FACTS = facts()
SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_DOUBLE: "double",
}


LIST_TYPES = {options_pb2.LIST_SET: "set", options_pb2.LIST_MAP: "map"}
PATCH_STRATEGIES = {
    options_pb2.PATCH_REPLACE: "replace",
    options_pb2.PATCH_MERGE: "merge",
    options_pb2.PATCH_RETAIN_KEYS: "retainKeys",
}


def type_name(field: FieldDescriptor) -> str:
    return field.message_type.name if field.message_type is not None else SCALARS[field.type]


def fact_of(field: FieldDescriptor) -> Fact:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        key, value = message.fields_by_name["key"], message.fields_by_name["value"]
        types = f"map<{type_name(key)}, {type_name(value)}>"
        return Fact("map", types, field.json_name, merging_of(field))
    label = "repeated" if field.is_repeated else "optional"
    return Fact(label, type_name(field), field.json_name, merging_of(field))


def merging_of(field: FieldDescriptor) -> str:
    """Return what the field's options say, in the words of the facts."""
    options = field.GetOptions()
    merge = options.Extensions[options_pb2.merge]
    words = [f"listType={LIST_TYPES[merge.list]}"] if merge.list else []
    words += [f"listMapKey={key}" for key in merge.keys]
    if merge.patch:
        words.append(f"patchStrategy={','.join(PATCH_STRATEGIES[one] for one in merge.patch)}")
    if options_pb2.PATCH_MERGE in merge.patch and (merge.patch_key or merge.keys):
        words.append(f"patchMergeKey={merge.patch_key or merge.keys[0]}")
    default = options.Extensions[options_pb2.default_value]
    return " ".join([*words, f"default={default}"] if default else words)


def without_package(fact: Fact) -> Fact:
    if fact.label == "map":
        return fact._replace(type=re.sub(r"[a-z]\w*\.", "", fact.type))
    return fact._replace(type=fact.type.rpartition(".")[2])


@pytest.mark.parametrize("message", sorted(FACTS))
def test_fields_have_kubernetes_numbers_types_names_and_merge_as_there(message: str) -> None:
    descriptor = Default().FindMessageTypeByName(message)
    known = FACTS[message]
    for field in descriptor.fields:
        assert field.number in known, f"{field.full_name}: Kubernetes has no such number"
        assert fact_of(field) == without_package(known[field.number]), field.full_name


# Fields that no message has, and why; their numbers are reserved.
ABSENT = {
    f"{META}.ListMeta.selfLink": "Kubernetes does not fill it in any more",
    f"{META}.ListMeta.shardInfo": "it is about parts of lists, which are not generally available",
    f"{META}.ObjectMeta.selfLink": "Kubernetes does not fill it in any more",
}


@pytest.mark.parametrize("message", sorted(FACTS))
def test_every_published_field_is_there_or_reserved_with_a_reason(message: str) -> None:
    descriptor = Default().FindMessageTypeByName(message)
    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    reserved = {n for span in proto.reserved_range for n in range(span.start, span.end)}
    ours = {field.number for field in descriptor.fields}
    missing = {fact.name for number, fact in FACTS[message].items() if number not in ours}
    assert missing == {name for name in missing if f"{message}.{name}" in ABSENT}
    assert reserved == {n for n, fact in FACTS[message].items() if fact.name in missing}


def test_every_absent_field_is_one_that_kubernetes_has_and_podraft_has_not() -> None:
    known = {f"{name}.{fact.name}" for name in FACTS for fact in FACTS[name].values()}
    ours = {
        f"{name}.{field.json_name}"
        for name in FACTS
        for field in Default().FindMessageTypeByName(name).fields
    }
    assert known - ours == ABSENT.keys()


@pytest.mark.parametrize("message", sorted(FACTS))
def test_scalars_have_presence_so_that_an_explicit_zero_survives(message: str) -> None:
    for field in Default().FindMessageTypeByName(message).fields:
        assert field.is_repeated or field.has_presence, field.full_name


def test_every_message_below_a_kind_is_covered_by_a_fact() -> None:
    seen: set[str] = set()

    def visit(descriptor: Any) -> None:
        if descriptor.full_name in seen:
            return
        seen.add(descriptor.full_name)
        for field in descriptor.fields:
            if field.message_type is not None:
                visit(field.message_type)

    for kind in kinds.BUILT_IN:
        visit(kind.list_message.DESCRIPTOR)
    for kind in kinds.BUILT_IN.answered():
        visit(kind.message.DESCRIPTOR)
    # There is nothing to compare of a map's entry and of a message without fields.
    entries = {
        name
        for name in seen
        if name.endswith("Entry") or not Default().FindMessageTypeByName(name).fields
    }
    assert seen - entries - set(FACTS) == set()


def test_every_key_of_a_list_is_a_field_of_its_elements() -> None:
    for message in FACTS:
        for field in Default().FindMessageTypeByName(message).fields:
            keys = field.GetOptions().Extensions[options_pb2.merge].keys
            for key in keys:
                assert merging.below(field, key) is not None, (field.full_name, key)


@all_kinds
def test_fields_that_go_with_a_type_are_fields(kind: AnyKind) -> None:
    for typed in kind.typed_fields:
        assert explain.explain_field(kind, typed.type).type == "string"
        assert explain.explain_field(kind, typed.field).comment
