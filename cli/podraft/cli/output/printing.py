"""The one place that prints.

Owns: this process's standard output and standard error as texts; `standard_streams` has them
as bytes, for what containers write.

Invariant: what reaches a terminal does nothing to it but colour, and only where podraft itself
asks for it.  Data that goes on to a program arrives as it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import IO, Any

from podraft.api.characters import one_line, visible
from podraft.cli.output import colour


def say(*lines: str, err: bool = False) -> None:
    """Print lines for a person; a line stays one, whatever is in it."""
    text("".join(f"{one_line(line)}\n" for line in lines), err=err)


def warn(line: str) -> None:
    """Print a warning on standard error."""
    say(f"Warning: {line}", err=True)


def text(laid_out: str, *, err: bool = False) -> None:
    """Print a text for a person as it is laid out: a table, a description."""
    _write(sys.stderr if err else sys.stdout, colour.shown(visible(laid_out)))


def data(document: str) -> None:
    """Print a document for a program; a person who looks at it sees escapes where they are due."""
    _write(sys.stdout, visible(document) if stdout_is_terminal() else document)


def drawing(*, coloured: bool) -> Any:
    """Return a console of rich on standard output, for what is drawn over."""
    from rich.console import Console

    return Console(no_color=not coloured, highlight=False)


def stdout_is_terminal() -> bool:
    """Return whether a person looks at standard output."""
    return sys.stdout is not None and sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    """Return whether a person looks at standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


def coloured(choice: str) -> bool:
    """Return whether standard output is to be coloured: ``auto``, ``always`` or ``never``.

    ``auto`` follows https://no-color.org and colours terminals only.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stdout_is_terminal()


def finish() -> None:
    """Hand on what is still buffered.

    Raises:
        BrokenPipeError: Nobody reads it any more.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def reader_is_gone() -> int:
    """End quietly, as a tool in a pipe does; return the exit code."""
    # What is still buffered would fail again when the interpreter flushes at exit.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def _write(stream: IO[str] | None, content: str) -> None:
    if stream is None:
        return  # It was closed before we began.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(content.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
