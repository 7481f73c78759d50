"""The health of a server: the call of ``DiagnosisService``."""

from __future__ import annotations

from typing import Final

from podraft.api.cluster.v1 import diagnosis_pb2
from podraft.client.connecting.connection import Connection

_METHOD: Final = "/podraft.api.cluster.v1.DiagnosisService/Diagnose"


class DiagnosisClient:
    """The diagnosis call on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def diagnose(self, *, try_disk: bool = False) -> diagnosis_pb2.Diagnosis:
        """Return the answering server's diagnosis; trying its disk takes up to three seconds."""
        request = diagnosis_pb2.DiagnoseRequest(try_disk=try_disk)
        return await self._connection.call(_METHOD, request, diagnosis_pb2.Diagnosis.FromString)
