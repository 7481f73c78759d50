"""A running server renews certificates in time, and whoever uses them gets the new ones."""

from __future__ import annotations

import datetime
from pathlib import Path

import psutil

from local_cluster.server_process import ServerProcess
from podraft.client.config import load
from podraft.server.auth.certificates import CLOCK_SKEW
from podraft.server.auth.pki import COMPONENTS, ensure_pki
from support.waiting import eventually

# Due for renewal about three seconds from now: then a third of the life is left.
_SHORT = CLOCK_SKEW / 2 + datetime.timedelta(seconds=5)


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
