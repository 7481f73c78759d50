"""The server's knowledge of one kind: its rules, each a step or a hook with a name.

Owns: the shape of a room.  A room (``kinds/<group>/<kind>.py``) is one `Rules`, called ``RULES``;
what it leaves out is as it is for every kind.  The framework (`objects`, `deletion`) and the
registry follow it; no other code of the API server asks which kind an object is of.

Invariant: every step is pure.  Steps that change a message get the server's own copy; all others
only read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from podraft.api import names
from podraft.api.meta.v1 import requests_pb2
from podraft.server.kinds.hooks import Asking, Claims, Companion, Neighbours, ObjectT, Secrecy
from podraft.server.kinds.report import Report

NameCheck: TypeAlias = Callable[[str], str | None]


def _nothing(*_: Any) -> None:
    """Take no step: the kind has nothing to do here."""


def _never(_: Any) -> bool:
    """Return False, whatever the object."""
    return False


@dataclass(frozen=True, slots=True)
class Rules(Generic[ObjectT]):
    """The rules of one kind.

    Making and changing, in the order in which they are called:

    * ``leave``: remove what a whole update took over from the stored object although its new
      type forbids it.
    * ``keep``: restore from the stored object what an update does not mention.
    * ``fold``: rewrite what is for writing only into what is stored for it.
    * ``default``: fill in the fields that the object leaves out.
    * ``check_name``, ``check``: check the object by itself.
    * ``check_change``: check the difference between the stored object and the new one.
    * ``begin``: set the server's part of a new, valid object.
    * ``default_status``: fill in what an update of the status leaves out.
    * ``check_status``: check an update of the status.
    * ``check_status_change``: check the difference between the stored status and the new one.

    ``status_at_creation``: the maker of the object may set its status along with it.
    ``keeps_spelling``: a quantity of the spec that is only written differently stays as stored.

    Deleting:

    * ``check_delete``: check whether the object may be deleted at all.
    * ``grace_s``: return the seconds that it may take to go, given the stored object, the call's
      options, and whether it was marked before.  None: objects of the kind go at once.
    * ``is_held``: return whether something besides finalizers keeps it from going.
    * ``mark``: set the server's part of an object that is being deleted from now on.

    Taking part, see `hooks`:

    * ``claims``: what the object holds alone, such as an address.
    * ``sources``: from which other objects a new one takes what it leaves out; its ``check`` fills
      that in.
    * ``neighbours``: which other objects a rule must look at.
    * ``companions``: what the server keeps beside the object, until it goes.
    * ``secrecy``: what of the object history must not show.  None: nothing.
    * ``answer``: fill in the answer of a question, for kinds without objects.
    * ``metered``: making one counts in its maker's budget of events, as there is no end of them.
    """

    check_name: NameCheck = names.dns_subdomain
    leave: Callable[[ObjectT, ObjectT], None] = _nothing
    keep: Callable[[ObjectT, ObjectT], None] = _nothing
    fold: Callable[[ObjectT], None] = _nothing
    default: Callable[[ObjectT], None] = _nothing
    check: Callable[[ObjectT, Report], None] = _nothing
    check_change: Callable[[ObjectT, ObjectT, Report], None] = _nothing
    begin: Callable[[ObjectT], None] = _nothing
    default_status: Callable[[ObjectT], None] = _nothing
    check_status: Callable[[ObjectT, Report], None] = _nothing
    check_status_change: Callable[[ObjectT, ObjectT, Report], None] = _nothing
    status_at_creation: bool = False
    keeps_spelling: bool = False

    check_delete: Callable[[ObjectT, Report], None] = _nothing
    grace_s: Callable[[ObjectT, requests_pb2.DeleteOptions, bool], int] | None = None
    is_held: Callable[[ObjectT], bool] = _never
    mark: Callable[[ObjectT], None] = _nothing

    claims: Claims[ObjectT] | None = None
    sources: Neighbours[ObjectT] | None = None
    neighbours: Neighbours[ObjectT] | None = None
    companions: tuple[Companion, ...] = ()
    secrecy: Secrecy[ObjectT] | None = None
    metered: bool = False
    answer: Callable[[ObjectT, Asking], None] | None = None
