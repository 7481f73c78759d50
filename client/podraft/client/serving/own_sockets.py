"""The connections of this process, as the kernel knows them.

Owns: finding the sockets that gRPC accepted, which it does not expose, and ending one of them.

Invariant: no other socket is ever touched by mistake: the socket is duplicated first, then its
peer is compared.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Final

from podraft.client.serving.strangers import Peer, plain

_DESCRIPTORS: Final = Path("/proc/self/fd")
# The offset of ``tcpi_bytes_received`` in the kernel's ``tcp_info``.
_RECEIVED: Final = slice(128, 136)
_RESET: Final = struct.pack("ii", 1, 0)


class OwnSockets:
    """The accepted sockets of some local ports; each socket's addresses are read only once."""

    def __init__(self, ports: Collection[int]) -> None:
        self._ports = frozenset(ports)
        # The peer (None if there is none) by inode, which identifies a socket as long as it lives.
        self._seen: dict[str, Peer | None] = {}

    def look(self) -> dict[Peer, int]:
        """Return the descriptor of each connected peer."""
        seen, found = {}, {}
        for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - Paths cost more than the rest.
            try:
                inode = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - As above.
            except OSError:
                continue  # Closed in the meantime.
            if not inode.startswith("socket:"):
                continue
            peer = self._seen[inode] if inode in self._seen else self._peer(int(name))
            seen[inode] = peer
            if peer is not None:
                found[peer] = int(name)
        self._seen = seen
        return found

    def _peer(self, descriptor: int) -> Peer | None:
        with contextlib.suppress(OSError), _borrowed(descriptor) as borrowed:
            if borrowed.family in (socket.AF_INET, socket.AF_INET6):
                if borrowed.getsockname()[1] not in self._ports:
                    return None
                return _peer_of(borrowed)
        return None

    def has_spoken(self, descriptor: int) -> bool:
        """Return whether the connection has received anything."""
        with contextlib.suppress(OSError), _borrowed(descriptor) as borrowed:
            status = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.stop)
            return any(status[_RECEIVED])
        return False

    def end(self, peer: Peer, descriptor: int) -> bool:
        """End the connection and drop its pending bytes; False: the socket is another's now."""
        with contextlib.suppress(OSError), _borrowed(descriptor) as borrowed:
            if _peer_of(borrowed) == peer:
                # The next close then drops the bytes that the peer does not take.
                borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                borrowed.shutdown(socket.SHUT_RDWR)
                return True
        return False


class _borrowed:  # noqa: N801 - Used like a function.
    """Somebody else's socket through our own descriptor, or through its own if we have none."""

    def __init__(self, descriptor: int) -> None:
        self._own = True
        try:
            copy = os.dup(descriptor)
        except OSError:
            copy, self._own = descriptor, False
        self._socket = socket.socket(fileno=copy)

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(self, *_: object) -> None:
        if self._own:
            self._socket.close()
        else:
            self._socket.detach()


def _peer_of(connected: socket.socket) -> Peer:
    host, port = connected.getpeername()[:2]
    return plain(host), port
