"""The doctor's rules: what is well, what is not, and what to do about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podraft.api import times
from podraft.api.cluster.v1 import diagnosis_pb2 as pb
from podraft.api.cluster.v1 import member_pb2
from podraft.api.core.v1 import node_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.cli.diagnosis.core import timeouts
from podraft.cli.diagnosis.core.cluster_rules import findings
from podraft.cli.diagnosis.core.findings import (
    Answered,
    Examination,
    Finding,
    Severity,
    days,
    duration,
    size,
)

NOW_S = 1_800_000_000.0
DAY_S = 86400
NAMES = ("a", "b", "c")


def _time(seconds: float) -> meta_pb2.Time:
    return meta_pb2.Time(seconds=int(seconds))


def _certificate(name: str, left_s: float, life_s: float = 365 * DAY_S) -> pb.CertificateDiagnosis:
    ends_s = NOW_S + left_s
    return pb.CertificateDiagnosis(
        name=name, not_before=_time(ends_s - life_s), not_after=_time(ends_s)
    )


def _diagnosis(name: str) -> pb.Diagnosis:
    return pb.Diagnosis(
        name=name,
        version="1.0",
        started_at=_time(NOW_S - 10 * DAY_S),
        kernel_version="6.1.0",
        disk=pb.DiskDiagnosis(
            directory="/data",
            total_bytes=100 << 30,
            free_bytes=50 << 30,
            wal_bytes=64 << 20,
            history_bytes=1 << 30,
            tried=pb.LatencyDiagnosis(count=200, p50_seconds=0.001, p99_seconds=0.005),
        ),
        machine=pb.MachineDiagnosis(
            memory_total_bytes=8 << 30,
            memory_available_bytes=4 << 30,
            resident_bytes=200 << 20,
            open_files=100,
            open_files_max=65536,
        ),
        certificates=[
            _certificate("ca", 3000 * DAY_S, 3650 * DAY_S),
            _certificate("server", 300 * DAY_S),
        ],
        group=pb.GroupDiagnosis(
            role="leader" if name == "a" else "follower",
            term=3,
            leader_changes=2,
            heartbeat_seconds=0.1,
            election_seconds=0.5,
            compared_index=1000,
            peers=[
                pb.PeerDiagnosis(
                    name=other,
                    connected=True,
                    round_trips=pb.LatencyDiagnosis(
                        count=300, p50_seconds=0.001, p99_seconds=0.004
                    ),
                )
                for other in NAMES
                if other != name
            ],
        ),
        caller=_certificate("admin", 200 * DAY_S),
    )


def _well() -> Examination:
    members = [
        member_pb2.Member(
            name=name,
            id=number,
            role=member_pb2.MEMBER_ROLE_VOTER,
            leader=name == "a",
            reachable=True,
            api_addresses=[f"10.0.0.{number}:7443"],
        )
        for number, name in enumerate(NAMES, 1)
    ]
    node = node_pb2.Node(metadata=meta_pb2.ObjectMeta(name="n1"))
    node.status.conditions.add(type="Ready", status="True")
    node.status.conditions.add(type="DiskPressure", status="False")
    node.status.node_info.kernel_version = "6.1.0-13-amd64"
    node.status.node_info.kubelet_version = "podraft-1.0"
    return Examination(
        now_s=NOW_S,
        client_version="1.0",
        listing=member_pb2.ListMembersResponse(
            members=members, mode=member_pb2.STORE_MODE_GROUP, leader_id=1, term=3
        ),
        answered=[
            Answered(f"10.0.0.{number}:7443", _diagnosis(name), 0.001, 0.0005)
            for number, name in enumerate(NAMES, 1)
        ],
        unanswered=[],
        nodes=[node],
    )


def _bad(seen: Examination) -> list[Finding]:
    return [finding for finding in findings(seen) if finding.severity]


def _only(seen: Examination) -> Finding:
    bad = _bad(seen)
    assert len(bad) == 1, bad
    return bad[0]


def test_a_well_group_gets_no_complaint_and_each_check_a_line():
    seen = _well()
    assert not _bad(seen)
    checks = {finding.check for finding in findings(seen)}
    assert checks == {
        *("majority", "leader", "ready", "disk", "space", "memory", "open files", "clock"),
        *("certificates", "states", "clocks", "timeouts", "nodes", "certificate"),
    }


@pytest.mark.parametrize(
    ("change", "check", "severity"),
    [
        (lambda d: setattr(d.disk.tried, "p99_seconds", 0.12), "disk", None),
        (lambda d: setattr(d.disk.tried, "p99_seconds", 0.13), "disk", Severity.WARNING),
        (lambda d: setattr(d.disk.tried, "p99_seconds", 0.5), "disk", Severity.ERROR),
        (lambda d: setattr(d.disk, "slow", True), "disk", Severity.WARNING),
        (lambda d: setattr(d.disk, "problem", "no space"), "disk", Severity.ERROR),
        (lambda d: setattr(d.disk, "free_bytes", 9 << 30), "space", Severity.WARNING),
        (lambda d: setattr(d.disk, "free_bytes", 1 << 28), "space", Severity.ERROR),
        (lambda d: setattr(d.disk, "wal_bytes", 5 << 30), "space", Severity.WARNING),
        (
            lambda d: setattr(d.machine, "memory_available_bytes", 700 << 20),
            "memory",
            Severity.WARNING,
        ),
        (
            lambda d: setattr(d.machine, "memory_available_bytes", 100 << 20),
            "memory",
            Severity.ERROR,
        ),
        (lambda d: setattr(d.machine, "open_files_max", 1024), "open files", Severity.WARNING),
        (lambda d: setattr(d.machine, "open_files", 60_000), "open files", Severity.ERROR),
        (lambda d: setattr(d.machine, "open_files_shortages", 3), "open files", Severity.WARNING),
        (
            lambda d: d.budgets.add(role="nodes", resource="watches", limit=9, refused=2),
            "budgets",
            Severity.WARNING,
        ),
        (lambda d: setattr(d, "unready", "no leader is known"), "ready", Severity.ERROR),
        (lambda d: setattr(d.group, "split", True), "states", Severity.ERROR),
        (lambda d: setattr(d, "version", "1.1"), "versions", Severity.WARNING),
        (lambda d: setattr(d.group, "leader_changes", 900), "elections", Severity.WARNING),
        (
            lambda d: d.certificates[1].CopyFrom(_certificate("server", 80 * DAY_S)),
            "certificates",
            Severity.WARNING,
        ),
        (
            lambda d: d.certificates[1].CopyFrom(_certificate("server", -DAY_S)),
            "certificates",
            Severity.ERROR,
        ),
        (
            lambda d: d.certificates[0].CopyFrom(_certificate("ca", 100 * DAY_S, 3650 * DAY_S)),
            "certificates",
            Severity.WARNING,
        ),
        (
            lambda d: d.group.peers[0].round_trips.CopyFrom(
                pb.LatencyDiagnosis(count=300, p50_seconds=0.05, p99_seconds=0.2)
            ),
            "timeouts",
            Severity.WARNING,
        ),
    ],
)
def test_one_thing_that_is_wrong_with_a_server_is_one_line_with_advice(change, check, severity):
    seen = _well()
    change(seen.answered[1].diagnosis)
    bad = [finding for finding in _bad(seen) if finding.check != "timeouts" or check == "timeouts"]
    if severity is None:
        assert not bad
        return
    assert [(finding.check, finding.severity) for finding in bad] == [(check, severity)]
    assert bad[0].advice or check == "ready"


def test_a_member_that_is_away_costs_the_spare_one_and_a_second_one_the_majority():
    seen = _well()
    assert seen.listing is not None
    seen.listing.members[2].reachable = False
    one = replace(
        seen, answered=seen.answered[:2], unanswered=[("10.0.0.3:7443", "connection refused")]
    )
    assert [(f.subject, f.check, f.severity) for f in _bad(one)] == [
        ("server c", "answers", Severity.ERROR),
        ("cluster", "majority", Severity.WARNING),
    ]
    assert "10.0.0.3:7443: connection refused" in _bad(one)[0].message
    seen.listing.members[1].reachable = False
    two = replace(one, answered=seen.answered[:1])
    assert ("majority", Severity.ERROR) in [(f.check, f.severity) for f in _bad(two)]


def test_a_member_that_only_we_cannot_reach_is_no_error_of_the_group():
    seen = _well()
    assert seen.listing is not None
    seen.listing.members[2].ClearField("api_addresses")
    finding = _only(replace(seen, answered=seen.answered[:2]))
    assert (finding.subject, finding.severity) == ("server c", Severity.WARNING)


def test_clocks_are_compared_beyond_what_the_measurement_may_be_wrong():
    seen = _well()
    ahead = replace(seen.answered[2], clock_ahead_s=1.0, clock_error_s=0.9)
    assert not _bad(replace(seen, answered=[*seen.answered[:2], ahead]))
    sure = replace(ahead, clock_error_s=0.1)
    finding = _only(replace(seen, answered=[*seen.answered[:2], sure]))
    assert (finding.check, finding.severity) == ("clocks", Severity.WARNING)
    assert "c is 999 ms ahead of" in finding.message
    ours = [replace(server, clock_ahead_s=-10.0) for server in seen.answered]
    assert {finding.check for finding in _bad(replace(seen, answered=ours))} == {"clock"}


def test_nodes_that_are_not_ready_or_too_old_or_short_of_something_are_named():
    seen = _well()
    node = seen.nodes[0]
    node.status.conditions[0].status = "Unknown"
    node.status.conditions[0].message = "its lease was not renewed"
    assert "its lease was not renewed" in _only(seen).message
    node.status.conditions[0].status = "True"
    node.status.conditions[1].status = "True"
    assert _only(seen).check == "DiskPressure"
    node.status.conditions[1].status = "False"
    node.status.node_info.kernel_version = "5.4.0-150-generic"
    assert _only(seen).check == "kernel"
    node.status.node_info.kernel_version = "6.1.0"
    node.status.node_info.kubelet_version = "podraft-0.9"
    assert _only(seen).check == "versions"


def test_a_server_alone_and_one_on_etcd_say_what_cannot_be_seen():
    seen = _well()
    listing = member_pb2.ListMembersResponse(mode=member_pb2.STORE_MODE_EXTERNAL)
    diagnosis = _diagnosis("a")
    diagnosis.ClearField("group")
    alone = [replace(seen.answered[0], diagnosis=diagnosis)]
    external = findings(replace(seen, listing=listing, answered=alone))
    assert not [finding for finding in external if finding.severity]
    assert any("cannot be seen" in finding.message for finding in external)
    listing.mode = member_pb2.STORE_MODE_SINGLE
    single = findings(replace(seen, listing=listing, answered=alone))
    assert any("only copy" in finding.message for finding in single)
    assert not {finding.check for finding in single} & {"majority", "leader", "timeouts", "states"}


def test_when_nobody_answers_every_address_is_named():
    seen = replace(
        _well(),
        listing=None,
        answered=[],
        nodes=None,
        nodes_problem="no server takes calls",
        unanswered=[("a:1", "refused"), ("b:1", "timed out")],
    )
    bad = _bad(seen)
    assert [finding.subject for finding in bad] == ["server a:1", "server b:1", "cluster"]


@pytest.mark.parametrize(
    ("round_trip_s", "sync_s", "heartbeat_s", "election_s"),
    [
        (0.0005, 0.002, 0.1, 0.5),
        (0.02, 0.01, 0.1, 0.5),
        (0.1, 0.01, 0.2, 1.0),
        (0.001, 0.2, 0.1, 0.9),
        (0.08, 0.3, 0.2, 1.6),
    ],
)
def test_timeouts_follow_the_slower_of_disk_and_network(
    round_trip_s, sync_s, heartbeat_s, election_s
):
    wanted = timeouts.needed(round_trip_s, sync_s)
    assert wanted.heartbeat_s == pytest.approx(heartbeat_s)
    assert wanted.election_s == pytest.approx(election_s)
    assert wanted.election_s >= timeouts.HEARTBEATS_PER_ELECTION * wanted.heartbeat_s - 1e-9


def test_timeouts_are_not_judged_by_a_few_measurements():
    seen = _well()
    for server in seen.answered:
        server.diagnosis.disk.ClearField("tried")
        for peer in server.diagnosis.group.peers:
            peer.round_trips.count, peer.round_trips.p99_seconds = 20, 3.0
    assert not _bad(seen)
    assert any("too little was measured" in finding.message for finding in findings(seen))


def test_numbers_are_written_for_readers():
    assert [duration(seconds) for seconds in (0.00004, 0.0123, 2.5)] == [
        "40 us",
        "12.3 ms",
        "2.5 s",
    ]
    assert [size(count) for count in (512, 3 << 20, 5 << 40)] == ["512 B", "3 MiB", "5 TiB"]
    assert [days(seconds) for seconds in (7200, -40 * DAY_S)] == ["2 hours", "40 days"]
    assert times.format_time(_time(NOW_S)).startswith("2027")
