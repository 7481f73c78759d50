"""Taking an agent's state away while something still uses it."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from podraft.agent import cleanup
from podraft.agent.volumes import mounts

pytestmark = pytest.mark.root


def test_a_mount_that_comes_back_while_the_state_goes_does_not_keep_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    storage = state / "podman" / "overlay"
    storage.mkdir(parents=True)
    subprocess.run(["mount", "--bind", storage, storage], check=True)
    removed = threading.Event()

    def mount_again() -> None:
        # As a Podman does that ends later than the container whose end it notes.
        until = time.monotonic() + 1.0
        while time.monotonic() < until and not removed.is_set():
            subprocess.run(["mount", "--bind", storage, storage], stderr=subprocess.DEVNULL)

    latecomer = threading.Thread(target=mount_again)
    latecomer.start()
    try:
        cleanup.remove_directory(state)
    finally:
        removed.set()
        latecomer.join()
        for point in mounts.mounted_below(tmp_path):
            mounts.unmount_all(point)
    assert not state.exists()


def test_what_stays_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "_DIRECTORY_WITHIN_S", 0.2)
    kept = tmp_path / "state" / "kept"
    kept.mkdir(parents=True)
    subprocess.run(["chattr", "+i", kept], check=True)
    try:
        with pytest.raises(OSError, match="kept"):
            cleanup.remove_directory(tmp_path / "state")
    finally:
        subprocess.run(["chattr", "-i", kept], check=True)
