"""What callers are told of their budgets.

Owns: the refusal of what exceeds one.  It knows nothing else of callers, for the join port's
process, which knows no caller at all.
"""

from __future__ import annotations

from podraft.server.budgets.budget import Exceeded, Holder
from podraft.server.registry.errors import Code, RefusedError


def over_budget(holder: Holder, exceeded: Exceeded) -> RefusedError:
    """Return the refusal of what is beyond a caller's budget; it counts."""
    holder.refused(exceeded.resource)
    return RefusedError(Code.RESOURCE_EXHAUSTED, str(exceeded), retry_s=exceeded.retry_s)
