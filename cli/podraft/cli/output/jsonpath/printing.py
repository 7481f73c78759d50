"""What a template finds, as text.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from podraft.cli.output.jsonpath.evaluation import Evaluation
from podraft.cli.output.jsonpath.syntax import Template

# What kubectl's encoder escapes in texts, so that they may stand in HTML.
_HTML: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def print_text(template: Template, value: Any, *, allow_missing: bool = True) -> str:
    """Return a template's text for a value; several values of one path are divided by blanks.

    Raises:
        JsonPathError: The template does not fit the value.
    """
    evaluation = Evaluation(allow_missing=allow_missing)
    return "".join(
        part if isinstance(part, str) else " ".join(map(_as_text, part))
        for part in evaluation.results(template, value)
    )


def print_as_json(template: Template, value: Any, *, allow_missing: bool = True) -> str:
    """Return, for each part of a template, a JSON list of what it finds.

    Raises:
        JsonPathError: The template does not fit the value.
    """
    return "".join(_lists(template, value, allow_missing=allow_missing))


def _lists(template: Template, value: Any, *, allow_missing: bool) -> Iterator[str]:
    for part in Evaluation(allow_missing=allow_missing).results(template, value):
        found = [part] if isinstance(part, str) else part
        text = json.dumps(found, indent=4, ensure_ascii=False, sort_keys=True)
        yield text.translate(_HTML) + "\n"


def _as_text(value: Any) -> str:
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.translate(_HTML)
    return _scalar(value)


def as_go(value: Any) -> str:
    """Return a value as kubectl's columns show it: ``map[app:web]``, ``[a b]``."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{as_go(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(as_go, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
