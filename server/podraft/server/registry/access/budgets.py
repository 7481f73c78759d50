"""Refusals of calls that exceed a budget.

Owns: their words.  The module knows nothing else of callers, so that the join port's process, which
knows no caller at all, can use it.
"""

from __future__ import annotations

from podraft.server.budgets.budget import Exceeded, Holder
from podraft.server.registry.errors import Code, RefusedError


def over_budget(holder: Holder, exceeded: Exceeded) -> RefusedError:
    """Count the refusal of a call beyond its caller's budget, and return it."""
    holder.refused(exceeded.resource)
    return RefusedError(Code.RESOURCE_EXHAUSTED, str(exceeded), retry_s=exceeded.retry_s)
