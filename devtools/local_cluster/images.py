"""Container images made on this machine: a static busybox and some files.

No registry is needed.  An image is a tar of a root file system, imported into
the Podman at a given socket.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from podman.errors import APIError

from local_cluster import podman_service

# fmt: off
_APPLETS = (
    "sh", "ash", "cat", "echo", "printf", "ls", "ln", "readlink", "sleep", "httpd", "wget", "nc",
    "hostname", "date", "env", "id", "ps", "kill", "mkdir", "rm", "touch", "wc", "head", "tail",
    "grep", "sed", "awk", "test", "true", "false", "stat", "chmod", "seq", "timeout", "vi", "top",
    "tty", "stty", "ip", "ping", "df", "mount", "dd", "yes", "sync",
)
# fmt: on


class ImageError(Exception):
    """An image could not be made or imported."""


def busybox_path() -> Path:
    """Return the path of a statically linked busybox.

    Raises:
        ImageError: There is none on this machine.
    """
    for name in ("/bin/busybox", "/usr/bin/busybox", "/sbin/busybox", "/usr/sbin/busybox"):
        path = Path(name)
        if path.exists() and _is_static(path):
            return path
    raise ImageError("no static busybox on this machine: install the package busybox-static")


def _is_static(path: Path) -> bool:
    ldd = shutil.which("ldd")
    return ldd is None or subprocess.run([ldd, path], capture_output=True).returncode != 0


def root_filesystem(files: Mapping[str, bytes], *, empty_directories: Sequence[str] = ()) -> bytes:
    """Return a tar with busybox, its usual commands and ``files`` (path → content, executable)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory in ("bin", "etc", "proc", "sys", "dev", "tmp", "root", *empty_directories):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(entry)
        _add_file(tar, "bin/busybox", busybox_path().read_bytes())
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        _add_file(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", mode=0o644)
        _add_file(tar, "etc/group", b"root:x:0:\n", mode=0o644)
        made: set[str] = {"bin", "etc"}
        for path, content in files.items():
            _add_parents(tar, path, made)
            _add_file(tar, path, content)
    return buffer.getvalue()


def _add_parents(tar: tarfile.TarFile, path: str, made: set[str]) -> None:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        directory = "/".join(parts[:depth])
        if directory not in made:
            made.add(directory)
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)


def _add_file(tar: tarfile.TarFile, path: str, content: bytes, mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def import_image(
    podman_socket: Path, reference: str, tar: bytes, *, command: Sequence[str] = ("/bin/sh",)
) -> None:
    """Import a root file system as the image ``reference``.

    Raises:
        ImageError: Podman refused the image.
    """
    how = {"reference": reference, "changes": f"CMD {json.dumps(list(command))}"}
    try:
        with podman_service.connect(podman_socket) as client:
            # The library has a method for images in archives, not for root file systems.
            response = client.api.post(
                "/images/import",
                data=tar,
                params=how,
                headers={"Content-Type": "application/x-tar"},
            )
            response.raise_for_status()
    except APIError as error:
        raise ImageError(f"Podman did not import {reference}: {error}") from None
