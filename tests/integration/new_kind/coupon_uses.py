"""What a program does with coupons through the SDK; prints what it saw as JSON.

Run by the test as a process of the extended project, with the path of the server's configuration.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from podraft.api.kinds import BUILT_IN
from podraft.api.meta.v1.requests_pb2 import WatchEventType
from podraft.client.calls.client import Client
from podraft.client.connecting.config import load
from podraft.client.errors import InvalidError


def _word(event: int) -> str:
    return WatchEventType.Name(event).removeprefix("WATCH_EVENT_TYPE_")


async def main(config: Path) -> None:
    seen: dict[str, Any] = {"property": hasattr(Client, "coupons")}
    kind = BUILT_IN.by_word("cpn")
    assert kind is not None
    async with Client(load(config)) as client:
        coupons = client.resource(kind)
        since = (await coupons.list("default")).resource_version
        made = kind.message()
        made.metadata.name, made.metadata.namespace = "autumn", "default"
        made.spec.code = "leaves"
        made = await coupons.create(made)
        made.status.redeemed = 3
        made = await coupons.update_status(made)
        seen["status"] = made.status.redeemed
        made.status.redeemed = -1
        try:
            await coupons.update_status(made)
        except InvalidError as error:
            seen["refused"] = str(error)
        made.spec.percent = 20
        made = await coupons.update(made)
        seen["after update"] = [made.spec.percent, made.status.redeemed, made.metadata.generation]
        await coupons.delete("autumn", "default")
        seen["watched"] = []
        stream = coupons.watch("default", resource_version=since)
        async for batch in stream:
            seen["watched"] += [[_word(event.type), event.object.spec.percent] for event in batch]
            if seen["watched"] and seen["watched"][-1][0] == "DELETED":
                break
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator behind the protocol
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
