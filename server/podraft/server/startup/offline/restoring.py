"""``podraft-server restore``: a new cluster's data directory from a backup file.

Owns: that command's flags and words.  Invariant: it touches no directory that holds a store.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from podraft.server.encryption.key_file import KeyFile
from podraft.server.startup.key_arguments import DATA_DIR_DEFAULT, add_key_arguments, key_encryption
from podraft.server.store.backup import backups
from podraft.server.store.backup.backup_format import BackupError, BackupFacts


def main(arguments: Sequence[str]) -> None:
    """Run ``podraft-server restore``."""
    parser = argparse.ArgumentParser(
        prog="podraft-server restore",
        description="Make a new cluster's data directory from a backup. Keys and certificates are "
        "not part of a backup: put the old ones into DATA_DIR/pki first so that nodes and clients "
        "go on trusting the cluster; otherwise new ones are made and nodes must join again.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `podraft backup` wrote")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=DATA_DIR_DEFAULT,
        help="where state is to be kept; may hold nothing but pki (default: %(default)s)",
    )
    add_key_arguments(parser)
    parser.add_argument(
        "--backup-key-file",
        type=Path,
        metavar="FILE",
        help="the key file of the server that made the backup, if it is not "
        "--encryption-key-file, which protects what is restored",
    )
    parser.add_argument(
        "--accept-unsealed",
        action="store_true",
        help="take also a backup of an older podraft-server, which anyone could have forged",
    )
    given = parser.parse_args(arguments)
    try:
        facts, revision = _restore(given)
    except (BackupError, OSError) as error:
        print(f"podraft-server: {error}", file=sys.stderr)  # noqa: T201 - the user's one line
        sys.exit(1)
    made = datetime.fromtimestamp(facts.time_ms / 1000, UTC)
    print(  # noqa: T201 - the command's result
        f"restored the state of {made:%Y-%m-%dT%H:%M:%SZ}, revision {facts.revision}, of cluster "
        f"{uuid.UUID(bytes=facts.cluster_id)} to {given.data_dir}; "
        f"the new cluster begins at revision {revision}"
    )


def _restore(given: argparse.Namespace) -> tuple[BackupFacts, int]:
    data_dir: Path = given.data_dir
    if data_dir.exists():
        others = sorted(path.name for path in data_dir.iterdir() if path.name != "pki")
        if others:
            raise BackupError(
                f"{data_dir} holds {', '.join(others[:3])}: a backup is restored into a directory "
                "that is empty or holds pki only"
            )
    keys = key_encryption(data_dir, given.encryption_key_file, given.encryption_key_command)
    backup_keys = KeyFile(given.backup_key_file) if given.backup_key_file is not None else None
    return backups.restore(
        given.file,
        data_dir / "store",
        keys,
        backup_keys=backup_keys,
        accept_unsealed=given.accept_unsealed,
    )
