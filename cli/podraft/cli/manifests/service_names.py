"""Warnings about service names used as hosts, which need a cluster DNS.  Pure.

Kubernetes resolves `api` and `api.shop.svc` inside pods; podraft does not yet.  A workload with
these names is accepted and runs, but finds no host, so its author is warned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from podraft.api import kinds
from podraft.cli.manifests.items import Item

_LABEL = "[a-z0-9-]{1,63}"
_QUALIFIED = re.compile(rf"(?<![\w.-])({_LABEL})\.{_LABEL}\.svc(?![\w-])")
# A name after a scheme or user, or before a port.
_HOST = re.compile(rf"(//|@|^|[\s,;=\"'])({_LABEL})(:[0-9]{{1,5}}\b)?(?![\w.-])")
_HOST_VARIABLE = re.compile(r"HOST|ADDR|URL|SERVER|SERVICE|ENDPOINT|UPSTREAM|BACKEND")
_CHARACTERS_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that a container reads; `variable` is the one whose value it is."""

    path: str
    text: str
    variable: str = ""


def warnings(items: Sequence[Item]) -> list[str]:
    """Return a line about the first value that names a service as a host, if there is one."""
    services = {item.name for item in items if item.kind is kinds.SERVICE}
    found = [
        (item, text.path, name)
        for item in items
        for text in _texts(item)
        if (name := _named(text, services)) is not None
    ]
    if not found:
        return []
    item, path, name = found[0]
    more = f" (and {len(found) - 1} more such values)" if len(found) > 1 else ""
    prefix = name.upper().replace("-", "_")
    return [
        f'{item.at(path)}: {item.word}: {path} has the service "{name}" as a host{more}, but there '
        f"is no cluster DNS: use $({prefix}_SERVICE_HOST), or the service's cluster IP"
    ]


def _named(text: _Text, services: Set[str]) -> str | None:
    content = text.text[:_CHARACTERS_MAX]
    if (qualified := _QUALIFIED.search(content)) is not None:
        return qualified[1]
    if content in services and _HOST_VARIABLE.search(text.variable.upper()):
        return content
    for before, name, port in _HOST.findall(content) if services else ():
        if name in services and (before in ("//", "@") or port):
            return str(name)
    return None


def _texts(item: Item) -> Iterator[_Text]:
    spec = item.value.get("spec", {})
    if item.kind is kinds.CONFIG_MAP:
        for key, text in item.value.get("data", {}).items():
            yield _Text(f"data[{key}]", text)
    elif item.kind is kinds.POD:
        yield from _of_pod(spec, "spec")
    elif isinstance(template := spec.get("template"), Mapping):
        yield from _of_pod(template.get("spec", {}), "spec.template.spec")


def _of_pod(spec: Mapping[str, Any], path: str) -> Iterator[_Text]:
    for name in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(name, ())):
            yield from _of_container(container, f"{path}.{name}[{index}]")


def _of_container(container: Mapping[str, Any], path: str) -> Iterable[_Text]:
    for index, variable in enumerate(container.get("env", ())):
        yield _Text(f"{path}.env[{index}].value", variable.get("value", ""), variable["name"])
    for name in ("command", "args"):
        for index, word in enumerate(container.get(name, ())):
            yield _Text(f"{path}.{name}[{index}]", word)
