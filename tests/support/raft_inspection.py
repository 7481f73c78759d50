"""Looking into a core from outside, as only tests do."""

from __future__ import annotations

from podraft.server.raft.core import RaftCore
from podraft.server.replication.core.member_core import MemberCore


def consensus_of(core: MemberCore) -> RaftCore:
    return core._consensus
