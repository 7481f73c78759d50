"""`expose`: make a Service for the pods of an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.connection import Session


@command("expose")
@click.argument(
    "arguments", nargs=-1, metavar="KIND NAME|KIND/NAME", shell_complete=complete_targets
)
@manifest_options(required=False, text="The objects that these manifests name.")
@click.option("--name", default="", help="The Service's name. [the object's]")
@click.option("--port", default="", help="The Service's port. [those of the containers]")
@click.option("--target-port", default="", help="The pods' port, or its name. [--port]")
@click.option("--protocol", type=click.Choice(["TCP", "UDP", "SCTP"]), help="[TCP]")
@click.option(
    "--type", "type_", type=click.Choice(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])
)
@click.option("--selector", default="", metavar="LABEL=VALUE,...", help="Other pods.")
@click.option("-l", "--labels", default="", metavar="LABEL=VALUE,...", help="The Service's labels.")
@click.option("--cluster-ip", default="", help="Its address, or None for none.")
@click.option("--external-ip", default="", help="An address from outside that leads to it.")
@click.option("--load-balancer-ip", default="", help="The address that it should get.")
@click.option("--session-affinity", type=click.Choice(["None", "ClientIP"]))
@click.option("--overrides", default="", metavar="JSON", help="A merge patch of what is made.")
@writing_options()
def expose(
    settings: Settings,
    arguments: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    name: str,
    port: str,
    target_port: str,
    protocol: str | None,
    type_: str | None,
    selector: str,
    labels: str,
    cluster_ip: str,
    external_ip: str,
    load_balancer_ip: str,
    session_affinity: str | None,
    overrides: str,
    outcomes: Outcomes,
) -> None:
    """Make a Service for the pods of a Deployment, ReplicaSet, Pod or another Service."""
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.plans.made.words import pairs
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.writing.changing import chosen
    from podraft.cli.sessions.writing.making import create_all, items_of

    others = {
        "clusterIP": cluster_ip,
        "externalIPs": [external_ip] if external_ip else [],
        "loadBalancerIP": load_balancer_ip,
        "sessionAffinity": session_affinity or "",
    }
    wanted = _Wanted(
        name,
        port,
        target_port,
        protocol or "",
        type_ or "",
        pairs([selector], "--selector"),
        pairs([labels], "--labels"),
        others,
        overrides,
    )
    choice = Choice(arguments, files, recursive)
    targets = choice.targets()

    async def body(session: Session) -> None:
        from podraft.cli.sessions import reading

        found = await chosen(session, choice, targets)
        reading.complain_of_missing(found, session.namespace)
        made = [wanted.service(one.kind, obj) for one in found for obj in one.objects]
        items = items_of(settings, made, outcomes)
        if outcomes.is_local:
            for item in items:
                outcomes.tell(item.word, "exposed", item.message)
            return
        await create_all(session, items, outcomes, done="exposed")

    run(settings, body)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the options say of the Service."""

    name: str
    port: str
    target: str
    protocol: str
    type: str
    selector: Mapping[str, str]
    labels: Mapping[str, str]
    others: Mapping[str, Any]
    overrides: str

    def service(self, kind: AnyKind, obj: Any) -> dict[str, Any]:
        """Return the manifest of the Service for one object's pods."""
        from podraft.api import codec
        from podraft.cli.plans.edits.exposed import ports_of, selector_of
        from podraft.cli.plans.made.networking import exposing
        from podraft.cli.plans.made.overrides import overridden

        value = codec.to_json(obj)
        ports = [(self.port, self.protocol or "TCP")] if self.port else ports_of(kind, value)
        if self.protocol:
            ports = [(number, self.protocol) for number, _ in ports]
        made = exposing(
            self.name or value["metadata"]["name"],
            self.selector or selector_of(kind, value),
            self.labels or value["metadata"].get("labels", {}),
            ports,
            target=self.target,
            type_=self.type,
            others=self.others,
        )
        made["metadata"]["namespace"] = value["metadata"]["namespace"]
        return overridden(made, self.overrides)
