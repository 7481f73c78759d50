"""Services and Ingresses of a few words.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podraft.cli.errors import usage
from podraft.cli.plans.made.words import metadata, port, port_or_name, without_empty


def service(
    name: str,
    type_: str,
    tcp: Sequence[str],
    *,
    cluster_ip: str = "",
    node_port: int = 0,
    external_name: str = "",
) -> dict[str, Any]:
    """Return a Service of a type for the pods that are labelled ``app=NAME``.

    Raises:
        CliError: A port is malformed, or there is none although one is needed.
    """
    needs_ports = type_ != "ExternalName" and cluster_ip != "None"
    if needs_ports and not tcp:
        raise usage("--tcp: expected at least one PORT[:TARGET]")
    if cluster_ip == "None" and tcp:
        raise usage("--tcp: a Service without an address of its own (--clusterip=None) takes none")
    ports = [_tcp(text, node_port) for text in tcp]
    spec = {
        "type": type_,
        "selector": {"app": name},
        "ports": ports,
        "clusterIP": cluster_ip,
        "externalName": external_name,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, labels={"app": name}),
        "spec": without_empty(spec),
    }


def _tcp(text: str, node_port: int) -> dict[str, Any]:
    number, _, target = text.partition(":")
    made = {
        "name": text.replace(":", "-"),
        "port": port(number, "--tcp"),
        "protocol": "TCP",
        "targetPort": port_or_name(target or number, "--tcp"),
    }
    return {**made, **({"nodePort": node_port} if node_port else {})}


def exposing(
    name: str,
    selector: Mapping[str, str],
    labels: Mapping[str, str],
    ports: Sequence[tuple[str, str]],
    *,
    target: str = "",
    type_: str = "",
    others: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the Service for pods with certain labels; ``ports`` are numbers with protocols."""
    several = len(ports) > 1
    made = [
        without_empty(
            {
                "name": f"port-{index}" if several else "",
                "port": port(number, "--port"),
                "protocol": protocol,
                "targetPort": port_or_name(target or number, "--target-port"),
            }
        )
        for index, (number, protocol) in enumerate(ports, 1)
    ]
    spec = {"selector": dict(selector), "ports": made, "type": type_, **(others or {})}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, labels=dict(labels)),
        "spec": without_empty(spec),
    }


def ingress(
    name: str,
    rules: Sequence[str],
    *,
    class_name: str,
    default_backend: str,
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    """Return an Ingress of ``HOST/PATH=SERVICE:PORT[,tls[=SECRET]]`` rules.

    Raises:
        CliError: A rule is malformed, or there is neither a rule nor a default backend.
    """
    if not rules and not default_backend:
        raise usage("say where requests go: --rule or --default-backend")
    hosts: dict[str, list[dict[str, Any]]] = {}
    secrets: dict[str, list[str]] = {}
    for rule in rules:
        _add_rule(rule, hosts, secrets)
    spec = {
        "ingressClassName": class_name,
        "defaultBackend": _backend(default_backend) if default_backend else {},
        "rules": [
            without_empty({"host": host, "http": {"paths": paths}}) for host, paths in hosts.items()
        ],
        "tls": [
            without_empty({"hosts": named, "secretName": secret})
            for secret, named in secrets.items()
        ],
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(name, annotations=dict(annotations)),
        "spec": without_empty(spec),
    }


def _add_rule(
    rule: str, hosts: dict[str, list[dict[str, Any]]], secrets: dict[str, list[str]]
) -> None:
    route, _, tls = rule.partition(",")
    where, equals, backend = route.partition("=")
    host, slash, path = where.partition("/")
    if not equals or not slash:
        raise usage(f'--rule: expected HOST/PATH=SERVICE:PORT[,tls[=SECRET]], got "{rule}"')
    prefix = path.endswith("*")
    hosts.setdefault(host, []).append(
        {
            "path": f"/{path.removesuffix('*')}",
            "pathType": "Prefix" if prefix else "Exact",
            "backend": _backend(backend),
        }
    )
    if tls:
        word, _, secret = tls.partition("=")
        if word != "tls":
            raise usage(f'--rule: expected tls or tls=SECRET after the comma, got "{tls}"')
        named = secrets.setdefault(secret, [])
        if host and host not in named:
            named.append(host)


def _backend(text: str) -> dict[str, Any]:
    name, colon, number = text.partition(":")
    if not colon or not name or not number:
        raise usage(f'expected a backend as SERVICE:PORT, got "{text}"')
    where = {"number": port(number, "--rule")} if number.isdecimal() else {"name": number}
    return {"service": {"name": name, "port": where}}
