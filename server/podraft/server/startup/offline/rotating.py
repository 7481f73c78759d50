"""``podraft-server rotate-encryption-key``: new keys for all that lies on the disk.

Owns: that command's flags and words.  Invariants: the server goes on meanwhile; after an end at
any point the server opens its data, and the same command, or the server's next start, goes on.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from podraft.client.serving.private_files import write_private
from podraft.server.encryption.key_encryption import EncryptionError
from podraft.server.encryption.key_file import KeyFile
from podraft.server.encryption.key_ring import RING_FILE, KeyRing
from podraft.server.startup.key_arguments import DATA_DIR_DEFAULT, add_key_arguments, key_encryption
from podraft.server.store.sealing.resealing import PROGRESS_FILE, WANTED_FILE

_LOOK_EVERY_S: Final = 0.5


def main(arguments: Sequence[str]) -> None:
    """Run ``podraft-server rotate-encryption-key``."""
    parser = argparse.ArgumentParser(
        prog="podraft-server rotate-encryption-key",
        description="Make a new key-encryption key and new data keys, and let the running server "
        "rewrite what the older ones sealed; on each member of a group by itself. Older lines of "
        "the key file stay, for backups: copy the file again, and remove them when those are gone.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=DATA_DIR_DEFAULT,
        help="of the server on this machine (default: %(default)s)",
    )
    add_key_arguments(parser)
    parser.add_argument(
        "--no-wait", action="store_true", help="do not wait until everything is rewritten"
    )
    given = parser.parse_args(arguments)
    try:
        _rotate(given)
    except (EncryptionError, OSError) as error:
        print(f"podraft-server: {error}", file=sys.stderr)  # noqa: T201 - the user's one line
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _rotate(given: argparse.Namespace) -> None:
    store = given.data_dir / "store"
    keys = key_encryption(given.data_dir, given.encryption_key_file, given.encryption_key_command)
    ring = KeyRing.open(store / RING_FILE, keys)
    if ring is None:
        raise EncryptionError(f"{store / RING_FILE} is missing: no server has run here")
    if isinstance(keys, KeyFile):
        newest = keys.add()
        print(f"new key-encryption key {newest} in {keys.path}: keep a copy")  # noqa: T201 - result
    write_private(store / WANTED_FILE, b"")
    if not _runs(store):
        print(  # noqa: T201 - the command's result
            "no server runs here: it rewrites what it has when it is started next"
        )
        return
    if not given.no_wait:
        _wait(store)
        print("everything is sealed with the new keys")  # noqa: T201 - the command's result


def _wait(store: Path) -> None:
    """Return when nothing needs an old key; print the progress now and then.

    Raises:
        EncryptionError: The server has ended before that.
    """
    told = ""
    while (store / WANTED_FILE).exists() or _keys(store) != 1:
        time.sleep(_LOOK_EVERY_S)
        if not _runs(store):
            raise EncryptionError("the server has ended; it goes on when it is started again")
        part = _progress(store)
        if part and part != told:
            told = part
            print(f"rewriting: {part}", flush=True)  # noqa: T201 - the command's progress


def _keys(store: Path) -> int:
    return len(json.loads((store / RING_FILE).read_text(encoding="ascii"))["keys"])


def _progress(store: Path) -> str:
    try:
        return f"{float((store / PROGRESS_FILE).read_text(encoding='ascii')):.0%}"
    except (OSError, ValueError):
        return ""


def _runs(store: Path) -> bool:
    """Return whether a process has the data directory open."""
    descriptor = os.open(store / "lock", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
