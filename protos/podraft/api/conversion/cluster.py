"""Old forms of what a cluster as a whole has: storage, priorities, runtimes; queues of calls."""

from __future__ import annotations

from typing import Final

from podraft.api.conversion.table import Gone, Manifest, Present, Table, default

_STORAGE: Final = {
    "v1alpha1": ("VolumeAttachment", "CSIStorageCapacity", "VolumeAttributesClass"),
    "v1beta1": (
        "StorageClass",
        "VolumeAttachment",
        "CSIDriver",
        "CSINode",
        "CSIStorageCapacity",
        "VolumeAttributesClass",
    ),
}
_QUEUES: Final = Gone(
    "podraft has no queues of calls that objects configure: each identity has a budget, which "
    "the server's options set"
)


def _runtime_class_of_alpha(manifest: Manifest) -> None:
    """Take the fields out of the spec that v1alpha1 had."""
    spec = manifest.pop("spec", None)
    if not isinstance(spec, dict):
        if spec is not None:
            manifest["spec"] = spec
        return
    for old, new in (("runtimeHandler", "handler"), ("overhead",) * 2, ("scheduling",) * 2):
        if spec.get(old) is not None:
            default(manifest, new, spec[old])


TABLE: Final[Table] = {
    **{
        (f"storage.k8s.io/{version}", kind): Present("storage.k8s.io/v1")
        for version, kinds in _STORAGE.items()
        for kind in kinds
    },
    **{
        (f"scheduling.k8s.io/{version}", "PriorityClass"): Present("scheduling.k8s.io/v1")
        for version in ("v1alpha1", "v1beta1")
    },
    ("node.k8s.io/v1alpha1", "RuntimeClass"): Present("node.k8s.io/v1", _runtime_class_of_alpha),
    ("node.k8s.io/v1beta1", "RuntimeClass"): Present("node.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", "APIService"): Present("apiregistration.k8s.io/v1"),
    **{
        (f"flowcontrol.apiserver.k8s.io/{version}", kind): _QUEUES
        for version in ("v1alpha1", "v1beta1", "v1beta2", "v1beta3", "v1")
        for kind in ("FlowSchema", "PriorityLevelConfiguration")
    },
}
