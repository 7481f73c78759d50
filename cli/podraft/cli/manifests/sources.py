"""The sources of manifests: files, directories, standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from podraft.cli.errors import CliError, usage

_SUFFIXES = {".yaml", ".yml", ".json"}
_BYTES_MAX = 16 << 20
_FILES_MAX = 10_000


def read_sources(names: Iterable[str], *, recursive: bool) -> list[tuple[str, str]]:
    """Return ``(source, text)`` of every file that the names mean; ``-`` is standard input.

    Raises:
        CliError: A source cannot be read, or a directory has no manifests.
    """
    result: list[tuple[str, str]] = []
    for name in names:
        if name == "-":
            result.append(("stdin", _decoded("stdin", sys.stdin.buffer.read(_BYTES_MAX + 1))))
            continue
        if name.startswith(("http://", "https://")):
            raise usage(f"{name}: manifests are read from files; fetch it first and use -f -")
        result += [(str(path), _text(path)) for path in _files(Path(name), recursive=recursive)]
        if len(result) > _FILES_MAX:
            raise CliError(f"more than {_FILES_MAX} files")
    return result


def _files(path: Path, *, recursive: bool) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = path.rglob("*") if recursive else path.glob("*")
    files = sorted(p for p in found if p.suffix in _SUFFIXES and p.is_file())
    if not files:
        deeper = "" if recursive else " (-R looks into its directories, too)"
        raise CliError(f"{path}: no .yaml, .yml or .json file in this directory{deeper}")
    return files


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _decoded(str(path), file.read(_BYTES_MAX + 1))
    except OSError as error:
        raise CliError(f"{path}: {error.strerror or error}") from None


def _decoded(source: str, data: bytes) -> str:
    if len(data) > _BYTES_MAX:
        raise CliError(f"{source}: larger than {_BYTES_MAX >> 20} MiB")
    # Windows' PowerShell writes UTF-16 and begins each text with a byte order mark.
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        name = encoding.removesuffix("-sig").upper()
        raise CliError(f"{source}:{line}: not {name} text") from None
