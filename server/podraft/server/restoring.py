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

from podraft.server.store import backup


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
        default=Path("/var/lib/podraft/server"),
        help="where state is to be kept; may hold nothing but pki (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    try:
        facts, revision = _restore(given.file, given.data_dir)
    except (backup.BackupError, OSError) as error:
        print(f"podraft-server: {error}", file=sys.stderr)  # noqa: T201 - the user's one line
        sys.exit(1)
    made = datetime.fromtimestamp(facts.time_ms / 1000, UTC)
    print(  # noqa: T201 - the command's result
        f"restored the state of {made:%Y-%m-%dT%H:%M:%SZ}, revision {facts.revision}, of cluster "
        f"{uuid.UUID(bytes=facts.cluster_id)} to {given.data_dir}; "
        f"the new cluster begins at revision {revision}"
    )


def _restore(file: Path, data_dir: Path) -> tuple[backup.BackupFacts, int]:
    if data_dir.exists():
        others = sorted(path.name for path in data_dir.iterdir() if path.name != "pki")
        if others:
            raise backup.BackupError(
                f"{data_dir} holds {', '.join(others[:3])}: a backup is restored into a directory "
                "that is empty or holds pki only"
            )
    return backup.restore(file, data_dir / "store")
