"""`create`: make objects that must not exist yet, from manifests or of a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.members import Member, member_is_named, members
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.connection import Session

_RBAC: Final = "rbac.authorization.k8s.io/v1"
MEMBERS: Final = {
    "namespace": Member("simple", ("v1", "Namespace"), ("ns",)),
    "configmap": Member("configuration", ("v1", "ConfigMap"), ("cm",)),
    "secret": Member("configuration", ("v1", "Secret")),
    "deployment": Member("workloads", ("apps/v1", "Deployment"), ("deploy",)),
    "job": Member("workloads", ("batch/v1", "Job")),
    "cronjob": Member("workloads", ("batch/v1", "CronJob"), ("cj",)),
    "service": Member("networking", ("v1", "Service"), ("svc",)),
    "ingress": Member("networking", ("networking.k8s.io/v1", "Ingress"), ("ing",)),
    "quota": Member("policy", ("v1", "ResourceQuota"), ("resourcequota",)),
    "priorityclass": Member("policy", ("scheduling.k8s.io/v1", "PriorityClass"), ("pc",)),
    "poddisruptionbudget": Member("policy", ("policy/v1", "PodDisruptionBudget"), ("pdb",)),
    "serviceaccount": Member("simple", ("v1", "ServiceAccount"), ("sa",)),
    "role": Member("access", (_RBAC, "Role")),
    "clusterrole": Member("access", (_RBAC, "ClusterRole")),
    "rolebinding": Member("access", (_RBAC, "RoleBinding")),
    "clusterrolebinding": Member("access", (_RBAC, "ClusterRoleBinding")),
}


@members("create", __name__, MEMBERS)
@manifest_options(required=False)
@click.option("--ignore-unsupported", is_flag=True, help="Drop unsupported fields, as apply does.")
@writing_options()
def create(
    settings: Settings,
    files: tuple[str, ...],
    recursive: bool,
    ignore_unsupported: bool,
    outcomes: Outcomes,
) -> None:
    """Make objects, which may not be there yet, from manifests or of a few words.

    Of several manifests all objects are made or none, and apply may change them later.
    """
    from podraft.cli.errors import usage

    if member_is_named():
        return
    if not files:
        raise usage('say what to create: a kind, or -f FILE; "podraft create --help" lists them')
    _from_files(settings, files, outcomes, recursive=recursive, ignored=ignore_unsupported)


def _from_files(
    settings: Settings,
    files: tuple[str, ...],
    outcomes: Outcomes,
    *,
    recursive: bool,
    ignored: bool,
) -> None:
    from podraft.cli.manifests import service_names
    from podraft.cli.manifests.declared import Place, read_items
    from podraft.cli.output import printing
    from podraft.cli.plans import apply_plan
    from podraft.cli.sessions.connection import namespace_of, run

    items = read_items(
        files,
        Place(settings.namespace, namespace_of(settings)),
        "nothing was created",
        recursive=recursive,
        ignore_unsupported=ignored,
    )
    for warning in service_names.warnings(items):
        printing.warn(warning)

    async def body(session: Session) -> None:
        from podraft.cli.plans.refusals import located
        from podraft.client.errors import ApiError

        writing = apply_plan.in_order(items)
        # Applied, so that a later apply knows what was stated here.
        terms = apply_plan.Terms(outcomes.field_manager)
        writes = apply_plan.writes_of(writing, terms, only_create=True)
        made = {id(item): item.message for item in items}
        if not outcomes.is_local:
            try:
                answer = await session.client.commit(
                    writes, dry_run=outcomes.asks_only, field_manager=terms.manager
                )
            except ApiError as error:
                raise located(error, writing, "nothing was created") from None
            for item, packed in zip(writing, answer.objects, strict=True):
                made[id(item)] = item.kind.message.FromString(packed.value)
        for item in items:
            outcomes.tell(item.word, "created", made[id(item)])

    run(settings, body)
