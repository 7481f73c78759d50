"""user, auth, why access and --as against a real API server."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from support.cli_server import CliServer
from support.waiting import eventually


def made(server: CliServer, directory: Path, name: str, *options: str) -> str:
    """Make a user; return the file with the user's configuration."""
    file = directory / f"{name}.conf"
    server.ok("user", "create", name, "--file", str(file), *options)
    return str(file)


def test_a_user_gets_a_key_and_a_role_and_loses_both(
    shared_server: CliServer, room: str, tmp_path: Path
) -> None:
    server = shared_server
    file = made(server, tmp_path, "kim", "--role", "view", "-n", room, "--group", "staff")
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    eventually(lambda: server.run("--config", file, "get", "pods").code == 0)
    refused = server.run("--config", file, "get", "secrets")
    assert refused.code == 1
    assert 'user "kim" may not list secrets' in refused.err
    assert server.ok("--config", file, "auth", "can-i", "get", "pods/web") == "yes\n"
    denied = server.run("--config", file, "auth", "can-i", "create", "deploy")
    assert (denied.code, denied.out[:5]) == (1, "no - ")
    assert server.ok("--config", file, "auth", "can-i", "get", "/version") == "yes\n"
    listed = server.ok("--config", file, "auth", "can-i", "--list")
    assert "deployments.apps" in listed
    assert "[/version]" in listed
    who = json.loads(server.ok("--config", file, "auth", "whoami", "-o", "json"))
    assert who == {"username": "kim", "groups": ["staff", "system:authenticated"]}
    users = json.loads(server.ok("user", "list", "-o", "json"))["users"]
    (kim,) = [user for user in users if user["name"] == "kim"]
    assert (kim["groups"], kim["createdBy"], kim["certificates"]) == (["staff"], "admin", 1)

    told = server.ok("user", "revoke", "kim")
    assert told == (
        f'user "kim" revoked\n  RoleBinding "podraft:user:kim:view" in namespace "{room}" deleted\n'
    )
    ended = server.run("--config", file, "get", "pods")
    assert ended.code == 1
    assert 'the certificate of "kim" was revoked' in ended.err
    row = next(line for line in server.ok("user", "list").splitlines() if line.startswith("kim"))
    assert "Revoked" in row


def test_a_user_of_no_role_is_told_to_have_no_rights(
    shared_server: CliServer, tmp_path: Path
) -> None:
    file = tmp_path / "oda.conf"
    told = shared_server.ok("user", "create", "oda", "--file", str(file))
    assert "it may do nothing yet" in told
    refused = shared_server.run("--config", str(file), "get", "pods")
    assert 'user "oda" may not list pods' in refused.err


def test_who_revokes_an_unknown_name_hears_of_it(shared_server: CliServer) -> None:
    result = shared_server.run("user", "revoke", "nobody-knows")
    assert result.code == 0
    assert 'no certificate of "nobody-knows" was known' in result.err


def test_why_access_names_the_rule_or_what_is_missing(
    shared_server: CliServer, room: str, tmp_path: Path
) -> None:
    server = shared_server
    made(server, tmp_path, "lou", "--role", "view", "-n", room)

    def allowed() -> str:
        out = server.ok("why", "access", "lou", "get", "pods/web", "-n", room)
        return out if "may not" not in out else ""

    told = eventually(allowed)
    assert told.startswith(f'user "lou" may get pods "web" in namespace "{room}"\n')
    assert f'RoleBinding "podraft:user:lou:view" in namespace "{room}" gives ClusterRole' in told
    missing = server.ok("why", "access", "lou", "delete", "pods", "-n", room).splitlines()
    assert missing[0] == f'user "lou" may not delete pods in namespace "{room}"'
    assert missing[1] == "  no role that is bound to the user or its groups allows it"
    assert "ClusterRole edit" in missing[2]
    other = server.ok("why", "access", "lou", "get", "pods", "--subresource", "exec", "-n", room)
    assert "may not get pods/exec" in other


def test_acting_as_somebody_else_shows_what_they_may(shared_server: CliServer, room: str) -> None:
    server = shared_server
    assert server.ok("auth", "can-i", "delete", "nodes") == "yes\n"
    as_nobody = server.run("auth", "can-i", "delete", "nodes", "--as", "mo")
    assert (as_nobody.code, as_nobody.out[:2]) == (1, "no")
    group = ("--as", "mo", "--as-group", "system:masters")
    assert server.ok(*group, "auth", "can-i", "delete", "nodes") == "yes\n"
    who = json.loads(server.ok(*group, "auth", "whoami", "-o", "json"))
    assert who == {"username": "mo", "groups": ["system:authenticated", "system:masters"]}
    refused = server.run("get", "pods", "-n", room, "--as", "mo")
    assert 'user "mo" may not list pods' in refused.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("user", "create", "system:nia", "--role", "view"), "reserved"),
        (("user", "create", "nia", "--role", "no-such-role"), "not found"),
        (("auth", "can-i", "get"), "say what"),
        (("auth", "can-i", "--list", "get"), "takes no VERB"),
        (("auth", "can-i", "get", "/version", "x"), "a path has no name"),
        (("why", "access", "nia"), "say whose and what"),
        (("get", "pods", "--as-group", "x"), "--as-group goes with --as"),
    ],
)
def test_what_makes_no_sense_is_refused(
    shared_server: CliServer, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    if arguments[0] == "user":
        arguments = (*arguments, "--file", str(tmp_path / "user.conf"))
    result = shared_server.run(*arguments)
    assert result.code != 0
    assert says in result.err
    assert "Traceback" not in result.err
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_replaced_unawares(shared_server: CliServer, tmp_path: Path) -> None:
    file = tmp_path / "user.conf"
    file.write_text("mine")
    arguments = ("user", "create", "oz", "--role", "view", "--file", str(file))
    refused = shared_server.run(*arguments)
    assert (refused.code, file.read_text()) == (1, "mine")
    assert "--force replaces it" in refused.err
    shared_server.ok(*arguments, "--force")
    assert "mine" not in file.read_text()
