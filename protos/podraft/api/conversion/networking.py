"""Old forms of ``networking.k8s.io``: Ingresses, their classes, network policies."""

from __future__ import annotations

from typing import Any, Final

from podraft.api.conversion.table import (
    Manifest,
    Present,
    Table,
    default,
    mapping_in,
    mappings_in,
    rename,
)


def _ingress(manifest: Manifest) -> None:
    """Name services and ports in the present form; a path without a type matches as it did."""
    spec = mapping_in(manifest, "spec")
    if spec is None:
        return
    rename(spec, "backend", "defaultBackend")
    _backend(spec.get("defaultBackend"))
    for rule in mappings_in(spec, "rules"):
        for path in mappings_in(mapping_in(rule, "http"), "paths"):
            default(path, "pathType", "ImplementationSpecific")
            _backend(path.get("backend"))


def _backend(backend: Any) -> None:
    if not isinstance(backend, dict) or not {"serviceName", "servicePort"} & backend.keys():
        return
    service: dict[str, Any] = {}
    if (name := backend.pop("serviceName", None)) is not None:
        service["name"] = name
    port = backend.pop("servicePort", None)
    if port is not None:
        service["port"] = {"name" if isinstance(port, str) else "number": port}
    default(backend, "service", service)


_V1: Final = "networking.k8s.io/v1"

TABLE: Final[Table] = {
    ("extensions/v1beta1", "Ingress"): Present(_V1, _ingress),
    ("extensions/v1beta1", "NetworkPolicy"): Present(_V1),
    ("networking.k8s.io/v1beta1", "Ingress"): Present(_V1, _ingress),
    ("networking.k8s.io/v1beta1", "IngressClass"): Present(_V1),
    ("networking.k8s.io/v1beta1", "IPAddress"): Present(_V1),
    ("networking.k8s.io/v1beta1", "ServiceCIDR"): Present(_V1),
}
