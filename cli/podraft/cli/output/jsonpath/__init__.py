"""kubectl's dialect of JSONPath: ``{range .items[*]}{.metadata.name} {end}``.

Owns: the dialect's grammar, evaluation and printing, for ``-o jsonpath``, ``-o custom-columns``,
``--sort-by`` and ``wait --for=jsonpath``.

Invariants: pure; the work for one template is bounded (`evaluation.STEPS_MAX`); a faulty template
is a `JsonPathError` that says at which character.
"""

from __future__ import annotations

from podraft.cli.output.jsonpath.evaluation import Evaluation, found_by
from podraft.cli.output.jsonpath.parser import parse, relaxed
from podraft.cli.output.jsonpath.printing import as_go, print_as_json, print_text
from podraft.cli.output.jsonpath.syntax import JsonPathError, Template

__all__ = [
    "Evaluation",
    "JsonPathError",
    "Template",
    "as_go",
    "found_by",
    "parse",
    "print_as_json",
    "print_text",
    "relaxed",
]
