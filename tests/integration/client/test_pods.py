"""What the SDK does with a running pod, through a real server and a real contract with its node."""

from __future__ import annotations

import io
import logging
import socket
import threading

import pytest

from podraft.client.connecting.config import load
from podraft.client.errors import NotFoundError
from podraft.client.sync import connect
from support.cli_agent import cli_agent
from support.cli_server import cli_server
from support.waiting import eventually


@pytest.fixture(scope="module")
def pods():
    with (
        cli_server() as server,
        cli_agent(server, "n1"),
        connect(load(server.config)) as client,
    ):
        yield client.pods


def test_output_is_kept_up_to_a_bound_and_said_to_be_more(pods):
    script = ["sh", "-c", "printf 12345; printf 123 >&2"]
    done = pods.exec("web", script, "default", container="main", output_bytes_max=4)
    assert (done.stdout, done.stderr, done.truncated, done.exit_code) == (b"1234", b"123", True, 0)
    done = pods.exec("web", script, "default", container="main", output_bytes_max=5)
    assert (done.stdout, done.truncated) == (b"12345", False)


def test_files_are_input_and_output_of_any_size(pods):
    sent, received = bytes(range(256)) * 4096, io.BytesIO()
    done = pods.exec(
        "web",
        ["cat"],
        "default",
        container="main",
        stdin=io.BytesIO(sent),
        stdout=received,
        output_bytes_max=0,
    )
    assert received.getvalue() == sent
    assert (done.stdout, done.truncated) == (b"", False)


def test_a_command_that_reads_nothing_ends_all_the_same(pods):
    done = pods.exec("web", ["true"], "default", container="main", stdin=bytes(1 << 20))
    assert done.exit_code == 0


def test_a_pod_that_is_not_there_is_not_found(pods):
    with pytest.raises(NotFoundError):
        pods.exec("nobody", ["true"], "default")
    with pytest.raises(NotFoundError):
        list(pods.logs("nobody", "default"))


def echoing(listener, answered):
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
    answered.set()


def test_a_forwarded_port_carries_both_directions_and_ends_with_its_block(pods):
    answered = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echoing, args=(listener, answered))
        thread.start()
        port = listener.getsockname()[1]
        with pods.port_forward("web", port, "default") as forward:
            address = ("127.0.0.1", forward.port)
            with socket.create_connection(address, 30) as connection:
                connection.sendall(b"there and back")
                connection.shutdown(socket.SHUT_WR)
                assert connection.makefile("rb").read() == b"there and back"
        thread.join(30)
    assert answered.is_set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 30)


def deaf_port(taken):
    """Return a port that nobody else gets and on which nothing listens."""
    taken.bind(("127.0.0.1", 0))
    return taken.getsockname()[1]


def test_a_connection_that_nothing_in_the_pod_accepts_is_closed_and_logged(pods, caplog):
    with (
        socket.socket() as taken,
        caplog.at_level(logging.WARNING, "podraft.client.calls.pods.forwarding"),
        pods.port_forward("web", deaf_port(taken), "default") as forward,
        socket.create_connection(("127.0.0.1", forward.port), 30) as connection,
    ):
        assert connection.recv(1) == b""
        eventually(lambda: f"port {taken.getsockname()[1]} of pod web: " in caplog.text)
