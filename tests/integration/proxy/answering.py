"""A pod's server for tests: says its name to whom connects or sends, then echoes.

Usage: answering.py NAME PORT
"""

from __future__ import annotations

import socketserver
import sys
import threading

NAME = sys.argv[1].encode()
PORT = int(sys.argv[2])


class Stream(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(NAME + b" " + self.client_address[0].encode() + b"\n")
        for line in self.rfile:
            self.wfile.write(line)


class Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request[1].sendto(NAME, self.client_address)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    udp = socketserver.UDPServer(("", PORT), Datagram)
    threading.Thread(target=udp.serve_forever, daemon=True).start()
    server = Server(("", PORT), Stream)
    server.serve_forever()
