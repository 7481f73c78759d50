"""Patches that users write: their forms, and what one makes of an object without a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from podraft.api.codec import patching
from podraft.api.violations import InvalidObjectError
from podraft.cli.command_line.choosing import Choice
from podraft.cli.command_line.settings import Settings
from podraft.cli.errors import CliError, shorten
from podraft.cli.manifests.declared import Place, read_items
from podraft.cli.output.outcomes import Outcomes
from podraft.client.calls.writes import PatchForm, patch_request

FORMS: Final[dict[str, PatchForm]] = {
    "strategic": "strategic_merge_patch",
    "merge": "merge_patch",
    "json": "json_patch",
}


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch of one form."""

    value: Any
    form: PatchForm

    def applied_to(self, obj: Any) -> Any:
        """Return the object as the patch makes it.

        Raises:
            CliError: The patch does not fit the object, or makes it invalid.
        """
        request = patch_request("", self.value, form=self.form)
        try:
            return patching.patched(obj, patching.changes_of(obj, request))
        except InvalidObjectError as error:
            lines = (f"  {violation}" for violation in error.violations)
            raise CliError("the patch makes no valid object", *shorten(lines)) from None


def patch_manifests(settings: Settings, choice: Choice, outcomes: Outcomes, patch: Patch) -> None:
    """Tell what a patch makes of the objects of manifests; no server is asked.

    Raises:
        CliError: A manifest is faulty, or the result is.
    """
    for item in read_items(
        choice.files,
        Place(settings.namespace, ""),
        "nothing was changed",
        recursive=choice.recursive,
        ignore_unsupported=True,
    ):
        outcomes.tell(item.word, "patched", patch.applied_to(item.message))
