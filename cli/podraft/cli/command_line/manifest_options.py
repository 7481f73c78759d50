"""The options of commands that take manifests.

Owns: how manifests are named on a command line, for every command that reads some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from podraft.api.ownership.holdings import COMMAND

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


def apply_options(command: CommandT) -> CommandT:
    """Add ``--field-manager`` and ``--force-conflicts``."""
    manager = click.option(
        "--field-manager",
        default=COMMAND,
        metavar="NAME",
        help="In whose name it is applied: who owns the fields. [podraft]",
    )
    force = click.option(
        "--force-conflicts",
        is_flag=True,
        help="Take fields that other managers own with other values.",
    )
    return manager(force(command))
