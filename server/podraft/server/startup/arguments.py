"""The command line of ``podraft-server``.

Owns: its flags, their defaults and what is wrong with them.  Invariant: what is
returned has been checked; a bad flag ends the process with status 2 and one line.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from podraft.server.processes import logs
from podraft.server.startup import argument_values as values
from podraft.server.startup.audit_arguments import (
    NOT_GIVEN,
    AuditArguments,
    add_audit_arguments,
    audit_arguments,
)
from podraft.server.startup.key_arguments import DATA_DIR_DEFAULT, add_key_arguments, key_encryption
from podraft.server.state.retention import Retention

if TYPE_CHECKING:
    from podraft.server.encryption.key_encryption import KeyEncryption
    from podraft.server.external.address import EtcdAddress

HEARTBEATS_PER_ELECTION: Final = 5


class StartError(Exception):
    """The error of a server that cannot start; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The checked command line."""

    data_dir: Path
    listen: str
    join_listen: str
    advertise_addresses: tuple[str, ...]
    components: tuple[str, ...]
    pod_cidr: str
    node_cidr_mask: int
    service_cidr: str
    retention: Retention
    node_port_range: tuple[int, int]
    config: Path | None
    metrics_listen: str
    log_level: str
    join_token_file: Path | None
    admin_config: Path | None
    datastore: EtcdAddress | None = None
    members: tuple[tuple[str, str], ...] = ()
    member_name: str = ""
    member_address: str = ""
    member_listen: str = ""
    accept_damage: bool = False
    encryption_key_file: Path | None = None
    encryption_key_command: tuple[str, ...] | None = None
    heartbeat_s: float = 0.1
    election_s: float = 0.5
    join: str = ""
    token: str = ""
    audit: AuditArguments = NOT_GIVEN

    @property
    def keys(self) -> KeyEncryption:
        """The encryption that wraps the data keys."""
        return key_encryption(self.data_dir, self.encryption_key_file, self.encryption_key_command)


def parse(arguments: Sequence[str] | None = None) -> Arguments:
    """Return the checked command line; end the process with status 2 on a mistake."""
    parser = _parser()
    given = parser.parse_args(arguments)
    components = values.COMPONENTS if given.components == ["all"] else tuple(given.components)
    if values.API not in components and given.config is None:
        parser.error("--config is required when the component 'api' runs elsewhere")
    return Arguments(
        data_dir=given.data_dir,
        listen=given.listen,
        join_listen=given.join_listen,
        advertise_addresses=tuple(given.advertise_address),
        components=components,
        pod_cidr=given.pod_cidr,
        node_cidr_mask=given.node_cidr_mask,
        service_cidr=given.service_cidr,
        retention=Retention(
            given.history_hours * 3600.0, given.history_revisions, given.history_mebibytes << 20
        ),
        node_port_range=given.node_port_range,
        config=given.config,
        metrics_listen=given.metrics_listen,
        log_level=given.log_level,
        join_token_file=given.join_token_file,
        admin_config=given.admin_config,
        datastore=_datastore(parser, given),
        members=_checked_members(parser, given),
        member_name=given.member_name or "",
        member_address=given.member_address,
        member_listen=given.member_listen,
        accept_damage=_accept_damage(parser, given),
        encryption_key_file=given.encryption_key_file,
        encryption_key_command=given.encryption_key_command,
        heartbeat_s=given.heartbeat_seconds,
        election_s=_checked_election(parser, given),
        join=given.join,
        token=_token(parser, given),
        audit=audit_arguments(given),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="podraft-server",
        description="The control plane of a cluster: API and store, scheduler, controllers.",
        epilog="podraft-server restore FILE makes a new cluster's data directory from a backup; "
        "podraft-server recover makes the one member that is left of a group a group of its own; "
        "podraft-server rotate-encryption-key gives all that lies on the disk new keys.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--data-dir",
        type=Path,
        default=DATA_DIR_DEFAULT,
        help="where state and keys are kept (default: %(default)s)",
    )
    add(
        "--listen",
        type=values.address,
        default="0.0.0.0:7443",
        metavar="HOST:PORT",
        help="where the API is served (default: %(default)s)",
    )
    add(
        "--join-listen",
        type=values.address,
        default="0.0.0.0:7444",
        metavar="HOST:PORT",
        help="where machines join (default: %(default)s)",
    )
    add(
        "--advertise-address",
        action="append",
        default=[],
        type=values.host,
        metavar="HOST",
        help="an address or DNS name that the server's certificate shall hold; repeatable, "
        "the first is what the admin's configuration uses",
    )
    add(
        "--components",
        type=values.components,
        default=["all"],
        metavar="NAME,...",
        help="all, or some of: api, scheduler, controllers (default: all)",
    )
    add(
        "--members",
        type=values.members,
        default=(),
        metavar="NAME=HOST:PORT,...",
        help="the servers that keep the state together, three or five, this one included; the "
        "same list on each of them.  All need the first one's DATA_DIR/pki/ca.pem",
    )
    add(
        "--member-name",
        type=values.name,
        metavar="NAME",
        help="this server's name in the group (with --join, by default, the machine's)",
    )
    add(
        "--member-address",
        type=values.address_or_nothing,
        default="",
        metavar="HOST:PORT",
        help="where the other members reach this one.  A server that kept the state alone becomes "
        "the first member of a group; a member that is somewhere else now tells the others",
    )
    add(
        "--member-listen",
        type=values.address_or_nothing,
        default="",
        metavar="HOST:PORT",
        help="where to listen for the other members (default: every address, with the port of "
        "--member-address)",
    )
    add(
        "--heartbeat-seconds",
        type=values.heartbeat_seconds,
        default=0.1,
        metavar="SECONDS",
        help="how often the leader of a group shows that it is there; the same on each member "
        "(default: %(default)s; `podraft doctor` says what suits)",
    )
    add(
        "--election-seconds",
        type=values.election_seconds,
        default=0.5,
        metavar="SECONDS",
        help="without a leader for so long, to twice as long, a member campaigns; the same on each "
        "member (default: %(default)s; `podraft doctor` says what suits)",
    )
    add(
        "--join",
        type=values.address_or_nothing,
        default="",
        metavar="HOST:PORT",
        help="join the group of that server, whose join port this is; once",
    )
    add("--token", metavar="TOKEN", help="what `podraft member add` printed, for --join")
    add("--token-file", type=Path, metavar="FILE", help="a file that holds --token")
    add(
        "--pod-cidr",
        type=values.network,
        default="10.244.0.0/16",
        metavar="CIDR",
        help="where nodes get their pods' addresses from (default: %(default)s)",
    )
    add(
        "--node-cidr-mask",
        type=int,
        default=24,
        metavar="BITS",
        help="prefix length of one node's part of --pod-cidr (default: %(default)s)",
    )
    add(
        "--history-hours",
        type=values.history_hours,
        default=24.0,
        metavar="HOURS",
        help="how far back one can look, and undo (default: 24)",
    )
    add(
        "--history-revisions",
        type=values.history_revisions,
        default=1_000_000,
        metavar="COUNT",
        help="at most so many revisions are kept, however young (default: %(default)s)",
    )
    add(
        "--history-mebibytes",
        type=values.history_mebibytes,
        default=2048,
        metavar="MIB",
        help="at most so much that was written is kept, however young (default: %(default)s)",
    )
    add(
        "--service-cidr",
        type=values.network,
        default="10.96.0.0/16",
        metavar="CIDR",
        help="where services get their addresses from (default: %(default)s)",
    )
    add(
        "--node-port-range",
        type=values.port_range,
        default=(30000, 32767),
        metavar="FIRST-LAST",
        help="the ports of NodePort services (default: 30000-32767)",
    )
    add(
        "--config",
        type=Path,
        metavar="FILE",
        help="how to reach the API, for components that run apart from it",
    )
    add(
        "--metrics-listen",
        type=values.address_or_nothing,
        default="127.0.0.1:7446",
        metavar="HOST:PORT",
        help="where Prometheus metrics are served; empty: nowhere (default: %(default)s)",
    )
    add(
        "--log-level",
        choices=logs.LEVELS,
        default="info",
        help="the least level that is logged (default: %(default)s)",
    )
    add(
        "--join-token-file",
        type=Path,
        metavar="FILE",
        help="write a join token for one machine there on start, valid for an hour, readable by "
        "the owner only; it replaces the one of the last start",
    )
    add(
        "--admin-config",
        type=Path,
        metavar="FILE",
        help="write the admin's configuration there too (always: DATA_DIR/admin.conf)",
    )
    add(
        "--datastore",
        metavar="URL",
        help="keep the state in an etcd v3 cluster: etcd://HOST:PORT[,HOST:PORT...][/PREFIX] "
        "(default: in DATA_DIR/store)",
    )
    add(
        "--accept-damaged-state",
        action="store_true",
        help="the last resort of a server alone, when it refuses its state because that has "
        "changed by itself and there is no backup: serve it as it is, once",
    )
    add_key_arguments(parser)
    add_audit_arguments(parser)
    add("--etcd-ca", type=Path, metavar="FILE", help="the CA that signed etcd's certificate (PEM)")
    add("--etcd-cert", type=Path, metavar="FILE", help="our certificate for etcd (PEM)")
    add("--etcd-key", type=Path, metavar="FILE", help="the key of --etcd-cert (PEM)")
    return parser


def _datastore(parser: argparse.ArgumentParser, given: argparse.Namespace) -> EtcdAddress | None:
    if given.datastore is None:
        if given.etcd_ca or given.etcd_cert or given.etcd_key:
            parser.error("--etcd-ca, --etcd-cert and --etcd-key need --datastore etcd://...")
        return None
    # Imported late: gRPC reads its environment when it is loaded.
    from podraft.server.external.address import AddressError, parse

    try:
        return parse(
            given.datastore,
            authority=given.etcd_ca,
            certificate=given.etcd_cert,
            key=given.etcd_key,
        )
    except AddressError as error:
        parser.error(f"--datastore: {error}")


def _checked_members(
    parser: argparse.ArgumentParser, given: argparse.Namespace
) -> tuple[tuple[str, str], ...]:
    members: tuple[tuple[str, str], ...] = given.members
    of_group = members or given.member_name or given.member_address or given.member_listen
    if given.datastore is not None and (of_group or given.join):
        parser.error("the members of a group keep the state themselves: leave out --datastore")
    if given.join and members:
        parser.error("a server either founds a group (--members) or joins one (--join)")
    if (given.member_name or given.member_listen) and not (
        members or given.member_address or given.join
    ):
        parser.error(
            "--member-name and --member-listen need --members, --member-address or --join; a "
            "member that starts again needs none of them"
        )
    if not members:
        return ()
    if given.member_address:
        parser.error("--members tells this server's address: leave out --member-address")
    if given.member_name not in dict(members):
        names = ", ".join(name for name, _ in members)
        parser.error(f"--member-name must be one of --members: {names}")
    return members


def _checked_election(parser: argparse.ArgumentParser, given: argparse.Namespace) -> float:
    election_s: float = given.election_seconds
    if election_s < HEARTBEATS_PER_ELECTION * given.heartbeat_seconds:
        parser.error(
            f"--election-seconds must be at least {HEARTBEATS_PER_ELECTION} times "
            "--heartbeat-seconds, so that a lost heartbeat is no election"
        )
    return election_s


def _token(parser: argparse.ArgumentParser, given: argparse.Namespace) -> str:
    token: str = given.token or ""
    if given.token_file is not None:
        if token:
            parser.error("either --token or --token-file")
        try:
            token = given.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            parser.error(f"--token-file: {error}")
    if token and not given.join:
        parser.error("--token needs --join HOST:PORT: the join port of a member")
    return token


def _accept_damage(parser: argparse.ArgumentParser, given: argparse.Namespace) -> bool:
    accepted: bool = given.accept_damaged_state
    of_group = given.members or given.member_address or given.join
    if accepted and (of_group or given.datastore is not None):
        parser.error(
            "--accept-damaged-state is for a server alone: the other members have the right state"
        )
    return accepted
