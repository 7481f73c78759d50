"""What the planner guards when coupons are written; prints it as JSON.

Run by the test as a process of the extended project.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from podraft.api import kinds
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.slices import Turns
from podraft.server.registry.writes.operations import Create, Operation, Update
from podraft.server.registry.writes.planning import Planner
from podraft.server.registry.writes.plans import PlanInputs, WriteList
from support.api_objects import example
from unit.registry.test_planning import NOW, RANGES, Everybody, Store


def guards(store: Store, operation: Operation) -> dict[str, int]:
    """Return the revisions at which a write must find what it was planned from."""
    known = kinds.Registry(kinds.BUILT_IN)
    inputs = PlanInputs(known, lambda: NOW, lambda: "uid", lambda: "abcde", lambda: 0, RANGES)
    writes = WriteList((operation,), Everybody(), Turns().work(b""))
    plan = asyncio.run(Planner(store, Caches(known), inputs, writes).plan())
    return {guard.key.decode(): guard.mod_revision for guard in plan.transaction.guards}


def main() -> None:
    kind = kinds.BUILT_IN.by_word("coupon")
    assert kind is not None
    store = Store()
    store.commit(Create(kinds.CONFIG_MAP, example(kinds.CONFIG_MAP, "fair")))
    coupon: Any = kind.message()
    coupon.metadata.name, coupon.metadata.namespace = "summer", "default"
    coupon.spec.code, coupon.spec.terms = "sun", "fair"
    create = Create(kind, coupon)
    made = guards(store, create)
    store.commit(create)
    coupon.spec.percent = 20
    print(json.dumps({"made": made, "changed": guards(store, Update(kind, coupon, ""))}))


if __name__ == "__main__":
    main()
