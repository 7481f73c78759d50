"""Membership of the cluster: the identity that is held, joining to get one, and its renewal.

Invariant: a machine that has joined under one name does not silently become another node.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from podraft.agent.node import join
from podraft.agent.node.join import IdentityStore, JoinError, NodeIdentity
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError

_LOG = logging.getLogger(__name__)

_RENEW_CHECK_S = 60.0


@dataclass(frozen=True, slots=True)
class Invitation:
    """The means to join: the servers that take tokens, and a token or its file."""

    server: str
    token: str
    token_file: Path | None


class Membership:
    """This machine's identity under its node name."""

    def __init__(self, state_directory: Path, node_name: str, invitation: Invitation) -> None:
        self._directory = state_directory / "identity"
        self._store = IdentityStore(state_directory)
        self._node_name = node_name
        self._invitation = invitation

    async def identity(self) -> NodeIdentity:
        """Return the stored identity, or join if there is none that can be used.

        Raises:
            JoinError: The machine has joined under another name, or cannot join.
        """
        identity = self._store.load()
        if identity is None:
            return await self.join("this machine has not joined yet")
        if identity.expired:
            return await self.join("its certificate has expired")
        if identity.node_name != self._node_name:
            raise JoinError(
                f'this machine has joined as node "{identity.node_name}", not '
                f'"{self._node_name}": pass --node-name {identity.node_name}, or remove '
                f"{self._directory} to join anew"
            )
        return identity

    def stored(self) -> NodeIdentity:
        """Return the stored identity, which must exist."""
        identity = self._store.load()
        assert identity is not None
        return identity

    async def join(self, why: str) -> NodeIdentity:
        """Join with the token that was given; ``why`` is the reason for joining.

        Raises:
            JoinError: There is no token, or it is not accepted.
        """
        token = self._token()
        if not token:
            raise JoinError(f"{why}: pass --join-token or --join-token-file")
        _LOG.info("joining the cluster at %s", self._invitation.server)
        return await join.join(self._store, self._invitation.server, token, self._node_name)

    async def renewed(self, identity: NodeIdentity, client: Client) -> None:
        """Renew the certificate in time; return once a new one is stored."""
        # An older kind of certificate is exchanged at once, unless no newer kind is available yet.
        older = identity.is_older
        while True:
            if older or time.time() >= identity.renew_at_s:
                try:
                    renewed = await join.renew(self._store, client)
                except ApiError as error:
                    _LOG.warning("cannot renew the node's certificate: %s", error.message)
                else:
                    if not renewed.is_older or not older:
                        return
                    older = False
            await asyncio.sleep(_RENEW_CHECK_S)

    def _token(self) -> str:
        file = self._invitation.token_file
        if file is None:
            return self._invitation.token
        try:
            return file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise JoinError(f"cannot read the join token: {error}") from error
