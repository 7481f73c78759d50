"""`create service`, `create ingress`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import Group, command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes

service = Group("service", help="Make a Service: clusterip, nodeport, loadbalancer, externalname.")
_NAME = click.argument("name")
_TCP = click.option(
    "--tcp", multiple=True, metavar="PORT[:TARGET]", help="A port, and the pods' port behind it."
)


@service.add("clusterip")
@_NAME
@_TCP
@click.option("--clusterip", "cluster_ip", default="", help="An address, or None for none.")
@writing_options()
def clusterip(
    settings: Settings, name: str, tcp: tuple[str, ...], cluster_ip: str, outcomes: Outcomes
) -> None:
    """Make a Service with an address within the cluster."""
    from podraft.cli.plans.made import networking
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.making import make

    made = networking.service(name, "ClusterIP", listed(tcp), cluster_ip=cluster_ip)
    make(settings, [made], outcomes)


@service.add("nodeport")
@_NAME
@_TCP
@click.option("--node-port", type=click.IntRange(1, 65535), help="The port of every node.")
@writing_options()
def nodeport(
    settings: Settings, name: str, tcp: tuple[str, ...], node_port: int | None, outcomes: Outcomes
) -> None:
    """Make a Service with a port on every node."""
    from podraft.cli.errors import usage
    from podraft.cli.plans.made import networking
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.making import make

    if node_port and len(listed(tcp)) > 1:
        raise usage("--node-port goes with one --tcp only")
    made = networking.service(name, "NodePort", listed(tcp), node_port=node_port or 0)
    make(settings, [made], outcomes)


@service.add("loadbalancer")
@_NAME
@_TCP
@writing_options()
def loadbalancer(settings: Settings, name: str, tcp: tuple[str, ...], outcomes: Outcomes) -> None:
    """Make a Service with an address from outside."""
    from podraft.cli.plans.made import networking
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.making import make

    make(settings, [networking.service(name, "LoadBalancer", listed(tcp))], outcomes)


@service.add("externalname")
@_NAME
@_TCP
@click.option("--external-name", required=True, help="The name that it stands for.")
@writing_options()
def externalname(
    settings: Settings, name: str, tcp: tuple[str, ...], external_name: str, outcomes: Outcomes
) -> None:
    """Make a Service that stands for a name outside of the cluster."""
    from podraft.cli.plans.made import networking
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.making import make

    made = networking.service(name, "ExternalName", listed(tcp), external_name=external_name)
    make(settings, [made], outcomes)


@command("ingress")
@_NAME
@click.option("--class", "class_name", default="", help="Who serves it.")
@click.option("--default-backend", default="", metavar="SERVICE:PORT", help="For all else.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="HOST/PATH=SERVICE:PORT[,tls[=SECRET]]",
    help="A path that ends with * means all below it. May be repeated.",
)
@click.option("--annotation", "annotations", multiple=True, metavar="KEY=VALUE")
@writing_options()
def ingress(
    settings: Settings,
    name: str,
    class_name: str,
    default_backend: str,
    rules: tuple[str, ...],
    annotations: tuple[str, ...],
    outcomes: Outcomes,
) -> None:
    """Make an Ingress."""
    from podraft.cli.plans.made import networking
    from podraft.cli.plans.made.words import pairs
    from podraft.cli.sessions.writing.making import make

    made = networking.ingress(
        name,
        rules,
        class_name=class_name,
        default_backend=default_backend,
        annotations=pairs(annotations, "--annotation"),
    )
    make(settings, [made], outcomes)
