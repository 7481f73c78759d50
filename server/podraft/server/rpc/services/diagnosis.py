"""The diagnosis service: the health of this server.

Owns: the one method, and the rule that only one disk trial runs at a time.  Invariant: only
administrators get an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from podraft.api.cluster.v1 import diagnosis_pb2
from podraft.server.auth.authorize import DIAGNOSIS, Attributes
from podraft.server.budgets.budget import Use
from podraft.server.diagnosis.diagnose import Patient, certificate_diagnosis, diagnose
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, unary_methods

_METHOD: Final = "/podraft.api.cluster.v1.DiagnosisService/Diagnose"


class DiagnosisService:
    """The diagnosis of ``patient``; ``disk_slow`` returns what the server thinks of its disk."""

    def __init__(
        self,
        patient: Patient,
        disk_slow: Callable[[], bool],
        budget_uses: Callable[[], Iterable[Use]] = tuple,
    ) -> None:
        self._patient = patient
        self._budget_uses = budget_uses
        self._disk_slow = disk_slow
        self._trying = False

    def methods(self, callers: Callers) -> Methods:
        """Return the service's handlers."""
        return unary_methods(callers, {_METHOD: (diagnosis_pb2.DiagnoseRequest, self._diagnose)})

    async def _diagnose(self, request: diagnosis_pb2.DiagnoseRequest, caller: Caller) -> bytes:
        received_ns = time.time_ns()
        caller(Attributes("get", None, subresource=DIAGNOSIS))
        if not request.try_disk:
            return await self._answer(received_ns, caller, disk=False)
        if self._trying:
            raise RefusedError(Code.RESOURCE_EXHAUSTED, "the disk is being tried already")
        self._trying = True
        try:
            return await self._answer(received_ns, caller, disk=True)
        finally:
            self._trying = False

    async def _answer(self, received_ns: int, caller: Caller, *, disk: bool) -> bytes:
        result = await diagnose(self._patient, disk=disk, disk_slow=self._disk_slow())
        for use in self._budget_uses():
            result.budgets.add(
                role=use.role.value,
                resource=use.resource.value,
                used=use.used,
                limit=use.limit,
                refused=use.refused,
            )
        shown = certificate_diagnosis(caller.identity.user, caller.certificate)
        if shown is not None:
            result.caller.CopyFrom(shown)
        result.received_unix_ns = received_ns
        result.sent_unix_ns = time.time_ns()
        return result.SerializeToString()
