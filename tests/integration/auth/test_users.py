"""Users on a real server: made, told who they are and what they may, as others, ended."""

import asyncio
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.authentication.v1.self_subject_review_pb2 import SelfSubjectReview
from podraft.api.authentication.v1.token_review_pb2 import TokenReview
from podraft.api.authorization.v1.access_pb2 import SubjectAccessReviewSpec
from podraft.api.authorization.v1.local_subject_access_review_pb2 import LocalSubjectAccessReview
from podraft.api.authorization.v1.self_subject_access_review_pb2 import SelfSubjectAccessReview
from podraft.api.authorization.v1.self_subject_rules_review_pb2 import SelfSubjectRulesReview
from podraft.api.authorization.v1.subject_access_review_pb2 import SubjectAccessReview
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.client.calls.client import Client
from podraft.client.errors import ForbiddenError, InvalidError, UnauthenticatedError
from podraft.server.auth.signing_requests import new_request
from support.api_objects import example
from support.users import bind
from support.waiting import eventually_async


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def as_admin(server, scenario):
    async def main():
        async with Client(server.config()) as admin:
            return await scenario(admin)

    return asyncio.run(main())


async def made(admin, name, *groups, lifetime_s=600):
    """Make a user as the command does; return the user's configuration."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = await admin.users.create(
        name, new_request(key), groups=groups, lifetime_s=lifetime_s
    )
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return replace(admin.config, client_certificate=certificate.certificate, client_key=encoded)


async def may(client, verb, resource, namespace="", **more):
    review = SelfSubjectAccessReview()
    asked = review.spec.resource_attributes
    asked.verb, asked.resource, asked.namespace = verb, resource, namespace
    for field, value in more.items():
        setattr(asked, field, value)
    answer = await client.resource(kinds.SELF_SUBJECT_ACCESS_REVIEW).create(review)
    return answer.status


def test_a_user_has_what_is_bound_until_he_is_revoked_on_open_streams_too(server):
    async def scenario(admin):
        config = await made(admin, "ann", "staff")
        await bind(admin, "view", "ann", "default")
        async with Client(config) as ann:

            async def allowed():
                return (await may(ann, "list", "pods", "default")).allowed

            await eventually_async(allowed)
            who = await ann.resource(kinds.SELF_SUBJECT_REVIEW).create(SelfSubjectReview())
            assert who.status.user_info.username == "ann"
            assert list(who.status.user_info.groups) == ["staff", "system:authenticated"]
            (listed,) = [user for user in await admin.users.list() if user.name == "ann"]
            assert (list(listed.groups), listed.certificates) == (["staff"], 1)
            assert listed.created_by == "admin"
            watch = aiter(ann.resource(kinds.POD).watch("default"))
            await anext(watch)
            await admin.users.revoke("ann")
            with pytest.raises(UnauthenticatedError, match='"ann" was revoked'):
                async with asyncio.timeout(20):
                    while True:
                        await anext(watch)
            with pytest.raises(UnauthenticatedError, match='"ann" was revoked'):
                await ann.resource(kinds.POD).list("default")
        async with Client(await made(admin, "ann")) as again:
            assert list((await again.resource(kinds.POD).list("default")).items) == []

    as_admin(server, scenario)


def test_a_revocation_outlives_the_server(server):
    async def revoked(admin):
        config = await made(admin, "bea")
        await admin.users.revoke("bea")
        return config

    config = as_admin(server, revoked)
    server.stop()
    server.start()

    async def main():
        async with Client(replace(config, servers=server.config().servers)) as bea:
            with pytest.raises(UnauthenticatedError, match='"bea" was revoked'):
                await bea.version()

    asyncio.run(main())


def test_whoever_makes_users_makes_only_such_as_he_may_act_as(server):
    async def scenario(admin):
        config = await made(admin, "maker")
        role = example(kinds.CLUSTER_ROLE, "maker")
        del role.rules[:]
        role.rules.add(verbs=["create"], api_groups=["podraft.io"], resources=["users"])
        role.rules.add(
            verbs=["impersonate"], api_groups=[""], resources=["users"], resource_names=["cy"]
        )
        await admin.resource(kinds.CLUSTER_ROLE).create(role)
        await bind(admin, "maker", "maker")
        async with Client(config) as maker:

            async def possible():
                try:
                    return await made(maker, "cy")
                except ForbiddenError:
                    return None

            await eventually_async(possible)
            with pytest.raises(ForbiddenError, match='may not impersonate users "dot"'):
                await made(maker, "dot")
            with pytest.raises(ForbiddenError, match='may not impersonate groups "staff"'):
                await made(maker, "cy", "staff")
            with pytest.raises(ForbiddenError, match=r"may not list users"):
                await maker.users.list()

    as_admin(server, scenario)


@pytest.mark.parametrize(
    ("name", "groups", "lifetime_s", "field"),
    [
        ("system:masters", (), 600, "name"),
        ("admin", (), 600, "name"),
        ("eve", ("system:masters",), 600, "groups[0]"),
        ("eve", (), 1, "lifetimeSeconds"),
        ("eve", (), 10**9, "lifetimeSeconds"),
    ],
)
def test_reserved_names_and_odd_lifetimes_are_refused(server, name, groups, lifetime_s, field):
    async def scenario(admin):
        with pytest.raises(InvalidError) as caught:
            await made(admin, name, *groups, lifetime_s=lifetime_s)
        assert [violation.field for violation in caught.value.violations] == [field]

    as_admin(server, scenario)


def test_who_acts_as_somebody_else_has_that_ones_rights_and_needs_the_right_to(server):
    async def scenario(admin):
        await bind(admin, "view", "viewer", "default")
        other = replace(admin.config, impersonate_user="viewer", impersonate_groups=("staff",))
        async with Client(other) as viewer:

            async def allowed():
                return (await may(viewer, "get", "pods", "default")).allowed

            await eventually_async(allowed)
            who = await viewer.resource(kinds.SELF_SUBJECT_REVIEW).create(SelfSubjectReview())
            assert who.status.user_info.username == "viewer"
            assert "staff" in who.status.user_info.groups
            with pytest.raises(ForbiddenError, match='user "viewer" may not create configmaps'):
                await viewer.resource(kinds.CONFIG_MAP).create(example(kinds.CONFIG_MAP, "x"))
        config = await made(admin, "plain")
        for user, groups in (("admin", ()), ("plain", ("system:masters",)), ("viewer", ())):
            acting = replace(config, impersonate_user=user, impersonate_groups=groups)
            async with Client(acting) as denied:
                with pytest.raises(ForbiddenError, match="may not impersonate"):
                    await denied.resource(kinds.POD).list("default")
        operator = replace(admin.config, impersonate_user="op", impersonate_groups=("ops",))
        async with Client(operator) as op:
            with pytest.raises(ForbiddenError):
                await op.renew_certificate(b"")
        async with Client(replace(operator, impersonate_groups=("system:masters",))) as op:
            created = await op.resource(kinds.CONFIG_MAP).create(example(kinds.CONFIG_MAP, "y"))
            history = await admin.object_history(kinds.CONFIG_MAP, "y", "default")
            assert [version.user for version in history.versions] == ["admin as op"]
            assert created.metadata.name == "y"

    as_admin(server, scenario)


def test_a_review_tells_the_rule_or_what_is_missing(server):
    async def scenario(admin):
        await bind(admin, "view", "rev", "default")
        reviews = admin.resource(kinds.SUBJECT_ACCESS_REVIEW)

        async def asked(verb, resource, user="rev", groups=(), path="", namespace="default"):
            spec = SubjectAccessReviewSpec(user=user, groups=groups)
            if path:
                spec.non_resource_attributes.path = path
                spec.non_resource_attributes.verb = verb
            else:
                spec.resource_attributes.verb = verb
                spec.resource_attributes.resource = resource
                spec.resource_attributes.namespace = namespace
            return (await reviews.create(SubjectAccessReview(spec=spec))).status

        async def seen():
            return (await asked("get", "pods")).allowed

        await eventually_async(seen)
        reason = (await asked("get", "pods")).reason
        assert 'RoleBinding "rev:view" in namespace "default" gives ClusterRole "view"' in reason
        missing = await asked("get", "secrets")
        assert not missing.allowed
        assert (
            'a RoleBinding in namespace "default" or a ClusterRoleBinding of one of these would: '
            in missing.reason
        )
        assert "ClusterRole edit" in missing.reason
        assert (await asked("get", "", path="/version")).allowed
        assert not (await asked("get", "", path="/metrics")).allowed
        assert (await asked("delete", "nodes", "x", ("system:masters",))).allowed
        node = ("system:node:n1", ("system:nodes",))
        assert (await asked("get", "services", *node)).allowed
        assert not (await asked("create", "pods", *node)).allowed

    as_admin(server, scenario)


def test_questions_are_answered_to_whom_they_are_allowed_and_malformed_ones_refused(server):
    async def scenario(admin):
        config = await made(admin, "quiz")
        await bind(admin, "admin", "quiz", "default")
        local = LocalSubjectAccessReview(metadata=ObjectMeta(namespace="default"))
        local.spec.user = "rev"
        local.spec.resource_attributes.verb = "get"
        local.spec.resource_attributes.resource = "pods"
        local.spec.resource_attributes.namespace = "default"
        async with Client(config) as quiz:
            reviews = quiz.resource(kinds.LOCAL_SUBJECT_ACCESS_REVIEW)

            async def possible():
                try:
                    return await reviews.create(local)
                except ForbiddenError:
                    return None

            await eventually_async(possible)
            with pytest.raises(ForbiddenError):
                await quiz.resource(kinds.SUBJECT_ACCESS_REVIEW).create(SubjectAccessReview())
            rules = SelfSubjectRulesReview()
            rules.spec.namespace = "default"
            told = await quiz.resource(kinds.SELF_SUBJECT_RULES_REVIEW).create(rules)
            assert any("rolebindings" in rule.resources for rule in told.status.resource_rules)
            assert any(
                "/version" in rule.non_resource_urls for rule in told.status.non_resource_rules
            )
            local.spec.resource_attributes.namespace = "other"
            with pytest.raises(InvalidError, match=r"must be metadata\.namespace"):
                await reviews.create(local)
        with pytest.raises(InvalidError, match="exactly one of"):
            await admin.resource(kinds.SUBJECT_ACCESS_REVIEW).create(SubjectAccessReview())
        token = TokenReview()
        token.spec.token = "secret"
        answer = await admin.resource(kinds.TOKEN_REVIEW).create(token)
        assert not answer.status.authenticated
        assert "secret" not in str(answer)

    as_admin(server, scenario)
