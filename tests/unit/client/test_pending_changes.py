"""Changes that a handler was not told yet: one per object, from what it knew to what is."""

from __future__ import annotations

import random

from podraft.api.core.v1 import config_pb2
from podraft.client.sync.informer import Pending


def test_told_changes_lead_from_each_known_state_to_the_newest_however_they_are_taken() -> None:
    for seed in range(50):
        draw = random.Random(seed)
        pending: Pending[config_pb2.ConfigMap] = Pending()
        present: dict[str, config_pb2.ConfigMap] = {}
        known: dict[str, config_pb2.ConfigMap] = {}
        for step in range(60):
            name = draw.choice("abc")
            old = present.pop(name, None)
            new = config_pb2.ConfigMap(data={"step": str(step)}) if draw.random() < 0.6 else None
            if new is not None:
                new.metadata.name = name
                present[name] = new
            if old is not None or new is not None:
                pending.note(old, new)
            if step == 59 or draw.random() < 0.2:
                taken = pending.take()
                names = [(new or old).metadata.name for old, new in taken if old or new]
                assert len(set(names)) == len(taken) <= 3, f"seed {seed}"
                for before, after in taken:
                    told = after if after is not None else before
                    assert told is not None, f"seed {seed}"
                    assert before is known.pop(told.metadata.name, None), f"seed {seed}"
                    if after is not None:
                        known[told.metadata.name] = after
                assert known == present, f"seed {seed}"
        assert not pending.take()
