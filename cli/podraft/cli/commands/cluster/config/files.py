"""The file with clusters and credentials, read and written.

Invariants: it is written whole or not at all; only its owner may read it, as it holds keys.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from podraft.cli.command_line.settings import Settings
from podraft.cli.errors import CliError
from podraft.cli.manifests.document_stream import values_in
from podraft.cli.manifests.nodes import ManifestError
from podraft.cli.manifests.sources import read_sources
from podraft.cli.output import documents
from podraft.client.connecting.config import default_path


def read(settings: Settings) -> tuple[Path, dict[str, Any]]:
    """Return where the file is, and what it says.

    Raises:
        CliError: It cannot be read, or is malformed.
    """
    path = settings.config or default_path()
    ((_, text),) = read_sources([str(path)], recursive=False)
    try:
        values = values_in(text)
    except ManifestError as error:
        raise CliError(f"{path}:{error.line}: {error}") from None
    if len(values) != 1 or not isinstance(values[0], dict):
        raise CliError(f"{path}: is no configuration file")
    return path, values[0]


def change(settings: Settings, edit: Callable[[dict[str, Any]], str]) -> str:
    """Change the file, which is made if it is not there; return what ``edit`` returns.

    Raises:
        CliError: It cannot be read or written, or ``edit`` refuses.
    """
    path = settings.config or default_path()
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    if path.exists():
        path, document = read(settings)
    said = edit(document)
    _write(path.resolve(), documents.as_yaml(document))
    return said


def _write(path: Path, text: str) -> None:
    temporary: str | None = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".config-", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise CliError(f"{path}: {error.strerror or error}") from None
