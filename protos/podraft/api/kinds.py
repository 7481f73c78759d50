"""The table of kinds: the only place to touch when podraft learns a kind.

Owns: what every part of podraft must know of a kind (its names, its messages,
whether it lives in a namespace).  The API server's generic services, the SDK,
the store's keys, the CLI and the JSON codec are all driven by this table.

Invariant: a kind's gRPC service has exactly the one shape that
``tests/architecture/test_contract.py`` states, derived from the names here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message

from podraft.api.apps.v1 import (
    deployment_pb2,
    deployment_service_pb2,
    replica_set_pb2,
    replica_set_service_pb2,
)
from podraft.api.coordination.v1 import lease_pb2, lease_service_pb2
from podraft.api.core.v1 import (
    config_map_service_pb2,
    config_pb2,
    namespace_pb2,
    namespace_service_pb2,
    node_pb2,
    node_service_pb2,
    pod_pb2,
    pod_service_pb2,
    secret_service_pb2,
    service_pb2,
    service_service_pb2,
)
from podraft.api.discovery.v1 import endpoint_slice_pb2, endpoint_slice_service_pb2
from podraft.api.events.v1 import event_pb2, event_service_pb2
from podraft.api.meta.v1 import meta_pb2


class Object(Protocol):
    """What every stored object has: its metadata as field 1."""

    @property
    def metadata(self) -> meta_pb2.ObjectMeta:
        """Identity, revision and ownership of the object."""

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: D102, N802 - protobuf's name
        ...


ObjectT = TypeVar("ObjectT", bound=Message)


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[ObjectT]):
    """One kind of object; compared by identity.

    ``resource`` is the plural that keys and commands use (``pods``);
    ``api_version`` is what manifests say (``apps/v1``).
    """

    name: str
    resource: str
    short_names: tuple[str, ...]
    api_version: str
    namespaced: bool
    has_status: bool
    message: type[ObjectT]
    list_message: type[Message]
    service_module: Any
    selectable_fields: tuple[str, ...] = ()
    plural: str = ""

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def field(self) -> str:
        """The field that holds the object in create and update requests."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in self.name).lstrip("_")

    @property
    def service(self) -> str:
        """The full name of the kind's gRPC service."""
        package = self.message.DESCRIPTOR.file.package
        return f"{package}.{self.name}Service"

    @property
    def create_request(self) -> type[Message]:
        """``CreatePodRequest`` and the like."""
        return getattr(self.service_module, f"Create{self.name}Request")  # type: ignore[no-any-return]  # by name

    @property
    def update_request(self) -> type[Message]:
        """``UpdatePodRequest`` and the like."""
        return getattr(self.service_module, f"Update{self.name}Request")  # type: ignore[no-any-return]  # by name

    @property
    def watch_response(self) -> type[Message]:
        """``WatchPodsResponse`` and the like."""
        return getattr(self.service_module, f"Watch{self.plural_name}Response")  # type: ignore[no-any-return]  # by name

    @property
    def plural_name(self) -> str:
        """The plural that gRPC methods use: ``Pods`` in ``ListPods``."""
        return self.plural or f"{self.name}s"

    def method(self, verb: str) -> str:
        """Return the full path of one gRPC method.

        ``verb`` is Create, Get, List, Watch, Update, UpdateStatus, Patch or Delete.
        """
        match verb:
            case "List" | "Watch":
                method = f"{verb}{self.plural_name}"
            case "UpdateStatus":
                method = f"Update{self.name}Status"
            case _:
                method = f"{verb}{self.name}"
        return f"/{self.service}/{method}"

    def __repr__(self) -> str:
        return f"Kind({self.api_version} {self.name})"


AnyKind: TypeAlias = Kind[Any]

NAMESPACE = Kind(
    name="Namespace",
    resource="namespaces",
    short_names=("ns",),
    api_version="v1",
    namespaced=False,
    has_status=True,
    message=namespace_pb2.Namespace,
    list_message=namespace_pb2.NamespaceList,
    service_module=namespace_service_pb2,
    selectable_fields=("metadata.name", "status.phase"),
)
NODE = Kind(
    name="Node",
    resource="nodes",
    short_names=("no",),
    api_version="v1",
    namespaced=False,
    has_status=True,
    message=node_pb2.Node,
    list_message=node_pb2.NodeList,
    service_module=node_service_pb2,
    selectable_fields=("metadata.name", "spec.unschedulable"),
)
POD = Kind(
    name="Pod",
    resource="pods",
    short_names=("po",),
    api_version="v1",
    namespaced=True,
    has_status=True,
    message=pod_pb2.Pod,
    list_message=pod_pb2.PodList,
    service_module=pod_service_pb2,
    selectable_fields=(
        "metadata.name",
        "metadata.namespace",
        "spec.nodeName",
        "spec.restartPolicy",
        "status.phase",
        "status.podIP",
    ),
)
SERVICE = Kind(
    name="Service",
    resource="services",
    short_names=("svc",),
    api_version="v1",
    namespaced=True,
    has_status=False,
    message=service_pb2.Service,
    list_message=service_pb2.ServiceList,
    service_module=service_service_pb2,
    selectable_fields=("metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type"),
)
CONFIG_MAP = Kind(
    name="ConfigMap",
    resource="configmaps",
    short_names=("cm",),
    api_version="v1",
    namespaced=True,
    has_status=False,
    message=config_pb2.ConfigMap,
    list_message=config_pb2.ConfigMapList,
    service_module=config_map_service_pb2,
    selectable_fields=("metadata.name", "metadata.namespace"),
)
SECRET = Kind(
    name="Secret",
    resource="secrets",
    short_names=(),
    api_version="v1",
    namespaced=True,
    has_status=False,
    message=config_pb2.Secret,
    list_message=config_pb2.SecretList,
    service_module=secret_service_pb2,
    selectable_fields=("metadata.name", "metadata.namespace", "type"),
)
DEPLOYMENT = Kind(
    name="Deployment",
    resource="deployments",
    short_names=("deploy",),
    api_version="apps/v1",
    namespaced=True,
    has_status=True,
    message=deployment_pb2.Deployment,
    list_message=deployment_pb2.DeploymentList,
    service_module=deployment_service_pb2,
    selectable_fields=("metadata.name", "metadata.namespace"),
)
REPLICA_SET = Kind(
    name="ReplicaSet",
    resource="replicasets",
    short_names=("rs",),
    api_version="apps/v1",
    namespaced=True,
    has_status=True,
    message=replica_set_pb2.ReplicaSet,
    list_message=replica_set_pb2.ReplicaSetList,
    service_module=replica_set_service_pb2,
    selectable_fields=("metadata.name", "metadata.namespace"),
)
ENDPOINT_SLICE = Kind(
    name="EndpointSlice",
    resource="endpointslices",
    short_names=(),
    api_version="discovery.k8s.io/v1",
    namespaced=True,
    has_status=False,
    message=endpoint_slice_pb2.EndpointSlice,
    list_message=endpoint_slice_pb2.EndpointSliceList,
    service_module=endpoint_slice_service_pb2,
    selectable_fields=("metadata.name", "metadata.namespace"),
)
LEASE = Kind(
    name="Lease",
    resource="leases",
    short_names=(),
    api_version="coordination.k8s.io/v1",
    namespaced=True,
    has_status=False,
    message=lease_pb2.Lease,
    list_message=lease_pb2.LeaseList,
    service_module=lease_service_pb2,
    selectable_fields=("metadata.name", "metadata.namespace"),
)
EVENT = Kind(
    name="Event",
    resource="events",
    short_names=("ev",),
    api_version="events.k8s.io/v1",
    namespaced=True,
    has_status=False,
    message=event_pb2.Event,
    list_message=event_pb2.EventList,
    service_module=event_service_pb2,
    selectable_fields=(
        "metadata.name",
        "metadata.namespace",
        "regarding.kind",
        "regarding.name",
        "regarding.namespace",
        "regarding.uid",
        "reason",
        "type",
    ),
)

KINDS: tuple[AnyKind, ...] = (
    NAMESPACE,
    NODE,
    CONFIG_MAP,
    SECRET,
    SERVICE,
    POD,
    REPLICA_SET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    LEASE,
    EVENT,
)

_BY_MANIFEST = {(kind.api_version, kind.name): kind for kind in KINDS}
_BY_MESSAGE: dict[str, AnyKind] = {kind.message.DESCRIPTOR.full_name: kind for kind in KINDS}
_BY_WORD: dict[str, AnyKind] = {}
for _kind in KINDS:
    for _word in (_kind.resource, _kind.name.lower(), *_kind.short_names):
        _BY_WORD[_word] = _kind
        _BY_WORD[f"{_word}.{_kind.group}" if _kind.group else _word] = _kind


def by_manifest(api_version: str, name: str) -> AnyKind | None:
    """Return the kind that a manifest's ``apiVersion`` and ``kind`` name."""
    return _BY_MANIFEST.get((api_version, name))


def by_word(word: str) -> AnyKind | None:
    """Return the kind that a user names: ``po``, ``pod``, ``Pods``, ``deployments.apps``."""
    return _BY_WORD.get(word.lower())


def by_message_name(full_name: str) -> AnyKind | None:
    """Return the kind of a protobuf message, by its full name."""
    return _BY_MESSAGE.get(full_name)


def of(message: Message) -> AnyKind:
    """Return the kind of an object.

    Raises:
        KeyError: The message is no stored kind.

    """
    return _BY_MESSAGE[message.DESCRIPTOR.full_name]


def words() -> Iterator[str]:
    """Yield every word that names a kind, for help and completion."""
    yield from _BY_WORD
