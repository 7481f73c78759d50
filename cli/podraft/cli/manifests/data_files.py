"""Files whose contents become the data of ConfigMaps and Secrets.

Invariant: no more is read than an object may hold; a device or a pipe is no file of data.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

from podraft.api.limits import OBJECT_BYTES_MAX
from podraft.cli.errors import CliError, usage


def file_contents(source: str) -> Iterator[tuple[str, bytes]]:
    """Yield the keys and contents of ``[KEY=]FILE``, or of the files in a directory.

    Raises:
        CliError: The source is malformed, or cannot be read.
    """
    key, equals, rest = source.partition("=")
    path = Path(rest if equals else source)
    if equals and (not key or not rest):
        raise usage(f'--from-file: expected [KEY=]FILE, got "{source}"')
    if not path.is_dir():
        yield (key if equals else path.name), read(path)
        return
    if equals:
        raise usage(f"--from-file: {path} is a directory; a key goes with one file only")
    for child in sorted(path.iterdir()):
        if child.is_file():
            yield child.name, read(child)


def file_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        CliError: It cannot be read, or is not UTF-8.
    """
    try:
        return read(path).decode()
    except UnicodeDecodeError:
        raise CliError(f"{path}: not UTF-8 text") from None


def read(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        CliError: It cannot be read, or is larger than an object may be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(OBJECT_BYTES_MAX + 1)
    except OSError as error:
        raise CliError(f"{path}: {error.strerror or error}") from None
    if len(data) > OBJECT_BYTES_MAX:
        raise CliError(f"{path}: larger than {OBJECT_BYTES_MAX} bytes, an object's limit")
    return data


def certificate_pair(certificate: Path, key: Path) -> dict[str, bytes]:
    """Return the data of a certificate with its private key.

    Raises:
        CliError: One of them cannot be read, or they do not belong together.
    """
    contents = {"tls.crt": read(certificate), "tls.key": read(key)}
    # OpenSSL reads them from files only; these are what was read, whatever happens to the others.
    with tempfile.TemporaryDirectory() as directory:
        for name, data in contents.items():
            (Path(directory) / name).write_bytes(data)
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(
                Path(directory) / "tls.crt", Path(directory) / "tls.key", password=""
            )
        except (ssl.SSLError, ValueError):
            raise CliError(f"{certificate} and {key} are no certificate with its key") from None
    return contents
