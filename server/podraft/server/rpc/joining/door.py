"""The join port, open to callers without a certificate.

Owns: when the port is open, its process meanwhile (``port_process``), and the answers to callers.

Invariants: the port is open only while somebody could join, that is, while a token is valid, and a
little longer for callers that did not get the answer; while it is closed there is no process; even
a captured process asks for no more at once, nor more often, than all callers together may.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from podraft.internal.join.v1.join_port_pb2 import FromPort, ToPort
from podraft.server.auth import tokens
from podraft.server.auth.tokens import MEMBER, NODE
from podraft.server.budgets.budget import Budgets, Exceeded, Role
from podraft.server.processes import children
from podraft.server.registry.access.budgets import over_budget
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.failures import translate
from podraft.server.rpc.calls import statuses
from podraft.server.rpc.calls.statuses import NUMBER_OF
from podraft.server.rpc.joining.link import CALLS_MAX, Link, LinkError
from podraft.server.rpc.serving import ListenError, ServingCertificate
from podraft.server.state.datastore import Datastore, StoreFailedError, StoreUnavailableError

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_LINGER_S: Final = 120.0
_START_S_MAX: Final = 30.0
_STOP_S_MAX: Final = 5.0
_AGAIN_S: Final = 5.0
# A joining server waits for the group.
_ANSWER_S_MAX: Final = 60.0

# Answers a request from a peer (in gRPC's notation); an exception becomes a status.
Answer: TypeAlias = Callable[[bytes, str], Awaitable[bytes]]


class JoinDoor:
    """The port's opening and closing, and the answers to its calls; lives on the loop."""

    def __init__(
        self,
        datastore: Datastore,
        answers: Mapping[str, Answer],
        certificate: ServingCertificate,
        listen: str,
        budgets: Budgets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._datastore = datastore
        self._answers = answers
        self._certificate = certificate
        self._host, _, port = listen.rpartition(":")
        self.port = int(port)
        self._holder = (budgets or Budgets()).holder(Role.STRANGERS, "whoever wants to join")
        self._clock = clock
        self._process: _Process | None = None
        self._wanted_s = float("-inf")
        self._failed_s = float("-inf")
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self._process is not None and not self._process.ended

    async def start(self) -> None:
        """Choose the port, and keep it open while there is a token.

        Raises:
            ListenError: The port is taken or the address is not this machine's.
        """
        # A taken port is found out now, and not when somebody wants to join.
        self.port = await asyncio.to_thread(_free_port, self._host, self.port)
        await self.look()
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Close the port for good."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        async with self._looking:
            await self._close()

    def renew(self) -> None:
        """Show the present certificate from the next handshake on."""
        if self._process is not None:
            self._process.show(self._certificate)

    async def look(self) -> None:
        """Open the port if there is a valid token, else close it."""
        async with self._looking:
            now_s = self._clock()
            if await self._somebody_may_join():
                self._wanted_s = now_s
            wanted = now_s - self._wanted_s < _LINGER_S
            if self._process is not None and self._process.ended:
                _LOG.error("the process of the join port has ended")
                self._failed_s = now_s
                await self._close()
            if wanted and self._process is None and now_s - self._failed_s >= _AGAIN_S:
                try:
                    await self._open()
                except (ListenError, OSError) as error:
                    self._failed_s = now_s
                    _LOG.error("nobody can join: %s", error)
                else:
                    _LOG.info("the join port is open: there is a token")
            elif not wanted and self._process is not None:
                await self._close()
                _LOG.info("the join port is closed: there is no token")

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.look()
            except (StoreFailedError, StoreUnavailableError):
                continue
            except Exception:  # noqa: BLE001 - Whatever it was, the next look is as good as any.
                _LOG.exception("the join port could not be looked after")

    async def _somebody_may_join(self) -> bool:
        now_s = time.time()
        for kind in (NODE, MEMBER):
            for record in (await self._datastore.range(kind.key_prefix)).records:
                facts = tokens.facts_of(record.key, record.value, kind)
                if facts.uses_left and now_s < facts.expires_at_s:
                    return True
        return False

    async def _open(self) -> None:
        address = f"{self._host}:{self.port}"
        process = await _Process.start(address, self._answer)
        try:
            await process.open(self._certificate)
        except BaseException:
            await process.end()
            raise
        self._process = process

    async def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.end()

    async def _answer(self, knock: FromPort.Knock) -> ToPort.Answer:
        answer = ToPort.Answer(id=knock.id)
        try:
            # Counted here, too: an attacker may control the port's process by now.
            wait = self._holder.charge(1, time.monotonic())
            if isinstance(wait, Exceeded):
                raise over_budget(self._holder, wait)
            await asyncio.sleep(wait)
            function = self._answers.get(knock.method)
            if function is None:
                raise RefusedError(Code.UNIMPLEMENTED, "there is no such method")
            async with asyncio.timeout(_ANSWER_S_MAX):
                answer.response = await function(knock.request, knock.peer)
        except TimeoutError:
            answer.code, answer.message = NUMBER_OF[Code.UNAVAILABLE], "it took too long; try again"
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            told = translate(error)
            answer.code = NUMBER_OF[told.code]
            answer.message, answer.details = statuses.words(told)
        return answer


class _Process:
    """The port's process, and this end of the link to it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        api: Link,
        answer: Callable[[FromPort.Knock], Awaitable[ToPort.Answer]],
    ) -> None:
        self._process = process
        self._link = api
        self._answer = answer
        self._room = asyncio.Semaphore(CALLS_MAX)
        self._answering: set[asyncio.Task[None]] = set()
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, address: str, answer: Callable[[FromPort.Knock], Awaitable[ToPort.Answer]]
    ) -> _Process:
        """Start the process; it does not listen yet."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = (
                *(sys.executable, "-m", "podraft.server.rpc.joining.port_process"),
                *("--descriptor", str(theirs.fileno()), "--listen", address),
                *("--log-level", logging.getLevelName(logging.getLogger().level).lower()),
            )
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=children.environment_of_child(),
                )
            except OSError:
                ours.close()
                raise
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, Link(reader, writer), answer)

    @property
    def ended(self) -> bool:
        """Whether the process serves nobody any more."""
        return self._process.returncode is not None or (
            self._reading is not None and self._reading.done()
        )

    def show(self, certificate: ServingCertificate) -> None:
        """Give the port a certificate to show."""
        key, chain = certificate.pair()
        self._link.write(ToPort(certificate=ToPort.Certificate(key=key, chain=chain)))

    async def open(self, certificate: ServingCertificate) -> None:
        """Open the port, and return when it is open.

        Raises:
            ListenError: The process cannot open it.
        """
        self.show(certificate)
        said = None
        with contextlib.suppress(TimeoutError, LinkError):
            async with asyncio.timeout(_START_S_MAX):
                said = await self._link.read(FromPort)
        if said is None or not said.HasField("open"):
            raise ListenError("the process of the join port does not listen")
        self._reading = asyncio.create_task(self._read())

    async def end(self) -> None:
        """End the process: politely at first, then by force."""
        if self._reading is not None:
            self._reading.cancel()
        for task in self._answering:
            task.cancel()
        self._link.close()
        try:
            async with asyncio.timeout(_STOP_S_MAX):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _read(self) -> None:
        try:
            while (said := await self._link.read(FromPort)) is not None:
                await self._room.acquire()
                task = asyncio.create_task(self._tell(said.knock))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
        except LinkError as error:
            _LOG.error("the process of the join port says %s: it is ended", error)

    async def _tell(self, knock: FromPort.Knock) -> None:
        try:
            self._link.write(ToPort(answer=await self._answer(knock)))
        finally:
            self._room.release()


def _free_port(host: str, port: int) -> int:
    """Return a port of ``host`` that can be listened on: ``port``, or any if it is 0.

    Raises:
        ListenError: There is none.
    """
    try:
        found = socket.getaddrinfo(
            host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trying.bind(address)
            trying.listen(1)
            return int(trying.getsockname()[1])
    except OSError as error:
        raise ListenError(
            f"cannot listen on {host}:{port}: the port is taken or the address is not this "
            f"machine's ({error.strerror or error})"
        ) from None
