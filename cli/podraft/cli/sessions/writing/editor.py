"""A text in the user's editor.

Invariant: what the user has typed is never lost: unless `discard` is called, the file stays.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from podraft.cli.errors import CliError

_NAMES: Final = ("PODRAFT_EDITOR", "KUBE_EDITOR", "EDITOR")
_BYTES_MAX: Final = 16 << 20


class EditedFile:
    """A file of its own, private to the user, that an editor is opened on."""

    def __init__(self, suffix: str) -> None:
        descriptor, name = tempfile.mkstemp(prefix="podraft-edit-", suffix=suffix)
        os.close(descriptor)
        self.path = Path(name)

    def edit(self, text: str) -> str:
        """Open the editor on a text; return what the user made of it.

        Raises:
            CliError: The editor cannot be started, or failed.
        """
        self.path.write_text(text, encoding="utf-8")
        command = editor()
        try:
            code = subprocess.run([*command, str(self.path)], check=False).returncode
        except OSError as error:
            self.discard()
            raise CliError(
                f"the editor {command[0]} cannot be started: {error.strerror}",
                f"  set one of {', '.join(_NAMES)}",
            ) from None
        if code != 0:
            raise CliError(f"the editor {command[0]} ended with {code}", self.kept())
        with self.path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
        if len(data) > _BYTES_MAX:
            raise CliError(f"larger than {_BYTES_MAX >> 20} MiB", self.kept())
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise CliError("what was edited is not UTF-8 text", self.kept()) from None

    def kept(self) -> str:
        """Return the line that says where the text is."""
        return f"  what you typed is kept in {self.path}"

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def editor() -> list[str]:
    """Return the user's editor as words.

    Raises:
        CliError: The environment names none that makes sense.
    """
    for name in _NAMES:
        if said := os.environ.get(name, "").strip():
            try:
                return shlex.split(said)
            except ValueError as error:
                raise CliError(f"${name}: {error}") from None
    return ["vi"]
