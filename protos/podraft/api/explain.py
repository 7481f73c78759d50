"""The meaning of each field: the contract's own comments, found by JSON path.

Owns: the way from ``pod.spec.containers`` to the comments in the ``.proto``
files, which the build packs with the descriptors.

Invariant: the listed fields are exactly those that the codec reads, with the same
JSON names; inlined messages dissolve into their parents.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from podraft.api import kinds
from podraft.api.apiextensions.v1.json_schema_pb2 import JSONSchemaProps
from podraft.api.codec.forms import form_of, only_field
from podraft.api.codec.write import is_inline
from podraft.api.declared import stored_version
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import options_pb2
from podraft.api.support import reason_of
from podraft.api.violations import InvalidObjectError, shown

_SCALARS = {
    FieldDescriptor.CPPTYPE_INT32: "integer",
    FieldDescriptor.CPPTYPE_INT64: "integer",
    FieldDescriptor.CPPTYPE_BOOL: "boolean",
    FieldDescriptor.CPPTYPE_DOUBLE: "number",
    FieldDescriptor.CPPTYPE_STRING: "string",
    FieldDescriptor.CPPTYPE_ENUM: "string",
}
# JSON writes these messages as a string or a number, so their fields are not shown.
_OPAQUE = frozenset(
    f"podraft.api.meta.v1.{name}" for name in ("Time", "MicroTime", "Quantity", "IntOrString")
)
_RAW, _ITEMS = options_pb2.JSON_RAW, options_pb2.JSON_ITEMS
_API_VERSION = "The group and version of the kind, which tell what its fields mean."
_KIND = "Which kind of object this is."


@dataclass(frozen=True, slots=True)
class FieldDoc:
    """The documentation of one field or of a whole kind.

    ``type`` is the type in a manifest (``string``, ``[]Container``,
    ``map[string]Quantity``); ``comment`` is the field's own, ``type_comment``
    that of the message it holds; ``unsupported`` is why podraft does not act on the
    field, and empty if it does.
    """

    name: str
    type: str
    comment: str
    type_comment: str
    children: tuple[FieldDoc, ...]
    unsupported: str = ""

    def child(self, name: str) -> FieldDoc | None:
        """Return the field of this name, or None."""
        return next((child for child in self.children if child.name == name), None)


def explain(path: str) -> tuple[AnyKind, FieldDoc]:
    """Return the kind and the field that a path such as ``pod.spec.containers.ports`` means.

    Raises:
        InvalidObjectError: There is no such kind or field.
    """
    word, _, rest = path.strip().partition(".")
    kind = kinds.BUILT_IN.by_word(word)
    if kind is None:
        close = difflib.get_close_matches(word.lower()[:64], list(kinds.BUILT_IN.words()), n=1)
        hint = f'did you mean "{close[0]}"?' if close else "try podraft explain pod"
        raise InvalidObjectError.of(word, f"no kind is called {shown(word)}; {hint}")
    return kind, explain_field(kind, rest)


def explain_field(kind: AnyKind, path: str = "") -> FieldDoc:
    """Return the field of a kind at a path of JSON names; for the empty path, the kind itself.

    Raises:
        InvalidObjectError: There is no such field.
    """
    doc = _kind_doc(kind)
    seen = kind.name.lower()
    for name in filter(None, path.split(".")):
        found = doc.child(name)
        if found is None:
            raise InvalidObjectError.of(f"{seen}.{name}", _no_field(name, doc))
        doc, seen = found, f"{seen}.{name}"
    return doc


def _no_field(name: str, doc: FieldDoc) -> str:
    known = [child.name for child in doc.children]
    if not known:
        return f"a {doc.type} has no fields"
    close = difflib.get_close_matches(name[:64], known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known)}"
    return f"no such field; {hint}"


def _kind_doc(kind: AnyKind) -> FieldDoc:
    return _message_doc(kind) if kind.definition is None else _declared_doc(kind)


def _declared_doc(kind: AnyKind) -> FieldDoc:
    """Return what the schema of a declared kind says of it."""
    schema = stored_version(kind.definition).schema.open_api_v3_schema
    of_every_object = [
        child
        for child in _message_doc(kind).children
        if child.name in ("apiVersion", "kind", "metadata")
    ]
    names = {child.name for child in of_every_object}
    own = [child for child in _schema_children(schema) if child.name not in names]
    return FieldDoc(kind.name, "object", schema.description, "", (*of_every_object, *own))


def _schema_children(schema: JSONSchemaProps) -> Iterator[FieldDoc]:
    for name in sorted(schema.properties):
        yield _schema_doc(name, schema.properties[name])


def _schema_doc(name: str, schema: JSONSchemaProps) -> FieldDoc:
    type_, inner = schema.type or "any", schema
    if schema.x_kubernetes_int_or_string:
        type_ = "IntOrString"
    elif schema.items.HasField("schema"):
        inner = schema.items.schema
        type_ = f"[]{inner.type or 'any'}"
    elif schema.additional_properties.HasField("schema"):
        inner = schema.additional_properties.schema
        type_ = f"map[string]{inner.type or 'any'}"
    return FieldDoc(name, type_, schema.description, "", tuple(_schema_children(inner)))


@cache
def _message_doc(kind: AnyKind) -> FieldDoc:
    descriptor = kind.message.DESCRIPTOR
    own = _comments().get(descriptor.full_name, "")
    children = (
        FieldDoc("apiVersion", "string", f'{_API_VERSION} Here "{kind.api_version}".', "", ()),
        FieldDoc("kind", "string", f'{_KIND} Here "{kind.name}".', "", ()),
        *_fields(descriptor),
    )
    return FieldDoc(kind.name, "object", own, own, children)


def _fields(descriptor: Descriptor, above: frozenset[str] = frozenset()) -> Iterator[FieldDoc]:
    """Yield a message's fields; those of a message that contains itself once (``above``)."""
    for field in descriptor.fields:
        if is_inline(field) and field.message_type is not None:
            if form_of(field.message_type) != options_pb2.JSON_MEMBERS:
                yield from _fields(field.message_type, above)
        else:
            yield _field_doc(field, above)


def _field_doc(field: FieldDescriptor, above: frozenset[str]) -> FieldDoc:
    comment = _comments().get(field.full_name, "")
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        inner = message.fields_by_name["value"]
        name = f"map[string]{_type_name(inner)}"
        message = inner.message_type
    else:
        name = f"[]{_type_name(field)}" if field.is_repeated else _type_name(field)
    unsupported = reason_of(field)
    if message is None:
        return FieldDoc(field.json_name, name, comment, "", (), unsupported)
    form = form_of(message)
    if form == options_pb2.JSON_EITHER:
        # An object or something plainer: the object's fields are shown.
        message = next(one.message_type for one in message.fields if one.message_type is not None)
    is_plain = message.full_name in _OPAQUE or form in (_RAW, _ITEMS) or message.full_name in above
    children = () if is_plain else tuple(_fields(message, above | {message.full_name}))
    type_comment = _comments().get(message.full_name, "")
    return FieldDoc(field.json_name, name, comment, type_comment, children, unsupported)


def _type_name(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        match form_of(field.message_type):
            case options_pb2.JSON_RAW:
                return "any"
            case options_pb2.JSON_ITEMS:
                return f"[]{_type_name(only_field(field.message_type))}"
        return field.message_type.name
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "base64"
    return _SCALARS[field.cpp_type]


# ---- Comments -------------------------------------------------------------------------------

_Path: TypeAlias = tuple[int, ...]
_MESSAGE, _NESTED, _FIELD, _SERVICE, _METHOD, _ENUM, _VALUE = 4, 3, 2, 6, 2, 5, 2


def comment_of(full_name: str) -> str:
    """Return the comment of a message, field, enum, value, service or method; empty if absent."""
    return _comments().get(full_name, "")


@cache
def _comments() -> dict[str, str]:
    """Return every comment of the contract, by the full name of the element that it precedes."""
    data = resources.files("podraft.api").joinpath("descriptors.binpb").read_bytes()
    found: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(data).file:
        by_path = {
            tuple(location.path): _cleaned(location.leading_comments)
            for location in file.source_code_info.location
            if location.leading_comments
        }
        for path, full_name in _elements(file.package, file.message_type, (_MESSAGE,)):
            found[full_name] = by_path.get(path, "")
        for index, enum in enumerate(file.enum_type):
            name = f"{file.package}.{enum.name}"
            found[name] = by_path.get((_ENUM, index), "")
            for position, value in enumerate(enum.value):
                comment = by_path.get((_ENUM, index, _VALUE, position), "")
                found[f"{name}.{value.name}"] = comment
        for index, service in enumerate(file.service):
            name = f"{file.package}.{service.name}"
            found[name] = by_path.get((_SERVICE, index), "")
            for position, method in enumerate(service.method):
                comment = by_path.get((_SERVICE, index, _METHOD, position), "")
                found[f"{name}.{method.name}"] = comment
    return found


def _elements(
    scope: str, messages: Sequence[DescriptorProto], prefix: _Path
) -> Iterator[tuple[_Path, str]]:
    for index, message in enumerate(messages):
        if message.options.map_entry:
            continue
        path, name = (*prefix, index), f"{scope}.{message.name}"
        yield path, name
        for position, field in enumerate(message.field):
            yield (*path, _FIELD, position), f"{name}.{field.name}"
        yield from _elements(name, message.nested_type, (*path, _NESTED))


def _cleaned(comment: str) -> str:
    """Return a comment without the blank that follows each ``//``."""
    return "\n".join(line.removeprefix(" ").rstrip() for line in comment.strip("\n").split("\n"))


def all_comments() -> dict[str, str]:
    """Return the comment of every element of the contract; an empty text means none."""
    return dict(_comments())
