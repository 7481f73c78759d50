"""`create KIND` without a cluster: the manifests are those that kubectl 1.32 makes of the words."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from podraft.cli.app import cli
from podraft.cli.commands.objects.create import MEMBERS
from podraft.cli.plans.made import access, policy, workloads


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(cli, ["create", *arguments], **options)


def made(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--dry-run=client", "-o", "yaml")
    assert result.exit_code == 0, result.output
    document = yaml.safe_load(result.output)
    assert isinstance(document, dict)
    return document


APP = {"app": "s"}


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        (
            ("clusterip", "s", "--tcp=80:8080", "--tcp=81"),
            {
                "ports": [
                    {"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080},
                    {"name": "81", "port": 81, "protocol": "TCP", "targetPort": 81},
                ],
                "selector": APP,
                "type": "ClusterIP",
            },
        ),
        (
            ("nodeport", "s", "--tcp=80", "--node-port=30001"),
            {
                "ports": [
                    {
                        "name": "80",
                        "nodePort": 30001,
                        "port": 80,
                        "protocol": "TCP",
                        "targetPort": 80,
                    }
                ],
                "selector": APP,
                "type": "NodePort",
            },
        ),
        (
            ("clusterip", "s", "--clusterip=None"),
            {"clusterIP": "None", "selector": APP, "type": "ClusterIP"},
        ),
    ],
)
def test_a_service_is_made_of_its_ports(words: tuple[str, ...], spec: dict[str, Any]) -> None:
    assert made("service", *words) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "labels": APP},
        "spec": spec,
    }


def test_a_deployment_is_made_of_images() -> None:
    document = made("deploy", "web", "--image=reg.io:5/ng_x:1", "--image=a/b@sha256:0", "--port=80")
    spec = document["spec"]
    assert (
        spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"] == {"app": "web"}
    )
    assert spec["template"]["spec"]["containers"] == [
        {"image": "reg.io:5/ng_x:1", "name": "ng-x", "ports": [{"containerPort": 80}]},
        {"image": "a/b@sha256:0", "name": "b", "ports": [{"containerPort": 80}]},
    ]
    assert "namespace" not in document["metadata"]


def test_configuration_comes_from_files_literals_and_environment_files(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a\nb\n")
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    env = tmp_path / "e.env"
    env.write_text("\n  A=1\n# c\n\nB=x y\nFROM_HERE\nNOT_HERE\n")

    files = (f"--from-file={tmp_path}", f"--from-file=x={env}")
    document = made("cm", "c", "--from-literal=k='v'", *files)
    text = env.read_text()
    assert document["data"] == {"k": "'v'", "text": "a\nb\n", "x": text, "e.env": text}
    assert document["binaryData"] == {"bytes": "/wA="}

    words = ("cm", "c", f"--from-env-file={env}", "--dry-run=client", "-o", "yaml")
    result = run(*words, env={"FROM_HERE": "h"})
    assert yaml.safe_load(result.output)["data"] == {"A": "1", "B": "x y", "FROM_HERE": "h"}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("configmap", "c"), "c-94b26g54cg"),
        (("configmap", "c", "--from-literal=a=b"), "c-m4h6ctkgb2"),
        (("secret", "generic", "c"), "c-g89b49tb77"),
        (("secret", "generic", "c", "--from-literal=a=b"), "c-mdmchtdbm6"),
    ],
)
def test_the_hash_in_a_name_is_kubectls(words: tuple[str, ...], name: str) -> None:
    assert made(*words, "--append-hash")["metadata"]["name"] == name


def test_a_login_for_a_registry_is_kubectls() -> None:
    words = ("--docker-username=u", "--docker-password=p", "--docker-server=s", "--docker-email=e")
    document = made("secret", "docker-registry", "d", *words)
    assert document["type"] == "kubernetes.io/dockerconfigjson"
    assert document["data"][".dockerconfigjson"] == (
        "eyJhdXRocyI6eyJzIjp7InVzZXJuYW1lIjoidSIsInBhc3N3b3JkIjoicCIsImVtYWlsIjoiZSIsImF1dGgiOiJk"
        "VHB3In19fQ=="
    )


def test_a_certificate_needs_its_own_key(tmp_path: Path) -> None:
    for name in ("a", "b"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=x", "-keyout", f"{tmp_path}/{name}.key",
             "-out", f"{tmp_path}/{name}.crt"],
            check=True, capture_output=True,
        )  # fmt: skip
    certificate = f"--cert={tmp_path}/a.crt"
    document = made("secret", "tls", "t", certificate, f"--key={tmp_path}/a.key")
    assert document["type"] == "kubernetes.io/tls"
    assert set(document["data"]) == {"tls.crt", "tls.key"}
    result = run("secret", "tls", "t", certificate, f"--key={tmp_path}/b.key", "--dry-run=client")
    assert result.exit_code == 1
    assert "are no certificate with its key" in result.output


def test_what_is_made_of_access_and_policy_is_kubectls() -> None:
    from podraft.api.kinds import BUILT_IN

    resources = ["pods", "deployments.apps/status", "svc"]
    assert access.rules_of(["get"], resources, ["x"], [], BUILT_IN) == [
        {
            "verbs": ["get"],
            "apiGroups": [group],
            "resources": named,
            "resourceNames": ["x"],
        }
        for group, named in (("", ["pods", "services"]), ("apps", ["deployments/status"]))
    ]
    assert access.rules_of(["get"], [], [], ["/healthz"], BUILT_IN) == [
        {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}
    ]
    group = "rbac.authorization.k8s.io"
    assert access.subjects_of(["u"], ["g"], ["a:b"]) == [
        {"apiGroup": group, "kind": "User", "name": "u"},
        {"apiGroup": group, "kind": "Group", "name": "g"},
        {"kind": "ServiceAccount", "name": "b", "namespace": "a"},
    ]
    assert policy.disruption_budget("b", {"matchLabels": {"a": "b"}}, "50%", "")["spec"] == {
        "minAvailable": "50%",
        "selector": {"matchLabels": {"a": "b"}},
    }
    assert policy.quota("q", {"cpu": "1"}, ["BestEffort"])["spec"] == {
        "hard": {"cpu": "1"},
        "scopes": ["BestEffort"],
    }
    assert workloads.cron_job("c", "i", "* * * * *", "Never", [])["spec"] == {
        "schedule": "* * * * *",
        "jobTemplate": {
            "metadata": {"name": "c"},
            "spec": {
                "template": {
                    "spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
                }
            },
        },
    }


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "say what to create"),
        (("nothing", "x"), 2, "No such command 'nothing'"),
        (("--dry-run=client", "ns", "x"), 2, "--dry-run stands after the kind"),
        (("ns", "Big", "--dry-run=client", "-o", "xml"), 2, "'xml' is not one of"),
        (("cm", "c", "--from-literal=a"), 2, "expected KEY=VALUE"),
        (("cm", "c", "--from-literal=a=1", "--from-literal=a=2"), 1, 'the key "a" is given twice'),
        (("cm", "c", "--from-literal=a/b=1"), 1, '"a/b" is no key'),
        (("cm", "c", "--from-file=/nowhere"), 1, "/nowhere: No such file"),
        (("cm", "c", "--from-file=/dev/zero"), 1, "larger than"),
        (("cm", "c", "--from-env-file=/x", "--from-literal=a=b"), 2, "goes with neither"),
        (("secret", "docker-registry", "d"), 2, "say --docker-username"),
        (("service", "clusterip", "s"), 2, "expected at least one PORT"),
        (("service", "clusterip", "s", "--tcp=99999"), 2, "expected a port from 1 to 65535"),
        (("deployment", "d", "--image=a", "--image=b", "--", "x"), 2, "one image only"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: tuple[str, ...], code: int, says: str) -> None:
    result = run(*words)
    assert (result.exit_code, "Traceback" in result.output) == (code, False), result.output
    assert says in result.output


def test_every_member_can_be_imported() -> None:
    from importlib import import_module

    for name, member in MEMBERS.items():
        module = import_module(f"podraft.cli.commands.objects.create.{member.module}")
        assert getattr(module, name).name == name
