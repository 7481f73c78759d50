"""MutatingWebhookConfigurations: webhooks that may change what is written."""

from __future__ import annotations

from typing import Final

from podraft.api.admissionregistration.v1.mutating_webhook_configuration_pb2 import (
    MutatingWebhookConfiguration,
)
from podraft.server.kinds.admissionregistration.webhooks import check_webhooks, default_webhooks
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules

_NEVER: Final = "Never"
_REINVOCATION: Final = (_NEVER, "IfNeeded")


def _default(configuration: MutatingWebhookConfiguration) -> None:
    default_webhooks(configuration.webhooks)
    for webhook in configuration.webhooks:
        if not webhook.HasField("reinvocation_policy"):
            webhook.reinvocation_policy = _NEVER


def _check(configuration: MutatingWebhookConfiguration, report: Report) -> None:
    check_webhooks(configuration.webhooks, report)
    for index, webhook in enumerate(configuration.webhooks):
        field = f"webhooks[{index}].reinvocationPolicy"
        report.one_of(field, webhook.reinvocation_policy, _REINVOCATION)


RULES: Final[Rules[MutatingWebhookConfiguration]] = Rules(default=_default, check=_check)
