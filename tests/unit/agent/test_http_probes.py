"""HTTP probes against a real server: redirects, and headers by name whatever their case."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from podraft.agent.commands.commands import Commands
from podraft.agent.podman.client import PodmanClient
from podraft.agent.pods.probing.handlers import Answer, Handlers, Target
from podraft.api.core.v1 import container_pb2

Ask = Callable[..., Awaitable[Answer]]


def probing(scenario: Callable[[Ask, list[web.Request]], Awaitable[None]], directory: Path) -> None:
    """Run a scenario with a server on loopback, which notes what it is asked."""

    async def main() -> None:
        seen: list[web.Request] = []

        async def answer(request: web.Request) -> web.Response:
            seen.append(request)
            match request.path.strip("/").split("/"):
                case ["to", status, *rest]:
                    return web.Response(
                        status=int(status), headers={"Location": f"/{'/'.join(rest)}"}
                    )
                case ["elsewhere"]:
                    return web.Response(status=302, headers={"Location": "http://192.0.2.1:1/"})
                case ["otherwise"]:
                    return web.Response(status=302, headers={"Location": "ftp://127.0.0.1/"})
                case ["for-ever"]:
                    return web.Response(status=307, headers={"Location": "for-ever"})
                case ["nowhere"]:
                    return web.Response(status=304)
                case ["slow"]:
                    await asyncio.sleep(0.3)
                    return web.Response(status=302, headers={"Location": "/slow"})
                case [status]:
                    return web.Response(status=int(status or 200))
            return web.Response(status=500)

        server = web.Application()
        server.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with PodmanClient(directory / "none.sock") as podman:
            handlers = Handlers(Commands(podman, None))

            async def ask(
                path: str, timeout_s: float = 5, headers: tuple[tuple[str, str], ...] = ()
            ) -> Answer:
                probe = container_pb2.ProbeHandler()
                probe.http_get.path, probe.http_get.port.int_val = path, port
                for name, value in headers:
                    probe.http_get.http_headers.add(name=name, value=value)
                target = Target("", container_pb2.Container(), "127.0.0.1")
                return await handlers.ask(probe, target, timeout_s)

            try:
                await scenario(ask, seen)
            finally:
                await handlers.close()
                await runner.cleanup()

    asyncio.run(main())


def test_redirects_to_the_same_host_are_followed_to_their_end(tmp_path: Path) -> None:
    async def scenario(ask: Ask, seen: list[web.Request]) -> None:
        for status in (301, 302, 303, 307, 308):
            assert (await ask(f"/to/{status}/200")).success
            assert not (await ask(f"/to/{status}/to/{status}/503")).success
        assert "404" in (await ask("/to/302/404")).message
        assert (await ask("/elsewhere")).success, "who answers is alive; others are not asked"
        assert (await ask("/nowhere")).success
        assert not (await ask("/otherwise")).success
        seen.clear()
        ended = await ask("/for-ever")
        assert not ended.success
        assert "10 redirects" in ended.message
        assert len(seen) == 11
        assert not (await ask("/slow", timeout_s=0.5)).success, "the time is for all together"

    probing(scenario, tmp_path)


def test_what_is_told_of_an_answer_is_short_whatever_was_answered() -> None:
    """A container answers with garbage, or with nothing."""

    async def scenario() -> tuple[Answer, Answer]:
        async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"X" * 200_000)
            await writer.drain()

        async def keep_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        handlers = Handlers(None)  # type: ignore[arg-type]  # no command is run
        answers = []
        try:
            for server_of in (babble, keep_silent):
                server = await asyncio.start_server(server_of, "127.0.0.1", 0)
                probe = container_pb2.ProbeHandler()
                probe.http_get.port.int_val = server.sockets[0].getsockname()[1]
                target = Target("", container_pb2.Container(), "127.0.0.1")
                answers.append(await handlers.ask(probe, target, 0.5))
                server.close()
        finally:
            await handlers.close()
        return answers[0], answers[1]

    garbage, nothing = asyncio.run(scenario())
    assert not garbage.success
    assert len(garbage.message) <= 1024
    assert nothing == Answer(False, "HTTP probe failed: no answer in time")


def test_a_header_is_known_by_its_name_in_any_case(tmp_path: Path) -> None:
    async def scenario(ask: Ask, seen: list[web.Request]) -> None:
        given = (("user-AGENT", "mine"), ("hOST", "example.org"), ("X-Two", "a"), ("x-two", "b"))
        assert (await ask("/to/302/200", headers=given)).success
        for request in seen:
            assert request.headers.getall("User-Agent") == ["mine"]
            assert request.headers.getall("Host") == ["example.org"]
            assert request.headers.getall("X-Two") == ["a", "b"]
        seen.clear()
        await ask("/200")
        assert seen[0].headers.getall("User-Agent") == ["podraft-probe"]

    probing(scenario, tmp_path)
