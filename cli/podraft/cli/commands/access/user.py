"""`user`: people and programs with a certificate of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import Group
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.cluster.v1 import user_pb2
    from podraft.api.meta.v1 import meta_pb2
    from podraft.cli.sessions.connection import Session

user = Group("user", help="Create, list and revoke users.")

_HEADERS = ("NAME", "GROUPS", "CERTIFICATES", "EXPIRES IN", "STATUS", "CREATED BY")


@user.add("create")
@click.argument("name")
@click.option("--role", default="", help="The ClusterRole to bind: view, edit, admin, …")
@click.option("--group", "groups", multiple=True, help="A group of the user; may be repeated.")
@click.option("--ttl", "ttl_s", type=DURATION, default=0.0, help="How long it is valid. [90d]")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file to write. [NAME.conf]",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def create(
    settings: Settings,
    name: str,
    role: str,
    groups: tuple[str, ...],
    ttl_s: float,
    file: Path | None,
    force: bool,
) -> None:
    """Create a user: a key and a certificate in a configuration file, and a role.

    The key is made here and never leaves this machine. With -n the role is bound in that
    namespace, without it in the whole cluster. Without a role, the user may do what is bound to it
    or to its groups by other means.
    """
    from podraft.cli.errors import CliError
    from podraft.cli.sessions import users
    from podraft.cli.sessions.connection import load_config, run

    path = file or Path(f"{name.replace('/', '_')}.conf")
    if path.exists() and not force:
        raise CliError(f"{path} exists", "  --force replaces it")
    chosen, namespace = load_config(settings), settings.namespace or ""

    async def body(session: Session) -> str:
        if role:
            await users.check_binding(session, name, role, namespace)
        content = await users.certified(session, chosen, name, groups, int(ttl_s), namespace)
        users.write(path, content)
        return await users.bind(session, name, role, namespace) if role else ""

    bound = run(settings, body)
    printing.say(f'user "{name}" created{bound}', f"  podraft --config {path} get pods")
    if not role and not groups:
        printing.say(
            "  it may do nothing yet:"
            f" podraft create rolebinding {name} --role=ROLE --user={name} -n NAMESPACE"
        )


@user.add("list")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]))
def list_(settings: Settings, output: str | None) -> None:
    """List the users whose certificates the cluster remembers."""
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> tuple[list[user_pb2.User], float]:
        return list(await session.client.users.list()), session.now_s()

    listed, now_s = run(settings, body)
    if output is not None:
        from podraft.cli.output import documents

        document = {"users": [_document(each) for each in listed]}
        printing.data(documents.render(document, output))
        return
    from podraft.cli.output import tables

    printing.text(tables.render(_HEADERS, [_row(each, now_s) for each in listed]))


def _row(each: user_pb2.User, now_s: float) -> tuple[str, ...]:
    from podraft.api.columns.ages import human_duration

    left_s = each.expires_at.seconds - now_s
    status = "Revoked" if each.HasField("revoked_at") else "Active" if left_s > 0 else "Expired"
    return (
        each.name,
        ",".join(each.groups) or "<none>",
        str(each.certificates),
        human_duration(left_s) if left_s > 0 else "<none>",
        status,
        each.created_by or "<unknown>",
    )


def _document(each: user_pb2.User) -> dict[str, object]:
    return {
        "name": each.name,
        "groups": list(each.groups),
        "certificates": each.certificates,
        "createdBy": each.created_by,
        "createdAt": _time(each.created_at),
        "expiresAt": _time(each.expires_at),
        "revokedAt": _time(each.revoked_at),
    }


def _time(moment: meta_pb2.Time) -> str | None:
    from podraft.api import times

    return times.format_time(moment) if moment.seconds else None


@user.add("revoke")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
def revoke(settings: Settings, names: tuple[str, ...]) -> None:
    """End all certificates of users at once, and remove the bindings that `user create` made."""
    from podraft.cli.sessions import users
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> None:
        known = {each.name for each in await session.client.users.list()}
        for name in names:
            await session.client.users.revoke(name)
            printing.say(f'user "{name}" revoked')
            if name not in known:
                printing.warn(f'no certificate of "{name}" was known; from now on none counts')
            for removed in await users.unbind(session, name):
                printing.say(f"  {removed} deleted")

    run(settings, body)
