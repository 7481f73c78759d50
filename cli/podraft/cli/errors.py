"""Errors as a user reads them: one or a few lines, never a traceback.

A command raises `CliError` when it cannot do what was asked.  Errors of
the SDK and of the codec become the same lines here, in one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podraft.client.errors import ApiError

FAILURE = 1
USAGE = 2
INTERRUPTED = 130
_SHOWN_MAX = 20


class CliError(Exception):
    """An error as lines for a user; `exit_code` is the process's exit code."""

    def __init__(self, *lines: str, exit_code: int = FAILURE) -> None:
        self.lines = lines
        self.exit_code = exit_code
        super().__init__("\n".join(lines))


def usage(*lines: str) -> CliError:
    """Return the error for a command line that makes no sense."""
    return CliError(*lines, exit_code=USAGE)


def shorten(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the first lines, then one that says how many more there are."""
    everything = tuple(lines)
    more = len(everything) - _SHOWN_MAX
    return (*everything[:_SHOWN_MAX], f"  … and {more} more") if more > 0 else everything


def lines_of_api_error(error: ApiError, address: str) -> tuple[str, ...]:
    """Return the lines for an error of the API server or of the connection to it."""
    from podraft.client import errors

    if isinstance(error, errors.UnavailableError) and error.tried:
        return (
            "no API server of the cluster answers:",
            *(f"  {server}: {reason}" for server, reason in error.tried),
        )
    if isinstance(error, errors.DeadlineExceededError):
        return (
            f"the API server at {address} did not answer in time",
            "  --request-timeout allows more; what was written may or may not have happened",
        )
    if isinstance(error, errors.UnavailableError) and error.message.startswith("etcd "):
        return (f"the API server at {address} cannot use its store: {error.message}",)
    if isinstance(error, errors.UnavailableError):
        # gRPC repeats the address and adds its own states.
        cause = error.message.rpartition(": ")[2] or "no answer"
        hint = "  check that podraft-server runs and that the server address in the config is right"
        lines = [f"cannot reach the API server at {address}: {cause}", hint]
        if "refused" not in cause.lower():
            lines[1] += ";"
            lines.append("  a certificate of another cluster is turned away like this, too")
        return tuple(lines)
    if isinstance(error, errors.UnauthenticatedError):
        return (
            f"the API server at {address} does not accept your certificate: {error.message}",
            "  check that the config belongs to this cluster",
        )
    if not error.violations:
        return (error.message or error.code.name.replace("_", " ").lower(),)
    details = [f"{violation.field}: {violation.description}" for violation in error.violations]
    if len(details) == 1:
        return (details[0],)
    # The server's message repeats its first violation; above a list a title is enough.
    repeated = error.violations[0].description in error.message
    title = "the API server refused it" if repeated else error.message
    return (title, *shorten(f"  {detail}" for detail in details))
