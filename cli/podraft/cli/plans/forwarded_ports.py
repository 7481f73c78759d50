"""Which local ports lead to which of a pod's: ``8080:80``, ``80``, ``:http``.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from podraft.cli.errors import CliError, usage

_PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A local port, 0 for any that is free, and what the user says of the pod's or Service's."""

    local: int
    remote: str


def parse(texts: Sequence[str]) -> list[Forwarded]:
    """Return the ports that ``[LOCAL:]REMOTE`` words mean; ``:REMOTE`` takes any local port.

    Raises:
        CliError: A word is malformed.
    """
    found = []
    for text in texts:
        local, colon, remote = text.partition(":")
        if not colon:
            local, remote = text, text
        if not remote or (colon and local and not local.isdecimal()):
            raise usage(f'expected [LOCAL:]REMOTE, got "{text}"')
        # A port's name says nothing of a local number.
        number = int(local) if local.isascii() and local.isdecimal() and len(local) < 6 else 0
        if number > _PORT_MAX or (local.isdecimal() and len(local) > 5):
            raise usage(f'expected a port from 0 to {_PORT_MAX}, got "{local}"')
        found.append(Forwarded(number, remote))
    return found


def port_of_pod(pod: Any, remote: str) -> int:
    """Return the number of a pod's port, which a container may have named.

    Raises:
        CliError: No container has such a port.
    """
    if remote.isascii() and remote.isdecimal():
        if not 1 <= int(remote[:6]) <= _PORT_MAX:
            raise usage(f'expected a port from 1 to {_PORT_MAX}, got "{remote}"')
        return int(remote)
    for container in pod.spec.containers:
        for port in container.ports:
            if port.name == remote:
                return int(port.container_port)
    raise CliError(f'pod "{pod.metadata.name}" has no port called "{remote}"')


def port_behind(service: Any, remote: str) -> str:
    """Return the pods' port behind a Service's, which is named or numbered by ``remote``.

    Raises:
        CliError: The Service has no such port.
    """
    for port in service.spec.ports:
        if remote in (port.name, str(port.port)):
            target = port.target_port
            return target.str_val or str(target.int_val or port.port)
    known = ", ".join(str(port.port) for port in service.spec.ports) or "none"
    raise CliError(f'service "{service.metadata.name}" has no port "{remote}"; it has: {known}')
