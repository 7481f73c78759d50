"""The places in the manifests of what the server refused.  Pure.

A commit's violations name its writes by number, but users know files and lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from podraft.cli.errors import CliError, shorten
from podraft.cli.plans.apply_plan import Action
from podraft.client.errors import ApiError


def located(
    error: ApiError, writing: Sequence[Action], nothing: str = "nothing was applied"
) -> Exception:
    """Return an error that names the file and line of each object that the server refused."""
    lines = []
    for violation in error.violations:
        match = re.match(r"writes\[(\d+)\]\.?(.*)", violation.field)
        if match is None or int(match[1]) >= len(writing):
            lines.append(f"  {violation.field}: {violation.description}")
            continue
        item, path = writing[int(match[1])].item, _within_object(match[2])
        where = f"{path}: " if path else ""
        lines.append(f"  {item.at(path)}: {item.word}: {where}{violation.description}")
    # A fault of no field, such as an object that exists already, is reported for the whole write.
    whole = re.match(r"writes\[(\d+)\]: (.*)", error.message or "", re.DOTALL)
    if not lines and whole is not None and int(whole[1]) < len(writing):
        item = writing[int(whole[1])].item
        lines.append(f"  {item.at()}: {item.word}: {whole[2]}")
    if not lines:
        return error
    return CliError(nothing, *shorten(lines))


def _within_object(path: str) -> str:
    """Return a violation's path without the parts of the write that contains the object."""
    for prefix in ("create.object.", "update.object.", "patch.request.merge_patch.", "patch."):
        path = path.removeprefix(prefix)
    return path
