"""The servers that the agent knows: the configured ones, and those named by the cluster.

Owns: ``<state>/identity/servers.json``: removing the identity also forgets the cluster.

Invariant: an agent that was told of one server finds its cluster after a restart even if that
server is gone. The file only helps: if it is missing or damaged, the configured servers are
used.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from podraft.client.serving.private_files import write_private

_LOG = logging.getLogger(__name__)

_SERVERS_MAX = 16


class KnownServers:
    """The servers in an order of this node's own: nodes spread themselves over the servers."""

    def __init__(self, state_directory: Path, node_name: str, configured: str) -> None:
        self._path = state_directory / "identity" / "servers.json"
        self._node_name = node_name
        self._configured = tuple(part.strip() for part in configured.split(","))

    def all(self) -> tuple[str, ...]:
        """Return every known server."""
        known = tuple(dict.fromkeys((*self._configured, *self._saved())))
        first = crc32(self._node_name.encode()) % len(known)
        return known[first:] + known[:first]

    def save(self, servers: Sequence[str]) -> None:
        """Keep the servers that the cluster names; failing to keep them is not an error."""
        try:
            write_private(self._path, json.dumps(list(servers[:_SERVERS_MAX])).encode("ascii"))
        except (OSError, UnicodeEncodeError) as error:
            _LOG.warning("the list of servers cannot be kept: %s", error)

    def _saved(self) -> Sequence[str]:
        try:
            found: Any = json.loads(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            _LOG.warning("%s is not used: %s", self._path, error)
            return ()
        if not isinstance(found, list):
            return ()
        return [text for text in found[:_SERVERS_MAX] if _is_server(text)]


def _is_server(text: object) -> bool:
    return isinstance(text, str) and text.rpartition(":")[2].isdigit() and ":" in text
