"""The objects of manifests as they are written today; nothing else about them is checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from podraft.api.violations import InvalidObjectError
from podraft.cli.manifests.items import NO_OBJECT, objects_in
from podraft.cli.manifests.lines import Lines
from podraft.cli.manifests.nodes import Construction, ManifestError, Mapping
from podraft.cli.manifests.object_reading import Findings, ObjectReader, Rules


@dataclass(slots=True)
class PresentForms:
    """The objects, and what there is to say of them: lines for a user."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def present_forms(texts: Iterable[tuple[str, str]]) -> PresentForms:
    """Return the objects of ``(source, text)`` pairs in their present form, in order."""
    found = PresentForms()
    findings = Findings(found.faults, found.warnings)
    rules = Rules(None, "", ignore_unsupported=True)
    for source, text in texts:
        try:
            for node, budget in objects_in(text):
                if not isinstance(node, Mapping):
                    found.faults.append(f"{source}:{node.line}: {NO_OBJECT}")
                    continue
                reader = ObjectReader(source, Lines(node.line, node), rules, findings)
                value = Construction(budget).value_of(node)
                try:
                    found.objects.append(reader.present_form(value))
                except InvalidObjectError as error:
                    reader.report_faults(value, error)
        except ManifestError as error:
            found.faults.append(f"{source}:{error.line}: {error}")
    return found
