"""A gRPC client of the worst kind: it sends what it likes, and reads only when told to.

Owns: as much of HTTP/2 as an attacker needs, on a blocking socket: frames, headers without
compression, and gRPC's message prefix.
"""

from __future__ import annotations

import socket
import ssl
import struct
import tempfile
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK = 1
_END_STREAM, _END_HEADERS = 1, 4
_HEADER_TABLE_BYTES, _INITIAL_WINDOW = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def message(body: bytes, claimed: int | None = None) -> bytes:
    """Return a gRPC message; ``claimed`` is the length in its prefix."""
    return struct.pack(">BI", 0, len(body) if claimed is None else claimed) + body


def tls_context(authority: bytes, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.decode())
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    if certificate:
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(file.name)
    return context


class RawConnection:
    """One connection; used as a context, it is closed at the end."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        plain = socket.create_connection(address, timeout=10)
        self.socket = context.wrap_socket(plain, server_hostname="podraft-server")
        settings = struct.pack(">HIHI", _HEADER_TABLE_BYTES, 0, _INITIAL_WINDOW, 65_535)
        self.socket.sendall(
            PREFACE + frame(SETTINGS, 0, 0, settings) + frame(SETTINGS, _ACK, 0, b"")
        )
        self._next_stream = 1

    def begin(self, path: bytes, data: bytes = b"", *, end: bool = False) -> int:
        """Begin a call and send only ``data``; return the call's stream."""
        stream = self._next_stream
        self._next_stream += 2
        headers = b"".join(
            _literal(name, value)
            for name, value in (
                (b":method", b"POST"),
                (b":scheme", b"https"),
                (b":path", path),
                (b":authority", b"podraft-server"),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
            )
        )
        sent = frame(HEADERS, _END_HEADERS, stream, headers)
        for start in range(0, len(data), 16_384):
            sent += frame(DATA, 0, stream, data[start : start + 16_384])
        if end:
            sent += frame(DATA, _END_STREAM, stream, b"")
        self.socket.sendall(sent)
        return stream

    def send(self, stream: int, data: bytes) -> None:
        for start in range(0, len(data), 16_384):
            self.socket.sendall(frame(DATA, 0, stream, data[start : start + 16_384]))

    def allow(self, size: int) -> None:
        """Allow the server to send ``size`` more bytes."""
        self.socket.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", size)))

    def frames(self, timeout_s: float) -> list[tuple[int, int, bytes]]:
        """Return frames until none has come for ``timeout_s`` or the connection has ended."""
        self.socket.settimeout(timeout_s)
        received, found = b"", []
        try:
            while chunk := self.socket.recv(65_536):
                received += chunk
                while len(received) >= 9:
                    size = int.from_bytes(received[:3], "big")
                    if len(received) < 9 + size:
                        break
                    stream = int.from_bytes(received[5:9], "big")
                    found.append((received[3], stream, received[9 : 9 + size]))
                    received = received[9 + size :]
        except (TimeoutError, OSError):
            pass
        return found

    def is_closed(self) -> bool:
        """Return whether the server has closed the connection; pending data is dropped."""
        return is_closed(self.socket)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_closed(connected: socket.socket) -> bool:
    """Return whether the other end has closed a socket; pending data is dropped."""
    connected.setblocking(False)
    try:
        while connected.recv(65_536):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connected.setblocking(True)
    return True


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a header field without indexing or compression."""
    return b"\0" + _length(len(name)) + name + _length(len(value)) + value


def _length(number: int) -> bytes:
    """Return the encoding of a length with a prefix of seven bits."""
    if number < 127:
        return bytes((number,))
    out, number = bytearray((127,)), number - 127
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))
