"""A copy of the project with the kind that ``docs/adding-a-kind.md`` adds, and nothing else new.

Owns: reading the page's blocks, putting each where its first line says, generating the code.
Processes that get `ExtendedProject.environment` run the copy in place of the project.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/adding-a-kind.md"
PARTS = ("protos", "client", "server", "agent", "cli", "devtools")
_BLOCK = re.compile(r"^```(?:proto|python)\n(?://|#) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LISTED = re.compile(r"^KINDS: .* = \(", re.MULTILINE)
_ENTRY = re.compile(r"^([A-Z_]+) = Kind\($", re.MULTILINE)


def blocks() -> dict[str, str]:
    """Return the page's blocks by the files that they belong to."""
    return dict(_BLOCK.findall(PAGE.read_text()))


@dataclass(frozen=True)
class ExtendedProject:
    """Where the copy is."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """What lets a process of this machine's Python run the copy."""
        own = [str(self.root / part) for part in PARTS]
        return {**os.environ, "PYTHONPATH": os.pathsep.join([*own, str(ROOT / "tests")])}


def extended(root: Path) -> ExtendedProject:
    """Return the project's copy, made in ``root``."""
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__", "descriptors.binpb")
        shutil.copytree(ROOT / part, root / part, ignore=ignored)
    # The generator writes what the kinds have and lack to a page.
    (root / "docs").mkdir()
    for name, text in blocks().items():
        path = root / name
        if path.exists():
            path.write_text(_with_entry(path.read_text(), text))
        else:
            path.parent.mkdir(parents=True)
            path.write_text(text)
    project = ExtendedProject(root)
    _generate(project)
    return project


def _with_entry(registry: str, entry: str) -> str:
    """Return a module of the registry with an entry before its list, and in that."""
    listed, name = _LISTED.search(registry), _ENTRY.search(entry)
    assert listed is not None
    assert name is not None
    before, after = registry[: listed.start()], registry[listed.end() :]
    return f"{before}{entry}\n{listed.group()}{name.group(1)}, {after}"


def _generate(project: ExtendedProject) -> None:
    done = subprocess.run(
        [sys.executable, project.root / "protos/generate.py"],
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
