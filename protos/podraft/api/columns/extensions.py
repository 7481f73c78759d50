"""The tables of the group ``apiextensions.k8s.io``: when a kind was declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds, times
from podraft.api.columns.column import NAME, Column, Table

_DEFINITION: Final = (
    NAME,
    Column("CREATED AT", lambda one, now_s: times.format_time(one.metadata.creation_timestamp)),
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.CUSTOM_RESOURCE_DEFINITION: Table(_DEFINITION)
}
