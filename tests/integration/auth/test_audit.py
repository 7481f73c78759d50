"""The audit log of a real server: who did what, allowed by what, refused why, and no secrets."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from local_cluster.server_process import ServerProcess, running
from podraft.api import kinds
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError, ForbiddenError
from support.api_objects import example
from support.attackers import join_node
from support.users import bind, config_of
from support.waiting import eventually

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: [quiet]
- level: RequestResponse
  resources: [{resources: [configmaps, secrets]}]
- level: Metadata
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    policy = tmp_path_factory.mktemp("audit") / "policy.yaml"
    policy.write_text(POLICY)
    with running(("--audit-policy-file", str(policy))) as process:
        yield process


def lines(server: ServerProcess) -> list[dict[str, Any]]:
    path = server.data_dir / "audit" / "audit.log"
    return [json.loads(line) for line in path.read_text().splitlines()]


def line(server, **wanted):
    """Return the first line that says what is wanted, as soon as there is one."""

    def found():
        for event in lines(server):
            said = {
                "user": event["user"]["username"],
                "verb": event["verb"],
                "stage": event["stage"],
                "code": event["responseStatus"]["reason"],
                **{key: event.get("objectRef", {}).get(key) for key in ("resource", "name")},
            }
            if all(said[key] == value for key, value in wanted.items()):
                return event
        return None

    return eventually(found, describe=lambda: lines(server)[-5:])


def as_admin(server, scenario):
    async def main():
        async with Client(server.config()) as admin:
            return await scenario(admin)

    return asyncio.run(main())


def test_a_line_says_who_did_what_and_which_rule_allowed_or_refused_it(server):
    async def scenario(admin):
        await bind(admin, "edit", "ada", "default")
        async with Client(config_of(server, "ada", "staff")) as ada:
            created = None
            while created is None:
                try:
                    maps = ada.resource(kinds.CONFIG_MAP)
                    created = await maps.create(example(kinds.CONFIG_MAP, "made"))
                except ForbiddenError:
                    continue
            with pytest.raises(ForbiddenError):
                await ada.resource(kinds.NODE).list()

    as_admin(server, scenario)
    made = line(server, user="ada", verb="create", resource="configmaps", code="OK")
    assert made["user"]["groups"] == ["staff"]
    assert made["objectRef"] == {"resource": "configmaps", "namespace": "default", "name": "made"}
    assert made["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert 'RoleBinding "ada:edit"' in made["annotations"]["authorization.k8s.io/reason"]
    assert made["requestObject"]["data"] == {"color": "blue"}
    assert made["responseObject"]["metadata"]["uid"]
    assert made["sourceIPs"] == ["127.0.0.1"]
    refused = line(server, user="ada", verb="list", resource="nodes", code="PERMISSION_DENIED")
    assert refused["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert "no role that is bound" in refused["annotations"]["authorization.k8s.io/reason"]


def test_a_secrets_values_and_tokens_are_never_written(server):
    async def scenario(admin):
        secret = example(kinds.SECRET, "hidden")
        secret.data["password"] = b"MARK-OF-THE-SECRET"
        await admin.resource(kinds.SECRET).create(secret)
        await admin.resource(kinds.SECRET).get("hidden", "default")
        await admin.commit([writes.delete(kinds.SECRET, "hidden", "default")])
        return (await admin.create_join_token(60)).token

    token = as_admin(server, scenario)
    line(server, verb="get", resource="secrets", name="hidden")
    line(server, verb="delete", resource="secrets", name="hidden")
    line(server, verb="create", resource="jointokens")
    config = server.config()
    join_node(server.join_port, config.certificate_authority, token, "node-z")
    with pytest.raises(Exception, match="used already"):
        join_node(server.join_port, config.certificate_authority, token, "node-y")
    joined = line(server, verb="create", resource="joins", name="node-z")
    assert joined["responseStatus"]["reason"] == "OK"
    failed = line(server, verb="create", resource="joins", name="node-y")
    assert failed["responseStatus"]["reason"] == "UNAUTHENTICATED"
    written = (server.data_dir / "audit" / "audit.log").read_text()
    for hidden in ("MARK-OF-THE-SECRET", "TUFSSy1PRi1USEUtU0VDUkVU", token.split(".")[2]):
        assert hidden not in written


def test_streams_are_told_when_they_begin_and_when_they_end(server):
    async def scenario(admin):
        watch = aiter(admin.resource(kinds.SERVICE).watch("default"))
        await anext(watch)
        await asyncio.to_thread(
            line, server, verb="watch", resource="services", stage="ResponseStarted"
        )
        await watch.aclose()

    as_admin(server, scenario)
    line(server, verb="watch", resource="services", stage="ResponseComplete", code="CANCELLED")


def test_a_user_of_whom_nothing_is_kept_leaves_no_line(server):
    async def scenario(admin):
        async with Client(config_of(server, "quiet")) as quiet:
            with pytest.raises(ForbiddenError):
                await quiet.resource(kinds.POD).list("default")
        metadata = ObjectMeta(name="after", namespace="default")
        await admin.resource(kinds.CONFIG_MAP).create(ConfigMap(metadata=metadata))

    as_admin(server, scenario)
    line(server, verb="create", name="after")
    assert all(event["user"]["username"] != "quiet" for event in lines(server))


def test_whoever_acts_as_somebody_else_is_told_with_both(server):
    from dataclasses import replace

    async def main():
        acting = replace(server.config(), impersonate_user="guest", impersonate_groups=("g",))
        async with Client(acting) as guest:
            with pytest.raises(ApiError):
                await guest.resource(kinds.POD).list("default")

    asyncio.run(main())
    told = line(server, user="admin", verb="list", resource="pods", code="PERMISSION_DENIED")
    assert told["impersonatedUser"] == {"username": "guest", "groups": ["g"]}


def test_a_malformed_policy_is_a_line_at_the_start_and_no_server(tmp_path: Path):
    from local_cluster.server_process import ServerStartError

    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Much}]\n")
    server = ServerProcess(tmp_path / "data", ("--audit-policy-file", str(policy)))
    with pytest.raises(ServerStartError, match=r"rules\[0\].level: expected one of None, Metadata"):
        server.start()
