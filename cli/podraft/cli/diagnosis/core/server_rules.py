"""Findings about one server.

Owns: the thresholds for disk, space, machine, clock and certificates, each with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from podraft.api.cluster.v1.diagnosis_pb2 import CertificateDiagnosis, DiskDiagnosis
from podraft.cli.diagnosis.core.findings import (
    Answered,
    Finding,
    Severity,
    days,
    duration,
    size,
)

# A share of the election timeout: the server's own rule (``podraft.server.diagnosis.core.disk``).
_SYNC_SHARE = 0.25
_ELECTION_S_DEFAULT = 0.5
# A history file may double while it is copied for a member; a log takes two more segments.
_FREE_BYTES_WARNING, _FREE_BYTES_ERROR = 2 << 30, 256 << 20
_FREE_SHARE_WARNING, _FREE_SHARE_ERROR = 0.10, 0.03
_WAL_BYTES_WARNING = 4 << 30
_MEMORY_SHARE_WARNING, _MEMORY_SHARE_ERROR = 0.10, 0.03
_OPEN_FILES_SHARE, _OPEN_FILES_MIN = 0.8, 4096
# Leases and history depend on clocks; certificates are valid from five minutes before their making.
_CLIENT_CLOCK_S_WARNING, _CLIENT_CLOCK_S_ERROR = 2.0, 240.0
_DAY_S = 86400.0
# The authority is never renewed automatically, and replacing it takes planning.
_CA_S_WARNING, _CA_S_ERROR = 180 * _DAY_S, 30 * _DAY_S
# Servers renew the other certificates when a third of their life is left.
_RENEWED_SHARE, _CERTIFICATE_S_ERROR = 0.25, 2 * _DAY_S


def server_findings(server: Answered, now_s: float) -> Iterator[Finding]:
    """Yield the findings about a server that has answered."""
    yield _readiness(server)
    yield from _disk(server)
    yield _space(server)
    yield from _machine(server)
    yield from _budgets(server)
    yield _clock(server)
    yield from _certificates(server, now_s)


def _readiness(server: Answered) -> Finding:
    diagnosis = server.diagnosis
    if diagnosis.unready:
        return Finding(
            Severity.ERROR, server.subject, "ready", f"takes no calls: {diagnosis.unready}"
        )
    role = diagnosis.group.role if diagnosis.HasField("group") else "serves"
    message = f"{role}, version {diagnosis.version}, kernel {diagnosis.kernel_version}"
    return Finding(Severity.OK, server.subject, "ready", message)


def election_s(server: Answered) -> float:
    """Return the server's election timeout in seconds, or the default if it names none."""
    return server.diagnosis.group.election_seconds or _ELECTION_S_DEFAULT


def sync_p99_s(disk: DiskDiagnosis) -> float:
    """Return the worse 99th percentile, in seconds, of the trial syncs and of the log's syncs."""
    # A few syncs of the log give no percentile.
    own = disk.syncs.p99_seconds if disk.syncs.count >= 100 else 0.0
    return max(disk.tried.p99_seconds, own)


def _disk(server: Answered) -> Iterator[Finding]:
    disk = server.diagnosis.disk
    if disk.problem:
        advice = "make room, or look at the disk and the kernel's log"
        yield Finding(Severity.ERROR, server.subject, "disk", disk.problem, advice)
    if not disk.tried.count:
        return
    timeout_s = election_s(server)
    p99_s = sync_p99_s(disk)
    message = (
        f"small synced writes take {duration(disk.tried.p50_seconds)}, 99 % at most "
        f"{duration(p99_s)} ({disk.tried.count} tried)"
    )
    advice = (
        f"should stay below {duration(_SYNC_SHARE * timeout_s)}, a quarter of the election "
        "timeout: give the store a disk of its own, an SSD, or raise the timeout"
    )
    if p99_s >= timeout_s:
        yield Finding(Severity.ERROR, server.subject, "disk", message, advice)
    elif p99_s >= _SYNC_SHARE * timeout_s or disk.slow:
        yield Finding(Severity.WARNING, server.subject, "disk", message, advice)
    else:
        yield Finding(Severity.OK, server.subject, "disk", message)


def _space(server: Answered) -> Finding:
    disk = server.diagnosis.disk
    share = disk.free_bytes / max(disk.total_bytes, 1)
    message = f"{size(disk.free_bytes)} of {size(disk.total_bytes)} free in {disk.directory}"
    if disk.wal_bytes or disk.history_bytes:
        message += f"; log {size(disk.wal_bytes)}, history {size(disk.history_bytes)}"
    severity, advice = Severity.OK, ""
    if disk.free_bytes < _FREE_BYTES_ERROR or share < _FREE_SHARE_ERROR:
        severity, advice = Severity.ERROR, "make room now: a full disk stops the server"
    elif disk.free_bytes < _FREE_BYTES_WARNING or share < _FREE_SHARE_WARNING:
        severity = Severity.WARNING
        advice = "make room, or keep less history (--history-hours, --history-revisions)"
    elif disk.wal_bytes > _WAL_BYTES_WARNING:
        severity = Severity.WARNING
        advice = "the log should have been cut: look at the server's log"
    return Finding(severity, server.subject, "space", message, advice)


def _machine(server: Answered) -> Iterator[Finding]:
    machine = server.diagnosis.machine
    if machine.memory_total_bytes:
        share = machine.memory_available_bytes / machine.memory_total_bytes
        severity = Severity.OK
        if share < _MEMORY_SHARE_ERROR:
            severity = Severity.ERROR
        elif share < _MEMORY_SHARE_WARNING:
            severity = Severity.WARNING
        yield Finding(
            severity,
            server.subject,
            "memory",
            f"{size(machine.memory_available_bytes)} of {size(machine.memory_total_bytes)} "
            f"available; the server holds {size(machine.resident_bytes)}",
            "the kernel may kill the server: give the machine more, or take load away"
            if severity
            else "",
        )
    limit = machine.open_files_max
    if limit:
        few, many = limit < _OPEN_FILES_MIN, machine.open_files > _OPEN_FILES_SHARE * limit
        ran_out = machine.open_files_shortages
        message = f"{machine.open_files} of at most {limit}"
        if ran_out:
            message += f"; there was none left {ran_out} times since the server started"
        yield Finding(
            Severity.ERROR if many else Severity.WARNING if few or ran_out else Severity.OK,
            server.subject,
            "open files",
            message,
            "raise LimitNOFILE of its systemd unit (65536): every watch and agent takes one"
            if few or many or ran_out
            else "",
        )


def _budgets(server: Answered) -> Iterator[Finding]:
    """Yield a finding about the callers that were refused for exceeding their budget, if any."""
    for budget in server.diagnosis.budgets:
        if budget.refused:
            yield Finding(
                Severity.WARNING,
                server.subject,
                "budgets",
                f"{budget.role} were refused {budget.refused} times since the server started: "
                f"at most {budget.limit:,} {budget.resource}",
                "somebody takes more than a share: the server's log and the calls' metrics say "
                "what; a node that should not is removed with `podraft delete node`",
            )


def _clock(server: Answered) -> Finding:
    ahead_s, error_s = server.clock_ahead_s, server.clock_error_s
    way = "ahead of" if ahead_s >= 0 else "behind"
    message = f"{duration(abs(ahead_s))} {way} this machine's (give or take {duration(error_s)})"
    beyond_s = abs(ahead_s) - error_s
    severity = Severity.OK
    if beyond_s > _CLIENT_CLOCK_S_ERROR:
        severity = Severity.ERROR
    elif beyond_s > _CLIENT_CLOCK_S_WARNING:
        severity = Severity.WARNING
    advice = "let both machines keep time by NTP (chrony)" if severity else ""
    return Finding(severity, server.subject, "clock", message, advice)


def _certificates(server: Answered, now_s: float) -> Iterator[Finding]:
    bad = [
        finding
        for certificate in server.diagnosis.certificates
        if (finding := _certificate(server, certificate, now_s)).severity
    ]
    yield from bad
    if not bad and server.diagnosis.certificates:
        first = min(server.diagnosis.certificates, key=lambda each: each.not_after.seconds)
        left = days(first.not_after.seconds - now_s)
        count = len(server.diagnosis.certificates)
        message = f"all {count} are valid, the first to expire ({first.name}) for {left}"
        yield Finding(Severity.OK, server.subject, "certificates", message)


def _certificate(server: Answered, certificate: CertificateDiagnosis, now_s: float) -> Finding:
    name = certificate.name
    left_s = certificate.not_after.seconds - now_s
    life_s = certificate.not_after.seconds - certificate.not_before.seconds
    if name == "ca":
        error, warning = left_s < _CA_S_ERROR, left_s < _CA_S_WARNING
        advice = "nothing renews it: plan a new cluster from a backup, with new keys"
    else:
        error = left_s < min(_CERTIFICATE_S_ERROR, _RENEWED_SHARE * life_s / 2)
        warning = left_s < _RENEWED_SHARE * life_s
        advice = "the server should have renewed it: look at its log; a restart tries again"
    severity = Severity.ERROR if error else Severity.WARNING if warning else Severity.OK
    verb = "expired" if left_s < 0 else "expires in"
    message = f"{name} {verb} {days(left_s)}{' ago' if left_s < 0 else ''}"
    return Finding(severity, server.subject, "certificates", message, advice if severity else "")
