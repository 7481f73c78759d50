"""The pull policy of containers that name none.

Owns: the pull policies, and which one an image's name implies.
"""

from __future__ import annotations

from typing import Final

ALWAYS: Final = "Always"
IF_NOT_PRESENT: Final = "IfNotPresent"
NEVER: Final = "Never"
PULL_POLICIES: Final = (ALWAYS, IF_NOT_PRESENT, NEVER)


def implied_pull_policy(image: str) -> str:
    """Return the policy that an image's name implies: a tag that can move is pulled each time."""
    repository, digest, _ = image.partition("@")
    _, has_tag, tag = repository.rpartition("/")[2].partition(":")
    if (has_tag and tag != "latest") or (digest and not has_tag):
        return IF_NOT_PRESENT
    return ALWAYS
