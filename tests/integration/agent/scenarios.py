"""What the agent does with real pods; each scenario has a process and a namespace of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from integration.agent.agent_channel import agent_channel
from integration.agent.agent_world import (
    IMAGE,
    TRAP,
    WAIT,
    World,
    first,
    kill,
    make_pod,
)
from podraft.agent.streams import rotation
from podraft.api.core.v1 import config_pb2, pod_pb2, pod_streams_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.pods import is_ready
from podraft.internal.node.v1 import node_agent_pb2_grpc
from support.waiting import eventually_async


async def lifecycle(it: World) -> None:
    pod = make_pod(
        "web", TRAP + "echo from $(hostname); id; cat /proc/1/cgroup; " + WAIT, grace_s=5
    )
    pod.spec.init_containers.add(name="first", image=IMAGE, command=["/bin/sh", "-c", "exit 0"])
    resources = pod.spec.containers[0].resources
    resources.limits["memory"].string = "32Mi"
    resources.limits["cpu"].string = "200m"
    pod.spec.containers[0].security_context.run_as_user = 1000
    await it.create(pod)
    pod = await it.running("web")
    assert pod.status.pod_ip.startswith("10.244.7.")
    assert pod.status.init_container_statuses[0].state.terminated.reason == "Completed"
    assert is_ready(pod)
    log = await it.logged("web", "uid=1000")
    assert "from web" in log
    assert f"/podraft/pod-{pod.metadata.uid}/" in await it.logged("web", "pod-")
    # TERM is answered: the pod is gone long before its grace is over.
    before_s = time.monotonic()
    await it.delete("web")
    assert time.monotonic() - before_s < 4


async def crashes(it: World) -> None:
    await it.create(make_pod("crash", "exit 7"))
    pod = await it.until("crash", lambda p: first(p).restart_count == 1)
    pod = await it.until(
        "crash",
        lambda p: first(p).state.waiting.reason == "CrashLoopBackOff",
    )
    assert first(pod).last_state.terminated.exit_code == 7
    told = await it.told("crash", "Pulled", "Created", "Started", "BackOff")
    assert told["Created"] == "Created container main"
    assert "Back-off restarting failed container main in pod crash_default" in told["BackOff"]
    job = make_pod("job", "echo done")
    job.spec.restart_policy = "Never"
    await it.create(job)
    await it.until("job", lambda p: p.status.phase == "Succeeded")
    missing = make_pod("missing")
    missing.spec.containers[0].image = "localhost/nowhere:1"
    missing.spec.containers[0].image_pull_policy = "Never"
    await it.create(missing)
    await it.until(
        "missing",
        lambda p: first(p).state.waiting.reason == "ErrImageNeverPull",
    )
    told = await it.told("missing", "ErrImageNeverPull")
    assert "localhost/nowhere:1" in told["ErrImageNeverPull"]
    bad = make_pod("bad")
    bad.spec.containers[0].command[:] = ["/no/such/program"]
    bad.spec.restart_policy = "Never"
    await it.create(bad)
    pod = await it.until("bad", lambda p: p.status.phase == "Failed")
    ended = first(pod).state.terminated
    assert ended.reason == "StartError"
    assert "/no/such/program" in ended.message
    assert "/no/such/program" in (await it.told("bad", "Failed"))["Failed"]
    hungry = make_pod("hungry", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done")
    hungry.spec.restart_policy = "Never"
    hungry.spec.containers[0].resources.limits["memory"].string = "16Mi"
    await it.create(hungry)
    pod = await it.until("hungry", lambda p: p.status.phase == "Failed")
    assert first(pod).state.terminated.reason == "OOMKilled"


async def restarts(it: World) -> None:
    """Neither the agent's restart nor the death of Podman's service touches a container."""
    for name in ("a", "b"):
        pod = make_pod(name)
        pod.spec.containers[0].readiness_probe.handler.exec.command.extend(["/bin/true"])
        await it.create(pod)
    before = {name: await it.ready(name) for name in ("a", "b")}
    await it.stop_agent()
    await it.client.pods.delete("b", "default", grace_period_seconds=0)
    await it.create(make_pod("c"))
    await it.start_agent()
    await it.running("c")
    after = await it.pod("a")
    assert _ids(after) == _ids(before["a"])
    assert is_ready(after)
    assert after.status.pod_ip == before["a"].status.pod_ip
    await it.delete("b")
    killed = it.podman_service_pid()
    kill(killed)
    await it.create(make_pod("d"))
    await it.until("d", lambda p: p.status.phase == "Running", within_s=30)
    assert it.podman_service_pid() != killed
    await it.stop_agent()
    await it.start_agent()
    # Podman is back before the agent has learned from the API which pods it is to run.
    kill(it.podman_service_pid())
    await it.create(make_pod("e"))
    await it.until("e", lambda p: p.status.phase == "Running", within_s=30)
    assert _ids(await it.pod("a")) == _ids(before["a"])
    assert first(await it.pod("a")).restart_count == 0


async def probes(it: World) -> None:
    pod = make_pod("web", "echo ok > /www/healthz; httpd -p 8080 -h /www; " + WAIT)
    container = pod.spec.containers[0]
    container.ports.add(name="http", container_port=8080)
    container.readiness_probe.handler.http_get.path = "/healthz"
    container.readiness_probe.handler.http_get.port.str_val = "http"
    container.readiness_probe.handler.http_get.port.type = 1
    container.readiness_probe.period_seconds = 1
    container.readiness_probe.failure_threshold = 1
    container.startup_probe.handler.tcp_socket.port.int_val = 8080
    container.startup_probe.period_seconds = 1
    container.liveness_probe.handler.exec.command.extend(["/bin/test", "!", "-e", "/tmp/sick"])
    container.liveness_probe.period_seconds = 1
    container.liveness_probe.failure_threshold = 2
    await it.create(pod)
    await it.ready("web")
    assert await execute(it, "web", "rm /www/healthz") == 0
    await it.until("web", lambda p: not is_ready(p))
    assert first(await it.pod("web")).restart_count == 0
    assert await execute(it, "web", "touch /tmp/sick") == 0
    await it.until("web", lambda p: first(p).restart_count == 1)
    await it.ready("web")
    told = await it.told("web", "Unhealthy", "Killing")
    assert told["Killing"] == "Container main failed liveness probe, will be restarted"


async def volumes(it: World) -> None:
    pod = make_pod(
        "vol",
        "cat /config/a.txt; echo secret=$PASSWORD sub=$(cat /one.txt) name=$NAME; "
        "echo hi > /scratch/file; cat /etc/hosts; ls -ln /secret/..data/; mount; " + WAIT,
    )
    config_volume = pod.spec.volumes.add(name="config").volume_source.config_map
    config_volume.local_object_reference.name = "settings"
    secret_volume = pod.spec.volumes.add(name="secret").volume_source.secret
    secret_volume.secret_name, secret_volume.default_mode = "keys", 0o400
    pod.spec.volumes.add(name="scratch").volume_source.empty_dir.medium = "Memory"
    container = pod.spec.containers[0]
    container.volume_mounts.add(name="config", mount_path="/config")
    container.volume_mounts.add(name="config", mount_path="/one.txt", sub_path="a.txt")
    container.volume_mounts.add(name="secret", mount_path="/secret", read_only=True)
    container.volume_mounts.add(name="scratch", mount_path="/scratch")
    reference = container.env.add(name="PASSWORD").value_from.secret_key_ref
    reference.local_object_reference.name, reference.key = "keys", "password"
    container.env.add(name="NAME").value_from.field_ref.field_path = "metadata.name"
    await it.create(pod)

    def waits_for_settings(pod: pod_pb2.Pod) -> bool:
        return "settings" in first(pod).state.waiting.message

    await it.until("vol", waits_for_settings)
    metadata = meta_pb2.ObjectMeta(name="settings", namespace="default")
    settings = config_pb2.ConfigMap(metadata=metadata, data={"a.txt": "one"})
    await it.client.config_maps.create(settings)
    await it.client.secrets.create(
        config_pb2.Secret(
            metadata=meta_pb2.ObjectMeta(name="keys", namespace="default"),
            data={"password": b"hunter2"},
        )
    )
    await it.running("vol")
    log = await it.logged("vol", "secret=hunter2 sub=one name=vol")
    assert "tmpfs on /scratch" in await it.logged("vol", "tmpfs on /scratch")
    assert "tmpfs on /secret" in await it.log("vol")
    assert "-r--------" in log
    assert "10.244.7." in log
    # A changed ConfigMap reaches the running container whole.
    await it.client.config_maps.patch("settings", {"data": {"a.txt": "two", "b": "new"}}, "default")

    async def seen() -> bool:
        return await execute(it, "vol", "grep -q two /config/a.txt && grep -q new /config/b") == 0

    await eventually_async(seen)


async def streams(it: World) -> None:
    script = "for i in $(seq 1 5); do echo line $i; done; echo oops >&2; " + WAIT
    await it.create(make_pod("talk", script))
    await it.running("talk")
    await it.logged("talk", "oops")
    async with _agent(it) as stub:
        assert await logs(stub, tail_lines=2) == "line 5\noops\n"
        assert (await logs(stub)).startswith("line 1\nline 2\n")
        assert len(await logs(stub, limit_bytes=3)) == 3
        assert (await logs(stub, timestamps=True, tail_lines=1)).startswith("20")
        following = asyncio.create_task(logs(stub, follow=True))
        await rotates_without_loss(it, stub)
        assert await execute(it, "talk", "echo late > /proc/1/fd/1") == 0
        output, code = await session(
            stub, ["sh", "-c", "stty size; tty; read x; echo got $x; exit 42"], b"hello\n", tty=True
        )
        assert "40 132" in output, output
        assert "got hello" in output, output
        assert code == 42
        assert await session(stub, ["cat"], b"piped", tty=False) == ("piped", 0)
        await it.delete("talk")
        assert (await asyncio.wait_for(following, 10)).endswith("late\n")


async def rotates_without_loss(it: World, stub: Any) -> None:
    """A rotated log goes on in a new file; readers see one."""
    uid = (await it.pod("talk")).metadata.uid
    path = it.state / "pods" / uid / "logs/main/0.log"
    found = await it.inspected(first(await it.pod("talk")))
    directory = Path(found["OCIConfigPath"]).parent
    assert rotation.rotate(rotation.OpenLog(path, directory), bytes_max=1)
    assert await execute(it, "talk", "echo after > /proc/1/fd/1") == 0

    async def whole() -> bool:
        text = await logs(stub)
        return text.startswith("line 1\n") and text.endswith("oops\nafter\n")

    await eventually_async(whole)
    assert "line 1" not in path.read_text()


# What the scenarios share.


def _ids(pod: pod_pb2.Pod) -> list[str]:
    return [status.container_id for status in pod.status.container_statuses]


def _agent(it: World) -> AbstractAsyncContextManager[Any]:
    return agent_channel(it, node_agent_pb2_grpc.NodeAgentServiceStub)


async def execute(it: World, name: str, script: str) -> int:
    async with _agent(it) as stub:
        return (await session(stub, ["/bin/sh", "-c", script], b"", tty=False, name=name))[1]


async def logs(stub: Any, **query: Any) -> str:
    request = pod_streams_pb2.StreamPodLogsRequest(namespace="default", name="talk", **query)
    return "".join([part.data.decode() async for part in stub.StreamLogs(request)])


async def session(
    stub: Any, command: list[str], stdin: bytes, *, tty: bool, name: str = "talk"
) -> tuple[str, int]:
    """Run a command; return its output and exit code."""
    start = pod_streams_pb2.ExecStart(
        namespace="default",
        name=name,
        command=command,
        stdin=True,
        tty=tty,
        size=pod_streams_pb2.TerminalSize(columns=132, rows=40),
    )

    async def requests() -> AsyncIterator[pod_streams_pb2.ExecPodRequest]:
        yield pod_streams_pb2.ExecPodRequest(start=start)
        if stdin:
            yield pod_streams_pb2.ExecPodRequest(stdin=stdin)
        if not tty:
            yield pod_streams_pb2.ExecPodRequest(stdin_closed=True)

    output, code = bytearray(), -1
    async for response in stub.Exec(requests()):
        output += response.stdout + response.stderr
        if response.HasField("exit_code"):
            code = response.exit_code
    return output.decode(), code
