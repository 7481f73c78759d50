"""Findings about the cluster as a whole.

Owns: the rules over all servers together: who is missing, who leads, whether states, versions and
clocks agree, which timeouts suit; and the rules for nodes and for the asking user.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podraft.api.cluster.v1 import member_pb2
from podraft.api.core.v1 import node_pb2
from podraft.cli.diagnosis.core import timeouts
from podraft.cli.diagnosis.core.findings import (
    Answered,
    Examination,
    Finding,
    Severity,
    days,
    duration,
)
from podraft.cli.diagnosis.core.server_rules import server_findings, sync_p99_s

_CLUSTER = "cluster"
_LAG_WARNING = 1_000
_ROUND_TRIPS_MIN = 100
_CLOCKS_S_WARNING, _CLOCKS_S_ERROR = 0.25, 5.0
_CHANGES_MIN, _CHANGES_PER_HOUR = 5, 3.0
# Agents open files below a directory with openat2.
_KERNEL_MIN = (5, 6)
_OWN_S_WARNING, _OWN_S_ERROR = 30 * 86400.0, 3 * 86400.0


def findings(seen: Examination) -> list[Finding]:
    """Return all findings, in the order in which they should be read."""
    result = [*_servers(seen)]
    for server in seen.answered:
        result += server_findings(server, seen.now_s)
    if seen.answered:
        result += _together(seen)
    result += _nodes(seen)
    if seen.answered:
        result.append(_own_certificate(seen))
    return result


def _servers(seen: Examination) -> Iterator[Finding]:
    listing = seen.listing
    if listing is None or not seen.answered:
        for address, problem in seen.unanswered:
            advice = "is podraft-server running, and the address in the configuration right?"
            yield Finding(Severity.ERROR, f"server {address}", "answers", problem, advice)
        return
    if listing.mode == member_pb2.STORE_MODE_GROUP:
        yield from _group(seen, listing)
    elif listing.mode == member_pb2.STORE_MODE_EXTERNAL:
        message = (
            "the state is in etcd, whose disks, members and leader cannot be seen from here: "
            "etcdctl endpoint status, etcdctl check perf"
        )
        yield Finding(Severity.OK, _CLUSTER, "store", message)
        yield from _unanswered(seen)
    else:
        message = "one server keeps the state: while it is down nothing changes, and its disk is "
        yield Finding(Severity.OK, _CLUSTER, "store", message + "the only copy beside backups")
        yield from _unanswered(seen)


def _unanswered(seen: Examination) -> Iterator[Finding]:
    for address, problem in seen.unanswered:
        advice = "take it out of the configuration if there is no server any more"
        yield Finding(Severity.WARNING, f"server {address}", "answers", problem, advice)


def _group(seen: Examination, listing: member_pb2.ListMembersResponse) -> Iterator[Finding]:
    names = {server.diagnosis.name for server in seen.answered}
    problems = dict(seen.unanswered)
    missing = [member for member in listing.members if member.name not in names]
    for member in missing:
        tried = [address for address in member.api_addresses if address in problems]
        if tried:
            why = f"does not answer at {', '.join(tried)}: {problems[tried[0]]}"
        elif member.reachable:
            why = "was not asked: it is connected to the others, but its API address is not known"
        else:
            why = "is not connected to the member that was asked"
        severity = Severity.WARNING if member.reachable else Severity.ERROR
        advice = (
            "name its API's address in the configuration, or let it say so with --advertise-address"
            if member.reachable
            else "start it; if its machine is lost, remove the member and add another"
        )
        yield Finding(severity, f"server {member.name}", "answers", why, advice)
    yield from _majority(listing, [member.name for member in missing if not member.reachable])
    yield _leader(listing)
    yield from _lags(listing)


def _majority(listing: member_pb2.ListMembersResponse, gone: Sequence[str]) -> Iterator[Finding]:
    voters = [m.name for m in listing.members if m.role == member_pb2.MEMBER_ROLE_VOTER]
    there = [name for name in voters if name not in gone]
    spare = len(there) - (len(voters) // 2 + 1)
    message = f"{len(there)} of {len(voters)} voters are up"
    if spare < 0:
        advice = "start more of them: without a majority nothing is written"
        yield Finding(Severity.ERROR, _CLUSTER, "majority", message, advice)
    elif spare == 0:
        advice = "one more failure stops all writes"
        advice += "" if len(voters) > 2 else ": have three voters"
        yield Finding(Severity.WARNING, _CLUSTER, "majority", message, advice)
    else:
        yield Finding(Severity.OK, _CLUSTER, "majority", f"{message}, {spare} may fail")
    if len(voters) % 2 == 0 and len(voters) > 2:
        message = f"{len(voters)} voters bear no more failures than {len(voters) - 1}"
        yield Finding(Severity.WARNING, _CLUSTER, "voters", message, "have an odd number")


def _leader(listing: member_pb2.ListMembersResponse) -> Finding:
    leaders = [member.name for member in listing.members if member.leader]
    if not leaders:
        advice = "see which members are missing; an election takes a second or two"
        return Finding(Severity.ERROR, _CLUSTER, "leader", "nobody leads", advice)
    return Finding(Severity.OK, _CLUSTER, "leader", f"{leaders[0]} leads in term {listing.term}")


def _lags(listing: member_pb2.ListMembersResponse) -> Iterator[Finding]:
    for member in listing.members:
        if member.HasField("lag") and member.reachable and member.lag > _LAG_WARNING:
            yield Finding(
                Severity.WARNING,
                f"server {member.name}",
                "lag",
                f"lacks {member.lag} entries of the log",
                "if that does not shrink, look at its disk and its processor",
            )


# All servers together.


def _together(seen: Examination) -> Iterator[Finding]:
    yield from _states(seen.answered)
    yield from _versions(seen)
    yield from _clocks(seen.answered)
    yield from _round_trips(seen.answered)
    yield from _elections(seen)


def _states(servers: Sequence[Answered]) -> Iterator[Finding]:
    grouped = [server for server in servers if server.diagnosis.HasField("group")]
    if any(server.diagnosis.group.split for server in grouped):
        message = "members have different states, and no majority tells who is right"
        advice = "their logs name index and digests: docs/failures.md says what to do"
        yield Finding(Severity.ERROR, _CLUSTER, "states", message, advice)
    elif grouped:
        compared = min(server.diagnosis.group.compared_index for server in grouped)
        message = f"equal, compared up to log index {compared}" if compared else "not compared yet"
        yield Finding(Severity.OK, _CLUSTER, "states", message)


def _versions(seen: Examination) -> Iterator[Finding]:
    versions = {server.diagnosis.version for server in seen.answered}
    if len(versions) > 1:
        each = ", ".join(f"{s.diagnosis.name} {s.diagnosis.version}" for s in seen.answered)
        advice = "finish the upgrade: one server after the other, waiting for each"
        yield Finding(Severity.WARNING, _CLUSTER, "versions", each, advice)
    elif seen.client_version not in versions:
        message = f"servers have {versions.pop()}, this command {seen.client_version}"
        yield Finding(Severity.WARNING, _CLUSTER, "versions", message, "use the same version")


def _clocks(servers: Sequence[Answered]) -> Iterator[Finding]:
    if len(servers) < 2:
        return
    first = min(servers, key=lambda server: server.clock_ahead_s)
    last = max(servers, key=lambda server: server.clock_ahead_s)
    apart_s = last.clock_ahead_s - first.clock_ahead_s
    error_s = last.clock_error_s + first.clock_error_s
    message = (
        f"{last.diagnosis.name} is {duration(apart_s)} ahead of {first.diagnosis.name} "
        f"(give or take {duration(error_s)})"
    )
    severity = Severity.OK
    if apart_s - error_s > _CLOCKS_S_ERROR:
        severity = Severity.ERROR
    elif apart_s - error_s > _CLOCKS_S_WARNING:
        severity = Severity.WARNING
    advice = "times in history and leases jump with the leader: NTP on all" if severity else ""
    yield Finding(severity, _CLUSTER, "clocks", message, advice)


def _round_trips(servers: Sequence[Answered]) -> Iterator[Finding]:
    grouped = [server for server in servers if server.diagnosis.HasField("group")]
    if not grouped:
        return
    # Fewer samples give no 99th percentile: the servers have just been started.
    ways = [
        (peer.round_trips.p99_seconds, f"{server.diagnosis.name} to {peer.name}")
        for server in grouped
        for peer in server.diagnosis.group.peers
        if peer.round_trips.count >= _ROUND_TRIPS_MIN
    ]
    worst_s, way = max(ways, default=(0.0, ""))
    sync_s = max(sync_p99_s(server.diagnosis.disk) for server in grouped)
    wanted = timeouts.needed(worst_s, sync_s)
    group = min((s.diagnosis.group for s in grouped), key=lambda each: each.election_seconds)
    known = [f"99 % of round trips take at most {duration(worst_s)} ({way})"] if ways else []
    known += [f"99 % of synced writes at most {duration(sync_s)}"] if sync_s else []
    message = (
        f"heartbeat {group.heartbeat_seconds:g} s, election timeout {group.election_seconds:g} s; "
        + (", ".join(known) or "too little was measured yet to judge them")
    )
    enough = (
        group.heartbeat_seconds >= wanted.heartbeat_s - 1e-9
        and group.election_seconds >= wanted.election_s - 1e-9
    )
    advice = (
        f"start all servers with --heartbeat-seconds={wanted.heartbeat_s:g} "
        f"--election-seconds={wanted.election_s:g}"
    )
    severity = Severity.OK if enough else Severity.WARNING
    yield Finding(severity, _CLUSTER, "timeouts", message, "" if enough else advice)


def _elections(seen: Examination) -> Iterator[Finding]:
    for server in seen.answered:
        diagnosis = server.diagnosis
        changes = diagnosis.group.leader_changes
        hours = max(seen.now_s - diagnosis.started_at.seconds, 60.0) / 3600
        if changes >= _CHANGES_MIN and changes / hours > _CHANGES_PER_HOUR:
            message = f"has seen {changes} elections in {hours:.1f} hours"
            advice = "a slow disk, a full processor or a bad link: see its other lines"
            yield Finding(Severity.WARNING, server.subject, "elections", message, advice)


# Nodes, and the asking user.


def _nodes(seen: Examination) -> Iterator[Finding]:
    if seen.nodes is None:
        yield Finding(Severity.ERROR, _CLUSTER, "nodes", f"cannot be listed: {seen.nodes_problem}")
        return
    ready = 0
    for node in seen.nodes:
        problems = list(_node(node, seen))
        ready += not any(finding.check == "ready" for finding in problems)
        yield from problems
    message = f"{ready} of {len(seen.nodes)} nodes are ready" if seen.nodes else "there is no node"
    yield Finding(Severity.OK, _CLUSTER, "nodes", message)


def _node(node: node_pb2.Node, seen: Examination) -> Iterator[Finding]:
    subject, info = f"node {node.metadata.name}", node.status.node_info
    conditions = {condition.type: condition for condition in node.status.conditions}
    ready = conditions.get("Ready")
    if ready is None or ready.status != "True":
        why = ready.message or ready.reason if ready is not None else "its agent has not reported"
        advice = "look at podraft-agent on that machine"
        yield Finding(Severity.ERROR, subject, "ready", f"is not ready: {why}", advice)
    for name, condition in conditions.items():
        if name.endswith("Pressure") and condition.status == "True":
            yield Finding(Severity.WARNING, subject, name, condition.message)
    kernel = _kernel(info.kernel_version)
    if kernel and kernel < _KERNEL_MIN:
        message = f"Linux {info.kernel_version}: agents need {_KERNEL_MIN[0]}.{_KERNEL_MIN[1]}"
        yield Finding(Severity.ERROR, subject, "kernel", message, "upgrade the machine")
    versions = {server.diagnosis.version for server in seen.answered}
    agent = info.kubelet_version.removeprefix("podraft-")
    if agent and versions and agent not in versions:
        message = f"its agent has version {agent}, the servers {', '.join(sorted(versions))}"
        yield Finding(Severity.WARNING, subject, "versions", message, "upgrade it; pods go on")


def _kernel(release: str) -> tuple[int, ...]:
    words = release.split("-")[0].split(".")[:2]
    return tuple(int(word) for word in words) if all(w.isdecimal() for w in words) else ()


def _own_certificate(seen: Examination) -> Finding:
    own = seen.answered[0].diagnosis.caller
    left_s = own.not_after.seconds - seen.now_s
    severity = Severity.OK
    if left_s < _OWN_S_ERROR:
        severity = Severity.ERROR
    elif left_s < _OWN_S_WARNING:
        severity = Severity.WARNING
    verb = "expired" if left_s < 0 else "is valid for"
    message = f"{own.name}'s {verb} {days(left_s)}{' ago' if left_s < 0 else ''}"
    advice = "copy admin.conf from a server's data directory again" if severity else ""
    return Finding(severity, "you", "certificate", message, advice)
