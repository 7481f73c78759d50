"""The flags for the encryption that wraps the data keys, for every command that opens the data.

Owns: ``--encryption-key-file``, ``--encryption-key-command``, and the default path of the file.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from podraft.server.encryption.key_encryption import KeyEncryption

DATA_DIR_DEFAULT: Final = Path("/var/lib/podraft/server")


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags to ``parser``."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--encryption-key-file",
        type=Path,
        metavar="FILE",
        help="where the key-encryption key is kept, outside of DATA_DIR; made on the first start. "
        "Keep a copy apart: without it neither state nor backups can be read "
        "(default: DATA_DIR.keys/encryption.key)",
    )
    either.add_argument(
        "--encryption-key-command",
        type=_command,
        metavar="COMMAND",
        help="a program, with its arguments, that wraps and unwraps data keys by a key management "
        "service (docs/backup.md), in place of the file",
    )


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    if not words:
        raise argparse.ArgumentTypeError("expected a program")
    return words


def key_encryption(
    data_dir: Path, key_file: Path | None, key_command: tuple[str, ...] | None = None
) -> KeyEncryption:
    """Return the encryption that wraps the data keys of the server in ``data_dir``."""
    # Imported late: clients of the API need no cryptography of this kind.
    from podraft.server.encryption.key_command import KeyCommand
    from podraft.server.encryption.key_file import KeyFile, beside

    if key_command is not None:
        return KeyCommand(key_command)
    return KeyFile(key_file, data_dir) if key_file is not None else beside(data_dir)
