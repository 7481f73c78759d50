"""A process's strings: ``$(NAME)`` in variables and arguments, within the kernel's bounds.

Invariant: no text grows beyond what the kernel lets a process have, so a few references to each
other cannot fill the agent's memory; the error names the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from podraft.agent.podman.core.errors import ConfigurationError

# Linux: one string, with the NUL at its end (MAX_ARG_STRLEN).
STRING_BYTES_MAX = (128 << 10) - 1
# Linux: a quarter of the usual stack of 8 MiB, for all strings and a pointer to each.
ALL_BYTES_MAX = 2 << 20
_POINTER_BYTES = 8

_EXPANSION = re.compile(r"\$(?:\$|\(([^()\s]+)\))")


def expand(text: str, variables: Mapping[str, str], what: str) -> str:
    """Replace ``$(NAME)`` by its value; ``$$`` becomes a dollar, unknown names stay as they are.

    Raises:
        ConfigurationError: The text becomes too long; ``what`` names it.
    """
    pieces: list[str] = []
    length = 0
    end = 0
    for match in _EXPANSION.finditer(text):
        name = match.group(1)
        value = "$" if name is None else variables.get(name, match.group(0))
        pieces += (text[end : match.start()], value)
        length += len(value) + match.start() - end
        end = match.end()
        if length > STRING_BYTES_MAX:
            raise ConfigurationError(f"{what} is longer than {STRING_BYTES_MAX} bytes")
    pieces.append(text[end:])
    return "".join(pieces)


class ProcessStrings:
    """A count of the strings that one process is to be given."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, text: str, what: str) -> None:
        """Count one string.

        Raises:
            ConfigurationError: No process can be given the string; ``what`` names it.
        """
        length = len(encoded(text, what))
        if length > STRING_BYTES_MAX:
            raise ConfigurationError(
                f"{what} is {length} bytes long; the kernel takes at most {STRING_BYTES_MAX}"
            )
        self._bytes += length + 1 + _POINTER_BYTES
        if self._bytes > ALL_BYTES_MAX:
            raise ConfigurationError(
                f"with {what}, environment and arguments exceed the {ALL_BYTES_MAX} bytes in sum "
                "that the kernel gives a process"
            )


def encoded(text: str, what: str) -> bytes:
    """Return the bytes of a text that may be part of a path, an argument or a variable.

    Raises:
        ConfigurationError: The text has a NUL or is not Unicode; ``what`` names it.
    """
    if "\0" in text:
        raise ConfigurationError(f"{what} contains a NUL character")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{what} is not UTF-8 text") from None
