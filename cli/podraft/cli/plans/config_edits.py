"""Changes of the file with clusters and credentials.

Pure.  Invariants: what a change does not name stays; a name that is there is changed, another one
is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from podraft.cli.errors import CliError

# The file's lists, and the field in which each entry has its body.
SECTIONS: Final = {"clusters": "cluster", "contexts": "context", "users": "user"}
Document = dict[str, Any]


def names(document: Document, section: str) -> list[str]:
    """Return the names of a section's entries."""
    return [str(entry.get("name", "")) for entry in document.get(section) or []]


def set_entry(document: Document, section: str, name: str, fields: Mapping[str, Any]) -> bool:
    """Set fields of an entry, None removes one; return whether the entry was there before."""
    body_field = SECTIONS[section]
    entries = document.setdefault(section, []) or []
    document[section] = entries
    entry = next((one for one in entries if one.get("name") == name), None)
    is_there = entry is not None
    if entry is None:
        entry = {"name": name, body_field: {}}
        entries.append(entry)
    body = entry.get(body_field) or {}
    for field, value in fields.items():
        body.pop(field, None)
        if value is not None:
            body[field] = value
    entry[body_field] = body
    return is_there


def delete_entry(document: Document, section: str, name: str) -> None:
    """Remove an entry.

    Raises:
        CliError: It is not there.
    """
    _entry(document, section, name)
    document[section] = [one for one in document[section] if one.get("name") != name]


def rename_context(document: Document, old: str, new: str) -> None:
    """Rename a context; the one in use stays so.

    Raises:
        CliError: It is not there, or the new name is taken.
    """
    entry = _entry(document, "contexts", old)
    if new in names(document, "contexts"):
        raise CliError(f'there is a context "{new}" already')
    entry["name"] = new
    if document.get("current-context") == old:
        document["current-context"] = new


def use_context(document: Document, name: str) -> None:
    """Make a context the one in use.

    Raises:
        CliError: It is not there.
    """
    _entry(document, "contexts", name)
    document["current-context"] = name


def minified(document: Document, context: str) -> Document:
    """Return a file with one context only, and what it needs.

    Raises:
        CliError: The context, or what it names, is not there.
    """
    chosen = _entry(document, "contexts", context)
    body = chosen.get("context") or {}
    cluster = _entry(document, "clusters", str(body.get("cluster", "")))
    user = _entry(document, "users", str(body.get("user", "")))
    return {
        **{key: value for key, value in document.items() if key not in SECTIONS},
        "clusters": [cluster],
        "contexts": [chosen],
        "users": [user],
        "current-context": context,
    }


def _entry(document: Document, section: str, name: str) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    known = ", ".join(names(document, section)) or "none"
    raise CliError(f'there is no {SECTIONS[section]} "{name}"; there are: {known}')
