"""Services: the rules of a spec, and the addresses and ports that a Service holds."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.core.v1.service_pb2 import Service
from podraft.server.kinds.core.service import spec
from podraft.server.kinds.core.service.addresses import CLAIMS
from podraft.server.kinds.core.service.status import check_status
from podraft.server.kinds.rules import Rules

RULES: Final[Rules[Service]] = Rules(
    check_name=names.dns_label_1035,
    leave=spec.leave,
    keep=spec.keep,
    default=spec.default,
    check=spec.check,
    check_change=spec.check_change,
    check_status=check_status,
    keeps_spelling=True,
    claims=CLAIMS,
)
