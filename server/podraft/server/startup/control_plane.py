"""The process of API and store, with the scheduler and the controllers as its children.

Owns: the order in which the control plane starts and stops.  Invariants:
children start when the API answers and end before it does; a failed store ends the
process, so that recovery from disk decides what is true.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import logging
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from podraft.api import kinds
from podraft.api.kinds import Registry
from podraft.client.serving.private_files import UnsafeDirectoryError, make_private_directory
from podraft.server.audit.audit_log import AuditLog
from podraft.server.audit.policy import PolicyError
from podraft.server.auth.certificates import KeyPair
from podraft.server.auth.pki import Pki, PkiError, ensure_pki
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.processes import children
from podraft.server.registry.joining.group import LookAtGroup
from podraft.server.replication.membership.group import StoreMode, alone
from podraft.server.replication.raft_member import RaftMember
from podraft.server.rpc.serving import ListenError
from podraft.server.startup import (
    argument_values,
    joining,
    member_start,
    opened_store,
    renewal,
    start_tokens,
)
from podraft.server.startup.api_server import ApiServer, ApiSettings
from podraft.server.startup.argument_values import split_address
from podraft.server.startup.arguments import Arguments, StartError
from podraft.server.startup.audit_arguments import audit_log
from podraft.server.startup.client_configs import ClientConfigs, config_path, with_port
from podraft.server.startup.lost_state import check_state_is_there
from podraft.server.startup.opened_store import OpenedStore
from podraft.server.state.datastore import StoreFailedError
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions

_LOG = logging.getLogger(__name__)

_GRACE_S: Final = 3.0
_BACKED_UP_ELSEWHERE: Final = (
    "the state is kept in etcd: make the backup with `etcdctl snapshot save FILE`"
)
# A collection of young objects delays all calls: 50,000 of them took 40 ms, and what they reach
# 280 ms under attack.  Collecting few at a time also costs less in sum, as they are still in the
# cache.  The second generation stays small; a full collection happens hardly ever.
_GC_THRESHOLDS: Final = (5_000, 4, 12_500)


async def run(given: Arguments, stop: asyncio.Event) -> None:
    """Run until ``stop`` is set.

    Raises:
        StartError: Something prevents the start, or the store failed.
    """
    started_s = time.monotonic()
    with _start_errors(given):
        make_private_directory(given.data_dir)
        if given.members:
            member_start.check_authority(given)
        if given.join:
            await joining.join(given, stop)
            if stop.is_set():
                return
        pki = await asyncio.to_thread(
            ensure_pki, given.data_dir / "pki", addresses=given.advertise_addresses
        )
        store = await _open_store(given, pki, stop)
    try:
        if not stop.is_set():
            await _serve(given, stop, pki, store, started_s)
    finally:
        await store.datastore.close()


async def _open_store(given: Arguments, pki: Pki, stop: asyncio.Event) -> OpenedStore:
    if given.datastore is None:
        check_state_is_there(given, given.data_dir / "store")
    if given.datastore is None and member_start.is_member(given):
        return opened_store.of_member(await member_start.open_member(given, pki, stop))
    if given.datastore is None:
        options = StoreOptions(
            retention=given.retention, accept_damage=given.accept_damage, keys=given.keys
        )
        directory = given.data_dir / "store"
        return opened_store.of_embedded(await EmbeddedDatastore.open(directory, options=options))
    from podraft.server.external import etcd

    return opened_store.of_etcd(await etcd.open_claimed(given.datastore, given.keys))


async def _serve(
    given: Arguments,
    stop: asyncio.Event,
    pki: Pki,
    store: OpenedStore,
    started_s: float,
) -> None:
    first_port, last_port = given.node_port_range
    known = Registry(kinds.BUILT_IN)
    settings = ApiSettings(
        known=known,
        listen=given.listen,
        join_listen=given.join_listen,
        cluster_id=str(uuid.UUID(bytes=store.cluster_id)),
        version=importlib.metadata.version("podraft"),
        addresses=AddressRanges(given.service_cidr, range(first_port, last_port + 1)),
        data_dir=given.data_dir,
        keys=given.keys,
        backup_refusal=_BACKED_UP_ELSEWHERE if store.mode is StoreMode.EXTERNAL else "",
        look_at_group=_look_at_group(given, store),
        more_certificates=partial(_member_certificate, store.member),
        audit=_audit_log(given, known),
    )
    api = ApiServer(store, pki, settings)
    supervisor = children.Supervisor(_children(given))
    renewing: list[asyncio.Task[None]] = []
    try:
        with _start_errors(given):
            await api.start()
            configs = ClientConfigs(given, pki, api.port, settings.look_at_group)
            configs.write()
            if given.join_token_file is not None:
                await start_tokens.write(given.join_token_file, store.datastore, pki.authority)
                await api.look_at_tokens()
            _serve_metrics(given.metrics_listen, api)
        if store.member is not None:
            host = store.member.group.me.address.rpartition(":")[0]
            store.member.announce(member_start.api_addresses(given, api.port, host))
        supervisor.start()
        renewing.append(asyncio.create_task(_keep_renewing(given, pki, api, supervisor, configs)))
        renewing.append(asyncio.create_task(configs.follow_members()))
        if store.member is not None:
            renewing.append(asyncio.create_task(_keep_renewing_member(store.member, pki)))
        tune_memory()
        print(  # noqa: T201 - what starts the server waits for this line
            f"podraft-server ready: api={with_port(given.listen, api.port)} "
            f"join={with_port(given.join_listen, api.join_port)} "
            f"revision={store.datastore.revision} after={time.monotonic() - started_s:.2f}s",
            flush=True,
        )
        await _until_stopped_or_failed(stop, store)
    finally:
        for task in renewing:
            task.cancel()
        await supervisor.stop()
        await api.stop(_GRACE_S)


async def _keep_renewing_member(store: RaftMember, pki: Pki) -> None:
    def use(pair: KeyPair) -> None:
        store.use_certificate(pair.certificate, pair.key)

    await renewal.keep_renewing_member(store.certificate, pki.authority, store.name, use)


async def _keep_renewing(
    given: Arguments,
    pki: Pki,
    api: ApiServer,
    supervisor: children.Supervisor,
    configs: ClientConfigs,
) -> None:
    """Renew certificates in time, and pass the new ones to their users."""

    async def use(old: Pki, new: Pki) -> None:
        api.use(new)
        if old.clients == new.clients:
            return
        configs.use(new)
        for component in (argument_values.SCHEDULER, argument_values.CONTROLLERS):
            if old.clients[component] != new.clients[component]:
                _LOG.info("the certificate of the %s was renewed", component)
                await supervisor.restart(component)
        if old.clients["admin"] != new.clients["admin"]:
            _LOG.info("the admin's certificate was renewed: admin.conf has it")

    renew = partial(ensure_pki, given.data_dir / "pki", addresses=given.advertise_addresses)
    await renewal.keep_renewing(pki, renew, use)


def _look_at_group(given: Arguments, store: OpenedStore) -> LookAtGroup:
    """Return the function that looks up the servers that keep the state."""
    if store.member is not None:
        return store.member.look
    addresses = member_start.api_addresses(given, split_address(given.listen)[1])
    return partial(alone, socket.gethostname(), addresses, store.mode)


def _member_certificate(member: RaftMember | None) -> Sequence[tuple[str, bytes]]:
    return (("member", member.certificate),) if member is not None else ()


async def _until_stopped_or_failed(stop: asyncio.Event, store: OpenedStore) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    failing = asyncio.ensure_future(store.failed())
    await asyncio.wait((stopping, failing), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if failing.done():
        raise StartError(str(failing.result()))
    failing.cancel()
    _LOG.info("stopping")


def _audit_log(given: Arguments, known: Registry) -> AuditLog | None:
    try:
        return audit_log(given.audit, given.data_dir, known)
    except PolicyError as error:
        raise StartError(f"--audit-policy-file: {error}") from None


@contextmanager
def _start_errors(given: Arguments) -> Iterator[None]:
    """Turn the expected errors of a start into one line that explains them."""
    try:
        yield
    except (PkiError, UnsafeDirectoryError, StoreOpenError, StoreFailedError, ListenError) as error:
        raise StartError(str(error)) from None
    except OSError as error:
        where = error.filename or given.data_dir
        raise StartError(f"{where}: {error.strerror or error}") from None


def _children(given: Arguments) -> list[children.Command]:
    common = ("--log-level", given.log_level, "--metrics-listen", "")
    commands = []
    for component in (argument_values.SCHEDULER, argument_values.CONTROLLERS):
        if component not in given.components:
            continue
        own = ["--components", component, "--config", str(config_path(given, component))]
        if component == argument_values.CONTROLLERS:
            own += ["--pod-cidr", given.pod_cidr, "--node-cidr-mask", str(given.node_cidr_mask)]
        commands.append(children.self_command(component, (*own, *common)))
    return commands


def _serve_metrics(address: str, api: ApiServer) -> None:
    if not address:
        return
    from podraft.server.metrics import pages

    host, port = split_address(address)
    try:
        pages.serve(host, port, api)
    except OSError as error:
        raise ListenError(f"cannot serve metrics on {address}: {error.strerror}") from None


def tune_memory() -> None:
    """Exclude objects that live as long as the process from garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
