"""Containers' environment variables.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from podraft.cli.errors import CliError

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_]")


def set_variables(
    container: dict[str, Any],
    wanted: Mapping[str, Mapping[str, Any] | None],
    *,
    overwrite: bool,
) -> None:
    """Set a container's variables; None removes one.

    Each value is the variable without its name: ``{"value": …}`` or ``{"valueFrom": …}``.

    Raises:
        CliError: A variable is there already, and must not be overwritten.
    """
    present = container.get("env", [])
    for name, said in wanted.items():
        places = [index for index, one in enumerate(present) if one.get("name") == name]
        if said is None:
            present = [one for one in present if one.get("name") != name]
        elif not places:
            present = [*present, {"name": name, **said}]
        elif present[places[0]] != {"name": name, **said}:
            if not overwrite:
                raise CliError(f"the variable {name} is set already; --overwrite changes it")
            present[places[0]] = {"name": name, **said}
    container["env"] = present
    if not present:
        del container["env"]


def from_keys(
    kind_name: str, name: str, keys: Iterable[str], prefix: str, only: Sequence[str]
) -> dict[str, Mapping[str, Any] | None]:
    """Return variables that take their values from the keys of a ConfigMap or Secret.

    Raises:
        CliError: A key that is asked for is not there.
    """
    there = list(keys)
    for key in only:
        if key not in there:
            raise CliError(f'--keys: the {kind_name} "{name}" has no key "{key}"')
    field = "configMapKeyRef" if kind_name == "ConfigMap" else "secretKeyRef"
    return {
        prefix + _NOT_IN_NAMES.sub("_", key).upper(): {
            "valueFrom": {field: {"name": name, "key": key}}
        }
        for key in there
        if not only or key in only
    }


def lines_of(container: Mapping[str, Any]) -> list[str]:
    """Return a container's variables as lines; one that is taken from elsewhere as a comment."""
    return [_line(variable) for variable in container.get("env", [])]


def _line(variable: Mapping[str, Any]) -> str:
    name, source = variable.get("name", ""), variable.get("valueFrom")
    if not source:
        return f"{name}={variable.get('value', '')}"
    for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if field in source:
            named = source[field]
            return f"# {name} from {kind} {named.get('name')}, key {named.get('key')}"
    field, said = next(iter(source.items()))
    return f"# {name} from {said.get('fieldPath') or said.get('resource') or field}"
