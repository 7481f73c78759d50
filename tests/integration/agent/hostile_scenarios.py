"""What containers do to the agent that runs them, and what they leave behind."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import grpc

from integration.agent.agent_world import WAIT, World, first, make_pod
from integration.agent.scenarios import execute
from podraft.api.core.v1 import config_pb2, pod_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.pods import is_ready
from support.waiting import eventually_async

_MEMORY_MAX_KIB = 64 << 10


async def writes_its_files(it: World) -> None:
    """Nothing that a container writes to the files that the agent gave it is read back."""
    wreck = "dd if=/dev/zero of=/etc/hosts bs=1 count=1 seek=1500M"
    spoil = "printf '\\377\\376' > /etc/hosts; printf '\\377' > /proc/1/comm"
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asyncio.TaskGroup() as group:
        for name, script in (("sparse", wreck), ("bytes", spoil)):
            group.create_task(_starts_again(it, name, script))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert grown_kib < _MEMORY_MAX_KIB, grown_kib


async def _starts_again(it: World, name: str, script: str) -> None:
    pod = make_pod(
        name,
        "head -c 100 /etc/hosts; if [ -e /kept/once ]; then " + WAIT + "; fi; "
        f"touch /kept/once; {script}; exit 1",
    )
    pod.spec.volumes.add(name="kept").volume_source.empty_dir.SetInParent()
    pod.spec.containers[0].volume_mounts.add(name="kept", mount_path="/kept")
    await it.create(pod)
    await it.until(
        name, lambda p: first(p).restart_count == 1 and first(p).state.HasField("running")
    )
    uid = (await it.pod(name)).metadata.uid
    log = it.state / "pods" / uid / "logs/main/1.log"
    await eventually_async(lambda: b"Written by podraft" in log.read_bytes())


async def may_do_little(it: World) -> None:
    """A container that asks for nothing makes no devices and forges no packets, and may ping."""
    script = "grep -E 'CapBnd|Seccomp:' /proc/self/status; "
    script += "cat /proc/sys/net/ipv4/ping_group_range; echo done; "
    await it.create(make_pod("plain", script + WAIT))
    log = await it.logged("plain", "done")
    assert "0\t2147483647" in log
    assert "Seccomp:\t2" in log
    bounding = int(log.partition("CapBnd:")[2].split()[0], 16)
    for name, number in (("SETUID", 7), ("NET_BIND_SERVICE", 10), ("CHOWN", 0)):
        assert bounding >> number & 1, f"public images need {name}"
    for name, number in (("NET_RAW", 13), ("MKNOD", 27), ("AUDIT_WRITE", 29), ("SYS_ADMIN", 21)):
        assert not bounding >> number & 1, name
    asking = make_pod("asking", "grep CapBnd /proc/self/status; " + WAIT)
    asking.spec.containers[0].security_context.capabilities.add.append("NET_RAW")
    await it.create(asking)
    log = await it.logged("asking", "CapBnd")
    assert int(log.partition("CapBnd:")[2].split()[0], 16) >> 13 & 1


async def sub_paths(it: World) -> None:
    """A container starts again whatever became of the files that it had by subPath."""
    await it.client.config_maps.create(
        config_pb2.ConfigMap(metadata=_named("conf"), data={"a": "one", "b": "x"})
    )
    await it.client.secrets.create(
        config_pb2.Secret(metadata=_named("keys"), data={"k": b"old", "l": b"x"})
    )
    for name in ("changed", "anew", "gone"):
        await it.create(_pod_with_sub_paths(name))
    for name in ("changed", "anew", "gone"):
        await it.running(name)
    await it.client.config_maps.patch("conf", {"data": {"a": "two"}}, "default")
    await it.client.secrets.patch("keys", {"stringData": {"k": "new"}}, "default")
    await _reaches(it, "changed", "grep -q two /whole/a && grep -q new /secrets/k")
    assert await execute(it, "changed", "grep -q one /a && grep -q old /k") == 0, "it keeps them"
    await _restart(it, "changed", "grep -q two /a && grep -q new /k && test ! -d /optional")
    # A new agent knows nothing of the mounts that the one before made.
    await it.stop_agent()
    await it.client.config_maps.patch("conf", {"data": {"a": "three"}}, "default")
    await it.start_agent()
    await _reaches(it, "anew", "grep -q three /whole/a")
    await _restart(it, "anew", "grep -q three /a")
    await it.client.config_maps.patch("conf", {"data": {"a": None}}, "default")
    await _reaches(it, "gone", "test ! -e /whole/a")
    await execute(it, "gone", "kill 1")
    pod = await it.until(
        "gone", lambda p: first(p).state.waiting.reason == "CreateContainerConfigError"
    )
    message = first(pod).state.waiting.message
    assert '"a"' in message, message
    assert 'ConfigMap "conf"' in message, message
    await it.client.config_maps.patch("conf", {"data": {"a": "four"}}, "default")
    await _runs_again(it, "gone")
    assert await execute(it, "gone", "grep -q four /a") == 0


def _named(name: str) -> meta_pb2.ObjectMeta:
    return meta_pb2.ObjectMeta(name=name, namespace="default")


def _pod_with_sub_paths(name: str) -> pod_pb2.Pod:
    pod = make_pod(name)
    conf = pod.spec.volumes.add(name="conf").volume_source.config_map
    conf.local_object_reference.name = "conf"
    pod.spec.volumes.add(name="keys").volume_source.secret.secret_name = "keys"
    maybe = pod.spec.volumes.add(name="maybe").volume_source.config_map
    maybe.local_object_reference.name, maybe.optional = "nowhere", True
    pod.spec.volumes.add(name="empty").volume_source.empty_dir.SetInParent()
    container = pod.spec.containers[0]
    for volume, path, sub_path in (
        ("conf", "/a", "a"),
        ("conf", "/whole", ""),
        ("keys", "/k", "k"),
        ("keys", "/secrets", ""),
        ("maybe", "/optional", "a"),
        # What is mounted below a read-only folder needs something to be mounted on.
        ("conf", "/data/deep/conf.d", ""),
        ("conf", "/data/one", "b"),
    ):
        container.volume_mounts.add(name=volume, mount_path=path, sub_path=sub_path)
    container.volume_mounts.add(name="empty", mount_path="/data", read_only=True)
    return pod


async def _reaches(it: World, name: str, script: str) -> None:
    async def seen() -> bool:
        try:
            return await execute(it, name, script) == 0
        except grpc.aio.AioRpcError:
            return False  # The agent does not serve yet.

    await eventually_async(seen, within_s=20)


async def _restart(it: World, name: str, script: str) -> None:
    await execute(it, name, "kill 1")
    await _runs_again(it, name)
    assert await execute(it, name, script) == 0


async def _runs_again(it: World, name: str) -> None:
    await it.until(
        name,
        lambda p: first(p).restart_count == 1 and first(p).state.HasField("running"),
    )


async def commands_end(it: World) -> None:
    """Of what probes started nothing stays, and what a hook started does."""
    async with asyncio.TaskGroup() as group:
        for check in (_hanging_probes, _background_probe, _missing_probe, _chatty_probe, _hook):
            group.create_task(check(it))


def _probed(name: str, *command: str, timeout_s: int = 1) -> pod_pb2.Pod:
    pod = make_pod(name)
    probe = pod.spec.containers[0].readiness_probe
    probe.handler.exec.command.extend(command)
    probe.timeout_seconds, probe.period_seconds = timeout_s, 1
    return pod


async def _left(it: World, name: str, word: str) -> int:
    """Return how many processes in a pod's container have a word in their command lines."""
    return await asyncio.to_thread(_count, (await it.pod(name)).metadata.uid, word.encode())


def _count(pod_uid: str, word: bytes) -> int:
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and pod_uid in (entry / "cgroup").read_text():
                count += word in (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
    return count


async def _hanging_probes(it: World) -> None:
    """Neither a child, nor one with a session and an environment of its own, survives."""
    script = "sleep 1001 & setsid env -i /bin/sleep 1001 >/dev/null 2>&1 & sleep 1001; true"
    await it.create(_probed("hang", "/bin/sh", "-c", script))
    await it.running("hang")
    failed = 0
    most = 0
    while failed < 4:
        told = {e.note: e for e in (await _unhealthy(it, "hang"))}
        failed = sum(max(e.series.count, 1) for e in told.values())
        most = max(most, await _left(it, "hang", "1001"))
        assert all("timed out" in note for note in told)
    assert most <= 3, "those of one try at most"


async def _unhealthy(it: World, name: str) -> list[event_pb2.Event]:
    selector = f"regarding.kind=Pod,regarding.name={name},reason=Unhealthy"
    return list((await it.client.events.list("default", field_selector=selector)).items)


async def _background_probe(it: World) -> None:
    """A command that ends well has succeeded, also if something of it holds its output."""
    await it.create(_probed("background", "/bin/sh", "-c", "sleep 1002 & exit 0"))
    await it.ready("background")

    async def none_left() -> bool:
        return await _left(it, "background", "1002") == 0

    await eventually_async(none_left)


async def _missing_probe(it: World) -> None:
    await it.create(_probed("missing", "/no/such/check"))
    assert "/no/such/check" in (await it.told("missing", "Unhealthy"))["Unhealthy"]


async def _chatty_probe(it: World) -> None:
    script = "dd if=/dev/zero bs=1024 count=1024 2>/dev/null"
    await it.create(_probed("chatty", "/bin/sh", "-c", script, timeout_s=5))
    await it.ready("chatty")


async def _hook(it: World) -> None:
    pod = make_pod("hook")
    command = pod.spec.containers[0].lifecycle.post_start.exec.command
    command.extend(["/bin/sh", "-c", "sleep 1003 & exit 0"])
    await it.create(pod)
    pod = await it.ready("hook")
    assert is_ready(pod)
    assert await _left(it, "hook", "1003") == 1
