"""``podraft-server recover``: a group of one, made by force of the one member that is left.

Owns: that command's flags and words.  Invariant: nothing is changed unless the user has said that
what the lost members knew may be lost.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from podraft.server.replication.opening import forced_recovery
from podraft.server.replication.opening.forced_recovery import Survivor
from podraft.server.startup.key_arguments import DATA_DIR_DEFAULT, add_key_arguments, key_encryption
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.options import StoreOptions


def main(arguments: Sequence[str]) -> None:
    """Run ``podraft-server recover``."""
    parser = argparse.ArgumentParser(
        prog="podraft-server recover",
        description="Make the one member that is left of a group a group of its own, when a "
        "majority of the servers is lost for good. Whatever only the lost ones knew is lost. If "
        "a majority can be started again, do that instead: nothing is lost then. Choose the "
        "member with the highest revision: without --accept-data-loss the command only tells it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=DATA_DIR_DEFAULT,
        help="of a member whose process has ended (default: %(default)s)",
    )
    parser.add_argument(
        "--accept-data-loss",
        action="store_true",
        help="do it; the other members never come back",
    )
    add_key_arguments(parser)
    given = parser.parse_args(arguments)
    keys = key_encryption(given.data_dir, given.encryption_key_file, given.encryption_key_command)
    act = forced_recovery.recover_alone if given.accept_data_loss else forced_recovery.survey
    try:
        survivor = act(given.data_dir / "store", StoreOptions(keys=keys))
    except (StoreOpenError, OSError) as error:
        print(f"podraft-server: {error}", file=sys.stderr)  # noqa: T201 - the user's one line
        sys.exit(1)
    words = _done(survivor) if given.accept_data_loss else _asked(survivor)
    print(words)  # noqa: T201 - the command's result
    if not given.accept_data_loss:
        sys.exit(2)


def _state(survivor: Survivor) -> str:
    unsure = ""
    if survivor.unsure:
        unsure = (
            f"; of the last {survivor.unsure} it does not know whether they were ever "
            "acknowledged, and keeps them"
        )
    return (
        f"revision {survivor.revision}: its log ends at entry {survivor.index} of term "
        f"{survivor.term}{unsure}"
    )


def _asked(survivor: Survivor) -> str:
    return (
        f"member {survivor.name} has {_state(survivor)}.\n"
        f"What {_others(survivor)} acknowledged after that would be LOST, and none of them could "
        "come back: start them again if a majority can be.\n"
        "If not, and no other member has a higher revision: --accept-data-loss"
    )


def _done(survivor: Survivor) -> str:
    return (
        f"member {survivor.name} is a group of its own now and begins with {_state(survivor)}.\n"
        f"What {_others(survivor)} acknowledged after that is LOST. Never start them with their "
        "old data again: empty their data directories and let them join."
    )


def _others(survivor: Survivor) -> str:
    return ", ".join(survivor.others) or "the other members"
