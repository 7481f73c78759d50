"""What a pod's spec asks of the kernel, seen from inside its containers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from integration.agent.agent_world import NODE_IP, WAIT, World, first, kill, make_pod
from integration.agent.scenarios import execute
from podraft.api.core.v1 import pod_pb2


async def settings(it: World) -> None:
    """All these pods run at the same time, on one Podman."""
    checks = (
        _user_and_file_system,
        _refuses_root,
        _limits,
        _hooks,
        _failing_post_start,
        _deleted_in_post_start,
        _deleted_while_pulling,
        _lost_conmon,
        _group_and_sub_path,
        _host_network,
        _working_directory,
    )
    async with asyncio.TaskGroup() as group:
        for check in checks:
            group.create_task(check(it))


async def _user_and_file_system(it: World) -> None:
    pod = make_pod("secure", "id; grep Cap /proc/self/status; touch /no || echo read-only; " + WAIT)
    context = pod.spec.containers[0].security_context
    context.run_as_user, context.run_as_group = 1000, 2000
    context.run_as_non_root = True
    context.read_only_root_filesystem = True
    context.allow_privilege_escalation = False
    context.capabilities.drop.append("ALL")
    pod.spec.security_context.supplemental_groups.append(3000)
    await it.create(pod)
    await it.running("secure")
    log = await it.logged("secure", "read-only\n")
    assert "uid=1000" in log
    assert "gid=2000" in log
    assert "3000" in log
    for kind in ("Inh", "Prm", "Eff", "Bnd"):
        assert f"Cap{kind}:\t0000000000000000" in log
    assert await execute(it, "secure", "grep -q 'NoNewPrivs:.1' /proc/1/status") == 0
    some = make_pod("some", "grep CapEff /proc/self/status; " + WAIT)
    some.spec.containers[0].security_context.capabilities.drop.append("ALL")
    some.spec.containers[0].security_context.capabilities.add.append("NET_BIND_SERVICE")
    await it.create(some)
    await it.logged("some", "CapEff:\t0000000000000400")


async def _refuses_root(it: World) -> None:
    pod = make_pod("root")
    pod.spec.security_context.run_as_non_root = True
    await it.create(pod)
    pod = await it.until(
        "root", lambda p: first(p).state.waiting.reason == "CreateContainerConfigError"
    )
    assert "runAsNonRoot" in first(pod).state.waiting.message
    assert "runAsNonRoot" in (await it.told("root", "Failed"))["Failed"]


async def _limits(it: World) -> None:
    pod = make_pod("bounded")
    resources = pod.spec.containers[0].resources
    resources.limits["cpu"].string = "250m"
    resources.limits["memory"].string = "48Mi"
    await it.create(pod)
    pod = await it.running("bounded")
    assert _setting(pod, "memory.max", "memory", "memory.limit_in_bytes") == str(48 << 20)
    quota = _setting(pod, "cpu.max", "cpu", "cpu.cfs_quota_us")
    assert quota in ("25000 100000", "25000")
    pids = _setting(pod, "pids.max", "pids", "pids.max")
    assert pids.isdigit(), "a fork bomb is bounded"
    assert int(pids) <= 1 << 16


async def _hooks(it: World) -> None:
    pod = make_pod("hooked", grace_s=10)
    shared = it.directory / "hooks"
    shared.mkdir()
    pod.spec.volumes.add(name="host").volume_source.host_path.path = str(shared)
    container = pod.spec.containers[0]
    container.volume_mounts.add(name="host", mount_path="/shared")
    lifecycle = container.lifecycle
    lifecycle.post_start.exec.command.extend(["/bin/sh", "-c", "echo post > /shared/post"])
    lifecycle.pre_stop.exec.command.extend(
        ["/bin/sh", "-c", "sleep 0.3; kill -0 1 && echo alive > /shared/pre"]
    )
    await it.create(pod)
    await it.running("hooked")
    # The container is running only when its hook is through.
    assert (shared / "post").read_text() == "post\n"
    assert not (shared / "pre").exists()
    await it.delete("hooked")
    assert (shared / "pre").read_text() == "alive\n", "TERM came before the hook's end"


async def _failing_post_start(it: World) -> None:
    pod = make_pod("unhooked")
    pod.spec.containers[0].lifecycle.post_start.exec.command.extend(["/bin/false"])
    await it.create(pod)
    await it.until("unhooked", lambda p: first(p).restart_count >= 1)
    await it.told("unhooked", "FailedPostStartHook")


async def _deleted_in_post_start(it: World) -> None:
    """A hook that hangs keeps no pod that is to go."""
    pod = make_pod("hanging", "echo up; " + WAIT)
    pod.spec.containers[0].lifecycle.post_start.exec.command.extend(["/bin/sleep", "600"])
    await it.create(pod)
    await it.logged("hanging", "up")
    before_s = time.monotonic()
    await it.delete("hanging")
    assert time.monotonic() - before_s < 5


async def _deleted_while_pulling(it: World) -> None:
    """Nor does a registry that accepts connections and never answers."""
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        while await reader.read(4096):
            pass
        given_up.set()
        writer.close()

    registry = await asyncio.start_server(never, NODE_IP, 5000)
    try:
        pod = make_pod("pulling")
        pod.spec.containers[0].image = f"{NODE_IP}:5000/nothing:1"
        await it.create(pod)
        await it.told("pulling", "Pulling")
        async with asyncio.timeout(10):
            await asked.wait()
        before_s = time.monotonic()
        await it.delete("pulling")
        assert time.monotonic() - before_s < 5
        # The pull has ended too: it would else keep others from theirs.
        async with asyncio.timeout(5):
            await given_up.wait()
    finally:
        registry.close()


async def _lost_conmon(it: World) -> None:
    """A container starts again although the process that watched it for Podman was killed too."""
    await it.create(make_pod("unwatched"))
    pod = await it.running("unwatched")
    pid = (await it.inspected(first(pod)))["State"]["Pid"]
    conmon = _parent(pid)
    assert _command(conmon) == "conmon"
    kill(conmon)
    kill(pid)
    pod = await it.until("unwatched", lambda p: first(p).restart_count == 1)
    assert first(pod).last_state.terminated.exit_code == 137


async def _group_and_sub_path(it: World) -> None:
    pod = make_pod(
        "grouped", "id; echo hi > /data/file; ls -lnd /data /data/file; ls /part; " + WAIT
    )
    pod.spec.security_context.fs_group = 4000
    pod.spec.security_context.run_as_user = 1000
    pod.spec.volumes.add(name="data").volume_source.empty_dir.SetInParent()
    container = pod.spec.containers[0]
    container.volume_mounts.add(name="data", mount_path="/data")
    container.volume_mounts.add(name="data", mount_path="/part", sub_path="deep/inside")
    await it.create(pod)
    await it.running("grouped")
    log = await it.logged("grouped", "/data/file")
    assert "4000" in log.splitlines()[0], "the process has the group"
    owners = [line.split()[-6] for line in log.splitlines() if line.endswith(("/data", "/file"))]
    assert owners == ["4000", "4000"], log
    uid = (await it.pod("grouped")).metadata.uid
    volume = it.state / "pods" / uid / "volumes/data"
    (volume / "deep/inside/seen").touch()
    assert await execute(it, "grouped", "test -e /part/seen") == 0


async def _host_network(it: World) -> None:
    pod = make_pod("host", "ip -o addr; ls /sys/class/net; " + WAIT)
    pod.spec.host_network = True
    pod.spec.containers[0].readiness_probe.handler.tcp_socket.port.int_val = 7445
    await it.create(pod)
    pod = await it.ready("host")
    assert pod.status.pod_ip == NODE_IP
    await it.logged("host", NODE_IP)


async def _working_directory(it: World) -> None:
    """One that the image lacks is made, also where the container may not write."""
    pod = make_pod("elsewhere", "echo at $(pwd); " + WAIT)
    container = pod.spec.containers[0]
    container.working_dir = "/not/in/the/image"
    container.security_context.read_only_root_filesystem = True
    await it.create(pod)
    await it.logged("elsewhere", "at /not/in/the/image")


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _setting(pod: pod_pb2.Pod, unified: str, controller: str, legacy: str) -> str:
    """Return a setting of the cgroup of a pod's first container."""
    container_id = first(pod).container_id.removeprefix("podman://")
    cgroup = f"podraft/pod-{pod.metadata.uid}/libpod-{container_id}"
    root = Path("/sys/fs/cgroup")
    paths = [root / cgroup / unified, root / controller / cgroup / legacy]
    found = [path for path in paths if path.exists()]
    assert found, f"none of these is there: {paths}"
    return found[0].read_text().strip()
