"""`cp`: copy files to and from containers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session
    from podraft.client.calls.pods.commands import ExecResult

# Smaller archives stay in memory.
_IN_MEMORY_BYTES = 8 << 20
_NO_PROGRAM = 127
_ERRORS_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class _Place:
    """A path in a container, or here if there is no pod."""

    path: str
    pod: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A path here, what it is called, and how the container's `tar` unpacks it."""

    path: Path
    name: str
    options: list[str]


@command("cp")
@click.argument("source", metavar="[[NAMESPACE/]POD:]PATH")
@click.argument("target", metavar="[[NAMESPACE/]POD:]PATH")
@click.option("-c", "--container", help="The container. [the first one]")
@click.option("--no-preserve", is_flag=True, help="Do not keep owners and rights in the container.")
def cp(
    settings: Settings, source: str, target: str, container: str | None, no_preserve: bool
) -> None:
    """Copy files and directories to a container, or from one.

    The container must have `tar`. From a container no links are copied, and nothing that lies
    outside of what was asked for.

    \b
    podraft cp ./site web-1:/srv/www          podraft cp web-1:/var/log/app.log app.log
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.errors import usage
    from podraft.cli.sessions.connection import run

    first, second = _parsed(source), _parsed(target)
    if bool(first.pod) == bool(second.pod):
        raise usage("say one place in a container, as POD:PATH, and one here")
    if second.pod:
        here = Path(first.path)
        if not here.exists():
            raise usage(f"{here}: there is no such file")
        name = here.resolve().name
        options = ["--no-same-permissions", "--no-same-owner"] if no_preserve else []
        sent = _Sent(here, name, options)
        run(settings, lambda session: _upload(session, sent, second, container))
    else:
        path, target_path = PurePosixPath(first.path), Path(second.path)
        into = target_path / path.name if target_path.is_dir() else target_path
        run(settings, lambda session: _download(session, first, into, container))


def _parsed(text: str) -> _Place:
    """Return the place that a word means.

    Raises:
        CliError: It is malformed.
    """
    from podraft.cli.errors import usage

    before, colon, path = text.partition(":")
    if not colon or before.startswith((".", "/")):
        return _Place(text)
    namespace, slash, pod = before.rpartition("/")
    if not pod or "/" in namespace or (slash and not namespace) or not path:
        raise usage(f'expected [[NAMESPACE/]POD:]PATH, got "{text}"')
    return _Place(path, pod, namespace)


async def _container(session: Session, place: _Place, wanted: str | None) -> tuple[str, str, str]:
    from podraft.cli.streams.containers import chosen_container

    namespace = place.namespace or session.namespace
    pod = await session.client.pods.get(place.pod, namespace)
    return namespace, place.pod, chosen_container(pod, wanted)


async def _upload(session: Session, sent: _Sent, target: _Place, wanted: str | None) -> None:
    from podraft.cli.streams.archives import pack

    namespace, pod, container = await _container(session, target, wanted)
    run = partial(session.client.pods.exec, pod, namespace=namespace, container=container)
    path = PurePosixPath(target.path)
    is_directory = (await run(["test", "-d", str(path)])).exit_code == 0
    into = path / sent.name if is_directory else path
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        pack(sent.path, into.name, file)
        file.seek(0)
        tar = ["tar", *sent.options, "-xmf", "-", "-C", str(into.parent)]
        _check(await run(tar, stdin=file))


async def _download(session: Session, source: _Place, into: Path, wanted: str | None) -> None:
    from podraft.cli.errors import CliError
    from podraft.cli.streams.archives import unpack

    namespace, pod, container = await _container(session, source, wanted)
    run = partial(session.client.pods.exec, pod, namespace=namespace, container=container)
    path = PurePosixPath(source.path)
    if not path.name or path.name == "..":
        raise CliError(f"{path}: name the file or directory itself")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        tar = ["tar", "-cf", "-", "-C", str(path.parent), "--", path.name]
        _check(await run(tar, stdout=file))
        file.seek(0)
        unpack(file, path.name, into, printing.warn)


def _check(ended: ExecResult) -> None:
    """Raise an error for a `tar` that failed, or is not there."""
    from podraft.cli.errors import CliError

    if ended.exit_code == _NO_PROGRAM:
        raise CliError("the container has no `tar`, which copies need")
    if ended.exit_code != 0:
        errors = ended.stderr[:_ERRORS_BYTES_MAX].decode(errors="replace").strip()
        lines = errors.splitlines() or [f"it ended with {ended.exit_code}"]
        raise CliError("`tar` in the container failed", *(f"  {line}" for line in lines))
