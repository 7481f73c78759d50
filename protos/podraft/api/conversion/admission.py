"""Old forms of ``admissionregistration.k8s.io`` and ``certificates.k8s.io``.

Owns: the defaults of webhooks as they were then: a webhook that failed was ignored, had 30
seconds, and saw only the versions that it named.
"""

from __future__ import annotations

from typing import Final

from podraft.api.conversion.table import Manifest, Present, Table, default, mapping_in
from podraft.api.violations import Faults, InvalidObjectError, shown

_V1: Final = "admissionregistration.k8s.io/v1"
_HARMLESS: Final = ("None", "NoneOnDryRun")


def _webhooks(manifest: Manifest) -> None:
    """Say what was the default.

    Raises:
        InvalidObjectError: A webhook may have effects elsewhere, which is not allowed any more.
    """
    faults = Faults()
    webhooks = manifest.get("webhooks")
    for index, webhook in enumerate(webhooks if isinstance(webhooks, list) else ()):
        if not isinstance(webhook, dict):
            continue
        default(webhook, "failurePolicy", "Ignore")
        default(webhook, "matchPolicy", "Exact")
        default(webhook, "timeoutSeconds", 30)
        default(webhook, "admissionReviewVersions", ["v1beta1"])
        effects = webhook.get("sideEffects")
        if effects is None or effects in ("Unknown", "Some"):
            said = "is not said" if effects is None else f"is {shown(effects)}"
            faults.add(
                f"webhooks[{index}].sideEffects",
                f'{said}: {_V1} expects "None" or "NoneOnDryRun", which only its author can tell',
            )
    faults.raise_if_any()


def _signing_request(manifest: Manifest) -> None:
    """Say what was the default.

    Raises:
        InvalidObjectError: No signer is named.
    """
    spec = mapping_in(manifest, "spec")
    if spec is None:
        return
    if not spec.get("signerName"):
        raise InvalidObjectError.of(
            "spec.signerName",
            "is required now, for example kubernetes.io/kube-apiserver-client "
            "(v1beta1 guessed it from the request)",
        )
    default(spec, "usages", ["digital signature", "key encipherment"])


_POLICIES: Final = ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")

TABLE: Final[Table] = {
    **{
        ("admissionregistration.k8s.io/v1beta1", kind): Present(_V1, _webhooks)
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
    },
    **{
        (f"admissionregistration.k8s.io/{version}", f"{kind}{binding}"): Present(_V1)
        for version in ("v1alpha1", "v1beta1")
        for kind in _POLICIES
        for binding in ("", "Binding")
    },
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest"): Present(
        "certificates.k8s.io/v1", _signing_request
    ),
}
