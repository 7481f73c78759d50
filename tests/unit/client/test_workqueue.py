import asyncio
import random
from collections import Counter

from podraft.client.backoff import Backoff
from podraft.client.watching.workqueue import WorkQueue
from support.waiting import eventually_async


def run(main):
    async def bounded():
        async with asyncio.timeout(10):
            await main()

    asyncio.run(bounded())


def test_a_key_that_waits_is_handled_once():
    async def main():
        queue, handled = WorkQueue(), []

        async def handle(key):
            handled.append(key)

        for _ in range(5):
            queue.add("a")
        task = asyncio.create_task(queue.run(handle))
        await eventually_async(lambda: queue.is_idle and handled)
        assert handled == ["a"]
        task.cancel()

    run(main)


def test_a_key_added_while_it_is_handled_is_handled_again_and_never_twice_at_once():
    async def main():
        queue, running, counts = WorkQueue(), set(), Counter()
        chance = random.Random(7)

        async def handle(key):
            assert key not in running
            running.add(key)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            running.remove(key)
            counts[key] += 1

        task = asyncio.create_task(queue.run(handle, workers=4))
        for _ in range(500):
            queue.add(chance.randrange(5))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
        await eventually_async(lambda: queue.is_idle)
        before = dict(counts)
        queue.add(3)
        await eventually_async(lambda: queue.is_idle)
        assert counts[3] == before[3] + 1
        task.cancel()

    run(main)


def test_the_earlier_of_two_delays_wins():
    async def main():
        queue, handled = WorkQueue(), []

        async def handle(key):
            handled.append(key)

        task = asyncio.create_task(queue.run(handle))
        queue.add_after("a", 60)
        queue.add_after("a", 0.01)
        queue.add_after("a", 30)
        await eventually_async(lambda: handled)
        assert handled == ["a"]
        task.cancel()

    run(main)


def test_failing_keys_come_again_and_do_not_stop_others():
    async def main():
        queue, tried, done = WorkQueue(retry_initial_s=0.001), Counter(), []

        async def handle(key):
            tried[key] += 1
            if key == "bad" and tried[key] < 5:
                raise RuntimeError("not yet")
            done.append(key)

        task = asyncio.create_task(queue.run(handle, workers=1))
        queue.add("bad")
        queue.add("good")
        await eventually_async(lambda: len(done) == 2)
        assert done == ["good", "bad"]
        assert tried["bad"] == 5
        await eventually_async(lambda: queue.is_idle)
        assert queue.failures("bad") == 0
        task.cancel()

    run(main)


def test_a_key_comes_again_when_its_handler_says():
    async def main():
        queue, handled = WorkQueue(), []

        async def handle(key):
            handled.append(key)
            return 0.001 if len(handled) < 3 else None

        task = asyncio.create_task(queue.run(handle))
        queue.add("a")
        await eventually_async(lambda: len(handled) == 3)
        task.cancel()

    run(main)


def test_pauses_grow_and_are_bounded():
    backoff = Backoff(0.1, 5.0)
    pauses = [backoff.next_pause_s() for _ in range(2000)]
    assert all(0 < pause <= 5 for pause in pauses)
    assert pauses[0] <= 0.1 < pauses[10]
    backoff.reset()
    assert backoff.next_pause_s() <= 0.1
