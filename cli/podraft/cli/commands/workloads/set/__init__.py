"""`set`: change one thing of objects, such as images, variables or selectors."""

from __future__ import annotations

from typing import Final

from podraft.cli.command_line.members import Member, Members

_RBAC: Final = "rbac.authorization.k8s.io/v1"
MEMBERS: Final = {
    "image": Member("containers"),
    "env": Member("env"),
    "resources": Member("containers"),
    "selector": Member("references"),
    "serviceaccount": Member("references", ("v1", "ServiceAccount"), ("sa",)),
    "subject": Member("references", (_RBAC, "RoleBinding")),
}
command = Members(__name__, MEMBERS, name="set", help="Change one thing of objects.")
