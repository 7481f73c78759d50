"""Old forms of ``rbac.authorization.k8s.io`` and of the reviews of who may do what."""

from __future__ import annotations

from typing import Final

from podraft.api.conversion.table import Manifest, Present, Table, mapping_in, mappings_in, rename

_GROUP: Final = "rbac.authorization.k8s.io"
_V1: Final = f"{_GROUP}/v1"


def _binding_of_alpha(manifest: Manifest) -> None:
    """Name each subject by its group; every user was a user called ``*``."""
    for subject in mappings_in(manifest, "subjects"):
        version = subject.pop("apiVersion", None)
        if subject.get("kind") == "User" and subject.get("name") == "*":
            subject.update(kind="Group", name="system:authenticated")
        if subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = _GROUP
        elif isinstance(version, str) and "/" in version:
            subject["apiGroup"] = version.partition("/")[0]


def _access_review(manifest: Manifest) -> None:
    if (spec := mapping_in(manifest, "spec")) is not None:
        rename(spec, "group", "groups")


TABLE: Final[Table] = {
    **{
        (f"{_GROUP}/{version}", kind): Present(_V1)
        for version in ("v1alpha1", "v1beta1")
        for kind in ("Role", "ClusterRole")
    },
    **{
        (f"{_GROUP}/v1alpha1", kind): Present(_V1, _binding_of_alpha)
        for kind in ("RoleBinding", "ClusterRoleBinding")
    },
    **{(f"{_GROUP}/v1beta1", kind): Present(_V1) for kind in ("RoleBinding", "ClusterRoleBinding")},
    **{
        ("authorization.k8s.io/v1beta1", kind): Present("authorization.k8s.io/v1", _access_review)
        for kind in ("SubjectAccessReview", "LocalSubjectAccessReview")
    },
    **{
        ("authorization.k8s.io/v1beta1", kind): Present("authorization.k8s.io/v1")
        for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview")
    },
    ("authentication.k8s.io/v1beta1", "TokenReview"): Present("authentication.k8s.io/v1"),
}
