"""The objects that a command line's manifests declare: all of them, or none and every fault."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podraft.cli.command_line.targets import Target
from podraft.cli.errors import CliError, shorten
from podraft.cli.manifests import items
from podraft.cli.manifests.items import Item
from podraft.cli.manifests.sources import read_sources
from podraft.cli.output import printing


@dataclass(frozen=True, slots=True)
class Place:
    """The namespace that the user demands, and the one for objects that name none."""

    namespace: str | None
    default_namespace: str


def read_items(
    names: Sequence[str],
    place: Place,
    nothing: str,
    *,
    recursive: bool,
    ignore_unsupported: bool,
) -> list[Item]:
    """Return the objects of files; `nothing` says what has not happened if they are faulty.

    Raises:
        CliError: The files have faults, all of which are named, or declare no object.
    """
    reading = items.read(
        read_sources(names, recursive=recursive),
        place.namespace,
        place.default_namespace,
        ignore_unsupported=ignore_unsupported,
    )
    for warning in reading.warnings:
        printing.warn(warning)
    if reading.faults:
        raise CliError(nothing, *shorten(f"  {fault}" for fault in reading.faults))
    if not reading.items:
        raise CliError(f"no objects in {', '.join(names)}")
    return reading.items


def named_targets(
    names: Sequence[str], place: Place, nothing: str, *, recursive: bool
) -> list[Target]:
    """Return the objects that files name, whatever else they say of them; raise as `read_items`."""
    reading = items.read(
        read_sources(names, recursive=recursive),
        place.namespace,
        place.default_namespace,
        ignore_unsupported=True,
    )
    if reading.faults:
        raise CliError(nothing, *shorten(f"  {fault}" for fault in reading.faults))
    if not reading.items:
        raise CliError(f"no objects in {', '.join(names)}")
    return [Target(item.kind, item.name, item.namespace) for item in reading.items]


def item_of(manifest: Mapping[str, Any], place: Place, nothing: str) -> Item:
    """Return the object of a manifest that a command has made.

    Raises:
        CliError: It is faulty; ``nothing`` says what has not happened.
    """
    reading = items.read([("", json.dumps(manifest))], place.namespace, place.default_namespace)
    # The user has written no file: its lines would help nobody.
    for warning in reading.warnings:
        printing.warn(_without_line(warning))
    if reading.faults:
        faults = (f"  {_without_line(fault)}" for fault in reading.faults)
        raise CliError(nothing, *shorten(faults))
    return reading.items[0]


def _without_line(text: str) -> str:
    return text.split(": ", 1)[-1]
