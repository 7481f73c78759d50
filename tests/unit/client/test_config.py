import base64
import json

import pytest

from podraft.client.connecting.config import SERVER_NAME, ClusterConfig, dump, load
from podraft.client.errors import ConfigError

CONFIG = ClusterConfig(
    servers=("127.0.0.1:7443", "[::1]:7443", "example.com:443"),
    certificate_authority=b"ca",
    client_certificate=b"certificate",
    client_key=b"the secret key",
    namespace="shop",
    server_name="other-name",
)
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c
  cluster: {server: "https://example.com", certificate-authority: ca.pem}
users:
- name: u
  user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}
contexts:
- name: one
  context: {cluster: c, user: u}
- name: two
  context: {cluster: c, user: u, namespace: shop}
"""


def test_what_is_dumped_is_loaded_back(tmp_path):
    path = tmp_path / "config"
    path.write_text(dump(CONFIG))
    assert load(path) == CONFIG


def test_the_secret_key_is_not_shown():
    assert "secret" not in repr(CONFIG)


def test_a_kubeconfig_is_understood(tmp_path, monkeypatch):
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    (tmp_path / "ca.pem").write_bytes(b"authority")
    monkeypatch.setenv("PODRAFT_CONFIG", str(path))
    config = load()
    assert config.servers == ("example.com:7443",)
    assert (config.certificate_authority, config.client_key) == (b"authority", b"key")
    assert (config.namespace, config.server_name) == ("default", SERVER_NAME)
    assert load(context="two").namespace == "shop"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["clusters"][0]["cluster"].update(server="ftp://x"), "https://HOST:PORT"),
        (lambda d: d["clusters"][0]["cluster"].update(server="https://x:99999"), "HOST:PORT"),
        (lambda d: d["users"][0]["user"].pop("client-key-data"), "client-key-data is missing"),
        (lambda d: d["users"][0]["user"].update({"client-key-data": "?"}), "not base64"),
        (lambda d: d.update({"current-context": "none"}), "there is no 'none'"),
        (lambda d: d.update(contexts="x"), "a list of mappings"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, expected):
    document = json.loads(dump(CONFIG))
    change(document)
    path = tmp_path / "config"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=expected):
        load(path)


@pytest.mark.parametrize("text", ["{", "a: [", "- 1", "\x00"])
def test_malformed_files_are_refused(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match=str(path)):
        load(path)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file"):
        load(tmp_path / "absent")


def test_the_key_of_a_faulty_configuration_is_not_told(tmp_path):
    document = json.loads(dump(CONFIG))
    secret = base64.b64encode(b"the secret key").decode()
    document["clusters"][0]["cluster"]["server"] = "nonsense"
    path = tmp_path / "config"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as failure:
        load(path)
    assert secret not in str(failure.value)
