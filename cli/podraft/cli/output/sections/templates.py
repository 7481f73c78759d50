"""Containers, volumes and pod templates: what a pod is asked to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from podraft.api.core.v1 import container_pb2, pod_pb2, volume_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import probes
from podraft.cli.output.sections.layout import NONE, Below, Value, block, mapping

Pairs = list[tuple[str, Value]]


def template_lines(template: pod_pb2.PodTemplateSpec) -> list[str]:
    """Return the lines of a workload's pod template."""
    pairs: Pairs = [("Labels", mapping(template.metadata.labels))]
    if template.metadata.annotations:
        pairs.append(("Annotations", mapping(template.metadata.annotations, ": ")))
    if template.spec.init_containers:
        pairs.append(("Init Containers", Below(containers(template.spec.init_containers))))
    pairs.append(("Containers", Below(containers(template.spec.containers))))
    pairs.append(("Volumes", Below(volumes(template.spec.volumes))))
    pairs.append(("Node-Selectors", mapping(template.spec.node_selector)))
    pairs.append(("Tolerations", tolerations(template.spec.tolerations)))
    return ["Pod Template:", *(f"  {line}" for line in block(pairs))]


def containers(
    specs: Sequence[container_pb2.Container],
    state_of: Callable[[container_pb2.Container], Pairs] = lambda container: [],
) -> list[str]:
    """Return the lines of containers; `state_of` adds the state of a running one."""
    lines: list[str] = []
    for container in specs:
        lines.append(f"{container.name}:")
        lines += [f"  {line}" for line in block(_container(container, state_of(container)))]
    return lines


def _container(container: container_pb2.Container, state: Pairs) -> Pairs:
    ports = [f"{port.container_port}/{port.protocol or 'TCP'}" for port in container.ports]
    pairs: Pairs = [("Image", container.image), ("Port", ", ".join(ports) or NONE)]
    if container.command:
        pairs.append(("Command", list(container.command)))
    if container.args:
        pairs.append(("Args", list(container.args)))
    pairs += state
    for title, quantities in (
        ("Limits", container.resources.limits),
        ("Requests", container.resources.requests),
    ):
        if quantities:
            pairs.append((title, quantity_list(quantities)))
    for title, field in (
        ("Liveness", "liveness_probe"),
        ("Readiness", "readiness_probe"),
        ("Startup", "startup_probe"),
    ):
        if container.HasField(field):
            pairs.append((title, probe(getattr(container, field))))
    if container.env_from:
        pairs.append(("Environment Variables from", [_env_from(e) for e in container.env_from]))
    pairs.append(("Environment", [_env(variable) for variable in container.env]))
    mounts = [
        f"{mount.mount_path} from {mount.name} ({'ro' if mount.read_only else 'rw'}"
        + (f',path="{mount.sub_path}")' if mount.sub_path else ")")
        for mount in container.volume_mounts
    ]
    pairs.append(("Mounts", mounts))
    return pairs


def quantity_list(quantities: object) -> list[str]:
    """Return ``cpu: 100m`` and the like."""
    items = dict(quantities)  # type: ignore[call-overload]  # a protobuf map of quantities
    return [f"{key}: {items[key].string}" for key in sorted(items)]


def probe(value: container_pb2.Probe) -> str:
    """Return a probe as one line, the way kubectl writes it."""
    handler = value.handler
    if handler.HasField("http_get"):
        get = handler.http_get
        scheme = probes.scheme(get).lower()
        what = f"http-get {scheme}://{get.host}:{_port(get.port)}{probes.path(get)}"
    elif handler.HasField("tcp_socket"):
        what = f"tcp-socket {handler.tcp_socket.host}:{_port(handler.tcp_socket.port)}"
    elif handler.HasField("exec"):
        what = f"exec [{' '.join(handler.exec.command)}]"
    else:
        what = "unknown"
    return (
        f"{what} delay={value.initial_delay_seconds}s timeout={probes.timeout_s(value)}s "
        f"period={probes.period_s(value)}s #success={probes.successes(value)} "
        f"#failure={probes.failures(value)}"
    )


def _port(port: meta_pb2.IntOrString) -> str:
    return port.str_val if port.type == 1 else str(port.int_val)


def _env(variable: container_pb2.EnvVar) -> str:
    source = variable.value_from
    if source.HasField("config_map_key_ref"):
        ref = source.config_map_key_ref
        where = f"the key '{ref.key}' of config map '{ref.local_object_reference.name}'"
    elif source.HasField("secret_key_ref"):
        secret = source.secret_key_ref
        where = f"the key '{secret.key}' in secret '{secret.local_object_reference.name}'"
    elif source.HasField("field_ref"):
        where = f"{source.field_ref.field_path} of the pod"
    else:
        return f"{variable.name}: {variable.value}"
    return f"{variable.name}: <set to {where}>"


def _env_from(source: container_pb2.EnvFromSource) -> str:
    if source.HasField("config_map_ref"):
        ref, kind = source.config_map_ref, "ConfigMap"
        name, optional = ref.local_object_reference.name, ref.optional
    else:
        name, optional = source.secret_ref.local_object_reference.name, source.secret_ref.optional
        kind = "Secret"
    prefix = f" with prefix '{source.prefix}'" if source.prefix else ""
    return f"{name}  {kind}{prefix}  Optional: {str(optional).lower()}"


def volumes(values: Sequence[volume_pb2.Volume]) -> list[str]:
    """Return the lines of a pod's volumes."""
    lines: list[str] = []
    for volume in values:
        lines.append(f"{volume.name}:")
        lines += [f"  {line}" for line in block(_volume(volume.volume_source))]
    return lines


def _volume(source: volume_pb2.VolumeSource) -> Pairs:
    if source.HasField("config_map"):
        name = source.config_map.local_object_reference.name
        return [
            ("Type", "ConfigMap"),
            ("Name", name),
            ("Optional", str(source.config_map.optional).lower()),
        ]
    if source.HasField("secret"):
        return [
            ("Type", "Secret"),
            ("SecretName", source.secret.secret_name),
            ("Optional", str(source.secret.optional).lower()),
        ]
    if source.HasField("empty_dir"):
        return [
            ("Type", "EmptyDir (lives as long as the pod)"),
            ("Medium", source.empty_dir.medium or "disk"),
            ("SizeLimit", source.empty_dir.size_limit.string or "<unset>"),
        ]
    if source.HasField("host_path"):
        return [("Type", "HostPath (a path of the node)"), ("Path", source.host_path.path)]
    return [("Type", "unknown")]


def tolerations(values: Sequence[pod_pb2.Toleration]) -> list[str]:
    """Return tolerations as kubectl writes them: ``key=value:Effect op=Exists for 300s``."""
    result = []
    for toleration in values:
        text = toleration.key
        if toleration.value:
            text += f"={toleration.value}"
        if toleration.effect:
            text += f":{toleration.effect}"
        if toleration.operator == "Exists":
            text = f"{text} op=Exists".strip()
        if toleration.HasField("toleration_seconds"):
            text += f" for {toleration.toleration_seconds}s"
        result.append(text)
    return result
