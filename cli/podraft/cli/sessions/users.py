"""Users as the command line makes them: a key, a configuration file, a binding.

Owns: the names of the bindings that it makes.  Invariants: a user's private key is made here, is
written to one file that only its owner may read, and is sent to nobody; a user without the role
that was asked for is not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from podraft.api import kinds
from podraft.api.kinds.rbac import RBAC_GROUP
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.api.objects import well_known
from podraft.api.rbac.v1.cluster_role_binding_pb2 import ClusterRoleBinding
from podraft.api.rbac.v1.role_binding_pb2 import RoleBinding
from podraft.api.rbac.v1.rules_pb2 import RoleRef, Subject
from podraft.cli.errors import CliError
from podraft.cli.sessions.connection import Session
from podraft.client.connecting.config import ClusterConfig, dump
from podraft.client.errors import AlreadyExistsError
from podraft.client.serving.private_files import write_private

_PREFIX = "podraft:user:"


def _binding(name: str, role: str, namespace: str) -> RoleBinding | ClusterRoleBinding:
    subject = Subject(kind="User", api_group=RBAC_GROUP, name=name)
    reference = RoleRef(api_group=RBAC_GROUP, kind="ClusterRole", name=role)
    metadata = ObjectMeta(name=f"{_PREFIX}{name}:{role}", namespace=namespace)
    if namespace:
        return RoleBinding(metadata=metadata, subjects=[subject], role_ref=reference)
    return ClusterRoleBinding(metadata=metadata, subjects=[subject], role_ref=reference)


async def check_binding(session: Session, name: str, role: str, namespace: str) -> None:
    """Check that the role exists and that the caller may bind it, without binding it.

    Raises:
        ApiError: The role does not exist, or the caller may not bind it.
    """
    await session.client.resource(kinds.CLUSTER_ROLE).get(role)
    await _create(session, _binding(name, role, namespace), dry_run=True)


async def bind(session: Session, name: str, role: str, namespace: str) -> str:
    """Bind a ClusterRole to a user; return what was done, in words."""
    await _create(session, _binding(name, role, namespace), dry_run=False)
    where = f'in namespace "{namespace}"' if namespace else "in the whole cluster"
    return f', with the role "{role}" {where}'


async def _create(
    session: Session, binding: RoleBinding | ClusterRoleBinding, *, dry_run: bool
) -> None:
    kind = kinds.BUILT_IN.of(binding)
    try:
        await session.client.resource(kind).create(binding, dry_run=dry_run)
    except AlreadyExistsError:
        return  # It has the same name and so gives the same.


async def unbind(session: Session, name: str) -> list[str]:
    """Remove the bindings that were made with a user; return their names, with their kinds."""
    removed = []
    bindings: tuple[kinds.AnyKind, ...] = (kinds.CLUSTER_ROLE_BINDING, kinds.ROLE_BINDING)
    for kind in bindings:
        resource = session.client.resource(kind)
        for binding in (await resource.list()).items:
            metadata = binding.metadata
            ours = [(subject.kind, subject.name) for subject in binding.subjects]
            if metadata.name.startswith(f"{_PREFIX}{name}:") and ours == [("User", name)]:
                await resource.delete(metadata.name, metadata.namespace)
                where = f' in namespace "{metadata.namespace}"' if metadata.namespace else ""
                removed.append(f'{kind.name} "{metadata.name}"{where}')
    return removed


async def certified(
    session: Session,
    chosen: ClusterConfig,
    name: str,
    groups: Sequence[str],
    lifetime_s: int,
    namespace: str,
) -> bytes:
    """Return a configuration file for a new key of a user, which the cluster has certified.

    Raises:
        ApiError: The caller may not make the user, or its name cannot be one.
    """
    key, request = _new_key()
    certificate = await session.client.users.create(
        name, request, groups=groups, lifetime_s=lifetime_s
    )
    config = replace(
        chosen,
        client_certificate=certificate.certificate,
        client_key=key,
        namespace=namespace or well_known.DEFAULT_NAMESPACE,
        impersonate_user="",
        impersonate_groups=(),
    )
    return dump(config, name).encode()


def _new_key() -> tuple[bytes, bytes]:
    """Return a new private key and a signing request for it, both PEM."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise CliError("making a key needs the package cryptography: install it") from None
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signed = request.sign(key, hashes.SHA256())
    return encoded, signed.public_bytes(serialization.Encoding.PEM)


def write(path: Path, content: bytes) -> None:
    """Write a configuration file that only its owner may read.

    Raises:
        CliError: It cannot be written.
    """
    try:
        write_private(path, content)
    except OSError as error:
        raise CliError(f"{error.filename or path}: {error.strerror}") from None
