"""Objects as YAML and JSON, laid out as kubectl lays them out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from google.protobuf.message import Message

from podraft.api import views
from podraft.api.characters import in_json, in_yaml, is_safe

_STRING = "tag:yaml.org,2002:str"


def document_of(
    objects: Sequence[Message], *, single: bool, managed_fields: bool = False
) -> dict[str, Any]:
    """Return the document of one object as itself, of several as a ``List``.

    Who manages which field is of little use to people and left out unless it is asked for.
    """
    values = [views.to_json(obj) for obj in objects]
    if not managed_fields:
        for value in values:
            value.get("metadata", {}).pop("managedFields", None)
    if single and len(values) == 1:
        return values[0]
    return {
        "apiVersion": "v1",
        "items": values,
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    }


def as_json(value: Mapping[str, Any]) -> str:
    """Return indented JSON, ending in a newline."""
    return in_json(json.dumps(value, indent=4, ensure_ascii=False, sort_keys=True)) + "\n"


def as_yaml(value: Mapping[str, Any]) -> str:
    """Return block YAML with sorted keys; multi-line texts stay readable."""
    import yaml

    class Dumper(yaml.CSafeDumper):
        """A YAML dumper that writes every value in full, without aliases."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> yaml.Node:
        style = "|" if "\n" in value else None
        # The stubs miss the types of the resolver, which both kinds of dumper have.
        resolved: Any = cast("Any", dumper).resolve(yaml.ScalarNode, value, (True, False))
        # Unquoted, it would be read as a number, a date or the like, or could hold no escapes.
        if resolved != _STRING or not is_safe(value):
            style = '"'
        return dumper.represent_scalar(_STRING, value, style=style)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(
        dict(value), Dumper=Dumper, allow_unicode=True, width=2**20, default_flow_style=False
    )
    return in_yaml(written)


def render(value: Mapping[str, Any], output: str) -> str:
    """Return a value as ``yaml`` or ``json``."""
    return as_yaml(value) if output == "yaml" else as_json(value)
