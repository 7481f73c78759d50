"""Create requests and Podman's configuration, as pure functions."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podraft.agent.podman.core import machine, spec
from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.machine import MachineFacts, UnusableMachineError
from podraft.agent.podman.machine import PodmanDirectories
from podraft.agent.podman.service import forget_before_boot
from podraft.api.core.v1 import pod_pb2
from unit.agent.pod_world import make_pod

FACTS = MachineFacts(
    cgroup_v2=True,
    systemd=True,
    crun=True,
    runc=True,
    may_raise_limits=True,
    nofile_limit=1024,
    nproc_limit=2048,
)
PLACES = (Path("/state/podman"), Path("/run/podman"), ())


def attempt(pod: pod_pb2.Pod | None = None, **changes: Any) -> spec.Attempt:
    pod = pod or make_pod("main")
    made = spec.Attempt(
        pod=pod,
        container=pod.spec.containers[0],
        number=2,
        backoff_s=20.0,
        node_name="n1",
        image_id="sha256:1",
        image_user="",
        namespaces=spec.Namespaces("/ns/net", "/ns/ipc", "/ns/uts"),
        cgroup_parent="/podraft/pod-uid-1",
        environment={"NAME": "x"},
        mounts=[spec.Mount("/a", "/b", read_only=True)],
        log_path="/logs/2.log",
        hostname="web",
    )
    return replace(made, **changes)


def test_a_container_can_be_recovered_from_its_labels() -> None:
    request = spec.create_request(attempt())
    assert request["labels"] == {
        "io.podraft.node": "n1",
        "io.podraft.pod.uid": "uid-1",
        "io.podraft.pod.namespace": "default",
        "io.podraft.pod.name": "web",
        "io.podraft.pod.grace-s": "5",
        "io.podraft.pod.host-network": "false",
        "io.podraft.container.name": "main",
        "io.podraft.container.attempt": "2",
        "io.podraft.container.image": "localhost/app:1",
        "io.podraft.container.backoff-s": "20",
    }
    assert request["name"] == "main_web_default_uid-1_2"


def test_a_container_joins_the_pinned_namespaces() -> None:
    request = spec.create_request(attempt())
    assert request["netns"] == {"nsmode": "path", "value": "/ns/net"}
    assert request["utsns"] == {"nsmode": "path", "value": "/ns/uts"}


def test_command_and_args_replace_entrypoint_and_arguments() -> None:
    pod = make_pod("main")
    container = pod.spec.containers[0]
    assert {"entrypoint", "command"}.isdisjoint(spec.create_request(attempt(pod)))
    container.args.append("$(NAME)")
    assert spec.create_request(attempt(pod))["command"] == ["x"]
    container.command.append("/bin/$(NAME)")
    assert spec.create_request(attempt(pod))["entrypoint"] == ["/bin/x"]


def test_limits_become_quota_shares_and_memory() -> None:
    pod = make_pod("main")
    resources = pod.spec.containers[0].resources
    resources.limits["cpu"].string, resources.requests["cpu"].string = "500m", "250m"
    resources.limits["memory"].string = "64Mi"
    limits = spec.create_request(attempt(pod))["resource_limits"]
    assert limits == {
        "cpu": {"shares": 256, "quota": 50_000, "period": 100_000},
        "memory": {"limit": 64 << 20},
    }


@pytest.mark.parametrize(
    ("pod_user", "user", "group", "expected"),
    [
        (None, None, None, None),
        (1000, None, None, "1000"),
        (1000, 2000, None, "2000"),
        (None, 2000, 3000, "2000:3000"),
        (None, None, 3000, "0:3000"),
    ],
)
def test_the_containers_user_comes_before_the_pods(
    pod_user: int | None, user: int | None, group: int | None, expected: str | None
) -> None:
    pod = make_pod("main")
    if pod_user is not None:
        pod.spec.security_context.run_as_user = pod_user
    context = pod.spec.containers[0].security_context
    if user is not None:
        context.run_as_user = user
    if group is not None:
        context.run_as_group = group
    assert spec.create_request(attempt(pod)).get("user") == expected


def test_an_image_that_would_run_as_root_is_refused_where_that_is_forbidden() -> None:
    pod = make_pod("main")
    pod.spec.security_context.run_as_non_root = True
    with pytest.raises(ConfigurationError, match="runAsNonRoot"):
        spec.create_request(attempt(pod))
    with pytest.raises(ConfigurationError, match='non-numeric user "app"'):
        spec.create_request(attempt(pod, image_user="app"))
    spec.create_request(attempt(pod, image_user="1000"))


@pytest.mark.parametrize(
    "user",
    ["", "root", "0", "00", "000000000", "0:0", "00:1000", ":1000", "+0", "-0", "0x0", " 0", "0 ",
     "\N{ARABIC-INDIC DIGIT ZERO}", "toor", "4294967296", "99999999999", "1e0", "root\0", "0\n"],
)  # fmt: skip
def test_no_spelling_of_root_passes_for_another_user(user: str) -> None:
    pod = make_pod("main")
    pod.spec.containers[0].security_context.run_as_non_root = True
    with pytest.raises(ConfigurationError, match="runAsNonRoot"):
        spec.create_request(attempt(pod, image_user=user))


@pytest.mark.parametrize("user", ["1", "007", "1000:0", "65534"])
def test_a_number_that_is_not_root_passes(user: str) -> None:
    pod = make_pod("main")
    pod.spec.security_context.run_as_non_root = True
    spec.create_request(attempt(pod, image_user=user))


def test_a_user_of_the_spec_is_judged_in_place_of_the_images() -> None:
    pod = make_pod("main")
    pod.spec.security_context.run_as_non_root = True
    pod.spec.security_context.run_as_user = 1000
    assert spec.create_request(attempt(pod, image_user="root"))["user"] == "1000"
    pod.spec.containers[0].security_context.run_as_user = 0
    with pytest.raises(ConfigurationError, match="runAsNonRoot"):
        spec.create_request(attempt(pod, image_user="1000"))


@pytest.mark.parametrize(
    ("add", "drop", "added", "dropped"),
    [
        ((), (), None, {"CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"}),
        (("net_raw",), (), ["CAP_NET_RAW"], {"CAP_AUDIT_WRITE", "CAP_MKNOD"}),
        ((), ("ALL",), None, {"ALL"}),
        (("NET_BIND_SERVICE",), ("ALL",), ["CAP_NET_BIND_SERVICE"], {"ALL"}),
        (("ALL",), ("MKNOD",), ["ALL"], {"CAP_MKNOD"}),
    ],
)
def test_what_images_do_not_need_is_given_to_those_who_ask(
    add: tuple[str, ...], drop: tuple[str, ...], added: list[str] | None, dropped: set[str]
) -> None:
    pod = make_pod("main")
    capabilities = pod.spec.containers[0].security_context.capabilities
    capabilities.add.extend(add)
    capabilities.drop.extend(drop)
    request = spec.create_request(attempt(pod))
    assert request.get("cap_add") == added
    assert set(request["cap_drop"]) == dropped


def test_a_pods_containers_share_a_label_that_other_pods_hardly_have() -> None:
    labels = []
    for uid in ("uid-1", "uid-1", "uid-2"):
        pod = make_pod("main")
        pod.metadata.uid = uid
        labels.append(spec.create_request(attempt(pod))["selinux_opts"])
    assert labels[0] == labels[1] != labels[2]
    low, high = (int(c[1:]) for c in labels[0][0].removeprefix("level:s0:").split(","))
    assert 0 <= low < high < 1024
    pod.spec.containers[0].security_context.privileged = True
    request = spec.create_request(attempt(pod))
    assert request["selinux_opts"] == ["disable"]
    assert "cap_drop" not in request


def test_only_what_the_agent_made_is_given_a_label() -> None:
    mounts = [spec.Mount("/a", "/b"), spec.Mount("/etc", "/host", own=False)]
    made = spec.create_request(attempt(mounts=mounts))["mounts"]
    assert ["z" in mount["options"] for mount in made] == [True, False]


@pytest.mark.parametrize(
    ("changes", "runtime", "manager"),
    [
        ({}, "crun", "systemd"),
        ({"systemd": False}, "crun", "cgroupfs"),
        ({"cgroup_v2": False}, "runc", "cgroupfs"),
        ({"crun": False}, "runc", "systemd"),
    ],
)
def test_the_machine_decides_runtime_and_cgroup_manager(
    changes: dict[str, Any], runtime: str, manager: str
) -> None:
    text = machine.configuration(replace(FACTS, **changes), *PLACES).containers
    engine = tomllib.loads(text)["engine"]
    assert (engine["runtime"], engine["cgroup_manager"]) == (runtime, manager)


def test_crun_alone_does_not_do_for_cgroup_v1() -> None:
    with pytest.raises(UnusableMachineError, match="install runc"):
        machine.configuration(replace(FACTS, cgroup_v2=False, runc=False), *PLACES)


def test_limits_are_not_raised_without_the_capability() -> None:
    facts = replace(FACTS, may_raise_limits=False)
    containers = tomllib.loads(machine.configuration(facts, *PLACES).containers)["containers"]
    assert containers["default_ulimits"] == ["nofile=1024:1024", "nproc=2048:2048"]


def test_all_configuration_files_are_toml() -> None:
    made = machine.configuration(FACTS, *PLACES)
    for text in (made.containers, made.storage, made.registries):
        assert tomllib.loads(text)


def test_a_boot_empties_the_run_directory_and_a_restart_does_not(tmp_path: Path) -> None:
    directories = PodmanDirectories(tmp_path / "podman", tmp_path / "podman/run")
    alive = directories.run / "tmp/alive"
    for boot_id, survives in (("one", True), ("one", True), ("two", False), ("two", True)):
        alive.parent.mkdir(parents=True, exist_ok=True)
        alive.touch()
        forget_before_boot(directories, boot_id)
        assert alive.exists() == survives


def test_a_guaranteed_pod_is_spared_only_as_far_as_the_machine_allows() -> None:
    pod = make_pod("main")
    for name, amount in (("cpu", "1"), ("memory", "64Mi")):
        pod.spec.containers[0].resources.limits[name].string = amount
    assert spec.create_request(attempt(pod))["oom_score_adj"] == -997
    assert spec.create_request(attempt(pod, oom_score_least=0))["oom_score_adj"] == 0
