"""`./dev up` and `./dev down`: a real cluster on this machine, with an application.

Both show what they do and what they wait for, and may be run twice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

from local_cluster import guestbook, images, network
from local_cluster.cluster import ClusterError, LocalCluster
from podraft.api.objects import nodes
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError

_ROOT = Path(__file__).parent.parent.parent
_USUAL_STATE = Path("/var/lib/podraft-dev")
_STATE = Path(os.environ.get("PODRAFT_DEV_STATE", _USUAL_STATE)).resolve()


def _free_port(preferred: int) -> int:
    """Return ``preferred``, or the next port of 127.0.0.1 on which nobody listens."""
    for port in range(preferred, preferred + 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise ClusterError(f"the ports {preferred} to {preferred + 99} of 127.0.0.1 are all taken")


def _ports(servers: int | None = None) -> tuple[list[int], int]:
    """Return the host's ports for the servers' APIs and for the application.

    The ports are those of the last `up`, or free ones for ``servers`` servers (default: one).

    Raises:
        ClusterError: There is a cluster with another number of servers.
    """
    remembered = _STATE / "ports"
    if remembered.exists():
        *apis, web = map(int, remembered.read_text().split())
        if servers not in (None, len(apis)):
            raise ClusterError(
                f"the cluster that is up has {len(apis)} server(s): `./dev down` it first"
            )
        return apis, web
    apis, web = [], _free_port(18080)
    for _ in range(servers or 1):
        apis.append(_free_port(apis[-1] + 1 if apis else 17443))
    _STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
    remembered.write_text(" ".join(map(str, (*apis, web))))
    return apis, web


def _name() -> str:
    """Return the cluster's name, which is different for clusters with different state."""
    if _STATE == _USUAL_STATE:
        return "podraft-dev"
    return f"podraft-dev-{zlib.crc32(os.fsencode(_STATE)):08x}"


def _cluster(api_ports: list[int], web_port: int) -> LocalCluster:
    return LocalCluster(
        name=_name(),
        state=_STATE,
        api_ports=api_ports,
        pull_through_host=True,
        forwards=((web_port, network.NODE_ADDRESS, guestbook.NODE_PORT),),
    )


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    """Print what is being done, and how long it took."""
    print(f"  {what} ", end="", flush=True, file=sys.stderr)
    begin = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", file=sys.stderr)
        raise
    print(f"({time.monotonic() - begin:.1f} s)", file=sys.stderr)


async def _await_node(cluster: LocalCluster, within_s: float = 60.0) -> None:
    """Wait until the node is Ready.

    Raises:
        ClusterError: The node is not Ready in time; the message gives the node's own reason.
    """
    reason = "the node has not registered yet"
    async with Client(cluster.config()) as client:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                async for batch in client.nodes.watch():
                    for event in batch:
                        if nodes.is_ready(event.object):
                            return
                        if (ready := nodes.ready_condition(event.object)) is not None:
                            reason = ready.message
    raise ClusterError(f"the node is not ready: {reason}; see {cluster.logs / 'agent.log'}")


def _apply_example(cluster: LocalCluster) -> None:
    command = [
        str(Path(sys.executable).parent / "podraft"),
        "apply",
        "-f",
        str(guestbook.MANIFEST),
        "--wait",
    ]
    result = subprocess.run(
        command, env={**os.environ, "PODRAFT_CONFIG": str(cluster.admin_config)}, check=False
    )
    if result.returncode != 0:
        raise ClusterError(f"`podraft apply -f {guestbook.MANIFEST}` failed; see above")


def _answer(url: str, within_s: float = 20.0) -> str:
    """Return the application's answer.

    Raises:
        ClusterError: The application does not answer within ``within_s``.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return str(response.read().decode())
        except OSError as error:
            if time.monotonic() > deadline:
                raise ClusterError(f"{url} does not answer: {error}") from None
            time.sleep(0.1)


def _up(servers: int | None) -> None:
    api_ports, web_port = _ports(servers)
    cluster = _cluster(api_ports, web_port)
    with _step("control plane: API server, store, scheduler, controllers"):
        cluster.start_server()
    if len(api_ports) > 1:
        with _step(f"{len(api_ports) - 1} more servers that join it"):
            cluster.start_servers()
    with _step("node: agent, Podman, network"):
        cluster.start_agent()
        asyncio.run(_await_node(cluster))
    with _step("images of the example, made on this machine"):
        guestbook.make_images(cluster.podman_socket)
    print(f"  the application: {guestbook.DIRECTORY.relative_to(_ROOT)}", file=sys.stderr)
    _apply_example(cluster)
    url = f"http://127.0.0.1:{web_port}/"
    _answer(url)
    print(
        f"""
Try:
  for i in 1 2 3 4 5; do curl -s {url}; done
  ./dev shell                                         # `podraft` in it talks to this cluster:
    podraft doctor
    podraft get pods -A -o wide
    podraft why -n guestbook deployment/web
    podraft scale -n guestbook deployment/web --replicas=5
    sed 's/web:1/web:2/' examples/guestbook/guestbook.yaml | podraft apply --wait -f -
    podraft rollout undo -n guestbook deployment/web
    podraft explain pod.spec.containers.livenessProbe
  sudo ./dev down                                     # leaves nothing behind

URL: {url}"""
    )


def _down() -> None:
    if not _STATE.exists():
        print("no cluster of ./dev up is here", file=sys.stderr)
        return
    with _step("ending pods, agent and server, removing their state"):
        _cluster(*_ports()).down()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="run a real cluster with an example application")
    up.add_argument(
        "--servers",
        type=int,
        choices=range(1, network.SERVERS_MAX + 1, 2),
        help="how many servers keep the state together (default: 1)",
    )
    commands.add_parser("down", help="end it and remove everything that it left")
    return parser.parse_args()


def main() -> int:
    """Run ``up`` or ``down``; print one precise message and return 1 if it fails."""
    given = _arguments()
    try:
        if given.command == "up":
            _up(given.servers)
        else:
            _down()
    except (
        ClusterError,
        images.ImageError,
        ApiError,
        OSError,
        subprocess.CalledProcessError,
    ) as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
