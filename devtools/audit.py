"""Auditing the releases that podraft is developed with, and the oldest allowed, for known holes.

Owns: running pip-audit on requirement files and reporting its findings.  Invariants: a known hole
fails the run; an index that does not answer is reported, never taken for a clean one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_COMMAND = (sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format=json")
_DEADLINE_S = 300


def main(files: list[str]) -> int:
    """Audit each of the requirement ``files``; return the exit status."""
    holes = 0
    for file in files:
        dependencies = _audited(file)
        if dependencies is None:
            print(f"audit: {Path(file).name}: no advisories could be asked for", file=sys.stderr)
            continue
        unknown = sum("skip_reason" in dependency for dependency in dependencies)
        if unknown:
            print(
                f"audit: {Path(file).name}: the index tells nothing of {unknown} of "
                f"{len(dependencies)} packages",
                file=sys.stderr,
            )
        for dependency in dependencies:
            for hole in dependency.get("vulns", ()):
                holes += 1
                fixed = ", ".join(hole["fix_versions"]) or "no release yet"
                print(
                    f"audit: {dependency['name']} {dependency['version']}: {hole['id']}, "
                    f"mended in: {fixed}",
                    file=sys.stderr,
                )
    return 1 if holes else 0


def _audited(file: str) -> list[dict[str, Any]] | None:
    """Return pip-audit's report on each package; None if it could reach no index."""
    try:
        run = subprocess.run(
            [*_COMMAND, "--requirement", file],
            capture_output=True,
            timeout=_DEADLINE_S,
            check=False,
        )
        found = json.loads(run.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return found if isinstance(found, list) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
