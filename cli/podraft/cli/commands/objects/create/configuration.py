"""`create configmap`, `create secret`: of files, literals and environment files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import Group, command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes


def _sources(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option("--append-hash", is_flag=True, help="End the name with a hash of the data."),
        click.option(
            "--from-env-file", "env_files", multiple=True, metavar="FILE", help="KEY=VALUE lines."
        ),
        click.option(
            "--from-literal", "literals", multiple=True, metavar="KEY=VALUE", help="One value."
        ),
        click.option(
            "--from-file",
            "files",
            multiple=True,
            metavar="[KEY=]FILE|DIR",
            help="A file under its name or KEY, or all files of a directory.",
        ),
    ):
        function = decorate(function)
    return function


def _contents(
    files: Sequence[str], literals: Sequence[str], env_files: Sequence[str]
) -> dict[str, bytes]:
    """Return the data of all sources.

    Raises:
        CliError: A source cannot be read, or two of them give one key.
    """
    from podraft.cli.errors import usage
    from podraft.cli.manifests.data_files import file_contents, file_text
    from podraft.cli.plans.made import configuration

    if env_files and (files or literals):
        raise usage("--from-env-file goes with neither --from-file nor --from-literal")
    found = configuration.literals(literals)
    for source in files:
        for key, value in file_contents(source):
            configuration.add(found, key, value)
    for path in env_files:
        made = configuration.environment(file_text(Path(path)), path, os.environ.get)
        for key, value in made.items():
            configuration.add(found, key, value)
    return found


@command("configmap")
@click.argument("name")
@_sources
@writing_options()
def configmap(
    settings: Settings,
    name: str,
    files: tuple[str, ...],
    literals: tuple[str, ...],
    env_files: tuple[str, ...],
    append_hash: bool,
    outcomes: Outcomes,
) -> None:
    """Make a ConfigMap of files, literals or environment files."""
    from podraft.cli.plans.made.configuration import config_map
    from podraft.cli.sessions.writing.making import make

    contents = _contents(files, literals, env_files)
    make(settings, [config_map(name, contents, hashed=append_hash)], outcomes)


secret = Group("secret", help="Make a Secret: generic, tls or docker-registry.")


@secret.add("generic")
@click.argument("name")
@click.option("--type", "type_", default="", help="The Secret's type. [Opaque]")
@_sources
@writing_options()
def generic(
    settings: Settings,
    name: str,
    type_: str,
    files: tuple[str, ...],
    literals: tuple[str, ...],
    env_files: tuple[str, ...],
    append_hash: bool,
    outcomes: Outcomes,
) -> None:
    """Make a Secret of files, literals or environment files."""
    from podraft.cli.plans.made import configuration
    from podraft.cli.sessions.writing.making import make

    contents = _contents(files, literals, env_files)
    make(settings, [configuration.secret(name, type_, contents, hashed=append_hash)], outcomes)


@secret.add("tls")
@click.argument("name")
@click.option("--cert", required=True, type=click.Path(path_type=Path), help="A PEM certificate.")
@click.option("--key", required=True, type=click.Path(path_type=Path), help="Its private key, PEM.")
@click.option("--append-hash", is_flag=True, help="End the name with a hash of the data.")
@writing_options()
def tls(
    settings: Settings, name: str, cert: Path, key: Path, append_hash: bool, outcomes: Outcomes
) -> None:
    """Make a Secret of a certificate and its key, which must belong together."""
    from podraft.cli.manifests.data_files import certificate_pair
    from podraft.cli.plans.made import configuration
    from podraft.cli.sessions.writing.making import make

    contents = certificate_pair(cert, key)
    made = configuration.secret(name, "kubernetes.io/tls", contents, hashed=append_hash)
    make(settings, [made], outcomes)


@secret.add("docker-registry")
@click.argument("name")
@click.option("--docker-server", default="https://index.docker.io/v1/", help="The registry.")
@click.option("--docker-username", default="", help="Who logs in.")
@click.option("--docker-password", default="", help="With which password.")
@click.option("--docker-email", default="", help="An address; few registries ask for one.")
@click.option("--from-file", "file", default="", metavar="FILE", help="A login file as it is.")
@click.option("--append-hash", is_flag=True, help="End the name with a hash of the data.")
@writing_options()
def docker_registry(
    settings: Settings,
    name: str,
    docker_server: str,
    docker_username: str,
    docker_password: str,
    docker_email: str,
    file: str,
    append_hash: bool,
    outcomes: Outcomes,
) -> None:
    """Make a Secret with which nodes log in to a registry of images."""
    from podraft.cli.errors import usage
    from podraft.cli.manifests.data_files import file_contents
    from podraft.cli.plans.made import configuration
    from podraft.cli.sessions.writing.making import make

    if file:
        (login,) = [value for _, value in file_contents(f".dockerconfigjson={file}")]
    elif docker_username and docker_password:
        login = configuration.registry_login(
            docker_server, docker_username, docker_password, docker_email
        )
    else:
        raise usage("say --docker-username and --docker-password, or --from-file")
    contents = {".dockerconfigjson": login}
    type_ = "kubernetes.io/dockerconfigjson"
    make(settings, [configuration.secret(name, type_, contents, hashed=append_hash)], outcomes)
