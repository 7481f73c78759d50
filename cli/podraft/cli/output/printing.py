"""The one place that prints.

Owns: this process's standard output and standard error as text; `standard_streams` has them
as bytes, for the output of containers.

Invariant: output has no effect on a terminal but colour, and only where podraft itself asks for
it.  Data for a program arrives unchanged.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections import deque
from typing import IO, Any, Final

from podraft.api.characters import one_line, visible
from podraft.cli.output import colour

_ANSWER_MAX = 16
# The last warnings that this process has printed.
_WARNED: Final[deque[str]] = deque(maxlen=256)


def say(*lines: str, err: bool = False) -> None:
    """Print lines for a person; each stays one line, whatever it contains."""
    text("".join(f"{one_line(line)}\n" for line in lines), err=err)


def warn(line: str) -> None:
    """Print a warning on standard error."""
    _WARNED.append(line)
    say(f"Warning: {line}", err=True)


def warn_of_new(line: str) -> None:
    """Print a warning that nothing has said yet, with or without the place that it is about."""
    if not any(said.endswith(line) for said in _WARNED):
        warn(line)


def text(laid_out: str, *, err: bool = False) -> None:
    """Print a laid-out text for a person: a table, a description."""
    _write(sys.stderr if err else sys.stdout, colour.shown(visible(laid_out)))


def data(document: str) -> None:
    """Print a document for a program; on a terminal, escape what would act on it."""
    _write(sys.stdout, visible(document) if stdout_is_terminal() else document)


def is_confirmed(question: str) -> bool:
    """Ask on standard error; return whether the answer, a line of standard input, is yes."""
    _write(sys.stderr, f"{one_line(question)} (y/N): ")
    answer = sys.stdin.readline(_ANSWER_MAX) if sys.stdin is not None else ""
    return answer.strip().lower() in ("y", "yes")


def drawing(*, coloured: bool) -> Any:
    """Return a rich console on standard output, for output that is redrawn."""
    from rich.console import Console

    return Console(no_color=not coloured, highlight=False)


def stdout_is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    """Return whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def coloured(choice: str) -> bool:
    """Return whether to colour standard output; ``choice`` is ``auto``, ``always`` or ``never``.

    ``auto`` follows https://no-color.org and colours terminals only.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stdout_is_terminal()


def finish() -> None:
    """Flush the buffered output.

    Raises:
        BrokenPipeError: Nobody reads the output any more.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def reader_is_gone() -> int:
    """End quietly, as a tool in a pipe does; return the exit code."""
    # Buffered output would fail again when the interpreter flushes at exit.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def _write(stream: IO[str] | None, content: str) -> None:
    if stream is None:
        return  # Standard output was closed before we began.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(content.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
