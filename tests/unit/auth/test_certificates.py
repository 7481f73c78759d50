"""Certificates say what the server decided, and identities are read back from them."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podraft.client.connecting.config import SERVER_NAME
from podraft.server.auth.certificates import CertificateAuthority, node_server_name
from podraft.server.auth.certified import from_certificate
from podraft.server.auth.identity import (
    Identity,
    IdentityError,
    Role,
    check_node_name,
    node_identity,
)
from podraft.server.auth.signing_requests import (
    REQUEST_BYTES_MAX,
    CertificateRequestError,
    key_fingerprint,
    new_request,
    read_request,
)

NOW = datetime.datetime(2030, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
AUTHORITY = CertificateAuthority.create(NOW)


def usages(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_a_client_certificate_says_its_identity_and_nothing_of_serving() -> None:
    identity = Identity("ann", frozenset({"devs", "ops"}))
    pair = AUTHORITY.issue_client(identity, NOW)
    assert from_certificate(pair.certificate) == identity
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    assert usages(certificate) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    key = serialization.load_pem_private_key(pair.key, None)
    assert key.public_key() == certificate.public_key()


def test_a_signing_request_cannot_choose_its_subject_or_extensions() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "admin"),
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"),
                ]
            )
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("podraft-server")]), False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    signed = AUTHORITY.sign_node(greedy, "n1", NOW)
    identity = from_certificate(signed)
    assert identity.user == "system:node:n1"
    assert identity.groups == {"system:nodes"}
    assert identity.node_name == "n1"
    assert not identity.is_admin
    certificate = x509.load_pem_x509_certificate(signed)
    assert certificate.public_key() == key.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    of_key = node_server_name("n1", key_fingerprint(key.public_key()))
    assert {name.value for name in names} == {"n1._nodes.podraft", of_key}
    # Nothing that follows a node's name could be part of another one's.
    assert of_key.startswith("n1._")
    assert len(list(names)) == 2
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert usages(certificate) == {
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    }


def test_the_server_certificate_holds_dns_names_and_addresses() -> None:
    pair = AUTHORITY.issue_server(["10.1.2.3", "fd00::1"], NOW)
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names) == {
        x509.DNSName(SERVER_NAME),
        x509.DNSName("podraft-server"),
        x509.IPAddress(ipaddress.ip_address("10.1.2.3")),
        x509.IPAddress(ipaddress.ip_address("fd00::1")),
    }
    assert usages(certificate) == {ExtendedKeyUsageOID.SERVER_AUTH}


def test_validity_begins_before_now_and_serials_differ() -> None:
    one, two = (
        x509.load_pem_x509_certificate(AUTHORITY.sign_node(request(), "n1", NOW)) for _ in range(2)
    )
    assert one.serial_number != two.serial_number
    assert one.not_valid_before_utc == NOW - datetime.timedelta(minutes=5)
    assert one.not_valid_after_utc == NOW + datetime.timedelta(days=30)


def test_an_authority_loaded_from_its_pair_signs_the_same_way() -> None:
    again = CertificateAuthority.load(AUTHORITY.key_pair)
    assert again.fingerprint == AUTHORITY.fingerprint
    pairs = {
        Role.CLIENT: again.issue_client(Identity("ann", frozenset()), NOW),
        Role.SERVER: again.issue_member("m1", NOW),
        Role.NODE: again.issue_client(node_identity("n1"), NOW),
    }
    for role, pair in pairs.items():
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        assert AUTHORITY.issuer_of(certificate) is role
        assert CertificateAuthority.create(NOW).issuer_of(certificate) is None


def test_an_authority_refuses_anothers_key() -> None:
    other = CertificateAuthority.create(NOW)
    pair = AUTHORITY.key_pair
    mixed = type(pair)(pair.certificate, other.key_pair.key)
    with pytest.raises(ValueError, match="do not belong together"):
        CertificateAuthority.load(mixed)


def request() -> bytes:
    return new_request(ec.generate_private_key(ec.SECP256R1()))


def unsigned_request() -> bytes:
    der = x509.load_pem_x509_csr(request()).public_bytes(serialization.Encoding.DER)
    return der[:-1] + bytes([der[-1] ^ 1])


def weak_request() -> bytes:
    key = rsa.generate_private_key(65537, 1024)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def request_of_another_version() -> bytes:
    request = x509.load_pem_x509_csr(new_request(ec.generate_private_key(ec.SECP256R1())))
    encoded = request.public_bytes(serialization.Encoding.DER)
    return encoded.replace(b"\x02\x01\x00", b"\x02\x01\x05", 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a certificate signing request"),
        (
            b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
            "not a",
        ),
        (b"x" * (REQUEST_BYTES_MAX + 1), "at most"),
        (unsigned_request(), "not signed by its key"),
        (weak_request(), "2048 bits"),
        (new_request(ec.generate_private_key(ec.SECP192R1())), "256 bits"),
        (request_of_another_version(), "not a certificate signing request"),
    ],
)
def test_a_bad_signing_request_is_refused_with_its_reason(content: bytes, problem: str) -> None:
    with pytest.raises(CertificateRequestError, match=problem):
        read_request(content)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", "a/b", "x" * 53, "a\n", "ä"])
def test_what_can_be_no_node_is_not_signed(name: str) -> None:
    assert check_node_name(name)
    with pytest.raises(CertificateRequestError):
        AUTHORITY.sign_node(request(), name, NOW)


@pytest.mark.parametrize("name", ["a", "node-1", "rack1.example.com", "x" * 52])
def test_what_can_be_a_node_is_signed(name: str) -> None:
    assert check_node_name(name) is None
    assert from_certificate(AUTHORITY.sign_node(request(), name, NOW)).node_name == name


def test_what_is_no_certificate_is_no_identity() -> None:
    with pytest.raises(IdentityError):
        from_certificate(b"hello")


def test_only_the_group_makes_a_node() -> None:
    assert Identity("system:node:n1", frozenset()).node_name is None
    assert Identity("n1", frozenset({"system:nodes"})).node_name is None
    assert Identity("system:node:", frozenset({"system:nodes"})).node_name is None
