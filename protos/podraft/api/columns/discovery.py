"""The tables of the group ``discovery.k8s.io``, which show where a service's traffic goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.columns.column import AGE, NAME, UNSET, Column, Table, first_few
from podraft.api.discovery.v1 import endpoint_slice_pb2


def _ports(endpoints: endpoint_slice_pb2.EndpointSlice, now_s: float) -> str:
    return first_few(str(port.port) for port in endpoints.ports) or UNSET


def _addresses(endpoints: endpoint_slice_pb2.EndpointSlice, now_s: float) -> str:
    addresses = (address for point in endpoints.endpoints for address in point.addresses)
    return first_few(addresses) or UNSET


_ENDPOINT_SLICE = (
    NAME,
    Column("ADDRESSTYPE", lambda endpoints, now_s: endpoints.address_type),
    Column("PORTS", _ports),
    Column("ENDPOINTS", _addresses),
    AGE,
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {kinds.ENDPOINT_SLICE: Table(_ENDPOINT_SLICE)}
