"""``python -m integration.agent.run_scenario MODULE FUNCTION``: one scenario in its own world."""

from __future__ import annotations

import asyncio
import importlib
import sys

from integration.agent.agent_world import world

_WITHIN_S = 60  # A scenario that hangs shows where.


async def main(module_name: str, name: str) -> None:
    module = importlib.import_module(f"integration.agent.{module_name}")
    options = getattr(module, "WORLDS", {}).get(name, {})
    async with asyncio.timeout(_WITHIN_S), world(**options) as it:
        await getattr(module, name)(it)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
