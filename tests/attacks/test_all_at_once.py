"""All attacks at once, in a small size: an administrator loses nothing and is refused nothing."""

import subprocess
import sys
from pathlib import Path

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "under_attack.py"


def test_an_administrator_is_served_while_everybody_attacks():
    words = ("--silent=300", "--readers=60", "--seconds=10")
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), *words], capture_output=True, text=True, timeout=150
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-500:]
    assert "lost objects=0 unseen events=0" in done.stdout
    assert "attackers alive=1" in done.stdout
