"""Tiny images for tests: busybox and what a test adds, imported through Podman's socket."""

from __future__ import annotations

import http.client
import io
import json
import shutil
import socket
import tarfile
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path

APPLETS = (
    "sh", "sleep", "echo", "cat", "ls", "hostname", "nc", "httpd", "wget", "id", "stty", "kill",
    "true", "false", "env", "head", "tail", "seq", "dd", "yes", "touch", "mkdir", "rm", "ln",
    "readlink", "test", "date", "ps", "grep", "printf", "mount", "ip", "tty", "trap",
)  # fmt: skip


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("podman", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def archive(files: Mapping[str, bytes] | None = None) -> bytes:
    """Return a root file system as a tar archive: busybox, its applets, ``files``."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "tests need a static busybox"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "www"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        _add(tar, "bin/busybox", Path(busybox).read_bytes(), 0o755)
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        _add(tar, "etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n", 0o644)
        _add(tar, "etc/group", b"root:x:0:\nuser:x:1000:\n", 0o644)
        for name, content in (files or {}).items():
            _add(tar, name.lstrip("/"), content, 0o755)
    return buffer.getvalue()


def build_image(
    podman_socket: Path,
    name: str,
    files: Mapping[str, bytes] | None = None,
    command: Sequence[str] = ("/bin/sh",),
    changes: Sequence[str] = (),
) -> str:
    """Import an image and return its id."""
    query = [("reference", name), ("changes", f"CMD {json.dumps(list(command))}")]
    query += [("changes", change) for change in changes]
    connection = _UnixConnection(podman_socket)
    try:
        connection.request(
            "POST",
            f"/v4.0.0/libpod/images/import?{urllib.parse.urlencode(query)}",
            body=archive(files),
            headers={"Content-Type": "application/x-tar"},
        )
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    assert response.status == 200, answer
    return str(json.loads(answer)["Id"])


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
