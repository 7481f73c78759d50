"""The errors of the node's network, as types that callers can tell apart."""

from __future__ import annotations


class NetworkError(Exception):
    """The node's network could not be brought to the wanted state."""


class InvalidNetworkError(NetworkError):
    """A given address, network, uid or host name cannot be used; trying again is useless."""


class NotConfiguredError(NetworkError):
    """`PodNetwork.configure` has not succeeded yet."""


class AddressesExhaustedError(NetworkError):
    """Every address of the node's pod network is taken."""


class KernelError(NetworkError):
    """The kernel refused an operation; ``errno`` says why."""

    def __init__(self, what: str, errno: int, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.errno = errno
