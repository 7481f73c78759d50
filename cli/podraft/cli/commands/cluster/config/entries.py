"""`config set-cluster`, `set-credentials`, `delete-cluster`, `delete-user`."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

_FILE = click.Path(path_type=Path)


@command("set-cluster")
@click.argument("name")
@click.option("--server", help="Where its API is: https://HOST:PORT, several with commas.")
@click.option("--certificate-authority", type=_FILE, help="Its authority's certificate, PEM.")
def set_cluster(
    settings: Settings, name: str, server: str | None, certificate_authority: Path | None
) -> None:
    """Set where a cluster is reached, and whom to trust; or name a new one."""
    fields: dict[str, Any] = {"server": server} if server else {}
    if certificate_authority is not None:
        fields["certificate-authority-data"] = _encoded(certificate_authority)
    _set(settings, "clusters", name, fields)


@command("set-credentials")
@click.argument("name")
@click.option("--client-certificate", type=_FILE, help="The user's certificate, PEM.")
@click.option("--client-key", type=_FILE, help="Its private key, PEM.")
def set_credentials(
    settings: Settings, name: str, client_certificate: Path | None, client_key: Path | None
) -> None:
    """Set with what a user shows who they are; or name a new one."""
    fields: dict[str, Any] = {}
    if client_certificate is not None:
        fields["client-certificate-data"] = _encoded(client_certificate)
    if client_key is not None:
        fields["client-key-data"] = _encoded(client_key)
    _set(settings, "users", name, fields)


@command("delete-cluster")
@click.argument("name")
def delete_cluster(settings: Settings, name: str) -> None:
    """Remove a cluster."""
    _delete(settings, "clusters", name)


@command("delete-user")
@click.argument("name")
def delete_user(settings: Settings, name: str) -> None:
    """Remove a user."""
    _delete(settings, "users", name)


def _encoded(path: Path) -> str:
    from podraft.cli.errors import CliError
    from podraft.cli.manifests.data_files import read

    data = read(path)
    if b"-----BEGIN " not in data:
        raise CliError(f"{path}: no PEM file")
    return base64.b64encode(data).decode()


def _set(settings: Settings, section: str, name: str, fields: dict[str, Any]) -> None:
    from podraft.cli.commands.cluster.config.files import change
    from podraft.cli.plans import config_edits

    word = config_edits.SECTIONS[section].capitalize()

    def edit(document: dict[str, Any]) -> str:
        config_edits.set_entry(document, section, name, fields)
        return f'{word} "{name}" set.'

    printing.say(change(settings, edit))


def _delete(settings: Settings, section: str, name: str) -> None:
    from podraft.cli.commands.cluster.config.files import change
    from podraft.cli.plans import config_edits

    def edit(document: dict[str, Any]) -> str:
        config_edits.delete_entry(document, section, name)
        return f'deleted {config_edits.SECTIONS[section]} "{name}"'

    printing.say(change(settings, edit))
