"""An identity ends: removed nodes, other keys, used tokens, names of others."""

from __future__ import annotations

import asyncio
import datetime
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import grpc
import pytest

from attacks.conftest import as_client
from local_cluster.server_process import ServerProcess, running
from podraft.agent.node import facts as node_facts
from podraft.agent.node.registration import Registration
from podraft.agent.node.removal import RemovedError
from podraft.api import kinds
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import (
    ApiError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)
from podraft.client.watching.recorder import EventRecorder
from podraft.server.auth import tokens
from podraft.server.auth.certificates import KeyPair
from podraft.server.auth.identity import MASTERS, Identity
from podraft.server.auth.pki import ensure_pki
from podraft.server.auth.signing_requests import new_request
from podraft.server.startup.key_arguments import key_encryption
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from support.api_objects import example
from support.attackers import (
    as_identity,
    code_of,
    join_channel,
    join_node,
    join_through,
    new_key,
    node_pair,
    older_authority,
    older_node_pair,
)
from support.waiting import eventually, eventually_async

REFUSED = grpc.StatusCode.UNAUTHENTICATED


def token_of(config: ClusterConfig, uses: int = 1, node_name: str = "") -> str:
    async def make(client: Client) -> str:
        made = await client.create_join_token(600, uses=uses, node_name=node_name)
        return made.token

    return as_client(config, make)


def register(caller: ClusterConfig, name: str) -> None:
    as_client(caller, lambda client: client.nodes.create(example(kinds.NODE, name)))


def refused_to_join(server: ServerProcess, token: str, name: str) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as refused:
        join_node(server.join_port, server.config().certificate_authority, token, name)
    return code_of(refused.value)


def test_a_removed_node_does_nothing_any_more_and_comes_back_with_a_new_token_only(
    server: ServerProcess,
) -> None:
    config = server.config()
    token, key = token_of(config), new_key()
    authority = config.certificate_authority
    pair = join_node(server.join_port, authority, token, "gone", key)
    node = as_identity(config, pair)
    register(node, "gone")
    as_client(config, lambda client: client.nodes.delete("gone"))

    def is_out() -> bool:
        with pytest.raises(ApiError) as refused:
            as_client(node, lambda client: client.services.list())
        return refused.value.code is REFUSED

    eventually(is_out)
    for call in (
        lambda client: client.nodes.create(example(kinds.NODE, "gone")),
        lambda client: client.renew_certificate(new_request(key)),
        lambda client: client.version(),
        lambda client: anext(aiter(client.services.watch())),
    ):
        with pytest.raises(UnauthenticatedError, match="was removed from the cluster"):
            as_client(node, call)
    # Neither with the token of then, nor by making the object anew.
    with pytest.raises(grpc.RpcError, match="join token"):
        join_node(server.join_port, authority, token, "gone", new_key())
    register(config, "gone")
    with pytest.raises(UnauthenticatedError):
        as_client(node, lambda client: client.services.list())
    back = join_node(server.join_port, authority, token_of(config), "gone", new_key())
    as_client(as_identity(config, back), lambda client: client.services.list())
    with pytest.raises(UnauthenticatedError):
        as_client(node, lambda client: client.services.list())


def test_a_node_that_holds_its_own_object_back_is_out_all_the_same(
    server: ServerProcess, joined: Callable[[str], KeyPair]
) -> None:
    config = server.config()
    node = as_identity(config, joined("clinging"))
    register(node, "clinging")

    async def hold(client: Client) -> None:
        patch = {"metadata": {"finalizers": ["example.com/mine"]}}
        await client.nodes.patch("clinging", patch)

    with pytest.raises(ForbiddenError, match="finalizers"):
        as_client(node, hold)
    as_client(config, hold)
    as_client(config, lambda client: client.nodes.delete("clinging"))
    held = as_client(config, lambda client: client.nodes.get("clinging"))
    assert held.metadata.HasField("deletion_timestamp")

    def is_out() -> bool:
        with pytest.raises(ApiError) as refused:
            as_client(node, lambda client: client.nodes.list())
        return refused.value.code is REFUSED

    eventually(is_out)


def test_a_node_that_never_showed_itself_can_be_put_out(
    server: ServerProcess, joined: Callable[[str], KeyPair]
) -> None:
    config = server.config()
    hidden = as_identity(config, joined("hidden"))
    as_client(hidden, lambda client: client.nodes.list())
    as_client(config, lambda client: client.nodes.delete("hidden"))
    with pytest.raises(UnauthenticatedError, match="was removed"):
        as_client(hidden, lambda client: client.nodes.list())
    with pytest.raises(NotFoundError):
        as_client(config, lambda client: client.nodes.delete("hidden"))


def test_a_certificate_is_renewed_for_its_own_key_only(
    server: ServerProcess, joined: Callable[[str], KeyPair]
) -> None:
    config, key = server.config(), new_key()
    authority = config.certificate_authority
    pair = join_node(server.join_port, authority, token_of(config), "renewing", key)
    for caller in (as_identity(config, pair), config):
        for request in (new_request(new_key()), b"", b"nonsense"):
            with pytest.raises(InvalidError):
                as_client(caller, partial(_renew, request))
    node = as_identity(config, pair)
    renewed = as_client(node, lambda client: client.renew_certificate(new_request(key)))
    again = as_identity(config, KeyPair(renewed.certificate, pair.key))
    as_client(again, lambda client: client.nodes.list())


async def _renew(request: bytes, client: Client) -> None:
    await client.renew_certificate(request)


def test_a_name_belongs_to_its_key(server: ServerProcess) -> None:
    """Also when its node is away, or has never been there."""
    config, key = server.config(), new_key()
    authority, port = config.certificate_authority, server.join_port
    token = token_of(config, uses=100)
    first = join_node(port, authority, token, "owned", key)
    assert refused_to_join(server, token, "owned") is grpc.StatusCode.FAILED_PRECONDITION
    named = token_of(config, node_name="owned")
    assert refused_to_join(server, named, "owned") is grpc.StatusCode.FAILED_PRECONDITION
    second = join_node(port, authority, token_of(config), "owned", key)
    for pair in (first, second):
        as_client(as_identity(config, pair), lambda client: client.nodes.list())
    # Whoever has the nodes' authority itself cannot use another key for the name either.
    signer = ensure_pki(server.data_dir / "pki", addresses=()).authority
    forged = as_identity(config, node_pair(signer, "owned"))
    with pytest.raises(UnauthenticatedError, match="does not have any more"):
        as_client(forged, lambda client: client.nodes.list())


def test_a_node_that_an_administrator_made_is_joined_as_with_his_word_only(
    server: ServerProcess,
) -> None:
    config = server.config()
    register(config, "made")
    assert refused_to_join(server, token_of(config), "made") is grpc.StatusCode.FAILED_PRECONDITION
    named = token_of(config, node_name="made")
    join_node(server.join_port, config.certificate_authority, named, "made")


def test_a_token_is_for_one_machine_unless_it_says_more(server: ServerProcess) -> None:
    config = server.config()
    authority, port = config.certificate_authority, server.join_port
    token, key = token_of(config), new_key()
    join_node(port, authority, token, "single", key)
    join_node(port, authority, token, "single", key)
    assert refused_to_join(server, token, "second") is REFUSED
    assert refused_to_join(server, token_of(config, node_name="a"), "b") is REFUSED
    several = token_of(config, uses=3)
    for number in range(3):
        join_node(port, authority, several, f"several-{number}")
    assert refused_to_join(server, several, "several-3") is REFUSED
    for uses in (-1, 1001):
        with pytest.raises(InvalidError, match="uses"):
            token_of(config, uses)


def test_a_deleted_token_lets_nobody_in(server: ServerProcess) -> None:
    config = server.config()
    token = token_of(config, uses=10)
    as_client(config, lambda client: client.delete_join_token(token.split(".")[1]))
    assert refused_to_join(server, token, "late") is REFUSED


@pytest.mark.parametrize("who", ["node", "user"])
def test_an_expired_certificate_does_nothing_on_an_open_connection(
    server: ServerProcess, who: str
) -> None:
    signer = ensure_pki(server.data_dir / "pki", addresses=()).authority
    now = datetime.datetime.now(datetime.UTC)
    lifetime = datetime.timedelta(seconds=4)
    pair = signer.issue_client(Identity("ann", frozenset({MASTERS})), now, lifetime)
    if who == "node":
        pair = node_pair(signer, "brief", now, lifetime)
    ends_s = (now + lifetime).timestamp()

    async def scenario(client: Client) -> None:
        await client.nodes.list()

        async def has_ended() -> bool:
            try:
                await client.nodes.list()
            except UnauthenticatedError as error:
                assert "has expired" in error.message
                return True
            return False

        await eventually_async(has_ended)
        assert time.time() >= ends_s - 1

    as_client(as_identity(server.config(), pair), scenario)


def test_a_removed_node_of_the_time_before_roles_does_not_come_back(tmp_path: Path) -> None:
    authority = older_authority()
    pair = authority.key_pair
    data = tmp_path / "data"
    (data / "pki").mkdir(parents=True, mode=0o700)
    (data / "pki" / "ca.pem").write_bytes(pair.certificate + pair.key)
    with ServerProcess(data) as process:
        config = process.config()
        register(config, "here")
        here = as_identity(config, older_node_pair(authority, "here"))
        other = as_identity(config, older_node_pair(authority, "here"))
        removed = as_identity(config, older_node_pair(authority, "removed-before"))
        as_client(here, lambda client: client.services.list())
        for caller in (other, removed):
            with pytest.raises(UnauthenticatedError):
                as_client(caller, lambda client: client.services.list())


def test_a_thousand_tokens_stop_neither_a_start_nor_new_tokens(tmp_path: Path) -> None:
    file = tmp_path / "token"

    async def fill(data: Path, made_at_s: float) -> None:
        options = StoreOptions(keys=key_encryption(data, None))
        datastore = await EmbeddedDatastore.open(data / "store", options=options)
        made = [
            tokens.make_token(os.urandom(tokens.RANDOM_BYTES), "ab" * 32, made_at_s, 3600)
            for _ in range(1000)
        ]
        writes = tuple(Put(token.key, token.stored, stamped=False) for token in made)
        await datastore.transact(Transaction((), writes))
        await datastore.close()

    for made_at_s, full in ((time.time() - 7200, False), (time.time(), True)):
        data = tmp_path / f"data-{full}"
        data.mkdir()
        asyncio.run(fill(data, made_at_s))
        file.unlink(missing_ok=True)
        with ServerProcess(data, (f"--join-token-file={file}",)) as process:
            config = process.config()
            assert file.exists() is not full
            assert "Traceback" not in process.log()
            if full:
                listed = as_client(config, lambda client: client.list_join_tokens()).tokens
                assert len(listed) == 1000
                with pytest.raises(ApiError, match="podraft token delete"):
                    as_client(config, lambda client: client.create_join_token(600))
                as_client(config, partial(_delete, listed[0].id))
            as_client(config, lambda client: client.create_join_token(600))


async def _delete(token_id: str, client: Client) -> None:
    await client.delete_join_token(token_id)


def test_starts_leave_one_token_behind(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with running((f"--join-token-file={file}",)) as process:
        first = file.read_text()
        process.stop()
        process.start()
        assert file.read_text() != first
        listed = as_client(process.config(), lambda client: client.list_join_tokens()).tokens
        assert [token.id for token in listed] == [file.read_text().split(".")[1]]


def test_failed_joins_are_bounded_and_told_without_the_token() -> None:
    with running() as process:
        # Without any token the port would not even be open.
        token_of(process.config())
        guessed = f"podraft1.{'0' * 12}.{'1' * 40}.{'2' * 64}"
        codes, key = set(), new_key()
        # By one connection, as guesses count for a minute only.
        with join_channel(process.join_port, process.config().certificate_authority) as channel:
            for _ in range(101):
                with pytest.raises(grpc.RpcError) as refused:
                    join_through(channel, guessed, "guesser", key)
                codes.add(code_of(refused.value))
        assert codes == {REFUSED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert "1" * 40 not in process.log()
        told = [line for line in process.log().splitlines() if "guesser" in line]
        assert 0 < len(told) <= 100


def test_an_agent_learns_that_its_node_was_removed(
    server: ServerProcess, joined: Callable[[str], KeyPair], tmp_path: Path
) -> None:
    """While it runs, and when it starts after that; nothing else makes it believe so."""
    config = as_identity(server.config(), joined("told"))
    facts = node_facts.read("told", "127.0.0.1", tmp_path, "5.0.0", "0")

    async def ready() -> str:
        return ""

    async def main() -> None:
        async with Client(server.config()) as admin, Client(config) as client:
            recorder = EventRecorder(client, controller="test", instance="told")
            registration = Registration(client, facts, tmp_path, ready, 7445, recorder)
            await registration.register()
            running = asyncio.create_task(registration.run())
            removed = asyncio.create_task(registration.removed())

            async def has_lease() -> bool:
                leases = await admin.leases.list("kube-node-lease")
                return any(lease.metadata.name == "told" for lease in leases.items)

            await eventually_async(has_lease)
            assert not removed.done()
            await admin.nodes.delete("told")
            async with asyncio.timeout(20):
                assert "was removed from the cluster" in await removed
            running.cancel()
            again = Registration(client, facts, tmp_path, ready, 7445, recorder)
            with pytest.raises(RemovedError):
                await again.register()

    asyncio.run(main())
