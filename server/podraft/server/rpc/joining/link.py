"""What the process of the join port and the API server say to each other.

Owns: messages on a pair of sockets, each after its length.  Invariant: neither end reads more at
once than the largest message has, whatever the other one sends.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError, Message

MessageT = TypeVar("MessageT", bound=Message)

# All that can be called at the port.
JOIN_NODE: Final = "/podraft.api.cluster.v1.JoinService/JoinNode"
JOIN_MEMBER: Final = "/podraft.api.cluster.v1.JoinService/JoinMember"
# How many calls may wait for their answers.
CALLS_MAX: Final = 64
# An answer to a member has all members of the group.
_BYTES_MAX: Final = 1024 * 1024
_LENGTH_BYTES: Final = 4


class LinkError(Exception):
    """The other end says what it never would."""


class Link:
    """One end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, kind: type[MessageT]) -> MessageT | None:
        """Return the next message; None: the other end has gone.

        Raises:
            LinkError: It is none.
        """
        try:
            size = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            if size > _BYTES_MAX:
                raise LinkError(f"a message of {size} bytes")
            return kind.FromString(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None
        except DecodeError as error:
            raise LinkError(f"a message that is none: {error}") from None

    def write(self, message: Any) -> None:
        """Send a message; there are never more under way than calls."""
        data = message.SerializeToString()
        self._writer.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)

    def close(self) -> None:
        """Let the other end know that there is no more."""
        self._writer.close()
