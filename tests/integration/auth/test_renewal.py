"""A running server renews certificates in time, and whoever uses them gets the new ones."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from functools import partial
from pathlib import Path

import psutil

from local_cluster.server_process import ServerProcess
from podraft.client.connecting.config import load
from podraft.server.auth.certificates import KeyPair
from podraft.server.auth.issuer import CLOCK_SKEW
from podraft.server.auth.lifetimes import SERVER_LIFETIME
from podraft.server.auth.pki import COMPONENTS, ensure_pki
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.replication.transport.member_link import MemberCredentials
from podraft.server.startup.renewal import keep_renewing_member
from support.raft_cluster import RaftCluster
from support.waiting import eventually, eventually_async

# Due for renewal some 13 seconds from now, when a busy machine has started the server long ago:
# then a third of the life is left.
_SHORT = CLOCK_SKEW / 2 + datetime.timedelta(seconds=20)


def _shorten(directory: Path, names: tuple[str, ...]) -> None:
    """Replace some certificates by ones that will soon have to be renewed."""
    pki = ensure_pki(directory, addresses=())
    now = datetime.datetime.now(datetime.UTC)
    for name in names:
        pair = pki.authority.issue_client(COMPONENTS[name], now, _SHORT)
        (directory / f"{name}.pem").write_bytes(pair.certificate + pair.key)


def test_components_and_admin_get_new_certificates_while_the_server_runs(tmp_path: Path):
    data = tmp_path / "data"
    (data / "pki").mkdir(parents=True)
    _shorten(data / "pki", ("scheduler", "admin"))
    pki = ensure_pki(data / "pki", addresses=())
    with ServerProcess(data, components="all") as server:
        parent = psutil.Process(server.process.pid)
        eventually(lambda: len(parent.children()) == 2)
        children = set(parent.children())

        def used(component: str) -> bytes:
            return load(server.config_path(component)).client_certificate

        assert used("scheduler") == pki.clients["scheduler"].certificate
        eventually(lambda: used("admin") != pki.clients["admin"].certificate, within_s=30)
        eventually(lambda: used("scheduler") != pki.clients["scheduler"].certificate)
        assert used("controllers") == pki.clients["controllers"].certificate

        # The scheduler, and it alone, has been started again: it reads its file then.
        def restarted() -> bool:
            running = set(parent.children())
            return len(running) == 2 and len(running & children) == 1

        eventually(restarted, within_s=20)
        assert "the certificate of the scheduler was renewed" in server.log()
        assert "starting it again in" not in server.log()
        assert server.stop() == 0
        server.start()


def _use(store: RaftDatastore, pair: KeyPair) -> None:
    store.member.use_certificate(pair.certificate, pair.key)


def test_members_show_each_other_renewed_certificates_and_stay_connected(tmp_path: Path):
    """The old certificate expires; who connects after that must have used the new one."""

    async def main() -> None:
        cluster = RaftCluster(tmp_path)
        short = datetime.timedelta(seconds=4)
        begun = datetime.datetime.now(datetime.UTC)

        def credentials(name: str) -> MemberCredentials:
            # As every member's, but soon over.
            early = begun - (SERVER_LIFETIME - short)
            pair = cluster.authority.issue_member(name, early)
            usual = cluster.config(1).credentials
            return dataclasses.replace(usual, certificate=pair.certificate, key=pair.key)

        for peer in cluster.peers:
            config = dataclasses.replace(
                cluster.config(peer.id), credentials=credentials(peer.name)
            )
            cluster.stores[peer.id] = await RaftDatastore.open(config)
        stores = cluster.stores
        for store in stores.values():
            await store.caught_up()
        old = {number: store.member.certificate for number, store in stores.items()}
        renewing = [
            asyncio.create_task(
                keep_renewing_member(
                    store.member.certificate,
                    cluster.authority,
                    store.member.name,
                    partial(_use, store),
                )
            )
            for store in stores.values()
        ]
        term = stores[1].member.status.term
        await eventually_async(
            lambda: all(
                store.member.certificate != old[number] for number, store in stores.items()
            ),
            within_s=5,
        )
        # Nobody was disturbed.
        assert {store.member.status.term for store in stores.values()} == {term}
        expired = lambda: datetime.datetime.now(datetime.UTC) > begun + short  # noqa: E731
        await eventually_async(expired)
        await cluster.stop(3)
        await cluster.start(3)
        await stores[3].caught_up()
        await eventually_async(lambda: set(stores[3].member._transport.connected) == {1, 2})
        await eventually_async(lambda: 3 in stores[1].member._transport.connected)
        for task in renewing:
            task.cancel()
        await cluster.stop_all()

    asyncio.run(main())
