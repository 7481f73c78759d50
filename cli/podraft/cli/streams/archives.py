"""Files as tar archives, on their way to and from containers.

Invariants: what is unpacked lands below the place that the user named, whatever the archive says:
nothing absolute, nothing with "..", no links, no devices; what is left out is told. No link that an
archive holds is ever made, so none can lead a later file astray.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Final

from podraft.cli.errors import CliError

_MEMBERS_MAX: Final = 1_000_000
_PLAIN: Final = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO


def pack(source: Path, name: str, into: IO[bytes]) -> None:
    """Write a file, or a directory with all below it, as an archive whose root is called ``name``.

    Links are kept as links; sockets and devices are left out.

    Raises:
        CliError: A file cannot be read.
    """

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uname = member.gname = ""
        return member if member.isfile() or member.isdir() or member.issym() else None

    try:
        with tarfile.open(fileobj=into, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            archive.add(source, arcname=name, filter=plain)
    except OSError as error:
        raise CliError(f"{error.filename or source}: {error.strerror or error}") from None


def unpack(archive_file: IO[bytes], root: str, target: Path, warn: Callable[[str], None]) -> int:
    """Write an archive's files to ``target``, which takes the place of ``root``; return how many.

    Raises:
        CliError: The archive is malformed, or a file cannot be written.
    """
    written = 0
    try:
        with tarfile.open(fileobj=archive_file, mode="r|") as archive:
            for count, member in enumerate(archive):
                if count == _MEMBERS_MAX:
                    raise CliError(f"more than {_MEMBERS_MAX} files")
                place = _place(member.name, root, target)
                if place is None:
                    warn(f"{member.name!r}: outside of what was asked for, left out")
                elif member.issym() or member.islnk():
                    warn(f"{member.name!r}: a link, left out")
                elif member.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                elif member.isfile():
                    _write(archive, member, place)
                    written += 1
                else:
                    warn(f"{member.name!r}: no file, left out")
    except tarfile.TarError as error:
        raise CliError(f"what the container sent is no archive: {error}") from None
    except OSError as error:
        raise CliError(f"{error.filename or target}: {error.strerror or error}") from None
    return written


def _place(name: str, root: str, target: Path) -> Path | None:
    """Return where a member goes; None if that is not below the target."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name:
        return None
    above = PurePosixPath(root).parts
    if parts[: len(above)] != above:
        return None
    return target.joinpath(*parts[len(above) :])


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member)
    if content is None:
        return
    # A link that stands at the place already is not followed; rights of others' users mean nothing.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(place, flags, member.mode & _PLAIN | stat.S_IWUSR)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(content, file)
