"""The messages between the process of the join port and the API server.

Owns: messages on a pair of sockets, each preceded by its length.  Invariant: neither end reads
more at once than the largest message has, whatever the other end sends.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError, Message

MessageT = TypeVar("MessageT", bound=Message)

# The methods that can be called at the port.
JOIN_NODE: Final = "/podraft.api.cluster.v1.JoinService/JoinNode"
JOIN_MEMBER: Final = "/podraft.api.cluster.v1.JoinService/JoinMember"
# The number of calls that may wait for their answers.
CALLS_MAX: Final = 64
# The answer to a new member lists all members of the group.
_BYTES_MAX: Final = 1024 * 1024
_LENGTH_BYTES: Final = 4


class LinkError(Exception):
    """The error of a message that the other end never sends if it is sound."""


class Link:
    """One end of the pair of sockets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, kind: type[MessageT]) -> MessageT | None:
        """Return the next message; None if the other end has gone.

        Raises:
            LinkError: The bytes are no valid message.
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
        """Send a message; no more are ever under way than there are calls."""
        data = message.SerializeToString()
        self._writer.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)

    def close(self) -> None:
        """Close the connection, so that the other end knows that nothing more comes."""
        self._writer.close()
