"""One server's diagnosis: what it measures of itself, in the contract's words.

Owns: the composition.  Invariant: the diagnosis measures this server only, asks no other, and
needs no leader.
"""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from podraft.api import times
from podraft.api.cluster.v1 import diagnosis_pb2
from podraft.server.diagnosis.disk_trial import try_disk
from podraft.server.diagnosis.machine import machine_diagnosis
from podraft.server.store.latencies import Latencies
from podraft.server.store.measurements import (
    GroupMeasurements,
    MeasuredStore,
    PeerMeasurements,
)


@dataclass(frozen=True, slots=True)
class Patient:
    """The parts of the server to diagnose.  ``store`` is None if the state is kept elsewhere."""

    data_dir: Path
    version: str
    started_at: datetime
    store: MeasuredStore | None
    # Returns the certificates that are in no file: their names, and PEM.
    certificates: Callable[[], Sequence[tuple[str, bytes]]] = tuple


async def diagnose(patient: Patient, *, disk: bool, disk_slow: bool) -> diagnosis_pb2.Diagnosis:
    """Return the measurements; ``disk`` also tries the disk, which takes up to three seconds."""
    measured = patient.store.measurements() if patient.store is not None else None
    group = measured.group if measured is not None else None
    result = diagnosis_pb2.Diagnosis(
        name=group.name if group is not None else socket.gethostname(),
        version=patient.version,
        started_at=times.time_of(patient.started_at),
        kernel_version=platform.release(),
        unready=patient.store.unready() if patient.store is not None else "",
        machine=machine_diagnosis(),
        certificates=await asyncio.to_thread(lambda: list(_certificates(patient))),
    )
    result.disk.directory = str(patient.data_dir)
    status = await asyncio.to_thread(os.statvfs, patient.data_dir)
    result.disk.total_bytes = status.f_blocks * status.f_frsize
    result.disk.free_bytes = status.f_bavail * status.f_frsize
    if measured is not None:
        result.disk.wal_bytes = measured.wal_bytes
        result.disk.history_bytes = measured.history_bytes
        result.disk.syncs.CopyFrom(_latency(measured.syncs))
        result.disk.slow = disk_slow
    if group is not None:
        result.group.CopyFrom(_group(group))
    if disk:
        await _try_disk(patient.data_dir, result.disk)
    return result


async def _try_disk(directory: Path, result: diagnosis_pb2.DiskDiagnosis) -> None:
    try:
        trial = await asyncio.to_thread(try_disk, directory)
    except OSError as error:
        result.problem = f"{error.filename or directory}: {error.strerror}"
        return
    result.tried.count = len(trial)
    result.tried.p50_seconds = trial.quantile_s(0.5)
    result.tried.p99_seconds = trial.quantile_s(0.99)


def _group(group: GroupMeasurements) -> diagnosis_pb2.GroupDiagnosis:
    return diagnosis_pb2.GroupDiagnosis(
        role=group.status.role.value,
        term=group.status.term,
        leader_changes=group.leader_changes,
        heartbeat_seconds=group.heartbeat_s,
        election_seconds=group.election_s,
        split=group.split,
        compared_index=group.compared_index,
        peers=[_peer(peer) for peer in group.peers],
    )


def _peer(peer: PeerMeasurements) -> diagnosis_pb2.PeerDiagnosis:
    return diagnosis_pb2.PeerDiagnosis(
        name=peer.name,
        connected=peer.connected,
        round_trips=_latency(peer.round_trips),
        clock_offset_seconds=peer.clock_offset_s,
        lag=peer.lag,
    )


def _latency(latencies: Latencies) -> diagnosis_pb2.LatencyDiagnosis:
    return diagnosis_pb2.LatencyDiagnosis(
        count=sum(latencies.recent()),
        p50_seconds=latencies.recent_quantile_s(0.5),
        p99_seconds=latencies.recent_quantile_s(0.99),
    )


def _certificates(patient: Patient) -> Iterator[diagnosis_pb2.CertificateDiagnosis]:
    found = [*patient.certificates()]
    files = sorted((patient.data_dir / "pki").glob("*.pem"))
    found += [(path.stem, path.read_bytes()) for path in files]
    for name, pem in found:
        diagnosis = certificate_diagnosis(name, pem)
        # Another file is not ours; the server itself refuses to start with a damaged one.
        if diagnosis is not None:
            yield diagnosis


def certificate_diagnosis(name: str, pem: bytes) -> diagnosis_pb2.CertificateDiagnosis | None:
    """Return the validity of a certificate; None if ``pem`` is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
    return diagnosis_pb2.CertificateDiagnosis(
        name=name,
        not_before=times.time_of(certificate.not_valid_before_utc),
        not_after=times.time_of(certificate.not_valid_after_utc),
    )
