"""Rights by roles on a real server: nothing without a binding, what it gives, and its end."""

import asyncio

import pytest

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.api.rbac.v1.cluster_role_pb2 import ClusterRole
from podraft.api.rbac.v1.rules_pb2 import PolicyRule
from podraft.client.calls.client import Client
from podraft.client.errors import ForbiddenError
from support.api_objects import example
from support.users import bind, config_of
from support.waiting import eventually_async


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def together(server, user, scenario):
    """Run a scenario with a client of the administrator and one of a user."""

    async def main():
        async with (
            Client(server.config()) as admin,
            Client(config_of(server, user, "devs")) as client,
        ):
            return await scenario(admin, client)

    return asyncio.run(main())


async def granted(call, *args):
    """Make a call as soon as a binding that was just made is known to the server."""

    async def made():
        try:
            return (await call(*args),)
        except ForbiddenError:
            return ()

    return (await eventually_async(made))[0]


def test_nobody_without_a_binding_reads_or_writes_anything(server):
    async def scenario(admin, user):
        for kind in kinds.BUILT_IN:
            namespace = "default" if kind.namespaced else ""
            resource = user.resource(kind)
            for call in (
                resource.get("any", namespace),
                resource.list(namespace),
                resource.list(""),
                resource.create(example(kind, "mine")),
                resource.delete("any", namespace),
                anext(aiter(resource.watch(namespace))),
            ):
                with pytest.raises(ForbiddenError, match="no role that is bound"):
                    await call
        with pytest.raises(ForbiddenError, match="create jointokens"):
            await user.create_join_token(60)

    together(server, "nobody", scenario)


def test_a_binding_gives_its_rights_in_its_namespace_until_it_goes(server):
    async def scenario(admin, ada):
        pods, everything = ada.resource(kinds.POD), ada.resource(kinds.CONFIG_MAP)
        binding = await bind(admin, "view", "ada", "default")
        assert list((await granted(pods.list, "default")).items) == []
        for refused in (
            pods.list(""),
            pods.list("kube-node-lease"),
            pods.create(example(kinds.POD, "web")),
            ada.resource(kinds.SECRET).list("default"),
        ):
            with pytest.raises(ForbiddenError):
                await refused
        watch = aiter(everything.watch("default"))
        await anext(watch)
        await admin.resource(kinds.ROLE_BINDING).delete(binding, "default")
        with pytest.raises(ForbiddenError, match="may not watch configmaps"):
            async with asyncio.timeout(20):
                while True:
                    await anext(watch)
        with pytest.raises(ForbiddenError):
            await pods.list("default")

    together(server, "ada", scenario)


def test_who_may_write_roles_hands_on_no_right_that_he_lacks(server):
    async def scenario(admin, bob):
        await bind(admin, "admin", "bob", "default")
        roles, bindings = bob.resource(kinds.ROLE), bob.resource(kinds.ROLE_BINDING)
        role = example(kinds.ROLE, "pods")
        await granted(roles.create, role)
        role.rules.add(verbs=["get"], api_groups=[""], resources=["nodes"])
        with pytest.raises(ForbiddenError, match=r'lacks \(get on nodes .*"escalate"'):
            await roles.update(role)
        with pytest.raises(ForbiddenError, match=r'lacks \(get on nodes .*"escalate"'):
            await roles.patch("pods", {"rules": [{"verbs": ["get"], "apiGroups": [""],
                                                  "resources": ["nodes"]}]}, "default")  # fmt: skip
        binding = example(kinds.ROLE_BINDING, "more")
        await bindings.create(binding)
        binding.metadata.name, binding.role_ref.name = "most", "cluster-admin"
        with pytest.raises(ForbiddenError, match='"bind" on clusterroles "cluster-admin"'):
            await bindings.create(binding)
        with pytest.raises(ForbiddenError, match="may not create clusterroles"):
            rule = PolicyRule(verbs=["get"], api_groups=[""], resources=["pods"])
            mine = ClusterRole(metadata=ObjectMeta(name="mine"), rules=[rule])
            await bob.resource(kinds.CLUSTER_ROLE).create(mine)

    together(server, "bob", scenario)


def test_whoever_may_read_an_object_may_read_what_it_was_but_for_secrets(server):
    async def scenario(admin, eve):
        maps, secrets = admin.resource(kinds.CONFIG_MAP), admin.resource(kinds.SECRET)
        for resource, kind in ((maps, kinds.CONFIG_MAP), (secrets, kinds.SECRET)):
            await resource.create(example(kind, "past"))
        metadata = ObjectMeta(name="past", namespace="default")
        then = (await maps.get("past", "default")).metadata.resource_version
        await maps.update(ConfigMap(metadata=metadata, data={"color": "red"}))
        own = eve.resource(kinds.CONFIG_MAP)
        with pytest.raises(ForbiddenError):
            await own.get("past", "default", at=then)
        await bind(admin, "edit", "eve", "default")
        past = await granted(lambda: own.get("past", "default", at=then))
        assert past.data["color"] == "blue"
        assert (await eve.resource(kinds.SECRET).get("past", "default")).data
        with pytest.raises(ForbiddenError, match="may not look at secrets of the past"):
            await eve.resource(kinds.SECRET).get("past", "default", at=then)
        with pytest.raises(ForbiddenError):
            await own.get("past", "kube-node-lease", at=then)

    together(server, "eve", scenario)


def test_a_server_that_starts_again_restores_default_roles(server):
    async def changed(admin):
        roles = admin.resource(kinds.CLUSTER_ROLE)
        role = await roles.get("system:aggregate-to-view")
        before = len(role.rules)
        del role.rules[:2]
        await roles.update(role)
        await roles.delete("edit")
        return before

    async def seen(admin):
        roles = admin.resource(kinds.CLUSTER_ROLE)
        role = await roles.get("system:aggregate-to-view")
        return len(role.rules), (await roles.get("edit")).HasField("aggregation_rule")

    def as_admin(scenario):
        async def main():
            async with Client(server.config()) as admin:
                return await scenario(admin)

        return asyncio.run(main())

    before = as_admin(changed)
    server.stop()
    server.start()
    assert as_admin(seen) == (before, True)
