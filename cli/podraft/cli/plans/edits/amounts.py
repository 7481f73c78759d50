"""Containers' resources: what they ask for, and may take.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podraft.api import quantities
from podraft.cli.errors import usage
from podraft.cli.plans.made.words import pairs


def amounts_of(text: str, option: str) -> dict[str, str]:
    """Return the amounts of ``cpu=200m,memory=512Mi``.

    Raises:
        CliError: One of them is malformed.
    """
    found = pairs([text], option)
    for name, amount in found.items():
        try:
            quantities.nano(amount)
        except quantities.InvalidQuantityError as error:
            raise usage(f"{option}: {name}: {error}") from None
    return found


def set_amounts(
    container: dict[str, Any], limits: Mapping[str, str], requests: Mapping[str, str]
) -> None:
    """Set what a container may take and asks for; other amounts stay."""
    resources = container.setdefault("resources", {})
    for field, amounts in (("limits", limits), ("requests", requests)):
        if amounts:
            resources[field] = {**resources.get(field, {}), **amounts}
