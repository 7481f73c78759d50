"""The audit log of one server: a bounded queue, and the thread that writes it.

Owns: what waits to be written, and how much was lost.  Invariants: no call waits for the log; what
is dropped, as too much waits or the disk refuses, is counted, and the count is written once there
is room; the policy is applied and JSON is made in the thread.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.message import Message

from podraft.server.audit.calls import AuditedCall, Operation
from podraft.server.audit.describing import Describer
from podraft.server.audit.events import line_of
from podraft.server.audit.files import RotatingFile
from podraft.server.audit.policy import Level, Policy
from podraft.server.auth.authorize import Attributes

_LOG = logging.getLogger(__name__)

_WAITING_MAX: Final = 10_000
_WAITING_BYTES_MAX: Final = 32 * 1024 * 1024
_AT_ONCE: Final = 256
_LOST_METHOD: Final = "/podraft.audit/Lost"


@dataclass(frozen=True, slots=True)
class Heard:
    """A call that has ended, with its request and its answer, and what was decided about."""

    call: AuditedCall
    decided: Sequence[Attributes] = ()
    request: Message | None = None
    answer: bytes | None = None

    @property
    def size(self) -> int:
        """About how many bytes the record holds on to."""
        request = self.request.ByteSize() if self.request is not None else 0
        return request + len(self.answer or b"") + 512


class AuditLog:
    """The log; `hear` is called by the event loop, everything else happens in a thread."""

    def __init__(self, policy: Policy, describer: Describer, file: RotatingFile) -> None:
        self._policy = policy
        self._describer = describer
        self._file = file
        self._waiting: deque[Heard] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        # How many calls were not written, ever and since the last line that said so.
        self.lost = 0
        self._untold = 0
        self._failing = False
        self._thread: threading.Thread | None = None
        self.keeps_answers = any(rule.level is Level.REQUEST_RESPONSE for rule in policy.rules)

    def start(self) -> None:
        """Open the file and start to write.

        Raises:
            OSError: The file cannot be opened.
        """
        self._file.open()
        self._thread = threading.Thread(target=self._write_all, name="audit", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Write what waits, and stop."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def hear(self, heard: Heard) -> None:
        """Take over a call, or count it as lost if too much waits."""
        size = heard.size
        with self._changed:
            full = len(self._waiting) >= _WAITING_MAX or self._bytes + size > _WAITING_BYTES_MAX
            if full:
                self.lost += 1
                self._untold += 1
                return
            self._waiting.append(heard)
            self._bytes += size
            self._changed.notify()

    # The thread.

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if not self._waiting:
                    break
                count = min(len(self._waiting), _AT_ONCE)
                taken = [self._waiting.popleft() for _ in range(count)]
                self._bytes -= sum(heard.size for heard in taken)
                untold, self._untold = self._untold, 0
            self._write(taken, untold)
        self._file.close()

    def _write(self, taken: list[Heard], untold: int) -> None:
        lines = [line for heard in taken if (line := self._line(heard)) is not None]
        calls = len(lines)
        if untold:
            lines.append(_lost_line(untold))
        if not lines:
            return
        try:
            self._file.append(b"".join(lines))
            self._failing = False
        except OSError as error:
            if not self._failing:
                _LOG.error("the audit log cannot be written: %s", error)
            self._failing = True
            self._file.close()
            with self._changed:
                self.lost += calls
                self._untold += calls + untold

    def _line(self, heard: Heard) -> bytes | None:
        try:
            method = heard.call.method
            operations = heard.call.operations or self._describer.operations(
                method, heard.request, heard.decided
            )
            call = replace(heard.call, operations=operations)
            level = self._policy.level(call)
            if level is Level.NONE:
                return None
            if any(operation.is_secret for operation in operations):
                level = Level.METADATA
            request = response = None
            if level >= Level.REQUEST:
                request = self._describer.kept(method, heard.request)
            if level is Level.REQUEST_RESPONSE:
                response = self._describer.kept(method, heard.answer)
            return line_of(call, level, str(uuid.uuid4()), request, response)
        except Exception:  # noqa: BLE001 - one odd call must not end the log
            _LOG.exception("a call could not be written to the audit log")
            with self._changed:
                self.lost += 1
                self._untold += 1
            return None


def _lost_line(count: int) -> bytes:
    now_s = time.time()
    call = AuditedCall(
        _LOST_METHOD,
        "system:apiserver",
        frozenset(),
        "DATA_LOSS",
        (Operation("lose"),),
        message=f"{count} calls were not written",
        received_s=now_s,
        ended_s=now_s,
    )
    return line_of(call, Level.METADATA, str(uuid.uuid4()))
