"""A server that has run before, and whose state is gone.

Owns: the recognition of this: the administrator's configuration is written when a server serves for
the first time, and then its state exists.  Invariant: nothing is made where something was lost.
"""

from __future__ import annotations

from pathlib import Path

from podraft.server.startup.arguments import Arguments, StartError

ADMIN_FILE = "admin.conf"


def check_state_is_there(given: Arguments, store: Path) -> None:
    """Refuse to begin anew where a server has run already; most often a disk is not mounted.

    Raises:
        StartError: ``store`` is missing or empty, but this server has served before.
    """
    sign = given.data_dir / ADMIN_FILE
    if (store / "history.lmdb").exists() or not sign.exists():
        return
    if given.members or given.join or given.member_address:
        todo = (
            "A member without what it has promised to the others could do harm: remove it with "
            "`podraft member remove`, then let a server with an empty --data-dir join"
        )
    else:
        todo = "Restore a backup to another --data-dir, or begin anew with an empty one"
    raise StartError(
        f"{store} is missing or empty, but this server has run before ({sign} is there): is its "
        f"disk mounted? {todo}"
    )
