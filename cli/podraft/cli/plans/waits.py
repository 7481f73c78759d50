"""What `wait` waits for: what a text means, and whether an object is so.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from podraft.api import codec
from podraft.cli.errors import CliError, usage
from podraft.cli.output import jsonpath

_EXPECTED: Final = "expected condition=NAME[=STATUS], jsonpath={.PATH}[=VALUE], create or delete"


@dataclass(frozen=True, slots=True)
class ForCondition:
    """A condition of the object with a status."""

    name: str
    status: str = "True"

    def lacking(self, obj: Any) -> str:
        """Return what is missing; empty if the object is so."""
        conditions = getattr(getattr(obj, "status", None), "conditions", ())
        for condition in conditions:
            if condition.type.lower() != self.name.lower():
                continue
            if condition.status.lower() == self.status.lower():
                return ""
            why = ": ".join(part for part in (condition.reason, condition.message) if part)
            return f"{self.name} is {condition.status}{f' ({why})' if why else ''}"
        return f"{self.name} is not known"


@dataclass(frozen=True, slots=True)
class ForPath:
    """A field of the object: there at all, or with a value."""

    text: str
    template: jsonpath.Template
    value: str | None = None

    def lacking(self, obj: Any) -> str:
        """Return what is missing; empty if the object is so.

        Raises:
            CliError: The path does not fit the object, or means several values.
        """
        try:
            found = jsonpath.found_by(self.template, codec.to_json(obj))
        except jsonpath.JsonPathError:
            found = []  # A list that is still empty has no element yet.
        if len(found) > 1:
            raise CliError(f"--for: {self.text} means {len(found)} values, expected one")
        if not found or found[0] is None:
            return f"{self.text} is not set"
        shown = jsonpath.as_go(found[0])
        if self.value is None or shown == self.value:
            return ""
        return f"{self.text} is {shown}"


@dataclass(frozen=True, slots=True)
class ForCreation:
    """The object's existence."""


@dataclass(frozen=True, slots=True)
class ForDeletion:
    """The object's end."""


Wanted = ForCondition | ForPath | ForCreation | ForDeletion


def lacking(wanted: Wanted, obj: Any) -> str:
    """Return what an object that there is lacks; empty if it is as wanted.

    Raises:
        CliError: What is wanted does not fit the object.
    """
    match wanted:
        case ForCreation():
            return ""
        case ForDeletion():
            return "exists"
        case _:
            return wanted.lacking(obj)


def shown(wanted: Wanted) -> str:
    """Return what is waited for, in few words."""
    match wanted:
        case ForCondition():
            return f"{wanted.name}={wanted.status}"
        case ForPath():
            return wanted.text if wanted.value is None else f"{wanted.text}={wanted.value}"
        case ForCreation():
            return "creation"
        case ForDeletion():
            return "deletion"


def wanted_of(text: str) -> Wanted:
    """Return what a text of ``--for`` means.

    Raises:
        CliError: It means nothing.
    """
    word, equals, rest = text.partition("=")
    match word.lower():
        case "delete" if not equals:
            return ForDeletion()
        case "create" if not equals:
            return ForCreation()
        case "condition" if rest:
            name, _, status = rest.partition("=")
            if name:
                return ForCondition(name, status or "True")
        case "jsonpath" if rest:
            return _path(rest)
        case _:
            pass
    raise usage(f'--for: {_EXPECTED}, got "{text}"')


def _path(text: str) -> ForPath:
    """Return what ``{.path}``, ``{.path}=value`` or ``.path=value`` means."""
    path, value = text, None
    end = text.find("}=") + 1 if text.startswith("{") else text.find("=")
    if end > 0:
        path, value = text[:end], text[end + 1 :]
        if not value:
            raise usage(f'--for: expected a value after "{path}="')
    try:
        return ForPath(path, jsonpath.relaxed(path), value)
    except jsonpath.JsonPathError as error:
        raise usage(f"--for: {error}") from None
