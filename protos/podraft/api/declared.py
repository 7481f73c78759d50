"""The kinds that CustomResourceDefinitions declare.

Owns: what a definition's kind is: its names and the types of its messages, which are those of
``custom_object.proto`` under the kind's name.

Invariant: the messages of a group, version and kind are always the same, whatever their schema, so
that a changed definition needs no new types and what is stored stays readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from podraft.api.apiextensions.v1.custom_resource_definition_pb2 import (
    CustomResourceDefinition,
    CustomResourceDefinitionVersion,
)
from podraft.api.custom.v1 import custom_object_pb2
from podraft.api.kinds import BUILT_IN_GROUPS
from podraft.api.kinds.kind import VERBS, AnyKind, Kind, Order, field_of, plural_of
from podraft.api.objects.deletion import is_deleting

_TEMPLATE: Final = "CustomObject"
_TEMPLATE_FIELD: Final = "custom_object"
_NO_CREATION: Final = tuple(verb for verb in VERBS if verb != "create")
# What a kind's name may be, so that messages and methods can bear it.
KIND_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")


def stored_version(definition: CustomResourceDefinition) -> CustomResourceDefinitionVersion:
    """Return the version in which the objects of a valid definition are stored."""
    return next(version for version in definition.spec.versions if version.storage)


def kind_of(definition: CustomResourceDefinition) -> AnyKind:
    """Return the kind that a valid definition declares, in the version of its stored objects.

    Of one that is being deleted no more objects can be created.
    """
    spec, version = definition.spec, stored_version(definition)
    namespaced = spec.scope == "Namespaced"
    metadata = ("metadata.name", "metadata.namespace") if namespaced else ("metadata.name",)
    declared = CustomResourceDefinition()
    declared.CopyFrom(definition)
    return Kind(
        message=_message(spec.group, version.name, spec.names.kind, spec.names.plural),
        api_version=f"{spec.group}/{version.name}",
        resource=spec.names.plural,
        short_names=tuple(spec.names.short_names),
        namespaced=namespaced,
        order=Order.RECORDS,
        subresources=("status",) if version.subresources.HasField("status") else (),
        verbs=_NO_CREATION if is_deleting(definition.metadata) else VERBS,
        categories=tuple(spec.names.categories),
        selectable_fields=metadata,
        counts_generations=True,
        custom=True,
        definition=declared,
    )


def kinds_of(definitions: Iterable[CustomResourceDefinition]) -> Iterator[AnyKind]:
    """Yield the kinds that definitions declare; of a damaged one, none."""
    for definition in definitions:
        spec = definition.spec
        is_whole = any(version.storage for version in spec.versions)
        if is_whole and spec.group not in BUILT_IN_GROUPS and KIND_NAME.fullmatch(spec.names.kind):
            yield kind_of(definition)


def says_same(kind: AnyKind, other: AnyKind) -> bool:
    """Return whether two kinds are declared alike: same names, same schema, both to stay or not."""
    return kind.definition.spec == other.definition.spec and kind.verbs == other.verbs


def _message(group: str, version: str, name: str, plural: str) -> type[Message]:
    """Return the type of the objects of a kind; it is made once."""
    package = f"podraft.custom.{_word(group)}.{_word(version)}.{name.lower()}"
    path = f"{package.replace('.', '/')}/{plural}.proto"
    pool: Any = Default()
    try:
        file = pool.FindFileByName(path)
    except KeyError:
        pool.AddSerializedFile(_file(path, package, name, plural).SerializeToString())
        file = pool.FindFileByName(path)
    return GetMessageClass(file.message_types_by_name[name])


def _word(text: str) -> str:
    """Return a DNS name as a word of a package; no two have the same."""
    word = text.replace("-", "__").replace(".", "_")
    return word if word[0].isalpha() else f"n_{word}"


def _file(path: str, package: str, name: str, plural: str) -> FileDescriptorProto:
    file = FileDescriptorProto()
    custom_object_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = path, package
    file.ClearField("source_code_info")
    words = {"CustomObjects": plural_of(name, plural), _TEMPLATE: name}
    for message in file.message_type:
        message.name = _renamed(message.name, words)
        _rename_fields(message, package, field_of(name), words)
    return file


def _rename_fields(
    message: DescriptorProto, package: str, object_field: str, words: dict[str, str]
) -> None:
    for field in message.field:
        if field.name == _TEMPLATE_FIELD:
            field.name = object_field
            field.ClearField("json_name")
        prefix, _, type_name = field.type_name.rpartition(".")
        if prefix == ".podraft.api.custom.v1":
            field.type_name = f".{package}.{_renamed(type_name, words)}"


def _renamed(name: str, words: dict[str, str]) -> str:
    for template, word in words.items():
        if template in name:
            return name.replace(template, word)
    return name
