"""The options that choose a format of output: ``-o``, ``--template``, ``--show-managed-fields``.

Owns: how formats are named on a command line.  Invariant: a format that a command does not have is
refused before anything is read or written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

_TEMPLATE_BYTES_MAX: Final = 64 * 1024
_NO_GO: Final = "Go's templates are not supported: use jsonpath or custom-columns"


def output_options(*, wide: bool = False, columns: bool = False) -> Callable[..., Any]:
    """Return a decorator that adds the options; the command gets ``output``, a `Format`.

    ``wide`` and ``columns`` add the formats that only a list of objects has.
    """
    known = ["json", "yaml", "name", *(["wide"] if wide else [])]
    known += ["jsonpath", "jsonpath-as-json", "jsonpath-file"]
    known += ["custom-columns", "custom-columns-file"] if columns else []
    options = (
        click.option(
            "-o",
            "--output",
            default="",
            metavar="FORMAT",
            help=f"One of: {', '.join(known)}. Templates follow a '='.",
            shell_complete=lambda context, parameter, word: [
                k for k in known if k.startswith(word)
            ],
        ),
        click.option("--template", default="", help="The template of -o jsonpath."),
        click.option(
            "--allow-missing-template-keys/--no-allow-missing-template-keys",
            "allow_missing",
            default=True,
            help="Whether a template's path may lead nowhere. [true]",
        ),
        click.option(
            "--show-managed-fields", is_flag=True, help="Keep the managedFields in JSON and YAML."
        ),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_format(
            *arguments: Any,
            output: str,
            template: str,
            allow_missing: bool,
            show_managed_fields: bool,
            **others: Any,
        ) -> Any:
            made = _format(output, template, known, allow_missing, show_managed_fields)
            return function(*arguments, output=made, **others)

        decorated: Callable[..., Any] = with_format
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def _format(text: str, template: str, known: list[str], missing: bool, managed: bool) -> Any:
    from podraft.cli.errors import usage
    from podraft.cli.output import formats

    name, equals, inline = text.partition("=")
    if name in formats.GO_TEMPLATES:
        raise usage(f"-o {name}: {_NO_GO}")
    if text and name not in known:
        raise usage(f"-o: '{name}' is not one of {', '.join(known)}")
    takes_template = name in (*formats.TEMPLATES, *formats.COLUMNS)
    if template and not takes_template:
        raise usage(f"--template: {_NO_GO}" if not name else f"-o {name} takes no --template")
    if equals and not takes_template:
        raise usage(f"-o {name} takes no template")
    if takes_template and not (inline or template):
        raise usage(
            f"-o {name}: expected {name}={'FILE' if name.endswith('-file') else 'TEMPLATE'}"
        )
    given = inline or template
    return formats.Format(
        name,
        template=_jsonpath(name, given) if name in formats.TEMPLATES else (),
        columns=_columns(name, given) if name in formats.COLUMNS else (),
        managed_fields=managed,
        allow_missing=missing,
    )


def _jsonpath(name: str, given: str) -> Any:
    from podraft.cli.errors import usage
    from podraft.cli.output import jsonpath

    text = _read(given) if name == "jsonpath-file" else given
    try:
        return jsonpath.parse(text)
    except jsonpath.JsonPathError as error:
        raise usage(f"-o {name}: {error}") from None


def _columns(name: str, given: str) -> Any:
    from podraft.cli.output import custom_columns

    if name == "custom-columns-file":
        return custom_columns.columns_of_file(_read(given), given)
    return custom_columns.columns_of(given)


def _read(path: str) -> str:
    """Return a template's text.

    Raises:
        CliError: The file is too large or no text.
        OSError: The file cannot be read.
    """
    from podraft.cli.errors import CliError

    with Path(path).open("rb") as file:
        data = file.read(_TEMPLATE_BYTES_MAX + 1)
    if len(data) > _TEMPLATE_BYTES_MAX:
        raise CliError(f"{path}: larger than {_TEMPLATE_BYTES_MAX} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CliError(f"{path}: not UTF-8 text") from None
