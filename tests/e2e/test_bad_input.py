"""Bad input of every sort: a precise answer, in bounded time; nothing changed, nothing crashed."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import random
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from local_cluster import network
from local_cluster.cluster import API_PORT, JOIN_PORT, LocalCluster
from podraft.api import kinds
from podraft.client.calls.client import Client
from podraft.client.connecting import config as client_config
from support.guest import Guest
from support.waiting import eventually

pytestmark = [pytest.mark.root, pytest.mark.podman]

SPACE = "bad-input"
AGENT_PORT = 7445
# What commands write; nodes, leases and events change by themselves.
_KINDS: tuple[kinds.AnyKind, ...] = (
    kinds.NAMESPACE,
    kinds.CONFIG_MAP,
    kinds.SECRET,
    kinds.SERVICE,
    kinds.POD,
    kinds.REPLICA_SET,
    kinds.DEPLOYMENT,
    kinds.ENDPOINT_SLICE,
)
_BIN = Path(sys.executable).parent

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  containers:
  - name: main
    image: localhost/guestbook-web:1
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: localhost/guestbook-web:1}]
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: taken}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, nodePort: 31999}]
"""


def config_map(name: str, value: str = "x") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: {value}}}\n"


def _aliases() -> str:
    """Return a small text that is 10**9 values when its aliases are followed."""
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata: {name: bomb}", "x0: &x0 [a]"]
    lines += [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines)


def _twenty() -> str:
    documents = [config_map(f"of-twenty-{number}") for number in range(20)]
    documents[13] = config_map("Of_Twenty_13")
    return "---\n".join(documents)


# What is applied, and what the answer must say: the place, the field, what is expected.
REFUSED: dict[str, tuple[str, tuple[str, ...]]] = {
    "malformed YAML": ("a: [1,\nb: }", ("stdin:2:", "not valid YAML")),
    "tab as indentation": ("kind: Pod\n\tx: 1", ("stdin:2:", "not valid YAML")),
    "a key twice": ("kind: Pod\nkind: Pod", ("stdin:2:", '"kind"', "twice")),
    "a plain text": ("hello", ("stdin:1:", "expected an object")),
    "a list": ("- a", ("stdin:1:", "expected an object")),
    "no kind": ("metadata: {name: a}", ("stdin:1:", "kind")),
    "unknown kind": ("apiVersion: v1\nkind: Pood\nmetadata: {name: a}", ("stdin:2:", "Pood")),
    "unknown field": (
        POD.replace("image:", "imagee:"),
        ("stdin:7:", "spec.containers[0].imagee", 'did you mean "image"?'),
    ),
    "wrong type": (
        DEPLOYMENT.replace("replicas: 1", "replicas: many"),
        ("stdin:5:", "spec.replicas", "expected", '"many"'),
    ),
    "list for object": (
        DEPLOYMENT.replace("{app: web}", "[app]", 1),
        ("stdin:6:", "expected object, got list"),
    ),
    "number too large": (
        DEPLOYMENT.replace("replicas: 1", "replicas: 99999999999"),
        ("stdin:5:", "spec.replicas"),
    ),
    "negative replicas": (
        DEPLOYMENT.replace("replicas: 1", "replicas: -1"),
        ("stdin:5:", "spec.replicas", "-1"),
    ),
    "selector that does not match": (
        DEPLOYMENT.replace("matchLabels: {app: web}", "matchLabels: {app: other}"),
        ("stdin:8:", "spec.template.metadata.labels", "must match spec.selector"),
    ),
    "forbidden name": (POD.replace("NAME", "Not_Allowed"), ("stdin:3:", "metadata.name")),
    "name too long": (POD.replace("NAME", "a" * 300), ("stdin:3:", "metadata.name", "253")),
    "a path as name": (POD.replace("NAME", "../../etc"), ("stdin:3:", "metadata.name")),
    "no name": (POD.replace("name: NAME", "labels: {a: b}"), ("metadata.name", "required")),
    "no containers": (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}",
        ("spec.containers", "stdin:4:"),
    ),
    "bad quantity": (
        POD.replace("NAME", "a") + "    resources: {requests: {cpu: lots}}",
        ("stdin:8:", "spec.containers[0].resources.requests[cpu]", '"lots"'),
    ),
    "request above limit": (
        POD.replace("NAME", "a") + "    resources: {requests: {cpu: 2}, limits: {cpu: 1}}",
        ("stdin:8:", "cpu"),
    ),
    "port out of range": (SERVICE.replace("80,", "80000,"), ("stdin:7:", "spec.ports[0].port")),
    "node port out of range": (SERVICE.replace("31999", "80"), ("stdin:7:", "nodePort")),
    "mount without its volume": (
        POD.replace("NAME", "a") + "    volumeMounts: [{name: absent, mountPath: /a}]",
        ("stdin:8:", "spec.containers[0].volumeMounts[0].name", "absent"),
    ),
    "bad base64": (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: '*'}",
        ("stdin:4:", "data[a]", "base64"),
    ),
    "one bad of twenty": (_twenty(), ("stdin:68:", "configmap/Of_Twenty_13", "metadata.name")),
    "the same twice": (f"{config_map('a')}---\n{config_map('a')}", ("stdin:6:", "stdin:1")),
    "an absent namespace": (
        config_map("a").replace("{name: a}", "{name: a, namespace: nowhere}"),
        ("nowhere",),
    ),
    "a ConfigMap of 2 MiB": (config_map("large", "x" * (2 << 20)), ("large",)),
    "deep nesting": ("[" * 50_000, ("stdin:1:", "nested more than 100 deep")),
    "deep nesting of mappings": ("a: {" * 20_000, ("stdin:1:",)),
    "an alias bomb": (_aliases(), ("stdin:4:", "aliases make too much")),
    "control characters": ("kind: \x00\x01", ("stdin:1:", "not valid YAML")),
    "10,000 documents, the last one bad": (
        "---\n".join([*(config_map(f"m-{n}") for n in range(9_999)), "7"]),
        ("expected an object",),
    ),
}


@pytest.fixture(scope="module")
def guest(cluster: LocalCluster) -> Iterator[Guest]:
    """The cluster with an empty namespace to do wrong in."""
    guest = Guest(cluster)
    guest.podraft(
        "apply", "-f", "-", stdin=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {SPACE}}}"
    )
    yield guest
    guest.podraft("delete", "namespace", SPACE, "--timeout=90s")


def _objects(guest: Guest) -> dict[tuple[str, str, str], str]:
    """Return the version of every object that bad input could have touched."""

    async def read() -> dict[tuple[str, str, str], str]:
        async with Client(guest.cluster.config()) as client:
            return {
                (
                    kind.name,
                    obj.metadata.namespace,
                    obj.metadata.name,
                ): obj.metadata.resource_version
                for kind in _KINDS
                for obj in (await client.resource(kind).list()).items
            }

    return asyncio.run(read())


def _processes(guest: Guest) -> dict[str, int]:
    """Return server and agent, and the server's component processes, by their ids."""
    found = {}
    for name in ("server", "agent"):
        process = guest.cluster.running(name)
        assert process is not None, f"{name} does not run any more"
        found[name] = process.pid
    children = Path(f"/proc/{found['server']}/task/{found['server']}/children")
    found |= {f"child {pid}": int(pid) for pid in children.read_text().split()}
    return found


def _takes_connections(cluster: LocalCluster, port: int) -> bool:
    connect = f"import socket; socket.create_connection(({network.NODE_ADDRESS!r}, {port}), 5)"
    return _inside(cluster, sys.executable, "-c", connect).returncode == 0


@pytest.fixture(scope="module")
def every_port_open(cluster: LocalCluster) -> None:
    """The join port is open only while somebody could join: for the hour of a token."""
    Guest(cluster).podraft("token", "create")
    eventually(lambda: _takes_connections(cluster, JOIN_PORT))


@pytest.fixture
def unharmed(every_port_open: None, guest: Guest) -> Iterator[Guest]:
    """After the test, all objects and processes are those of before."""
    objects, processes = _objects(guest), _processes(guest)
    yield guest
    assert _objects(guest) == objects
    assert _processes(guest) == processes


def refused(guest: Guest, *arguments: str, stdin: str | None = None) -> str:
    """Run a command that must fail; return its message."""
    began = time.monotonic()
    result = guest.podraft(*arguments, check=False, stdin=stdin)
    assert result.returncode in (1, 2), result
    assert result.stderr.startswith("Error: "), result.stderr[:2000]
    assert "Traceback" not in result.stderr
    assert "bug in podraft" not in result.stderr
    assert result.stdout == ""
    assert max(map(len, result.stderr.splitlines())) < 1000, result.stderr[:2000]
    assert time.monotonic() - began < 45
    return result.stderr


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_manifest_is_refused_where_it_is_wrong(unharmed: Guest, case: str) -> None:
    text, expected = REFUSED[case]
    message = refused(unharmed, "apply", "-n", SPACE, "-f", "-", stdin=text)
    assert all(part in message for part in expected), message


def test_files_that_are_no_manifests_are_refused_by_name(unharmed: Guest, tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(100 << 20)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"kind: Pod\n\xff\xfe\x00")
    empty = tmp_path / "empty.yaml"
    empty.touch()
    for path, expected in (
        (large, "larger than 16 MiB"),
        (binary, "binary.yaml:2: not UTF-8 text"),
        (empty, "no objects"),
        (tmp_path / "absent.yaml", "No such file"),
    ):
        message = refused(unharmed, "apply", "-f", str(path))
        assert str(path) in message
        assert expected in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("get", "poods"), 'did you mean "pods"?'),
        (("get", "pods", "-l", "a in b"), "a in b"),
        (("get", "pods", "--field-selector", "spec.colour=red"), "spec.colour"),
        (("get", "pod/absent"), '"absent" not found'),
        (("scale", "deployment/absent", "--replicas=2"), "absent"),
        (("logs", "absent"), "absent"),
        (("exec", "absent", "--", "true"), "absent"),
        (("delete", "pods"), "--all"),
        (("rollout", "undo", "pod/absent"), "Deployment"),
        (("label", "ns", SPACE, "a b=c"), "a b"),
    ],
)
def test_bad_commands_are_refused(
    unharmed: Guest, arguments: tuple[str, ...], expected: str
) -> None:
    assert expected in refused(unharmed, *arguments, "-n", SPACE)


def test_a_taken_node_port_is_refused_where_it_stands(guest: Guest) -> None:
    guest.podraft("apply", "-n", SPACE, "-f", "-", stdin=SERVICE)
    before = _objects(guest)
    second = SERVICE.replace("name: taken", "name: second")
    message = refused(guest, "apply", "-n", SPACE, "-f", "-", stdin=second)
    assert "31999" in message
    assert "spec.ports[0].nodePort" in message
    assert _objects(guest) == before


def test_an_absent_image_is_told_by_the_pod_and_its_deletion_works(guest: Guest) -> None:
    pod = POD.replace("NAME", "absent-image").replace("guestbook-web:1", "absent:9")
    guest.podraft("apply", "-n", SPACE, "-f", "-", stdin=pod)

    def told() -> bool:
        said = guest.podraft("why", "pod/absent-image", "-n", SPACE).stdout
        return "localhost/absent:9" in said and "ImagePull" in said

    eventually(told, within_s=60)
    guest.podraft("delete", "pod/absent-image", "-n", SPACE, "--timeout=60s")


# ---- Configurations -------------------------------------------------------------------------


def _with_config(guest: Guest, path: Path) -> str:
    return refused(guest, "get", "pods", "--config", str(path), "--request-timeout=5s")


@pytest.mark.parametrize(
    "text", ["", "[", "7", "clusters: 7", "kind: Config", '{"clusters": [{"name": 1}]}', "\x00"]
)
def test_a_wrong_configuration_is_refused_by_its_name(
    unharmed: Guest, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "wrong.conf"
    path.write_text(text)
    assert str(path) in _with_config(unharmed, path)


def test_an_unreachable_server_is_named(unharmed: Guest, tmp_path: Path) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        path = tmp_path / "config"
        path.write_text(client_config.dump(replace(unharmed.cluster.config(), servers=(address,))))
        assert address in _with_config(unharmed, path)


def test_the_certificates_of_another_cluster_get_no_answer(unharmed: Guest, tmp_path: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/O=system:masters/CN=admin"),
            *("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")),
        ],
        check=True,
        capture_output=True,
    )
    key, certificate = (tmp_path / "key").read_bytes(), (tmp_path / "certificate").read_bytes()
    own = unharmed.cluster.config()
    path = tmp_path / "config"
    wrong_client = replace(own, client_key=key, client_certificate=certificate)
    wrong_authority = replace(own, certificate_authority=certificate)
    for wrong in (wrong_client, wrong_authority):
        path.write_text(client_config.dump(wrong))
        assert "cannot reach the API server" in _with_config(unharmed, path)


# ---- Processes ------------------------------------------------------------------------------


def _inside(cluster: LocalCluster, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "netns", "exec", cluster.name, *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("taken", [API_PORT, JOIN_PORT])
def test_a_second_server_on_taken_ports_ends_and_says_why(
    unharmed: Guest, tmp_path: Path, taken: int
) -> None:
    other = JOIN_PORT if taken == API_PORT else API_PORT
    ports = {API_PORT: API_PORT + 1000, JOIN_PORT: JOIN_PORT + 1000}
    ports[taken] = taken
    assert ports[other] != other
    result = _inside(
        unharmed.cluster,
        str(_BIN / "podraft-server"),
        f"--data-dir={tmp_path / 'data'}",
        f"--listen=0.0.0.0:{ports[API_PORT]}",
        f"--join-listen=0.0.0.0:{ports[JOIN_PORT]}",
        "--metrics-listen=",
    )
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert str(taken) in said, said
    assert "Traceback" not in said, said


# ---- Bytes ----------------------------------------------------------------------------------


def _tls(cluster: LocalCluster, directory: Path) -> ssl.SSLContext:
    own = cluster.config()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=own.certificate_authority.decode())
    (directory / "pair").write_bytes(own.client_certificate + own.client_key)
    context.load_cert_chain(directory / "pair")
    context.set_alpn_protocols(["h2"])
    return context


def test_random_bytes_on_the_ports_harm_nobody(unharmed: Guest, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    port = unharmed.cluster.api_ports[0]
    context = _tls(unharmed.cluster, tmp_path)
    for number in range(60):
        garbage = chosen.randbytes(chosen.randrange(1, 20_000))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            connection: socket.socket = plain
            if number % 2:
                connection = context.wrap_socket(plain, server_hostname="podraft-server")
                if number % 4 == 3:
                    garbage = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + garbage
            try:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                continue  # Being thrown out is an answer.
    script = (
        "import random, socket\n"
        f"chosen = random.Random({seed})\n"
        f"for port in ({JOIN_PORT}, {AGENT_PORT}):\n"
        "    for _ in range(20):\n"
        f"        s = socket.create_connection(({network.NODE_ADDRESS!r}, port), timeout=10)\n"
        "        s.sendall(chosen.randbytes(5000)); s.close()\n"
    )
    result = _inside(unharmed.cluster, sys.executable, "-c", script)
    assert result.returncode == 0, result.stderr


def _calls(cluster: LocalCluster) -> Iterator[Callable[[bytes], object]]:
    own = cluster.config()
    credentials = grpc.ssl_channel_credentials(
        own.certificate_authority, own.client_key, own.client_certificate
    )
    options = [("grpc.ssl_target_name_override", own.server_name)]
    with grpc.secure_channel(own.servers[0], credentials, options) as channel:
        for method in (
            "podraft.api.cluster.v1.CommitService/Commit",
            "podraft.api.core.v1.PodService/CreatePod",
            "podraft.api.core.v1.PodService/UpdatePod",
            "podraft.api.core.v1.PodService/BindPod",
            "podraft.api.core.v1.PodService/ListPods",
            "podraft.api.core.v1.ConfigMapService/PatchConfigMap",
            "podraft.api.nothing.v1.NoService/Nothing",
        ):
            call = channel.unary_unary(f"/{method}")
            yield functools.partial(call, timeout=10)


def test_random_messages_are_refused_by_their_status(unharmed: Guest) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    wrong = {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
    for call in _calls(unharmed.cluster):
        for length in (1, 3, 10, 100, 10_000):
            data = b"\xff" + chosen.randbytes(length)
            try:
                call(data)
            except grpc.RpcError as error:
                assert error.code() not in wrong, (base64.b64encode(data[:200]), error)
            else:
                raise AssertionError(f"random bytes were accepted: {data[:200]!r}")


def test_it_still_works(guest: Guest) -> None:
    guest.podraft("apply", "-n", SPACE, "--wait", "--timeout=60s", "-f", "-", stdin=DEPLOYMENT)
    [deployment] = guest.objects("deployment/web", "-n", SPACE)
    assert json.dumps(deployment["status"]["availableReplicas"]) == "1"
