"""The versions of a declared kind: their schemas, columns, subresources and selectable fields.

Owns: the paths of fields that these may name (``.spec.replicas``).
"""

from __future__ import annotations

import re
from typing import Final

from podraft.api import names
from podraft.api.apiextensions.v1.custom_resource_definition_pb2 import (
    CustomResourceColumnDefinition,
    CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale,
)
from podraft.api.violations import shown
from podraft.server.kinds.apiextensions.structural import check_root
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.conditions import check_length, has_at_most

_COLUMNS_MAX: Final = 64
_FIELDS_MAX: Final = 8
_PATH_MAX: Final = 1024
_WARNING_MAX: Final = 256
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
# Names of fields, each after a dot or quoted in brackets; elements of lists by their index or all.
_PATH: Final = re.compile(
    r"(?:\.[A-Za-z_][A-Za-z0-9_-]*|\['[^'\\\[\]]{1,253}'\]|\[[0-9]{1,6}\]|\[\*\])+"
)
_FIELD: Final = re.compile(r"(?:\.[A-Za-z_][A-Za-z0-9_-]*)+")


def check_version(version: CustomResourceDefinitionVersion, field: str, report: Report) -> None:
    """Check one version of a kind."""
    report.name(f"{field}.name", version.name, names.dns_label_1035(version.name))
    if version.schema.HasField("open_api_v3_schema"):
        path = f"{field}.schema.openAPIV3Schema"
        check_root(version.schema.open_api_v3_schema, path, report)
    else:
        report.required(f"{field}.schema.openAPIV3Schema")
    if version.HasField("deprecation_warning"):
        check_length(
            version.deprecation_warning, _WARNING_MAX, f"{field}.deprecationWarning", report
        )
        if not version.deprecated:
            report.add(f"{field}.deprecationWarning", "must only be set when deprecated is true")
    columns = version.additional_printer_columns
    if has_at_most(_COLUMNS_MAX, columns, f"{field}.additionalPrinterColumns", report):
        for index, column in enumerate(columns):
            _check_column(column, f"{field}.additionalPrinterColumns[{index}]", report)
    if version.subresources.HasField("scale"):
        _check_scale(version.subresources.scale, f"{field}.subresources.scale", report)
    _check_selectable(version, f"{field}.selectableFields", report)


def _check_column(column: CustomResourceColumnDefinition, field: str, report: Report) -> None:
    if not column.name:
        report.required(f"{field}.name")
    report.one_of(f"{field}.type", column.type, _COLUMN_TYPES)
    if not column.json_path:
        report.required(f"{field}.jsonPath")
    elif len(column.json_path) > _PATH_MAX or not _PATH.fullmatch(column.json_path):
        what = f"must be a path such as .spec.color, is {shown(column.json_path)}"
        report.add(f"{field}.jsonPath", what)


def _check_scale(scale: CustomResourceSubresourceScale, field: str, report: Report) -> None:
    _check_below(scale.spec_replicas_path, (".spec.",), f"{field}.specReplicasPath", report)
    _check_below(scale.status_replicas_path, (".status.",), f"{field}.statusReplicasPath", report)
    if scale.HasField("label_selector_path"):
        path = f"{field}.labelSelectorPath"
        _check_below(scale.label_selector_path, (".status.", ".spec."), path, report)


def _check_below(path: str, above: tuple[str, ...], field: str, report: Report) -> None:
    if not path:
        report.required(field)
    elif not path.startswith(above) or len(path) > _PATH_MAX or not _FIELD.fullmatch(path):
        what = f"must be a field below {' or '.join(part.rstrip('.') for part in above)}"
        report.add(field, f"{what}, is {shown(path)}")


def _check_selectable(version: CustomResourceDefinitionVersion, field: str, report: Report) -> None:
    if not has_at_most(_FIELDS_MAX, version.selectable_fields, field, report):
        return
    seen: set[str] = set()
    for index, selectable in enumerate(version.selectable_fields):
        path = selectable.json_path
        if len(path) > _PATH_MAX or not _FIELD.fullmatch(path):
            what = f"must be a field such as .spec.color, is {shown(path)}"
            report.add(f"{field}[{index}].jsonPath", what)
        elif path.startswith(".metadata"):
            report.add(f"{field}[{index}].jsonPath", "must not be in the metadata")
        elif path in seen:
            report.add(f"{field}[{index}].jsonPath", f"duplicate: {shown(path)} is listed already")
        seen.add(path)
