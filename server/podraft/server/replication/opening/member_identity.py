"""The identity of the member that a data directory belongs to.

Owns: ``member.json`` in it: number, name, incarnation and addresses of the member, and the members
that it knew before its log named them.

Invariants: the file is written before the directory holds anything of a group, and number, name and
incarnation never change after that: a directory belongs to one member for ever.  The file's
presence means that the directory is no longer that of a single server.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from podraft.client.serving.private_files import create_beside, make_private_directory
from podraft.server.raft.entries import MemberId
from podraft.server.replication.core.roster import INCARNATION_BYTES, Peer
from podraft.server.store.directory import StoreOpenError, sync_directory

_FILE: Final = "member.json"


@dataclass(frozen=True, slots=True)
class MemberIdentity:
    """A member, as its data directory knows it.

    ``listen``: the address on which it listens for the others.  ``known``: the members with which
    it founded the group, or of which it was told when it joined (``joined``).
    """

    id: MemberId
    name: str
    incarnation: bytes
    cluster_id: bytes
    address: str
    listen: str
    known: tuple[Peer, ...]
    joined: bool = False

    @property
    def peer(self) -> Peer:
        """This member, as the others know it."""
        return Peer(self.id, self.name, self.address, (), self.incarnation)


def new_incarnation() -> bytes:
    """Return bytes that distinguish a new data directory from an older one of the same member."""
    return secrets.token_bytes(INCARNATION_BYTES)


def load(directory: Path) -> MemberIdentity | None:
    """Return the identity of the member in ``directory``; None if there is none.

    Raises:
        StoreOpenError: The file is damaged.
    """
    path = directory / _FILE
    try:
        entry = json.loads(path.read_text())
        return _decoded(entry)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise StoreOpenError(f"{path} cannot be read: {error!r}") from error


def create(directory: Path, identity: MemberIdentity) -> MemberIdentity:
    """Give ``directory`` the ``identity``, unless it has one already; return the one that it has.

    Two processes that start at once get the same answer.
    """
    make_private_directory(directory)
    path = directory / _FILE
    written = _written(path, identity)
    try:
        os.link(written, path)
    except FileExistsError:
        pass
    finally:
        written.unlink()
    sync_directory(directory)
    created = load(directory)
    assert created is not None  # The file was there, or is now.
    return created


def replace(directory: Path, identity: MemberIdentity) -> None:
    """Replace the identity's file, to record other addresses."""
    path = directory / _FILE
    _written(path, identity).replace(path)
    sync_directory(directory)


def _written(path: Path, identity: MemberIdentity) -> Path:
    """Write ``identity`` to a durable file beside ``path``; return the file's path."""
    return create_beside(path, json.dumps(_encoded(identity), indent=1).encode())


def _encoded(identity: MemberIdentity) -> dict[str, Any]:
    return {
        "id": identity.id,
        "name": identity.name,
        "incarnation": identity.incarnation.hex(),
        "clusterId": identity.cluster_id.hex(),
        "address": identity.address,
        "listen": identity.listen,
        "known": [
            {"id": peer.id, "name": peer.name, "address": peer.address} for peer in identity.known
        ],
        "joined": identity.joined,
    }


def _decoded(entry: dict[str, Any]) -> MemberIdentity:
    return MemberIdentity(
        id=int(entry["id"]),
        name=str(entry["name"]),
        incarnation=bytes.fromhex(entry["incarnation"]),
        cluster_id=bytes.fromhex(entry["clusterId"]),
        address=str(entry["address"]),
        listen=str(entry["listen"]),
        known=tuple(Peer(int(k["id"]), k["name"], k["address"]) for k in entry["known"]),
        joined=bool(entry["joined"]),
    )
