"""ValidatingWebhookConfigurations: webhooks that may refuse what is written."""

from __future__ import annotations

from typing import Final

from podraft.api.admissionregistration.v1.validating_webhook_configuration_pb2 import (
    ValidatingWebhookConfiguration,
)
from podraft.server.kinds.admissionregistration.webhooks import check_webhooks, default_webhooks
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules


def _default(configuration: ValidatingWebhookConfiguration) -> None:
    default_webhooks(configuration.webhooks)


def _check(configuration: ValidatingWebhookConfiguration, report: Report) -> None:
    check_webhooks(configuration.webhooks, report)


RULES: Final[Rules[ValidatingWebhookConfiguration]] = Rules(default=_default, check=_check)
