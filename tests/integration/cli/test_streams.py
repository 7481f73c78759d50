"""`logs` and `exec` through a real server to an agent that runs real processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import tty
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from podraft.cli.streams.terminal_text import TerminalText
from support.cli_agent import PREVIOUS, cli_agent
from support.cli_server import COMMAND, CliServer, cli_server
from support.waiting import eventually


@pytest.fixture(scope="module")
def server() -> Iterator[CliServer]:
    with cli_server() as running, cli_agent(running, "n1"):
        yield running


def test_logs_are_of_the_first_container_unless_another_is_named(server: CliServer) -> None:
    result = server.run("logs", "web", "--tail=2")

    assert (result.code, result.out) == (0, "main line 1\nmain line 2\n")
    assert result.err == 'Defaulted container "main" out of: main, side\n'
    assert server.ok("logs", "pod/web", "-c", "side", "--tail=1") == "side line 2\n"


def test_logs_of_several_containers_begin_with_where_they_come_from(server: CliServer) -> None:
    out = server.ok("logs", "-l", "app=web", "--all-containers", "--prefix", "--tail=1")

    assert out == "[pod/web/main] main line 2\n[pod/web/side] side line 2\n"


def test_what_a_container_wrote_comes_out_byte_by_byte(server: CliServer) -> None:
    assert _output(server, "logs", "web", "-c", "main", "--previous") == PREVIOUS
    head = b"[pod/web/main] "
    lines = _output(server, "logs", "web", "-c", "main", "--previous", "--prefix")
    assert lines == b"".join(head + line + b"\n" for line in PREVIOUS.split(b"\n"))


def _on_terminal(server: CliServer, *arguments: str) -> bytes:
    """Run a command whose output is a terminal that changes nothing; return what that got."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=theirs, env=server.environment()
    )
    os.close(theirs)
    received = b""
    with contextlib.suppress(OSError):  # The other end has closed.
        while data := os.read(ours, 65536):
            received += data
    os.close(ours)
    assert process.wait(20) == 0
    return received


def test_to_a_terminal_only_text_and_colours_pass_unless_all_is_asked_for(
    server: CliServer,
) -> None:
    evil = r"\033]0;title\007 \033[31mred\033[0m \033[2J"
    printed = ("exec", "web", "-c", "main", "--", "printf", evil)
    assert _on_terminal(server, *printed) == (b"\\x1b]0;title\\x07 \x1b[31mred\x1b[0m \\x1b[2J")
    assert _output(server, *printed) == b"\x1b]0;title\x07 \x1b[31mred\x1b[0m \x1b[2J"
    previous = ("logs", "web", "-c", "main", "--previous")
    assert _on_terminal(server, *previous, "--raw") == PREVIOUS
    shown = TerminalText()
    assert _on_terminal(server, *previous) == shown.feed(PREVIOUS) + shown.finish()


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_a_container_without_a_previous_run_is_named_beside_what_there_is(
    server: CliServer, follow: tuple[str, ...]
) -> None:
    words = [*COMMAND, "logs", "web", "--all-containers", "--previous", *follow]
    result = subprocess.run(words, env=server.environment(), capture_output=True, timeout=30)

    ends = b"\n" if follow else b""  # Lines of several containers are kept whole.
    assert (result.returncode, result.stdout) == (0, PREVIOUS + ends)
    assert result.stderr == b"pod/web, side: it has no previous attempt\n"

    alone = server.run("logs", "web", "side", "--previous")
    assert (alone.code, alone.err) == (1, "Error: it has no previous attempt\n")


def _output(server: CliServer, *words: str) -> bytes:
    result = subprocess.run(
        [*COMMAND, *words], env=server.environment(), capture_output=True, timeout=30
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_container_that_is_not_there_is_said_not_to_be(server: CliServer) -> None:
    result = server.run("logs", "web", "-c", "none")

    assert result.code == 1
    assert result.err == 'Error: pod "web" has no container "none"; it has main, side\n'


def test_the_exit_code_of_a_command_is_passed_through(server: CliServer) -> None:
    result = server.run(
        "exec", "web", "-c", "side", "--", "sh", "-c", "echo out; echo err >&2; exit 7"
    )

    assert (result.code, result.out, result.err) == (7, "out\n", "err\n")


def test_standard_input_reaches_the_command_to_its_end(server: CliServer) -> None:
    text = "".join(f"line {number}\n" for number in range(20_000))

    result = server.run("exec", "-i", "web", "--", "sha256sum", stdin=text)

    assert result.code == 0
    assert result.err == 'Defaulted container "main" out of: main, side\n'
    assert result.out.split()[0] == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("command", ["exit 0", "head -c 5 >/dev/null; exit 9"])
def test_a_command_that_does_not_read_its_input_ends_with_its_own_exit_code(
    server: CliServer, command: str
) -> None:
    result = server.run(
        "exec", "-i", "web", "-c", "main", "--", "sh", "-c", command, stdin="x" * 3_000_000
    )

    assert (result.code, result.out, result.err) == (int(command.split()[-1]), "", "")


def test_input_that_stays_open_or_was_never_there_does_not_keep_the_command(
    server: CliServer,
) -> None:
    words = [*COMMAND, "exec", "-i", "web", "-c", "main", "--", "sh", "-c"]
    silent, writer = os.pipe()
    try:
        for script, code, call in (("exit 3", 3, '"$@"'), ("cat; exit 4", 4, '"$@" <&-')):
            result = subprocess.run(
                ["sh", "-c", call, "sh", *words, script],
                env=server.environment(),
                stdin=silent,
                capture_output=True,
                timeout=30,
            )
            assert (result.returncode, result.stdout, result.stderr) == (code, b"", b"")
    finally:
        os.close(silent)
        os.close(writer)


def test_every_byte_passes_though_reading_and_writing_would_block(server: CliServer) -> None:
    data = os.urandom(1_000_003)
    words = [*COMMAND, "exec", "-i", "web", "-c", "main", "--", "cat"]
    (their_input, our_input), (our_output, their_output) = os.pipe(), os.pipe()
    # As when another process has made a terminal that it shares with us non-blocking.
    os.set_blocking(their_input, False)
    os.set_blocking(their_output, False)
    process = subprocess.Popen(
        words, stdin=their_input, stdout=their_output, env=server.environment()
    )
    os.close(their_input)
    os.close(their_output)
    os.set_blocking(our_input, False)
    received, sent = bytearray(), 0
    try:
        while len(received) < len(data):
            waiting = [our_input] if sent < len(data) else []
            readable, writable, _ = select.select([our_output], waiting, [], 30)
            assert readable or writable, f"{sent} sent, {len(received)} received, and no more"
            if writable:
                sent += os.write(our_input, data[sent : sent + 5000])
                if sent == len(data):
                    os.close(our_input)
            if readable:
                received += os.read(our_output, 7000)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(our_output)
    assert bytes(received) == data


def test_a_terminal_is_raw_while_the_command_runs_has_the_right_size_and_is_restored(
    server: CliServer,
) -> None:
    ours, theirs = os.openpty()
    _resize(theirs, rows=31, columns=97)
    before = termios.tcgetattr(theirs)
    script = 'stty size; trap "stty size; exit 5" WINCH; while :; do sleep 0.05; done'
    process = subprocess.Popen(
        [*COMMAND, "exec", "-it", "web", "-c", "main", "--", "bash", "-c", script],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=server.environment(),
    )
    output = bytearray()
    os.set_blocking(ours, False)
    try:
        eventually(lambda: _read(ours, output) and b"31 97" in output, within_s=20)
        assert not termios.tcgetattr(theirs)[3] & termios.ECHO
        _resize(theirs, rows=20, columns=60)
        process.send_signal(signal.SIGWINCH)
        assert process.wait(20) == 5
        eventually(lambda: _read(ours, output) and b"20 60" in output)
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert re.search(rb"31 97\r\n", bytes(output))


def _read(descriptor: int, output: bytearray) -> bool:
    with contextlib.suppress(BlockingIOError):
        output += os.read(descriptor, 65536)
    return True


def _resize(descriptor: int, *, rows: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_files_are_copied_both_ways_and_back_the_same(server: CliServer, tmp_path: Path) -> None:
    inside, here = tmp_path / "inside", tmp_path / "here"
    (here / "site" / "deep").mkdir(parents=True)
    inside.mkdir()
    content = bytes(range(256)) * 4096
    (here / "site" / "deep" / "file").write_bytes(content)
    (here / "site" / "empty").touch()

    server.ok("cp", str(here / "site"), f"web:{inside}")
    assert (inside / "site" / "deep" / "file").read_bytes() == content
    server.ok("cp", f"default/web:{inside}/site", str(tmp_path / "back"))
    assert (tmp_path / "back" / "deep" / "file").read_bytes() == content
    assert (tmp_path / "back" / "empty").read_bytes() == b""

    (inside / "link").symlink_to("/etc/passwd")
    linked = server.run("cp", f"web:{inside}/link", str(tmp_path / "stolen"))
    assert linked.code == 0
    assert "a link, left out" in linked.err
    assert not (tmp_path / "stolen").exists()
    missing = server.run("cp", f"web:{inside}/nope", str(tmp_path / "x"))
    assert missing.code == 1
    assert "`tar` in the container failed" in missing.err
    assert server.run("cp", "a", "b").code == 2


def test_a_forwarded_port_passes_every_byte_both_ways_and_each_end(server: CliServer) -> None:
    content = os.urandom(1 << 20)
    with socket.create_server(("127.0.0.1", 0)) as pod:

        def answer() -> None:
            connection, _ = pod.accept()
            with connection:
                received = b""
                while data := connection.recv(65536):
                    received += data
                connection.sendall(received[::-1])

        thread = threading.Thread(target=answer)
        thread.start()
        port = pod.getsockname()[1]
        forward = server.start("port-forward", "web", f":{port}", "--address=127.0.0.1")
        try:
            assert forward.stdout is not None
            line = forward.stdout.readline()
            local = int(re.fullmatch(rf"Forwarding from 127.0.0.1:(\d+) -> {port}\n", line)[1])
            with socket.create_connection(("127.0.0.1", local)) as caller:
                caller.sendall(content)
                caller.shutdown(socket.SHUT_WR)
                received = b""
                while data := caller.recv(65536):
                    received += data
            thread.join(30)
            assert received == content[::-1]
            pod.close()
            with socket.create_connection(("127.0.0.1", local)) as caller:
                assert caller.recv(1) == b""
        finally:
            forward.send_signal(signal.SIGINT)
            out, err = forward.communicate(timeout=30)
        assert out.count("Handling connection") == 2
        assert "Connection refused" in err
        assert "Traceback" not in err
        assert forward.returncode == 130


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("web", "0"), 2, "expected a port from 1"),
        (("web", "99999"), 2, "expected a port from"),
        (("web", "x:80"), 2, "expected [LOCAL:]REMOTE"),
        (("web", "nope"), 1, 'has no port called "nope"'),
        (("web", "80", "--address=nowhere"), 2, "is no address"),
        (("cm/x", "80"), 1, "works on a"),
        (("nope", "80"), 1, "not found"),
    ],
)
def test_a_port_that_cannot_be_forwarded_is_refused(
    server: CliServer, words: tuple[str, ...], code: int, says: str
) -> None:
    result = server.run("port-forward", *words)
    assert (result.code, result.out) == (code, ""), result
    assert says in result.err
