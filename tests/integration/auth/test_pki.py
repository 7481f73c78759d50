"""The PKI on real files: made once, kept, renewed in time, never silently replaced."""

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509

from podraft.server.auth.certified import from_certificate
from podraft.server.auth.identity import Role
from podraft.server.auth.pki import COMPONENTS, PkiError, ensure_pki

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def days(count: int) -> datetime.timedelta:
    return datetime.timedelta(days=count)


def test_the_second_start_uses_what_the_first_made(tmp_path: Path) -> None:
    first = ensure_pki(tmp_path / "pki", addresses=["10.0.0.1"], now=NOW)
    again = ensure_pki(tmp_path / "pki", addresses=["10.0.0.1"], now=NOW + days(100))
    assert again.authority.fingerprint == first.authority.fingerprint
    assert (again.server, again.clients) == (first.server, first.clients)
    for component, identity in COMPONENTS.items():
        assert from_certificate(first.clients[component].certificate) == identity


def test_only_the_owner_can_read_the_keys_and_nothing_else_is_left(tmp_path: Path) -> None:
    directory = tmp_path / "pki"
    ensure_pki(directory, addresses=[], now=NOW)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    files = sorted(path.name for path in directory.iterdir())
    assert files == [
        "admin.pem",
        "apiserver.pem",
        "ca.pem",
        "controllers.pem",
        "scheduler.pem",
        "server.pem",
    ]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in directory.iterdir())


def test_a_new_address_renews_only_the_servers_certificate(tmp_path: Path) -> None:
    first = ensure_pki(tmp_path, addresses=["10.0.0.1"], now=NOW)
    moved = ensure_pki(tmp_path, addresses=["10.0.0.2", "api.example.com"], now=NOW)
    assert moved.server != first.server
    assert moved.clients == first.clients
    assert moved.authority.fingerprint == first.authority.fingerprint
    certificate = x509.load_pem_x509_certificate(moved.server.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"podraft-server", "localhost", "api.example.com"} <= set(
        names.get_values_for_type(x509.DNSName)
    )
    fewer = ensure_pki(tmp_path, addresses=["10.0.0.2"], now=NOW)
    assert fewer.server == moved.server


def test_certificates_are_renewed_before_they_expire(tmp_path: Path) -> None:
    first = ensure_pki(tmp_path, addresses=[], now=NOW)
    later = ensure_pki(tmp_path, addresses=[], now=NOW + days(300))
    assert later.authority.fingerprint == first.authority.fingerprint
    assert later.server != first.server
    assert all(later.clients[name] != first.clients[name] for name in COMPONENTS)


def test_a_damaged_file_is_an_error_that_names_it_and_is_left_alone(tmp_path: Path) -> None:
    ensure_pki(tmp_path, addresses=[], now=NOW)
    for name in ("ca.pem", "server.pem", "admin.pem"):
        path = tmp_path / name
        good = path.read_bytes()
        for bad in (b"", good[: len(good) // 2], b"rubbish"):
            path.write_bytes(bad)
            with pytest.raises(PkiError, match=name):
                ensure_pki(tmp_path, addresses=[], now=NOW)
            assert path.read_bytes() == bad
        path.write_bytes(good)


def test_a_certificate_of_another_authority_is_replaced(tmp_path: Path) -> None:
    ours = ensure_pki(tmp_path / "ours", addresses=[], now=NOW)
    ensure_pki(tmp_path / "theirs", addresses=[], now=NOW)
    (tmp_path / "ours/admin.pem").write_bytes((tmp_path / "theirs/admin.pem").read_bytes())
    again = ensure_pki(tmp_path / "ours", addresses=[], now=NOW)
    replaced = x509.load_pem_x509_certificate(again.clients["admin"].certificate)
    assert again.authority.issuer_of(replaced) is Role.CLIENT
    assert again.clients["scheduler"] == ours.clients["scheduler"]


def test_a_components_configuration_carries_its_own_key(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, addresses=[], now=NOW)
    config = pki.config("scheduler", ["127.0.0.1:7443"])
    assert config.servers == ("127.0.0.1:7443",)
    assert config.client_certificate == pki.clients["scheduler"].certificate
    assert config.client_key == pki.clients["scheduler"].key
    assert config.certificate_authority == pki.certificate_authority


@pytest.mark.parametrize("address", ["", "bücher.example"])
def test_an_address_that_no_certificate_can_hold_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(PkiError, match="no IP address or DNS name"):
        ensure_pki(tmp_path, addresses=[address], now=NOW)
