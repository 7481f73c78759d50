"""Questions that are answered and never stored: who somebody is, and what somebody may do.

Owns: their way from a call to an answer.  Invariant: whoever may not ask learns nothing.
"""

from __future__ import annotations

from typing import Any

from podraft.api.kinds import AnyKind, KnownKinds
from podraft.server.auth.authorize import Attributes, Lookup
from podraft.server.kinds.hooks import Asking
from podraft.server.kinds.report import Report
from podraft.server.kinds.rooms import rules_of
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError


class Reviews:
    """The answers to questions of all kinds that are answered."""

    def __init__(self, known: KnownKinds, lookup: Lookup) -> None:
        self._known = known
        self._lookup = lookup

    async def answer(self, kind: AnyKind, question: Any, caller: Caller) -> bytes:
        """Return a question with its answer.

        Raises:
            RefusedError: The caller may not ask.
            InvalidObjectError: The question is malformed.
        """
        namespace = question.metadata.namespace if kind.namespaced else ""
        caller(Attributes("create", kind, namespace))
        rules = rules_of(kind)
        if rules.answer is None:
            raise RefusedError(Code.UNIMPLEMENTED, f"{kind.resource} are not answered")
        answered = kind.message()
        answered.CopyFrom(question)
        answered.ClearField("status")
        report = Report()
        rules.check(answered, report)
        report.raise_if_any()
        asking = Asking(caller.identity, self._known, self._lookup, caller.rights)
        rules.answer(answered, asking)
        data: bytes = answered.SerializeToString()
        return data
