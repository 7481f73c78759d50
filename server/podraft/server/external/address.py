"""The address of an external store: ``etcd://host:port[,host:port...][/prefix]``.

Owns: the format of ``--datastore`` and the credentials that go with it.  Invariant: an
``EtcdAddress`` has at least one endpoint and a prefix that begins with a slash and does not
end with one, so that two clusters with different prefixes never share a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

SCHEME: Final = "etcd://"
_PREFIX_DEFAULT: Final = "podraft"


class AddressError(ValueError):
    """The address or its credentials cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class EtcdAddress:
    """The members of an etcd cluster, and the prefix below which podraft's keys are."""

    endpoints: tuple[str, ...]
    prefix: str
    credentials: grpc.ChannelCredentials | None = None


def parse(
    text: str,
    *,
    authority: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> EtcdAddress:
    """Return the address in ``text``; the files are PEM.

    Raises:
        AddressError: It is malformed, or a file cannot be read.
    """
    if not text.startswith(SCHEME):
        raise AddressError(f"{text!r}: expected etcd://HOST:PORT[,HOST:PORT...][/PREFIX]")
    hosts, _, prefix = text.removeprefix(SCHEME).partition("/")
    endpoints = tuple(_endpoint(text, host) for host in hosts.split(","))
    prefix = prefix.strip("/") or _PREFIX_DEFAULT
    if not prefix.isascii() or not prefix.isprintable() or " " in prefix:
        raise AddressError(f"{text!r}: the prefix must be printable ASCII without spaces")
    return EtcdAddress(endpoints, f"/{prefix}", _credentials(authority, certificate, key))


def _endpoint(text: str, endpoint: str) -> str:
    host, colon, port = endpoint.rpartition(":")
    valid_port = port.isascii() and port.isdigit() and 0 < int(port) <= 65535
    if not colon or not host or not valid_port or (":" in host and not host.startswith("[")):
        raise AddressError(f"{text!r}: {endpoint!r} is no HOST:PORT")
    return endpoint


def _credentials(
    authority: Path | None, certificate: Path | None, key: Path | None
) -> grpc.ChannelCredentials | None:
    if authority is None and certificate is None and key is None:
        return None
    if authority is None:
        raise AddressError("a certificate for etcd needs the CA that signed etcd's own: --etcd-ca")
    if (certificate is None) != (key is None):
        raise AddressError("--etcd-cert and --etcd-key belong together")
    return grpc.ssl_channel_credentials(_read(authority), _read(key), _read(certificate))


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise AddressError(f"{path}: {error.strerror}") from None
