"""CustomResourceDefinitions: kinds that users declare, by name, versions and schemas."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.apiextensions.v1.custom_resource_definition_pb2 import (
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
)
from podraft.api.declared import KIND_NAME
from podraft.api.kinds import BUILT_IN_GROUPS
from podraft.api.objects.conditions import TRUE
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.well_known import CLEANUP_FINALIZER
from podraft.api.violations import shown
from podraft.server.kinds.apiextensions.versions import check_version
from podraft.server.kinds.hooks import Claims
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import (
    check_conditions,
    has_at_most,
)

_NONE, _WEBHOOK = "None", "Webhook"
_SCOPES: Final = ("Namespaced", "Cluster")
_VERSIONS_MAX: Final = 32
_WORDS_MAX: Final = 32
# Which kind has which of the names in an API group.
_CLAIMS: Final = b"_kindnames/"


def _default(definition: CustomResourceDefinition) -> None:
    """Fill in what a definition leaves out."""
    spec = definition.spec
    if spec.names.kind:
        if not spec.names.singular:
            spec.names.singular = spec.names.kind.lower()
        if not spec.names.list_kind:
            spec.names.list_kind = f"{spec.names.kind}List"
    if not spec.conversion.HasField("strategy"):
        spec.conversion.strategy = _NONE


def _check(definition: CustomResourceDefinition, report: Report) -> None:
    """Check a definition."""
    spec = definition.spec
    report.name("spec.group", spec.group, _group_problem(spec.group))
    _check_names(spec.names, report)
    expected = f"{spec.names.plural}.{spec.group}"
    if definition.metadata.name != expected:
        what = f"must be the plural and the group, {shown(expected)}"
        report.add("metadata.name", f"{what}, is {shown(definition.metadata.name)}")
    if spec.scope:
        report.one_of("spec.scope", spec.scope, _SCOPES)
    else:
        report.add("spec.scope", f"is required: one of {', '.join(_SCOPES)}")
    if spec.preserve_unknown_fields:
        what = "must be false: a schema says itself where unknown fields are kept"
        report.add("spec.preserveUnknownFields", what)
    _check_versions(definition, report)
    _check_conversion(spec.conversion, report)


def _group_problem(group: str) -> str | None:
    if (problem := names.dns_subdomain(group)) is not None:
        return problem
    if "." not in group:
        return "must have a dot: example.com"
    return "is a group of built-in kinds" if group in BUILT_IN_GROUPS else None


def _check_names(found: CustomResourceDefinitionNames, report: Report) -> None:
    for field, name in (
        ("plural", found.plural),
        ("singular", found.singular),
    ):
        report.name(f"spec.names.{field}", name, names.dns_label_1035(name))
    for field, name in (("kind", found.kind), ("listKind", found.list_kind)):
        is_word = KIND_NAME.fullmatch(name)
        problem = None if is_word else "must consist of up to 63 letters and digits, a letter first"
        report.name(f"spec.names.{field}", name, problem)
    if found.kind and found.kind == found.list_kind:
        report.add("spec.names.listKind", f"must not be the kind itself, is {shown(found.kind)}")
    for field, words in (("shortNames", found.short_names), ("categories", found.categories)):
        if not has_at_most(_WORDS_MAX, words, f"spec.names.{field}", report):
            continue
        for index, word in enumerate(words):
            if (problem := names.dns_label_1035(word)) is not None:
                report.add(f"spec.names.{field}[{index}]", f"{shown(word)} {problem}")


def _check_versions(definition: CustomResourceDefinition, report: Report) -> None:
    versions, field = definition.spec.versions, "spec.versions"
    if not versions:
        report.add(field, "must have at least one version")
    if not has_at_most(_VERSIONS_MAX, versions, field, report):
        return
    stored = [version.name for version in versions if version.storage]
    if versions and len(stored) != 1:
        report.add(field, f"objects must be stored in exactly one version, are in {len(stored)}")
    seen: set[str] = set()
    for index, version in enumerate(versions):
        path = f"{field}[{index}]"
        if version.name in seen:
            report.add(f"{path}.name", f"duplicate: {shown(version.name)} is listed already")
        seen.add(version.name)
        check_version(version, path, report)


def _check_conversion(conversion: CustomResourceConversion, report: Report) -> None:
    field = "spec.conversion"
    report.one_of(f"{field}.strategy", conversion.strategy, (_NONE, _WEBHOOK))
    if conversion.strategy == _NONE and conversion.HasField("webhook"):
        report.add(f"{field}.webhook", f'must only be set when strategy is "{_WEBHOOK}"')
    if conversion.strategy != _WEBHOOK:
        return
    client = conversion.webhook.client_config
    if client.HasField("url") == client.HasField("service"):
        what = "must have a url or a service, one of the two"
        report.add(f"{field}.webhook.clientConfig", what)
    if "v1" not in conversion.webhook.conversion_review_versions:
        what = "must have v1, in which the server asks"
        report.add(f"{field}.webhook.conversionReviewVersions", what)


def _check_change(
    stored: CustomResourceDefinition, definition: CustomResourceDefinition, report: Report
) -> None:
    """Check that the objects that there are stay what they are."""
    before, after = stored.spec, definition.spec
    for field, was, becomes in (
        ("group", before.group, after.group),
        ("scope", before.scope, after.scope),
        ("names.plural", before.names.plural, after.names.plural),
        ("names.kind", before.names.kind, after.names.kind),
    ):
        if was != becomes:
            report.add(f"spec.{field}", f"cannot be changed: it is {shown(was)}")
    kept = {version.name for version in after.versions}
    for version in stored.status.stored_versions:
        if version not in kept:
            what = (
                f"must keep {shown(version)}: objects may be stored in it (status.storedVersions)"
            )
            report.add("spec.versions", what)


def _check_status(definition: CustomResourceDefinition, report: Report) -> None:
    """Check what is said of a definition."""
    status = definition.status
    check_conditions(status.conditions, report, short=False)
    field = "status.storedVersions"
    known = {version.name for version in definition.spec.versions}
    if has_at_most(_VERSIONS_MAX, status.stored_versions, field, report):
        for index, version in enumerate(status.stored_versions):
            report.one_of(f"{field}[{index}]", version, sorted(known))
    stored = [version.name for version in definition.spec.versions if version.storage]
    for name in stored:
        if name not in status.stored_versions:
            report.add(field, f"must have {shown(name)}, in which objects are stored")


def _begin(definition: CustomResourceDefinition) -> None:
    """Say that the kind is known from now on, and keep the definition until its objects are gone.

    Nobody else has the kind's names: that is claimed in the same transaction.
    """
    status = definition.status
    _note_stored(definition)
    for type_, reason, message in (
        ("NamesAccepted", "NoConflicts", "no other kind has one of its names"),
        ("Established", "InitialNamesAccepted", "its objects can be stored"),
    ):
        condition = status.conditions.add(type=type_, status=TRUE, reason=reason, message=message)
        condition.last_transition_time.CopyFrom(definition.metadata.creation_timestamp)
    status.accepted_names.CopyFrom(definition.spec.names)
    if CLEANUP_FINALIZER not in definition.metadata.finalizers:
        definition.metadata.finalizers.append(CLEANUP_FINALIZER)


def _keep(stored: CustomResourceDefinition, definition: CustomResourceDefinition) -> None:
    """Keep what ends the objects with their definition, and note what follows from an update."""
    metadata = definition.metadata
    if not is_deleting(stored.metadata) and CLEANUP_FINALIZER not in metadata.finalizers:
        metadata.finalizers.append(CLEANUP_FINALIZER)
    _default(definition)
    if stored.spec.names != definition.spec.names:
        definition.status.accepted_names.CopyFrom(definition.spec.names)
    _note_stored(definition)


def _note_stored(definition: CustomResourceDefinition) -> None:
    stored = definition.status.stored_versions
    stored.extend(
        version.name
        for version in definition.spec.versions
        if version.storage and version.name not in stored
    )


def _held(definition: CustomResourceDefinition) -> tuple[bytes, ...]:
    """Return the keys of the names that the kind has in its group."""
    spec = definition.spec
    words = {spec.names.plural, spec.names.singular, *spec.names.short_names}
    words |= {spec.names.kind.lower(), spec.names.list_kind.lower()}
    return tuple(_CLAIMS + f"{spec.group}/{word}".encode() for word in sorted(words) if word)


def _field_of(definition: CustomResourceDefinition, key: bytes) -> str:
    word = key.rpartition(b"/")[2].decode()
    found = definition.spec.names
    for field, name in (
        ("plural", found.plural),
        ("singular", found.singular),
        ("kind", found.kind.lower()),
        ("listKind", found.list_kind.lower()),
    ):
        if name == word:
            return f"spec.names.{field}"
    return "spec.names.shortNames"


RULES: Final[Rules[CustomResourceDefinition]] = Rules(
    keep=_keep,
    default=_default,
    check=_check,
    check_change=_check_change,
    check_status=_check_status,
    begin=_begin,
    claims=Claims(prefixes=(_CLAIMS,), held=_held, field_of=_field_of),
)
