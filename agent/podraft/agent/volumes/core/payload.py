"""The files of a configMap or secret volume: a pure function of the object and the volume.

Invariant: no path of a payload leaves the volume.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.expansion import encoded
from podraft.api.core.v1 import config_pb2, reference_pb2, volume_pb2
from podraft.api.violations import shown

_DEFAULT_MODE = 0o644
_MODE_BITS = 0o7777


@dataclass(frozen=True, slots=True)
class File:
    """One file of a payload."""

    content: bytes
    mode: int


Payload = Mapping[str, File]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The ConfigMaps and Secrets that a pod names, by name."""

    config_maps: Mapping[str, config_pb2.ConfigMap] = field(default_factory=dict)
    secrets: Mapping[str, config_pb2.Secret] = field(default_factory=dict)


def content(
    source: volume_pb2.VolumeSource,
    configuration: Configuration,
    *,
    missing_is_error: bool = False,
) -> Payload | None:
    """Return a volume's files; None for another kind of volume or a missing object.

    Raises:
        ConfigurationError: Something is missing, and ``missing_is_error`` is set.
    """
    try:
        if source.HasField("config_map"):
            name = source.config_map.local_object_reference.name
            found = configuration.config_maps.get(name)
            return config_map_payload(source.config_map, found)
        if source.HasField("secret"):
            secret = configuration.secrets.get(source.secret.secret_name)
            return secret_payload(source.secret, secret)
    except ConfigurationError:
        if missing_is_error:
            raise
    return None


def config_map_payload(
    source: volume_pb2.ConfigMapVolumeSource, found: config_pb2.ConfigMap | None
) -> Payload:
    """Return the files of a configMap volume.

    Raises:
        ConfigurationError: The ConfigMap or one of the named keys is missing and not optional.
    """
    data = None
    if found is not None:
        data = {key: value.encode() for key, value in found.data.items()}
        data.update(found.binary_data)
    what = f'ConfigMap "{source.local_object_reference.name}"'
    mode = source.default_mode if source.HasField("default_mode") else _DEFAULT_MODE
    return _payload(data, source.items, what, mode, optional=source.optional)


def secret_payload(
    source: volume_pb2.SecretVolumeSource, found: config_pb2.Secret | None
) -> Payload:
    """Return the files of a secret volume.

    Raises:
        ConfigurationError: The Secret or one of the named keys is missing and not optional.
    """
    data = None if found is None else dict(found.data)
    what = f'Secret "{source.secret_name}"'
    mode = source.default_mode if source.HasField("default_mode") else _DEFAULT_MODE
    return _payload(data, source.items, what, mode, optional=source.optional)


def _payload(
    data: Mapping[str, bytes] | None,
    items: Iterable[reference_pb2.KeyToPath],
    what: str,
    default_mode: int,
    *,
    optional: bool,
) -> Payload:
    if data is None:
        if optional:
            return {}
        raise ConfigurationError(f"{what} not found")
    default_mode &= _MODE_BITS
    chosen = list(items)
    if not chosen:
        return {_inside(key): File(value, default_mode) for key, value in data.items()}
    files: dict[str, File] = {}
    for item in chosen:
        if item.key not in data:
            if optional:
                continue
            raise ConfigurationError(f'couldn\'t find key "{item.key}" in {what}')
        mode = item.mode if item.HasField("mode") else default_mode
        files[_inside(item.path)] = File(data[item.key], mode & _MODE_BITS)
    return files


def _inside(text: str) -> str:
    path = PurePosixPath(text)
    encoded(text, f"volume item path {shown(text)}")
    first = path.parts[0] if path.parts else ""
    if path.is_absolute() or ".." in path.parts or not first or first.startswith(".."):
        raise ConfigurationError(
            f'volume item path {shown(text)} must be relative and without ".."'
        )
    return str(path)
