"""The arithmetic of majorities.

Owns: how many votes are enough.  Invariant: any two majorities of one membership, and of two
memberships that differ by one voter, share a voter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podraft.server.raft.entries import MemberId


def majority(voters: int) -> int:
    """Return how many of ``voters`` are more than half."""
    return voters // 2 + 1


def agreed_index(voters: Sequence[MemberId], matches: Mapping[MemberId, int]) -> int:
    """Return the highest index that a majority of ``voters`` has; absent voters have nothing."""
    if not voters:
        return 0
    indexes = sorted([matches.get(voter, 0) for voter in voters])
    return indexes[len(indexes) - majority(len(indexes))]


def verdict(voters: Sequence[MemberId], votes: Mapping[MemberId, bool]) -> bool | None:
    """Return whether the election is won (True), lost (False) or open (None)."""
    granted = refused = 0
    for voter in voters:
        vote = votes.get(voter)
        if vote:
            granted += 1
        elif vote is False:
            refused += 1
    needed = majority(len(voters))
    if granted >= needed:
        return True
    return False if len(voters) - refused < needed else None
