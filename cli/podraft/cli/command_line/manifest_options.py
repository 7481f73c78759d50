"""The options of commands that take manifests.

Owns: how manifests are named on a command line, for every command that reads some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_HELP: Final = "A manifest, a directory of them, or - for standard input; may be repeated."


def manifest_options(*, required: bool, text: str = _HELP) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds ``-f`` and ``-R``, as ``files`` and ``recursive``.

    ``text`` is the help of ``-f``.
    """
    named = click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        required=required,
        metavar="FILE|DIR|-",
        help=text,
    )
    recursive = click.option(
        "-R", "--recursive", is_flag=True, help="Look into directories of directories."
    )
    return lambda command: named(recursive(command))
