"""The kinds of ``apiextensions.k8s.io``: kinds that users declare.

Owns: their entries.  Invariant: a definition comes before everything that may be of its kind.
"""

from __future__ import annotations

from typing import Final

from podraft.api.apiextensions.v1 import custom_resource_definition_pb2
from podraft.api.kinds.kind import AnyKind, Kind, Order

CUSTOM_RESOURCE_DEFINITION = Kind(
    message=custom_resource_definition_pb2.CustomResourceDefinition,
    api_version="apiextensions.k8s.io/v1",
    resource="customresourcedefinitions",
    short_names=("crd", "crds"),
    namespaced=False,
    order=Order.MACHINES,
    subresources=("status",),
    categories=("api-extensions",),
    selectable_fields=("metadata.name",),
)

KINDS: Final[tuple[AnyKind, ...]] = (CUSTOM_RESOURCE_DEFINITION,)
