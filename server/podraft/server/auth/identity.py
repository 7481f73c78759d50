"""Identities: the users and groups of the cluster.

Owns: the names of podraft's users and groups, and the role that each identity belongs to.
`certified` reads identities from certificates.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

MASTERS: Final = "system:masters"
NODES: Final = "system:nodes"
SCHEDULER: Final = "system:scheduler"
CONTROLLERS: Final = "system:controllers"
API_SERVER: Final = "system:apiserver"
ADMIN: Final = "admin"
NODE_PREFIX: Final = "system:node:"
MEMBERS: Final = "system:members"
MEMBER_PREFIX: Final = "system:member:"

_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# X.509 bounds a common name, and TLS libraries refuse longer ones.
COMMON_NAME_LENGTH_MAX: Final = 64
_NODE_NAME_LENGTH_MAX = COMMON_NAME_LENGTH_MAX - len(NODE_PREFIX)


class IdentityError(ValueError):
    """The error of a certificate that does not prove an identity; the message says why."""


class Role(enum.Enum):
    """The role of an identity in the cluster; each role has an authority of its own."""

    SERVER = "servers"
    NODE = "nodes"
    CLIENT = "clients"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user (the certificate's common name) and its groups (the organisations)."""

    user: str
    groups: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Whether every call is allowed."""
        return MASTERS in self.groups

    @property
    def role(self) -> Role:
        """The role whose authority certifies the identity, decided by the names that it uses."""
        if NODES in self.groups or self.user.startswith(NODE_PREFIX):
            return Role.NODE
        if MEMBERS in self.groups or self.user.startswith(MEMBER_PREFIX):
            return Role.SERVER
        return Role.SERVER if self.user == API_SERVER else Role.CLIENT

    @property
    def is_component(self) -> bool:
        """Whether the identity is the scheduler or the controllers, by its name and its group."""
        return self.user in (SCHEDULER, CONTROLLERS) and self.user in self.groups

    @property
    def has_roles(self) -> bool:
        """Whether roles decide what the identity may do, rather than rights that are built in."""
        if MASTERS in self.groups or self.is_component:
            return False
        return self.role is Role.CLIENT

    @property
    def node_name(self) -> str | None:
        """The node that the identity speaks for; None if it is no node.

        Both the user's name and the group must say so: a user who was merely
        named like a node has no rights of a node.
        """
        if NODES not in self.groups or not self.user.startswith(NODE_PREFIX):
            return None
        return self.user.removeprefix(NODE_PREFIX) or None

    @property
    def member_name(self) -> str | None:
        """The control-plane member that the identity speaks for; None if it is none."""
        if MEMBERS not in self.groups or not self.user.startswith(MEMBER_PREFIX):
            return None
        return self.user.removeprefix(MEMBER_PREFIX) or None


def node_identity(node_name: str) -> Identity:
    """Return the identity of one node's agent."""
    return Identity(NODE_PREFIX + node_name, frozenset({NODES}))


def member_identity(member_name: str) -> Identity:
    """Return the identity by which members of the control plane know each other."""
    return Identity(MEMBER_PREFIX + member_name, frozenset({MEMBERS}))


def check_node_name(node_name: str) -> str | None:
    """Return what is wrong with a node's name; None if it can be one."""
    if not node_name:
        return "a node's name must not be empty"
    if len(node_name) > _NODE_NAME_LENGTH_MAX:
        return f"a node's name has at most {_NODE_NAME_LENGTH_MAX} characters"
    if not _NODE_NAME.fullmatch(node_name):
        return (
            f"{node_name!r} is no node's name: expected lower-case letters, digits, '-' and '.', "
            "each part beginning and ending with a letter or digit"
        )
    return None
