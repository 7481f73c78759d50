"""The kinds of the core group.

Owns: their entries.  Invariant: the entries are in the order of creation where ``Order``
leaves it open.
"""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1 import (
    config_pb2,
    endpoints_pb2,
    namespace_pb2,
    node_pb2,
    pod_pb2,
    pod_streams_pb2,
    pod_template_pb2,
    replication_controller_pb2,
    scheduling_pb2,
    service_account_pb2,
    service_pb2,
)
from podraft.api.kinds.kind import VERBS, AnyKind, Kind, Method, Order, ScaleFields, TypedField
from podraft.api.meta.v1 import requests_pb2

NAMESPACE = Kind(
    message=namespace_pb2.Namespace,
    api_version="v1",
    resource="namespaces",
    short_names=("ns",),
    namespaced=False,
    order=Order.NAMESPACES,
    # Whoever wants to end all namespaces names each.
    verbs=tuple(verb for verb in VERBS if verb != "deletecollection"),
    subresources=("status",),
    selectable_fields=("metadata.name", "status.phase"),
)
NODE = Kind(
    message=node_pb2.Node,
    api_version="v1",
    resource="nodes",
    short_names=("no",),
    namespaced=False,
    order=Order.MACHINES,
    subresources=("status",),
    selectable_fields=("metadata.name", "spec.unschedulable"),
)
CONFIG_MAP = Kind(
    message=config_pb2.ConfigMap,
    api_version="v1",
    resource="configmaps",
    short_names=("cm",),
    order=Order.CONFIG,
)
SECRET = Kind(
    message=config_pb2.Secret,
    api_version="v1",
    resource="secrets",
    order=Order.CONFIG,
    selectable_fields=("metadata.name", "metadata.namespace", "type"),
)
SERVICE_ACCOUNT = Kind(
    message=service_account_pb2.ServiceAccount,
    api_version="v1",
    resource="serviceaccounts",
    short_names=("sa",),
    order=Order.CONFIG,
)
POD_TEMPLATE = Kind(
    message=pod_template_pb2.PodTemplate,
    api_version="v1",
    resource="podtemplates",
    order=Order.CONFIG,
)
NODE_PORTS: Final = TypedField("spec.type", "spec.ports.nodePort", forbidden_with=("", "ClusterIP"))
EXTERNAL_POLICY: Final = TypedField(
    "spec.type", "spec.externalTrafficPolicy", forbidden_with=("", "ClusterIP")
)
SERVICE = Kind(
    message=service_pb2.Service,
    api_version="v1",
    resource="services",
    short_names=("svc",),
    order=Order.NETWORK,
    subresources=("status",),
    categories=("all",),
    selectable_fields=("metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type"),
    typed_fields=(NODE_PORTS, EXTERNAL_POLICY),
)
ENDPOINTS = Kind(
    message=endpoints_pb2.Endpoints,
    api_version="v1",
    resource="endpoints",
    short_names=("ep",),
    order=Order.NETWORK,
)
POD = Kind(
    message=pod_pb2.Pod,
    api_version="v1",
    resource="pods",
    short_names=("po",),
    order=Order.WORKLOADS,
    subresources=("status", "binding", "eviction", "log", "exec", "portforward"),
    categories=("all",),
    selectable_fields=(
        "metadata.name",
        "metadata.namespace",
        "spec.nodeName",
        "spec.restartPolicy",
        "status.phase",
        "status.podIP",
    ),
    extra_methods=(
        Method(
            "EvictPod",
            requests_pb2.DeleteRequest,
            pod_pb2.Pod,
            "Deletes the pod as `DeletePod` does, if the disruption budget that covers it allows "
            "it now. Fails with `RESOURCE_EXHAUSTED` if the budget has nothing left, with "
            "`FAILED_PRECONDITION` if several budgets cover the pod.",
        ),
        Method(
            "BindPod",
            scheduling_pb2.BindPodRequest,
            pod_pb2.Pod,
            "Places the pod on a node, or records why it could not be placed. Fails with `ABORTED` "
            "if the pod is bound already or is not the one that is meant.",
        ),
        Method(
            "GetPodSchedulingRecord",
            requests_pb2.GetRequest,
            scheduling_pb2.SchedulingRecord,
            "Returns how the scheduler decided about the pod last, or `NOT_FOUND` if it has not "
            "yet.",
        ),
        Method(
            "StreamPodLogs",
            pod_streams_pb2.StreamPodLogsRequest,
            pod_streams_pb2.StreamPodLogsResponse,
            "Streams what a container wrote. The API server relays it from the pod's node.",
            server_streams=True,
        ),
        Method(
            "ExecPod",
            pod_streams_pb2.ExecPodRequest,
            pod_streams_pb2.ExecPodResponse,
            "Runs a command in a running container, interactively if wanted. Relayed to the pod's "
            "node.",
            client_streams=True,
            server_streams=True,
        ),
        Method(
            "ForwardPodPort",
            pod_streams_pb2.ForwardPodPortRequest,
            pod_streams_pb2.ForwardPodPortResponse,
            "Connects to a TCP port of a running pod: one call for one connection. Relayed to the "
            "pod's node.",
            client_streams=True,
            server_streams=True,
        ),
    ),
)

REPLICATION_CONTROLLER = Kind(
    message=replication_controller_pb2.ReplicationController,
    api_version="v1",
    resource="replicationcontrollers",
    short_names=("rc",),
    order=Order.WORKLOADS,
    subresources=("status", "scale"),
    scale=ScaleFields(),
    categories=("all",),
    selectable_fields=("metadata.name", "metadata.namespace", "status.replicas"),
)

KINDS: Final[tuple[AnyKind, ...]] = (
    NAMESPACE,
    NODE,
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    SECRET,
    POD_TEMPLATE,
    SERVICE,
    ENDPOINTS,
    POD,
    REPLICATION_CONTROLLER,
)
