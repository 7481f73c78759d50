"""Webhooks: where they are, when they are called, and what is done when they do not answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from podraft.api import names
from podraft.api.admissionregistration.v1.matching_pb2 import ServiceReference, WebhookClientConfig
from podraft.api.admissionregistration.v1.mutating_webhook_configuration_pb2 import MutatingWebhook
from podraft.api.admissionregistration.v1.validating_webhook_configuration_pb2 import (
    ValidatingWebhook,
)
from podraft.api.selectors.labels import check_label_selector
from podraft.api.violations import shown
from podraft.server.kinds.admissionregistration.matching import (
    EQUIVALENT,
    FAIL,
    FAILURE_POLICIES,
    check_conditions,
    check_match_policy,
    check_rule,
    check_unique,
    default_rule,
)
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.conditions import has_at_most

Webhook: TypeAlias = MutatingWebhook | ValidatingWebhook

_TIMEOUT_DEFAULT_S: Final = 10
_TIMEOUT_MAX_S: Final = 30
_PORT_DEFAULT: Final = 443
_SIDE_EFFECTS: Final = ("None", "NoneOnDryRun")
# The version of AdmissionReview that the server can send.
_REVIEW_VERSION: Final = "v1"
# Called one after another, each up to its timeout.
_WEBHOOKS_MAX: Final = 256


def default_webhooks(webhooks: Iterable[Webhook]) -> None:
    """Fill in what webhooks leave out."""
    for webhook in webhooks:
        if not webhook.HasField("failure_policy"):
            webhook.failure_policy = FAIL
        if not webhook.HasField("match_policy"):
            webhook.match_policy = EQUIVALENT
        if not webhook.HasField("timeout_seconds"):
            webhook.timeout_seconds = _TIMEOUT_DEFAULT_S
        webhook.namespace_selector.SetInParent()
        webhook.object_selector.SetInParent()
        for rule in webhook.rules:
            default_rule(rule.rule)
        config = webhook.client_config
        if config.HasField("service") and not config.service.HasField("port"):
            config.service.port = _PORT_DEFAULT


def check_webhooks(webhooks: Sequence[Webhook], report: Report) -> None:
    """Check the webhooks of a configuration."""
    if not has_at_most(_WEBHOOKS_MAX, webhooks, "webhooks", report):
        return
    check_unique((webhook.name for webhook in webhooks), "webhooks", "name", report)
    for index, webhook in enumerate(webhooks):
        _check_webhook(webhook, f"webhooks[{index}]", report)


def _check_webhook(webhook: Webhook, field: str, report: Report) -> None:
    report.name(f"{field}.name", webhook.name, _name_problem(webhook.name))
    _check_client(webhook.client_config, f"{field}.clientConfig", report)
    for index, rule in enumerate(webhook.rules):
        check_rule(rule, f"{field}.rules[{index}]", report)
    report.one_of(f"{field}.failurePolicy", webhook.failure_policy, FAILURE_POLICIES)
    check_match_policy(webhook.match_policy, f"{field}.matchPolicy", report)
    check_label_selector(webhook.namespace_selector, f"{field}.namespaceSelector", report)
    check_label_selector(webhook.object_selector, f"{field}.objectSelector", report)
    if webhook.side_effects:
        report.one_of(f"{field}.sideEffects", webhook.side_effects, _SIDE_EFFECTS)
    else:
        report.add(f"{field}.sideEffects", f"is required: one of {', '.join(_SIDE_EFFECTS)}")
    report.between(f"{field}.timeoutSeconds", webhook.timeout_seconds, 1, _TIMEOUT_MAX_S)
    _check_versions(webhook.admission_review_versions, f"{field}.admissionReviewVersions", report)
    check_conditions(webhook.match_conditions, f"{field}.matchConditions", report)


def _name_problem(name: str) -> str | None:
    if (problem := names.dns_subdomain(name)) is not None:
        return problem
    return None if name.count(".") > 1 else "must have three parts or more: check.example.com"


def _check_client(config: WebhookClientConfig, field: str, report: Report) -> None:
    if config.HasField("url") == config.HasField("service"):
        report.add(field, "must have a url or a service, one of the two")
    if config.HasField("url"):
        _check_url(config.url, f"{field}.url", report)
    if config.HasField("service"):
        _check_service(config.service, f"{field}.service", report)


def _check_url(url: str, field: str, report: Report) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        report.add(field, f"is no URL ({error}): {shown(url)}")
        return
    if parts.scheme != "https":
        report.add(field, f"must begin with https://, is {shown(url)}")
    elif not host:
        report.add(field, f"must name a host, is {shown(url)}")
    for what, found in (
        ("a user", "@" in parts.netloc),
        ("a query", "?" in url),
        ("a fragment", "#" in url),
    ):
        if found:
            report.add(field, f"must not have {what}, is {shown(url)}")


def _check_service(service: ServiceReference, field: str, report: Report) -> None:
    report.name(f"{field}.name", service.name, names.dns_label_1035(service.name))
    report.name(f"{field}.namespace", service.namespace, names.dns_label(service.namespace))
    report.between(f"{field}.port", service.port, 1, 65535)
    if service.path:
        _check_path(service.path, f"{field}.path", report)


def _check_path(path: str, field: str, report: Report) -> None:
    if not path.startswith("/"):
        report.add(field, f"must begin with '/', is {shown(path)}")
        return
    # The last part may be empty: the path then ends in a slash.
    for part in path.removeprefix("/").removesuffix("/").split("/") if path != "/" else ():
        if (problem := names.dns_subdomain(part)) is not None:
            report.add(field, f"its part {shown(part)} {problem}")


def _check_versions(versions: Sequence[str], field: str, report: Report) -> None:
    if _REVIEW_VERSION not in versions:
        report.add(field, f"must have {_REVIEW_VERSION}, in which the server asks")
    for index, version in enumerate(versions):
        if (problem := names.dns_label_1035(version)) is not None:
            report.add(f"{field}[{index}]", f"{shown(version)} {problem}")
        elif version in versions[:index]:
            report.add(f"{field}[{index}]", f"duplicate: {shown(version)} is listed already")
