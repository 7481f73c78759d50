"""The places in the manifests of what the server refused.  Pure.

A commit's violations name its writes by number, but users know files and lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from podraft.cli.errors import CliError, shorten
from podraft.cli.manifests.items import Item
from podraft.cli.plans.apply_plan import ForeseenConflictsError
from podraft.client.errors import ApiError, ConflictError

NOTHING: Final = "nothing was applied"
_HINT: Final = "  with --force-conflicts the fields are taken from their managers"


def located(error: ApiError, writing: Sequence[Item], nothing: str = NOTHING) -> Exception:
    """Return an error that names the file and line of each object that the server refused."""
    lines = []
    for violation in error.violations:
        match = re.match(r"writes\[(\d+)\]\.?(.*)", violation.field)
        if match is None or int(match[1]) >= len(writing):
            lines.append(f"  {violation.field}: {violation.description}")
            continue
        item, path = writing[int(match[1])], _within_object(match[2])
        where = f"{path}: " if path else ""
        lines.append(f"  {item.at(path)}: {item.word}: {where}{violation.description}")
    # A fault of no field, such as an object that exists already, is reported for the whole write.
    whole = re.match(r"writes\[(\d+)\]: (.*)", error.message or "", re.DOTALL)
    if not lines and whole is not None and int(whole[1]) < len(writing):
        item = writing[int(whole[1])]
        lines.append(f"  {item.at()}: {item.word}: {whole[2]}")
    if not lines:
        return error
    hint = [_HINT] if isinstance(error, ConflictError) and error.violations else []
    return CliError(nothing, *shorten(lines), *hint)


def foreseen(error: ForeseenConflictsError, items: Sequence[Item]) -> CliError:
    """Return the error of conflicts that the server was not asked about."""
    lines = [f"  {items[i].at(v.field)}: {items[i].word}: {v}" for i, v in error.faults]
    return CliError(NOTHING, *shorten(lines), _HINT)


def _within_object(path: str) -> str:
    """Return a violation's path without the parts of the write that contains the object."""
    for prefix in (
        "apply.object.",
        "create.object.",
        "update.object.",
        "patch.request.merge_patch.",
        "patch.",
    ):
        path = path.removeprefix(prefix)
    return path
