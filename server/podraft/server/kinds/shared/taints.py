"""What a taint does to pods: for nodes, which have taints, and pods, which tolerate them."""

from __future__ import annotations

from typing import Final

TAINT_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
