"""The formats of ``-o``: what each is called, and objects in it.

Owns: the names of the formats.  Invariant: pure; a format that was made is complete: its template
has been read and is well-formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from podraft.cli.errors import CliError

if TYPE_CHECKING:
    from podraft.cli.output.custom_columns import CustomColumn
    from podraft.cli.output.jsonpath import Template

DOCUMENTS: Final = ("json", "yaml")
TEMPLATES: Final = ("jsonpath", "jsonpath-as-json", "jsonpath-file")
COLUMNS: Final = ("custom-columns", "custom-columns-file")
GO_TEMPLATES: Final = ("go-template", "go-template-file", "template", "templatefile")


@dataclass(frozen=True, slots=True)
class Format:
    """One format of output.

    Attributes:
        name: The format's name, without its template.
        template: The template of ``jsonpath``.
        columns: The columns of ``custom-columns``.
        managed_fields: Whether documents show who manages which field.
        allow_missing: Whether a path of a template may lead nowhere.
    """

    name: str
    template: Template = ()
    columns: tuple[CustomColumn, ...] = ()
    managed_fields: bool = False
    allow_missing: bool = True

    @property
    def is_table(self) -> bool:
        """Whether the format is made for people: the usual table, or the wide one."""
        return self.name in ("", "wide")

    @property
    def is_for_names(self) -> bool:
        """Whether only the objects' names are shown."""
        return self.name == "name"

    @property
    def shows_values(self) -> bool:
        """Whether the objects' contents are shown as they are."""
        return not self.is_table and not self.is_for_names

    def of_objects(self, objects: Sequence[Any], *, single: bool, headers: bool = True) -> str:
        """Return objects as text: one as itself if ``single``, several as a list.

        Raises:
            CliError: The template does not fit the objects.
        """
        if self.columns:
            from podraft.cli.output import custom_columns

            values = [self._value(obj) for obj in objects]
            return custom_columns.table(self.columns, values, headers=headers)
        from podraft.cli.output.documents import document_of

        document = document_of(objects, single=single, managed_fields=self.managed_fields)
        return self.of_value(document)

    def of_value(self, value: dict[str, Any]) -> str:
        """Return one document as text.

        Raises:
            CliError: The template does not fit the document.
        """
        from podraft.cli.output import documents, jsonpath

        if self.name in DOCUMENTS:
            return documents.render(value, self.name)
        show = jsonpath.print_as_json if self.name == "jsonpath-as-json" else jsonpath.print_text
        try:
            return show(self.template, value, allow_missing=self.allow_missing)
        except jsonpath.JsonPathError as error:
            raise CliError(f"-o {self.name}: {error}") from None

    def _value(self, obj: Any) -> dict[str, Any]:
        from podraft.cli.output.documents import document_of

        return document_of([obj], single=True, managed_fields=self.managed_fields)


TABLE: Final = Format("")
