"""What became of objects, told as ``-o`` says: a line, a name, a document.

Invariant: several YAML documents are divided, so that what is printed can be applied again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from podraft.cli.output import colour, printing
from podraft.cli.output.formats import TABLE, Format

_NOTES: Final = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


@dataclass(slots=True)
class Outcomes:
    """How the outcome for each object is told.

    Attributes:
        output: The format; lines for people by default.
        dry_run: ``none``, ``client`` or ``server``.
        coloured: Whether the words of outcomes are coloured.
        field_manager: In whose name fields are written; the command's own is "podraft".
    """

    output: Format = TABLE
    dry_run: str = "none"
    coloured: bool = False
    field_manager: str = ""
    _documents: int = field(default=0, init=False)

    @property
    def is_dry(self) -> bool:
        """Whether nothing is written."""
        return self.dry_run != "none"

    @property
    def is_local(self) -> bool:
        """Whether the server is not even asked."""
        return self.dry_run == "client"

    @property
    def asks_only(self) -> bool:
        """Whether the server checks, but does not write."""
        return self.dry_run == "server"

    def tell(self, word: str, outcome: str, obj: Any) -> None:
        """Print what became of one object: ``word`` names it with its kind."""
        if self.output.is_table:
            shown = colour.paint_status(outcome, outcome) if self.coloured else outcome
            printing.say(f"{word} {shown}{_NOTES[self.dry_run]}")
        elif self.output.is_for_names:
            printing.data(f"{word}\n")
        else:
            divider = "---\n" if self._documents and self.output.name == "yaml" else ""
            self._documents += 1
            printing.data(divider + self.output.of_objects([obj], single=True))
