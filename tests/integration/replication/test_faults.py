"""Three real servers with networks and disks of their own, disturbed while clients work.

``./dev faults --minutes N --seed S`` does the same for longer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MINUTES = 0.5


@pytest.mark.root
def test_members_keep_their_promises_through_kills_freezes_full_disks_and_cut_links() -> None:
    seed = int(os.environ.get("PODRAFT_SEED", "4"))
    command = [sys.executable, "-m", "faults", f"--minutes={MINUTES}", f"--seed={seed}"]
    path = os.pathsep.join((str(ROOT / "tests"), str(ROOT / "devtools")))
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert f"seed {seed}: 0 problems" in done.stdout
