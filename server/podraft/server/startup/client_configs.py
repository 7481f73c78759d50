"""The files that tell clients on this machine where the API is and who they are.

Owns: ``admin.conf``, the copy that ``--admin-config`` names, and one file for each component.

Invariants: a file is replaced whole, and only its owner can read it; the admin's file names this
server first, then every other member that is known.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from podraft.client.connecting import config as client_config
from podraft.client.serving.private_files import write_private
from podraft.server.auth.pki import Pki
from podraft.server.registry.joining.group import LookAtGroup
from podraft.server.startup import argument_values
from podraft.server.startup.argument_values import split_address
from podraft.server.startup.arguments import Arguments
from podraft.server.startup.lost_state import ADMIN_FILE

_LOG = logging.getLogger(__name__)

_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_LOOK_EVERY_S: Final = 2.0


class ClientConfigs:
    """The configuration files; ``look`` returns the servers that keep the state."""

    def __init__(self, given: Arguments, pki: Pki, port: int, look: LookAtGroup) -> None:
        self._given = given
        self._pki = pki
        self._port = port
        self._look = look
        self._others: tuple[str, ...] = ()

    def write(self) -> None:
        """Write all files."""
        given, pki, port = self._given, self._pki, self._port
        host, _ = split_address(given.listen)
        local = _join(_ANY_ADDRESS.get(host, host), port)
        for component in (argument_values.SCHEDULER, argument_values.CONTROLLERS):
            # The components live and die with this server; long-running ones learn of the others.
            text = client_config.dump(pki.config(component, (local,)))
            write_private(config_path(given, component), text.encode())
        advertised = given.advertise_addresses[:1]
        own = _join(advertised[0], port) if advertised else local
        others = (address for address in self._others if address not in (own, local))
        text = client_config.dump(pki.config("admin", (own, *others)))
        write_private(given.data_dir / ADMIN_FILE, text.encode())
        if given.admin_config is not None:
            given.admin_config.parent.mkdir(parents=True, exist_ok=True)
            write_private(given.admin_config, text.encode())

    def use(self, pki: Pki) -> None:
        """Write the files again with the certificates of ``pki``."""
        self._pki = pki
        self.write()

    async def follow_members(self) -> None:
        """Keep the list of servers in the files up to date, for ever."""
        while True:
            others = self._addresses()
            if others != self._others:
                self._others = others
                try:
                    self.write()
                except OSError as error:
                    _LOG.error("the configuration of clients cannot be written: %s", error)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _addresses(self) -> tuple[str, ...]:
        group = self._look()
        others = (member for member in group.members if member.id != group.me)
        return tuple(
            member.api_addresses[0]
            for member in sorted(others, key=lambda member: member.name)
            if member.api_addresses
        )


def config_path(given: Arguments, component: str) -> Path:
    """Return the path of a component's configuration."""
    return given.data_dir / f"{component}.conf"


def with_port(address: str, port: int) -> str:
    """Return ``address`` with another port."""
    return _join(split_address(address)[0], port)


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
