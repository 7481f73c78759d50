"""The tables of the group ``coordination.k8s.io``: who leads, which node lives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.columns.column import AGE, NAME, Column, Table

_LEASE = (NAME, Column("HOLDER", lambda lease, now_s: lease.spec.holder_identity), AGE)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {kinds.LEASE: Table(_LEASE)}
