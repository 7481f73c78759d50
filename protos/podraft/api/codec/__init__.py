"""The codec: objects of the contract as Kubernetes writes them in JSON and YAML.

Owns: the conversion between a manifest's mapping and a message: ``apiVersion``
and ``kind``, lists, bounded JSON text.  ``write`` and ``read`` handle fields,
``merge_patches`` merge patches.

Invariants: no part of a manifest is dropped silently (a value without a field in
the message is a violation); reading what was written gives the same message.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from google.protobuf.message import Message

from podraft.api.codec import json_text
from podraft.api.codec.json_text import JSON_BYTES_MAX
from podraft.api.codec.merge_patches import create_merge_patch, merge_patch
from podraft.api.codec.read import TYPE_META, VALUES_MAX, Report, read_message
from podraft.api.codec.values import described
from podraft.api.codec.write import write
from podraft.api.kinds import BUILT_IN, AnyKind, KnownKinds
from podraft.api.violations import InvalidObjectError, Violation, shown

__all__ = [
    "to_json",
    "from_json",
    "parse",
    "decode_json",
    "kind_of_manifest",
    "merge_patch",
    "create_merge_patch",
    "JSON_BYTES_MAX",
]

MessageT = TypeVar("MessageT", bound=Message)

_NONE: frozenset[str] = frozenset()


def to_json(message: Message, known: KnownKinds = BUILT_IN) -> dict[str, Any]:
    """Return the JSON object of a message; an object or list of a kind includes its ``kind``."""
    full_name = message.DESCRIPTOR.full_name
    kind = known.by_message_name(full_name)
    if kind is not None:
        return {"apiVersion": kind.api_version, "kind": kind.name, **write(message)}
    listed = _listed(full_name, known)
    if listed is None:
        return write(message)
    body = write(message)
    body.setdefault("metadata", {})
    body.setdefault("items", [])
    return {"apiVersion": listed.api_version, "kind": f"{listed.name}List", **body}


def from_json(manifest: Mapping[str, Any], known: KnownKinds = BUILT_IN) -> Message:
    """Return the object or list that a manifest describes.

    Raises:
        InvalidObjectError: The manifest has faults, all of which it names, or an unknown kind.

    """
    return parse(_message_type(manifest, known), manifest, known=known)


def kind_of_manifest(manifest: Mapping[str, Any], known: KnownKinds = BUILT_IN) -> AnyKind:
    """Return the kind of object that a manifest describes.

    Raises:
        InvalidObjectError: ``apiVersion`` or ``kind`` is absent or unknown.

    """
    api_version, name = _type_meta(manifest)
    kind = known.by_manifest(api_version, name)
    if kind is None:
        raise _unknown_kind(api_version, name, known)
    return kind


def parse(
    message_type: type[MessageT],
    mapping: Mapping[str, Any],
    path: str = "",
    *,
    values_max: int = VALUES_MAX,
    known: KnownKinds = BUILT_IN,
) -> MessageT:
    """Return the message that a JSON object describes; violations' fields begin with ``path``.

    Raises:
        InvalidObjectError: The object has faults, or more than ``values_max`` values.

    """
    message = message_type()
    report = Report(values_max)
    full_name = message.DESCRIPTOR.full_name
    listed = _listed(full_name, known)
    if listed is not None:
        _check_type_meta(mapping, listed.api_version, f"{listed.name}List", path, report)
        _read_list(message, listed, mapping, path, report)
    elif (kind := known.by_message_name(full_name)) is not None:
        _check_type_meta(mapping, kind.api_version, kind.name, path, report)
        read_message(message, mapping, path, report, TYPE_META)
    else:
        read_message(message, mapping, path, report)
    report.raise_if_any()
    return message


def decode_json(data: bytes | str) -> dict[str, Any]:
    """Return the JSON object in ``data``; duplicate keys, excessive size and depth are faults.

    Raises:
        InvalidObjectError: The text is not a valid JSON object.

    """
    value = json_text.decode(data)
    if not isinstance(value, dict):
        raise InvalidObjectError.of("", f"expected object, got {described(value)}")
    return value


def _listed(full_name: str, known: KnownKinds) -> AnyKind | None:
    """Return the kind whose list a message is; None if it is not a list."""
    name = full_name.removesuffix("List")
    return known.by_message_name(name) if name != full_name else None


def _read_list(
    message: Message, kind: AnyKind, mapping: Mapping[str, Any], path: str, report: Report
) -> None:
    """Read a list whose items may, but need not, repeat their ``apiVersion`` and ``kind``."""
    prefix = f"{path}." if path else ""
    items = mapping.get("items")
    rest = {key: value for key, value in mapping.items() if key != "items"}
    read_message(message, rest, path, report, TYPE_META)
    if items is None:
        return
    if not isinstance(items, list | tuple):
        report.add(f"{prefix}items", f"expected list, got {described(items)}")
        return
    target: Any = message
    for index, item in enumerate(items):
        item_path = f"{prefix}items[{index}]"
        if isinstance(item, Mapping):
            _check_type_meta(item, kind.api_version, kind.name, item_path, report)
        read_message(target.items.add(), item, item_path, report, TYPE_META)


def _check_type_meta(
    mapping: object, api_version: str, name: str, path: str, report: Report
) -> None:
    if not isinstance(mapping, Mapping):
        return
    prefix = f"{path}." if path else ""
    for key, expected in (("apiVersion", api_version), ("kind", name)):
        found = mapping.get(key)
        if found is not None and found != expected:
            report.add(f"{prefix}{key}", f'expected "{expected}", got {described(found)}')


def _type_meta(manifest: Mapping[str, Any]) -> tuple[str, str]:
    if not isinstance(manifest, Mapping):
        raise InvalidObjectError.of("", f"expected object, got {described(manifest)}")
    violations = []
    for key, example in (("apiVersion", "apps/v1"), ("kind", "Deployment")):
        value = manifest.get(key)
        if value is None or value == "":
            violations.append(Violation(key, f'is required, for example "{example}"'))
        elif not isinstance(value, str):
            violations.append(Violation(key, f"expected string, got {described(value)}"))
    if violations:
        raise InvalidObjectError(violations)
    return manifest["apiVersion"], manifest["kind"]


def _message_type(manifest: Mapping[str, Any], known: KnownKinds) -> type[Message]:
    api_version, name = _type_meta(manifest)
    kind = known.by_manifest(api_version, name)
    if kind is not None:
        message: type[Message] = kind.message
        return message
    if name.endswith("List"):
        listed = known.by_manifest(api_version, name.removesuffix("List"))
        if listed is not None:
            return listed.list_message
    raise _unknown_kind(api_version, name, known)


def _unknown_kind(api_version: str, name: str, known: KnownKinds) -> InvalidObjectError:
    same_name = [kind.api_version for kind in known if kind.name == name]
    if same_name:
        expected = _either(same_name)
        return InvalidObjectError.of(
            "apiVersion", f"kind {name} has the apiVersion {expected}, got {shown(api_version)}"
        )
    names = [kind.name for kind in known]
    close = difflib.get_close_matches(name[:64], names, n=1, cutoff=0.6)
    hint = f'did you mean "{close[0]}"?' if close else f"known: {', '.join(names)}"
    problem = (
        f"unknown kind {shown(name)} in {shown(api_version)}, or one that podraft does not support"
    )
    return InvalidObjectError.of("kind", f"{problem}; {hint}")


def _either(options: Iterable[str]) -> str:
    return " or ".join(f'"{option}"' for option in options)
