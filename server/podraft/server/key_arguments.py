"""The flags that say what protects the data at rest, for every command that opens it.

Owns: ``--data-dir`` as far as it decides where the key is, ``--encryption-key-file``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from podraft.server.encryption.key_encryption import KeyEncryption

DATA_DIR_DEFAULT: Final = Path("/var/lib/podraft/server")


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--encryption-key-file",
        type=Path,
        metavar="FILE",
        help="where the key-encryption key is kept, outside of DATA_DIR; made on the first start. "
        "Keep a copy apart: without it neither state nor backups can be read "
        "(default: DATA_DIR.keys/encryption.key)",
    )


def key_encryption(data_dir: Path, key_file: Path | None) -> KeyEncryption:
    """Return what wraps the data keys of the server in ``data_dir``."""
    # Imported late: clients of the API need no cryptography of this kind.
    from podraft.server.encryption.key_file import KeyFile, beside

    return KeyFile(key_file, data_dir) if key_file is not None else beside(data_dir)
