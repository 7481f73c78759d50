"""The changes that applying makes to an object, as a unified diff.  Pure.

Invariant: no value of a Secret is shown, only that it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import unified_diff
from typing import Any

from podraft.api import codec
from podraft.cli.manifests.unsaid import without_unsaid
from podraft.cli.output.documents import as_yaml
from podraft.cli.plans.differences import respelt


def difference(word: str, before: Any, after: Any) -> list[str]:
    """Return the lines of a unified diff between two states of an object."""
    old, new = _shown(before), _shown(respelt(before, after))
    _hide_secrets(old, new)
    before_lines, after_lines = (as_yaml(v).splitlines() if v else [] for v in (old, new))
    names = (f"live/{word}", f"applied/{word}")
    return list(unified_diff(before_lines, after_lines, *names, lineterm=""))


def _shown(obj: Any) -> dict[str, Any]:
    """Return the part of an object that users declare."""
    return {} if obj is None else without_unsaid(codec.to_json(obj))


def _hide_secrets(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Replace a Secret's values, in place, by words that show only whether they differ."""
    if "Secret" not in (old.get("kind"), new.get("kind")):
        return
    before, after = old.get("data", {}), new.get("data", {})
    changed = {key for key in before if key in after and before[key] != after[key]}
    for value, data, note in ((old, before, "before"), (new, after, "after")):
        if data:
            value["data"] = _hidden(data, changed, note)


def _hidden(data: Mapping[str, str], changed: Iterable[str], note: str) -> dict[str, str]:
    return {key: f"*** ({note})" if key in changed else "***" for key in data}
