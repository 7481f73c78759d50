"""The cluster's keys on disk, made on the first start and used again afterwards.

Owns: the files below the PKI directory.  Invariants: a file holds a private key
*and* its certificate, is readable by its owner only, and is replaced atomically
and durably, so a crash leaves either the old pair or the new one; the
authority is made once and never replaced, because agents trust exactly that one.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from podraft.client.connecting.config import SERVER_NAME, ClusterConfig
from podraft.client.serving.private_files import write_private
from podraft.server.auth import identity as names
from podraft.server.auth.certificates import CertificateAuthority, KeyPair
from podraft.server.auth.identity import Identity, Role
from podraft.server.auth.issuer import general_name

COMPONENTS: Final[dict[str, Identity]] = {
    "admin": Identity(names.ADMIN, frozenset({names.MASTERS})),
    "apiserver": Identity(names.API_SERVER, frozenset({names.MASTERS})),
    "scheduler": Identity(names.SCHEDULER, frozenset({names.SCHEDULER})),
    "controllers": Identity(names.CONTROLLERS, frozenset({names.CONTROLLERS})),
}

_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\n?", re.DOTALL)


class PkiError(Exception):
    """The error of a damaged file or an unusable address; the message says which."""


@dataclass(frozen=True, slots=True)
class Pki:
    """All the certificates and keys that the control plane's processes need for TLS."""

    authority: CertificateAuthority
    server: KeyPair
    clients: dict[str, KeyPair]

    @property
    def certificate_authority(self) -> bytes:
        """The servers' authority (PEM): what clients, agents and members trust."""
        return self.authority.certificate

    @property
    def renewal_due(self) -> datetime.datetime:
        """The time at which the first of these certificates has only a third of its life left."""
        return min(due(pair.certificate) for pair in (self.server, *self.clients.values()))

    def config(self, component: str, servers: Sequence[str]) -> ClusterConfig:
        """Return the configuration of ``component`` (a key of `COMPONENTS`) for ``servers``."""
        pair = self.clients[component]
        return ClusterConfig(
            servers=tuple(servers),
            certificate_authority=self.certificate_authority,
            client_certificate=pair.certificate,
            client_key=pair.key,
        )


def ensure_pki(
    directory: Path, *, addresses: Sequence[str], now: datetime.datetime | None = None
) -> Pki:
    """Return the cluster's PKI, after making what is missing or soon expires.

    The server's certificate is made anew when it does not hold all of
    ``addresses``.  Safe to call again at any time, from several processes.

    Raises:
        PkiError: A file is damaged, or an address is invalid.  Nothing is overwritten then.
        OSError: The directory cannot be written.

    """
    at = now or datetime.datetime.now(datetime.UTC)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    serves = server_names(addresses)
    with _locked(directory):
        authority = _ensure_authority(directory / "ca.pem", at)
        server_path = directory / "server.pem"
        server = _read(server_path)
        if (
            server is None
            or not _usable(server, authority, Role.SERVER, at)
            or not _serves(server, serves)
        ):
            server = authority.issue_server(serves, at)
            _write(server_path, server)
        clients = {
            component: _ensure_client(directory / f"{component}.pem", authority, identity, at)
            for component, identity in COMPONENTS.items()
        }
    return Pki(authority, server, clients)


def read_authority(directory: Path) -> CertificateAuthority | None:
    """Return the authority that ``directory`` holds, None if it holds none.

    Raises:
        PkiError: The authority's file is damaged.
    """
    path = directory / "ca.pem"
    pair = _read(path)
    return _loaded(path, pair) if pair is not None else None


def keep_authority(directory: Path, pair: KeyPair) -> None:
    """Store in ``directory`` the authority in ``pair``, which another server has handed over.

    Raises:
        PkiError: It holds another one, or ``pair`` is none.  Nothing is overwritten.
        OSError: The directory cannot be written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "ca.pem"
    given = _loaded(path, pair)
    with _locked(directory):
        held = read_authority(directory)
        if held is None:
            _write(path, pair)
        elif held.fingerprint != given.fingerprint:
            raise PkiError(f"{path} is another cluster's authority")


def server_names(addresses: Sequence[str]) -> tuple[str, ...]:
    """Return every name that the server's certificate holds, each once.

    Raises:
        PkiError: An address cannot be in a certificate.

    """
    for address in addresses:
        if not address or not address.isascii():
            raise PkiError(f"{address!r} is no IP address or DNS name for the server's certificate")
    host = socket.gethostname()
    always = (SERVER_NAME, "localhost", *([host] if host.isascii() else ()), "127.0.0.1", "::1")
    return tuple(dict.fromkeys((*always, *addresses)))


def _ensure_authority(path: Path, now: datetime.datetime) -> CertificateAuthority:
    pair = _read(path)
    if pair is None:
        authority = CertificateAuthority.create(now)
        _write(path, authority.key_pair)
        return authority
    return _loaded(path, pair)


def _loaded(path: Path, pair: KeyPair) -> CertificateAuthority:
    try:
        return CertificateAuthority.load(pair)
    except ValueError as error:
        raise PkiError(f"{path}: {error}; restore it from a backup") from error


def _ensure_client(
    path: Path, authority: CertificateAuthority, identity: Identity, now: datetime.datetime
) -> KeyPair:
    pair = _read(path)
    if pair is None or not _usable(pair, authority, identity.role, now):
        pair = authority.issue_client(identity, now)
        _write(path, pair)
    return pair


def _usable(
    pair: KeyPair, authority: CertificateAuthority, role: Role, now: datetime.datetime
) -> bool:
    """Return whether our role's authority issued ``pair``, and a third of its life is left."""
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    if authority.issuer_of(certificate) is not role:
        return False
    return certificate.not_valid_before_utc <= now < due(pair.certificate)


def due(pem: bytes) -> datetime.datetime:
    """Return the time at which a certificate has only a third of its life left."""
    certificate = x509.load_pem_x509_certificate(pem)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return ends - (ends - begins) / 3


def _serves(pair: KeyPair, serves: Sequence[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(held) >= {general_name(name) for name in serves}


def _read(path: Path) -> KeyPair | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    blocks = {match[1]: match[0] for match in _BLOCK.finditer(content)}
    try:
        pair = KeyPair(blocks[b"CERTIFICATE"], blocks[b"PRIVATE KEY"])
        x509.load_pem_x509_certificate(pair.certificate)
    except (KeyError, ValueError) as error:
        raise PkiError(
            f"{path} does not hold a certificate and its private key; "
            "restore it from a backup or, if it is not ca.pem, remove it"
        ) from error
    return pair


def _write(path: Path, pair: KeyPair) -> None:
    """Replace ``path`` atomically; on return its new content is durable."""
    write_private(path, pair.certificate + pair.key)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the directory: two servers that start at once must not make two authorities."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
