"""Which calls the audit log keeps, and how much of them."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import kinds
from podraft.server.audit.calls import AuditedCall, Operation
from podraft.server.audit.describing import Describer
from podraft.server.audit.policy import DEFAULT, Level, PolicyError, policy_of
from podraft.server.auth.authorize import Attributes
from support.api_objects import example

HEAD = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy"}
DESCRIBER = Describer(kinds.BUILT_IN)


def call(
    *operations: Operation, user: str = "ada", group: str = "", code: str = "OK"
) -> AuditedCall:
    groups = frozenset({group} if group else ())
    return AuditedCall("/x.PodService/GetPod", user, groups, code, operations)


GET = Operation("get", "", "pods", "", "shop", "web")
LOG = Operation("get", "", "pods", "log", "shop", "web")
CREATE = Operation("create", "apps", "deployments", "", "shop", "web")


@pytest.mark.parametrize(
    ("rule", "operation", "fits"),
    [
        ({}, GET, True),
        ({"users": ["ada"]}, GET, True),
        ({"users": ["grace"]}, GET, False),
        ({"userGroups": ["staff"]}, GET, True),
        ({"userGroups": ["others"]}, GET, False),
        ({"verbs": ["get", "list"]}, GET, True),
        ({"verbs": ["create"]}, GET, False),
        ({"namespaces": ["shop"]}, GET, True),
        ({"namespaces": [""]}, GET, False),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, GET, True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, LOG, False),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, LOG, True),
        ({"resources": [{"group": "apps"}]}, CREATE, True),
        ({"resources": [{"group": "apps"}]}, GET, False),
        ({"resources": [{"resources": ["pods"], "resourceNames": ["db"]}]}, GET, False),
        ({"nonResourceURLs": ["/x.PodService/*"]}, Operation("Ask"), True),
        ({"nonResourceURLs": ["/y*"]}, Operation("Ask"), False),
        ({"nonResourceURLs": ["/x.PodService/*"]}, GET, False),
    ],
)
def test_a_rule_fits_by_all_that_it_says(
    rule: dict[str, Any], operation: Operation, fits: bool
) -> None:
    policy = policy_of({**HEAD, "rules": [{"level": "Request", **rule}]})
    level = policy.level(call(operation, group="staff"))
    assert level is (Level.REQUEST if fits else Level.NONE)


def test_the_first_rule_that_fits_decides_and_of_many_writes_the_highest_counts() -> None:
    rules = [
        {"level": "None", "verbs": ["get"]},
        {"level": "RequestResponse", "resources": [{"group": "apps"}]},
        {"level": "Metadata"},
    ]
    policy = policy_of({**HEAD, "rules": rules})
    assert policy.level(call(GET)) is Level.NONE
    assert policy.level(call(Operation("delete", "", "pods"))) is Level.METADATA
    assert policy.level(call(GET, CREATE)) is Level.REQUEST_RESPONSE


@pytest.mark.parametrize(
    ("operation", "given", "level"),
    [
        (CREATE, {}, Level.METADATA),
        (GET, {}, Level.NONE),
        (GET, {"code": "PERMISSION_DENIED"}, Level.METADATA),
        (Operation("get", "", "secrets"), {}, Level.METADATA),
        (CREATE, {"group": "system:nodes"}, Level.NONE),
        (CREATE, {"group": "system:nodes", "code": "PERMISSION_DENIED"}, Level.METADATA),
    ],
)
def test_without_a_policy_changes_refusals_and_readers_of_secrets_are_kept(
    operation: Operation, given: dict[str, str], level: Level
) -> None:
    assert DEFAULT.level(call(operation, **given)) is level


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "the policy: a mapping is expected"),
        ({"kind": "Policy"}, "expected apiVersion audit.k8s.io/v1"),
        ({**HEAD, "rules": []}, "rules: at least one is required"),
        ({**HEAD, "rules": [{"level": "Some"}]}, r"rules\[0\].level: expected one of None"),
        ({**HEAD, "rules": [{"level": "None", "who": 1}]}, "there is no field 'who'"),
        ({**HEAD, "rules": [{"level": "None", "users": "ada"}]}, "users: a list of texts"),
        ({**HEAD, "rules": [{"level": "None", "resources": [1]}]}, "a mapping is expected"),
        ({**HEAD, "rules": [{"level": "None"}] * 1001}, "at most 1000"),
    ],
)
def test_a_malformed_policy_is_refused_with_the_place(document: object, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        policy_of(document)


def test_what_was_decided_about_is_what_a_call_does_each_once() -> None:
    decided = [
        Attributes("create", kinds.SECRET, "default", "key"),
        Attributes("patch", kinds.DEPLOYMENT, "shop", "web", "scale"),
        Attributes("create", kinds.SECRET, "default", "key"),
        Attributes("create", None, subresource="jointokens"),
    ]
    told = DESCRIBER.operations("/podraft.api.cluster.v1.CommitService/Commit", None, decided)
    assert told == (
        Operation("create", "", "secrets", "", "default", "key", is_secret=True),
        Operation("patch", "apps", "deployments", "scale", "shop", "web"),
        Operation("create", "podraft.io", "jointokens"),
    )


@pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.name)
def test_every_kinds_calls_are_described_and_objects_kept_but_for_secrets(
    kind: kinds.AnyKind,
) -> None:
    made = example(kind, "one")
    request = kind.create_request(**{kind.field: made})
    (told,) = DESCRIBER.operations(kind.method("Create"), request)
    namespace = "default" if kind.namespaced else ""
    assert (told.verb, told.resource, told.namespace, told.name) == (
        "create",
        kind.resource,
        namespace,
        made.metadata.name,
    )
    kept = [
        DESCRIBER.kept(kind.method("Create"), each) for each in (request, made.SerializeToString())
    ]
    if kind is kinds.SECRET:
        assert kept == [None, None]
    else:
        assert [one["metadata"]["name"] for one in kept] == [made.metadata.name] * 2
