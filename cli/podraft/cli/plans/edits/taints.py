"""Nodes' taints: which words change which, and how.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podraft.api.objects.taints import EFFECTS
from podraft.cli.errors import CliError, usage


@dataclass(frozen=True, slots=True)
class TaintChange:
    """A taint to set, or to remove; without an effect, all taints of the key are removed."""

    key: str
    value: str = ""
    effect: str = ""
    removes: bool = False


def split(arguments: Sequence[str]) -> tuple[list[str], list[TaintChange]]:
    """Return the words that name nodes, and the changes: ``KEY[=VALUE]:EFFECT``, ``KEY[:EFFECT]-``.

    Raises:
        CliError: A change is malformed, or stands twice.
    """
    words: list[str] = []
    changes: list[TaintChange] = []
    for argument in arguments:
        if ":" not in argument and "=" not in argument and not argument.endswith("-"):
            words.append(argument)
            continue
        changes.append(_parsed(argument))
    if not changes:
        raise usage("say which taint: KEY[=VALUE]:EFFECT sets, KEY[:EFFECT]- removes")
    seen = [(change.key, change.effect) for change in changes]
    if len(set(seen)) < len(seen):
        raise usage("a taint is changed twice")
    return words, changes


def _parsed(argument: str) -> TaintChange:
    removes = argument.endswith("-")
    key, colon, effect = argument.removesuffix("-").partition(":")
    key, equals, value = key.partition("=")
    if not key or (removes and equals) or (not removes and not colon) or (colon and not effect):
        raise usage(f'expected KEY[=VALUE]:EFFECT or KEY[:EFFECT]-, got "{argument}"')
    if effect and effect not in EFFECTS:
        raise usage(f'"{argument}": the effect is one of {", ".join(EFFECTS)}')
    return TaintChange(key, value, effect, removes)


def taint(
    value: dict[str, Any], word: str, changes: Sequence[TaintChange], *, overwrite: bool
) -> None:
    """Set and remove a node's taints; ``word`` names it.

    Raises:
        CliError: A taint is not there to be removed, or must not be overwritten.
    """
    spec = value.setdefault("spec", {})
    present: list[dict[str, Any]] = spec.get("taints", [])
    for change in changes:
        meant = [
            one
            for one in present
            if one.get("key") == change.key and change.effect in ("", one.get("effect"))
        ]
        if change.removes and not meant:
            raise CliError(f"{word}: has no taint {change.key}{_suffix(change)}")
        if not change.removes and meant and not overwrite:
            if meant[0].get("value", "") == change.value:
                continue
            raise CliError(
                f"{word}: has the taint {change.key}{_suffix(change)} already; "
                "--overwrite changes it"
            )
        kept = [one for one in present if one not in meant]
        said = {"key": change.key, "effect": change.effect}
        said.update({"value": change.value} if change.value else {})
        present = kept if change.removes else [*kept, said]
    spec["taints"] = present
    if not present:
        del spec["taints"]


def _suffix(change: TaintChange) -> str:
    return f":{change.effect}" if change.effect else ""
