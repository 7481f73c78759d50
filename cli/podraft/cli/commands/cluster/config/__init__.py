"""`config`: the clusters, users and contexts that the configuration file names."""

from __future__ import annotations

from typing import Final

from podraft.cli.command_line.members import Member, Members

MEMBERS: Final = {
    "view": Member("showing"),
    "current-context": Member("showing"),
    "get-contexts": Member("showing"),
    "get-clusters": Member("showing"),
    "get-users": Member("showing"),
    "use-context": Member("contexts", aliases=("use",)),
    "set-context": Member("contexts"),
    "rename-context": Member("contexts"),
    "delete-context": Member("contexts"),
    "set-cluster": Member("entries"),
    "set-credentials": Member("entries"),
    "delete-cluster": Member("entries"),
    "delete-user": Member("entries"),
}
config = Members(__name__, MEMBERS, name="config", help="Show and change the clusters in use.")
