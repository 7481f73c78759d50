"""The addresses of a cluster, and the identity under which to call it.

Owns: reading and writing configuration files in kubeconfig's format.  Invariant: `load`
reads back exactly what `dump` wrote; no error message contains the secret key.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from podraft.api.objects import well_known
from podraft.client.errors import ConfigError

DEFAULT_PORT = 7443
# Every server's certificate contains this name, whatever its address.  No node, host or address
# can have it, because of the underscore.
SERVER_NAME = "api._servers.podraft"
# The name in older configurations; some nodes' certificates may have contained it.
_OLDER_SERVER_NAME = "podraft-server"
_EXTENSION = "podraft"


@dataclass(frozen=True)
class ClusterConfig:
    """A cluster's addresses (``host:port``), its CA and a client identity, all PEM.

    A server's certificate is checked for ``server_name``, whatever its address.
    """

    servers: tuple[str, ...]
    certificate_authority: bytes
    client_certificate: bytes
    client_key: bytes = field(repr=False)
    namespace: str = well_known.DEFAULT_NAMESPACE
    server_name: str = SERVER_NAME
    # As whom calls are made; empty: as the certificate's own user.
    impersonate_user: str = ""
    impersonate_groups: tuple[str, ...] = ()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries besides its request: as whom it is made."""
        if not self.impersonate_user:
            return ()
        groups = (("impersonate-group", group) for group in self.impersonate_groups)
        return (("impersonate-user", self.impersonate_user), *groups)


def default_path() -> Path:
    """Return the file that `load` reads by default."""
    if path := os.environ.get("PODRAFT_CONFIG"):
        return Path(path)
    return Path.home() / ".podraft" / "config"


def load(path: Path | None = None, context: str | None = None) -> ClusterConfig:
    """Read one context (default: the file's current one) of a configuration file.

    Raises:
        ConfigError: The file is absent, malformed or incomplete; the message says why.

    """
    path = path or default_path()
    document = _parse(path)
    name = context or document.get("current-context") or _only_name(document, "contexts", path)
    chosen = _named(document, "contexts", "context", name, path)
    cluster = _named(document, "clusters", "cluster", chosen.get("cluster"), path)
    user = _named(document, "users", "user", chosen.get("user"), path)
    return ClusterConfig(
        servers=_servers(cluster, path),
        certificate_authority=_pem(cluster, "certificate-authority", path),
        client_certificate=_pem(user, "client-certificate", path),
        client_key=_pem(user, "client-key", path),
        namespace=str(chosen.get("namespace") or well_known.DEFAULT_NAMESPACE),
        server_name=_server_name(cluster),
        impersonate_user=_word(user.get("as") or "", "as", path),
        impersonate_groups=tuple(_word(group, "as-groups", path) for group in _groups(user, path)),
    )


def dump(config: ClusterConfig, name: str = "podraft") -> str:
    """Return a configuration file's text, as JSON so that writing needs no YAML library."""
    cluster: dict[str, Any] = {
        "server": f"https://{config.servers[0]}",
        "certificate-authority-data": _encode(config.certificate_authority),
        "tls-server-name": config.server_name,
    }
    if len(config.servers) > 1:
        # The format has room for one address; its extensions hold the others.
        servers = [f"https://{server}" for server in config.servers]
        cluster["extensions"] = [{"name": _EXTENSION, "extension": {"servers": servers}}]
    user = {
        "client-certificate-data": _encode(config.client_certificate),
        "client-key-data": _encode(config.client_key),
    }
    context = {"cluster": name, "user": name, "namespace": config.namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": context}],
    }
    return json.dumps(document, indent=2) + "\n"


def _encode(pem: bytes) -> str:
    return base64.b64encode(pem).decode("ascii")


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        document: Any = json.loads(text) if text.lstrip().startswith("{") else _parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path}: is neither YAML nor JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: is no configuration file: a mapping is expected")
    return document


def _parse_yaml(text: str) -> Any:
    import yaml  # What podraft itself wrote is JSON and needs no YAML parser.

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace("\n", " ")) from None


def _entries(document: Mapping[str, Any], section: str, path: Path) -> Sequence[Mapping[str, Any]]:
    entries = document.get(section) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{path}: {section}: a list of mappings is expected")
    return entries


def _only_name(document: Mapping[str, Any], section: str, path: Path) -> str:
    names = [str(entry.get("name")) for entry in _entries(document, section, path)]
    if len(names) != 1:
        raise ConfigError(f"{path}: current-context is not set; contexts: {', '.join(names)}")
    return names[0]


def _named(
    document: Mapping[str, Any], section: str, key: str, name: object, path: Path
) -> Mapping[str, Any]:
    entries = _entries(document, section, path)
    for entry in entries:
        body = entry.get(key)
        if entry.get("name") == name and isinstance(body, dict):
            return body
    known = ", ".join(str(entry.get("name")) for entry in entries) or "none"
    raise ConfigError(f"{path}: {section}: there is no {name!r}; known: {known}")


def _servers(cluster: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    urls: list[object] = [cluster.get("server")]
    extensions = cluster.get("extensions")
    for extension in extensions if isinstance(extensions, list) else ():
        if isinstance(extension, dict) and extension.get("name") == _EXTENSION:
            body = extension.get("extension")
            listed = body.get("servers") if isinstance(body, dict) else None
            # If a user has changed ``server`` since, only that address is meant.
            if isinstance(listed, list) and urls[0] in listed:
                urls = listed
    return tuple(_server(url, path) for url in urls)


def _groups(user: Mapping[str, Any], path: Path) -> Sequence[object]:
    groups = user.get("as-groups") or []
    if not isinstance(groups, list):
        raise ConfigError(f"{path}: as-groups: a list is expected")
    return groups


def _word(value: object, key: str, path: Path) -> str:
    if not isinstance(value, str) or not value.isascii() or (value and not value.isprintable()):
        raise ConfigError(f"{path}: {key}: {value!r}: printable ASCII is expected")
    return value


def _server_name(cluster: Mapping[str, Any]) -> str:
    name = str(cluster.get("tls-server-name") or SERVER_NAME)
    return SERVER_NAME if name == _OLDER_SERVER_NAME else name


def _server(url: object, path: Path) -> str:
    expected = f"{path}: clusters: server: {url!r}: expected is https://HOST:PORT"
    if not isinstance(url, str):
        raise ConfigError(expected)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        raise ConfigError(expected) from None
    if parts.scheme != "https" or not host:
        raise ConfigError(expected)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _pem(body: Mapping[str, Any], key: str, path: Path) -> bytes:
    """Return inline data (``KEY-data``) or the content of the file that ``KEY`` names."""
    data, file = body.get(f"{key}-data"), body.get(key)
    if isinstance(data, str) and data:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"{path}: {key}-data: is not base64") from None
    if isinstance(file, str) and file:
        try:
            return (path.parent / file).read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: {key}: {error}") from None
    raise ConfigError(f"{path}: {key}-data is missing")
