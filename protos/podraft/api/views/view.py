"""One view: a kind that is another form of a stored one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podraft.api.kinds import AnyKind

_TERM = re.compile(r"(?P<before>(?:^|(?<!\\),)\s*)(?P<path>[A-Za-z.]+)(?=\s*[=!])")


@dataclass(frozen=True, eq=False)
class View:
    """A kind that is another form of a stored one.

    Attributes:
        kind: The names of the form, and its messages.
        of: The stored kind.
        shown: Returns a stored object in this form.
        stored: Returns the stored form of an object; raises ``InvalidObjectError``.
        fields: The paths that field selectors may name, each with that of the stored form.
    """

    kind: AnyKind
    of: AnyKind
    shown: Callable[[Any], Any]
    stored: Callable[[Any], Any]
    fields: Mapping[str, str] = field(default_factory=dict)

    def stored_selector(self, selector: str) -> str:
        """Return a field selector in the words of the stored form."""

        def renamed(found: re.Match[str]) -> str:
            path = found["path"]
            return f"{found['before']}{self.fields.get(path, path)}"

        return _TERM.sub(renamed, selector)
