"""The identity that a client's certificate proves: its signer decides, not only its text.

Invariant: a role's identities come from that role's authority only.  The one exception is an
authority from before there were roles, which has signed for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.certified import identity_in
from podraft.server.auth.identity import NODES, Identity, IdentityError, Role, check_node_name
from podraft.server.auth.signing_requests import key_fingerprint


@dataclass(frozen=True, slots=True)
class Proof:
    """A proven identity, with the fingerprint of its key and the end of its validity.

    ``node``: the identity's node, as it is needed at every call; None: it is no node.
    """

    identity: Identity
    signed_by: Role
    key: str
    expires_at_s: float
    node: str | None

    @property
    def is_older(self) -> bool:
        """Whether the certificate is from before there were roles."""
        return self.signed_by is not self.identity.role


def recognized(certificate: x509.Certificate, authority: CertificateAuthority) -> Proof:
    """Return what a certificate proves that TLS has verified.

    Raises:
        IdentityError: It proves nothing; the message says why.
    """
    identity = identity_in(certificate)
    signed_by = authority.issuer_of(certificate)
    if signed_by is None:
        raise IdentityError("the certificate is of none of the cluster's authorities")
    if signed_by is not identity.role:
        older = signed_by is Role.SERVER and authority.signed_all_roles
        if not older:
            raise IdentityError(
                f'the authority of {signed_by.value} does not certify "{identity.user}"'
            )
    if identity.role is Role.NODE:
        _check_node(identity)
    expires_at_s = certificate.not_valid_after_utc.timestamp()
    key = _key_of(certificate)
    return Proof(identity, signed_by, key, expires_at_s, identity.node_name)


def _check_node(identity: Identity) -> None:
    name = identity.node_name
    if name is None or identity.groups != {NODES} or check_node_name(name) is not None:
        raise IdentityError(f'"{identity.user}" is no node\'s identity')


def _key_of(certificate: x509.Certificate) -> str:
    try:
        key: Any = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise IdentityError(f"not a certificate: {error}") from error
    return key_fingerprint(key)
