"""The old form of ``apiextensions.k8s.io``: what stood beside the versions is in them now."""

from __future__ import annotations

import copy
from typing import Any, Final

from podraft.api.conversion.table import (
    Manifest,
    Present,
    Table,
    default,
    made_in,
    mapping_in,
    mappings_in,
    rename,
)

_KEEP_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"


def _definition(manifest: Manifest) -> None:
    spec = mapping_in(manifest, "spec")
    if spec is None:
        return
    _list_versions(spec)
    shared = {
        "schema": spec.pop("validation", None),
        "subresources": spec.pop("subresources", None),
        "additionalPrinterColumns": spec.pop("additionalPrinterColumns", None),
    }
    # Fields that no schema names were kept, unless the definition said otherwise.
    keeps_unknown = spec.pop("preserveUnknownFields", None) is not False
    for version in mappings_in(spec, "versions"):
        for name, value in shared.items():
            if value is not None:
                default(version, name, copy.deepcopy(value))
        for column in mappings_in(version, "additionalPrinterColumns"):
            rename(column, "JSONPath", "jsonPath")
        _make_structural(version, keeps_unknown=keeps_unknown)
    if (conversion := mapping_in(spec, "conversion")) is not None:
        _nest_webhook(conversion)


def _list_versions(spec: Manifest) -> None:
    name = spec.pop("version", None)
    if name is not None and not spec.get("versions"):
        spec["versions"] = [{"name": name, "served": True, "storage": True}]


def _make_structural(version: Manifest, *, keeps_unknown: bool) -> None:
    """Give the version's schema the root that every schema has now."""
    schema = made_in(version, "schema")
    root: Any = made_in(schema, "openAPIV3Schema") if schema is not None else None
    if root is None:
        return
    default(root, "type", "object")
    if keeps_unknown:
        default(root, _KEEP_UNKNOWN, True)


def _nest_webhook(conversion: Manifest) -> None:
    client = conversion.pop("webhookClientConfig", None)
    versions = conversion.pop("conversionReviewVersions", None)
    if conversion.get("strategy") != "Webhook":
        return
    webhook = made_in(conversion, "webhook")
    if webhook is None:
        return
    if client is not None:
        default(webhook, "clientConfig", client)
    default(webhook, "conversionReviewVersions", versions or ["v1beta1"])


TABLE: Final[Table] = {
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): Present(
        "apiextensions.k8s.io/v1", _definition
    ),
}
