"""The command line of ``podraft-agent``: parses flags into a checked record."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podraft.agent.node.core.status import AGENT_PORT

_STATE_DIRECTORY = "/var/lib/podraft/agent"


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parsed command line."""

    server: str
    join_server: str
    join_token: str
    join_token_file: Path | None
    node_name: str
    node_ip: str
    state_directory: Path
    podman_socket: Path | None
    image_stores: tuple[Path, ...]
    image_network_namespace: Path | None
    port: int
    verbose: bool


def parse(arguments: Sequence[str] | None = None) -> Arguments:
    """Parse the command line; exit the process with a message when it is invalid."""
    parser = argparse.ArgumentParser(
        prog="podraft-agent", description="Run the pods of this machine for a podraft cluster."
    )
    parser.add_argument(
        "--server",
        metavar="HOST:PORT[,…]",
        default="127.0.0.1:7443",
        help="API servers; one is enough, the others are learned (default: %(default)s)",
    )
    parser.add_argument(
        "--join-server",
        metavar="HOST:PORT[,…]",
        default="",
        help="join ports of servers (default: port 7444 of each --server)",
    )
    parser.add_argument(
        "--join-token", metavar="TOKEN", default="", help="needed on the first start only"
    )
    parser.add_argument(
        "--join-token-file", metavar="FILE", type=Path, help="a file that holds the join token"
    )
    parser.add_argument(
        "--node-name",
        metavar="NAME",
        default=socket.gethostname().lower(),
        help="name of the Node (default: the host name, %(default)s)",
    )
    parser.add_argument(
        "--node-ip",
        metavar="ADDRESS",
        default="",
        help="address of this node (default: the one that reaches the server)",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIRECTORY",
        type=Path,
        default=Path(_STATE_DIRECTORY),
        help="where the agent keeps all it has (default: %(default)s)",
    )
    parser.add_argument(
        "--podman-socket",
        metavar="SOCKET",
        type=Path,
        help="use this Podman service instead of one of the agent's own",
    )
    parser.add_argument(
        "--image-store",
        metavar="DIRECTORY",
        type=Path,
        action="append",
        default=[],
        help="a container storage whose images are used too, read-only (repeatable)",
    )
    parser.add_argument(
        "--image-network-namespace",
        metavar="FILE",
        type=Path,
        help="pull images through this network namespace (default: the agent's own)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=AGENT_PORT,
        help="port for logs and exec (default: %(default)s)",
    )
    parser.add_argument("--verbose", action="store_true", help="say more on standard error")
    values = parser.parse_args(arguments)
    if values.node_ip and not _is_address(values.node_ip):
        parser.error(f'--node-ip "{values.node_ip}" is no IPv4 address')
    servers = [part.strip() for part in values.server.split(",")]
    if not all(server.rpartition(":")[2].isdigit() for server in servers):
        parser.error(f'--server "{values.server}": expected HOST:PORT')
    join_servers = ",".join(f"{server.rpartition(':')[0]}:7444" for server in servers)
    return Arguments(
        server=values.server,
        join_server=values.join_server or join_servers,
        join_token=values.join_token,
        join_token_file=values.join_token_file,
        node_name=values.node_name,
        node_ip=values.node_ip or address_towards(servers[0]),
        state_directory=values.state_dir.resolve(),
        podman_socket=values.podman_socket,
        image_stores=tuple(path.resolve() for path in values.image_store),
        image_network_namespace=values.image_network_namespace,
        port=values.port,
        verbose=values.verbose,
    )


def address_towards(server: str) -> str:
    """Return the address from which this machine reaches a server, without sending a packet."""
    host, _, port = server.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, int(port)))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
