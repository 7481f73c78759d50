"""Which identity a client's certificate proves: who signed it decides, not only what it says.

Invariant: a role's identities come from that role's authority only.  The one exception is an
authority from before there were roles, which has signed for all of them.
"""

from __future__ import annotations

from cryptography import x509

from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.identity import (
    NODES,
    Identity,
    IdentityError,
    Role,
    check_node_name,
    identity_in,
)


def recognized(certificate: x509.Certificate, authority: CertificateAuthority) -> Identity:
    """Return the identity that a certificate proves, which TLS has verified.

    Raises:
        IdentityError: It proves none; the message says why.
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
    return identity


def _check_node(identity: Identity) -> None:
    name = identity.node_name
    if name is None or identity.groups != {NODES} or check_node_name(name) is not None:
        raise IdentityError(f'"{identity.user}" is no node\'s identity')
