"""The kinds of objects: a new built-in one is an entry in one of this package's modules.

Owns: the package's public names and the registry of the kinds that are built in.  The API
server's generic services, the SDK, the store's keys, the CLI and the JSON codec are all driven
by such a registry.

Invariants: a kind's gRPC service has exactly the one shape that
``tests/architecture/test_contract.py`` states, derived from the names here; ``BUILT_IN`` is for
tools, which may have a teacher for others, while a server passes on the registry that it started
with.
"""

from __future__ import annotations

from typing import Final

from podraft.api.kinds import (
    admission,
    apps,
    batch,
    core,
    extensions,
    networking,
    policies,
    quotas,
    rbac,
    records,
    reviews,
    storage,
    volumes,
)
from podraft.api.kinds.admission import (
    MUTATING_WEBHOOK_CONFIGURATION,
    VALIDATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY_BINDING,
    VALIDATING_WEBHOOK_CONFIGURATION,
)
from podraft.api.kinds.apps import (
    CONTROLLER_REVISION,
    DAEMON_SET,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
)
from podraft.api.kinds.batch import CRON_JOB, JOB
from podraft.api.kinds.core import (
    CONFIG_MAP,
    ENDPOINTS,
    NAMESPACE,
    NODE,
    POD,
    POD_TEMPLATE,
    REPLICATION_CONTROLLER,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
)
from podraft.api.kinds.extensions import CUSTOM_RESOURCE_DEFINITION
from podraft.api.kinds.kind import VERBS, AnyKind, Kind, Object, Order
from podraft.api.kinds.networking import INGRESS, INGRESS_CLASS, NETWORK_POLICY
from podraft.api.kinds.policies import (
    HORIZONTAL_POD_AUTOSCALER,
    POD_DISRUPTION_BUDGET,
    PRIORITY_CLASS,
)
from podraft.api.kinds.quotas import (
    LIMIT_RANGE,
    RESOURCE_QUOTA,
)
from podraft.api.kinds.rbac import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from podraft.api.kinds.records import (
    CERTIFICATE_SIGNING_REQUEST,
    ENDPOINT_SLICE,
    EVENT,
    LEASE,
)
from podraft.api.kinds.registry import Change, KnownKinds, LearningKinds, Observer, Registry
from podraft.api.kinds.reviews import (
    LOCAL_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
    SUBJECT_ACCESS_REVIEW,
    TOKEN_REVIEW,
)
from podraft.api.kinds.storage import CSI_DRIVER, CSI_NODE, RUNTIME_CLASS, STORAGE_CLASS
from podraft.api.kinds.volumes import (
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
)
from podraft.api.teacher import TEACHER

__all__ = [
    "AnyKind",
    "Kind",
    "Object",
    "Order",
    "VERBS",
    "Change",
    "KnownKinds",
    "Observer",
    "Registry",
    "BUILT_IN",
    "BUILT_IN_GROUPS",
    "NAMESPACE",
    "NODE",
    "CONFIG_MAP",
    "SECRET",
    "SERVICE",
    "POD",
    "SERVICE_ACCOUNT",
    "POD_TEMPLATE",
    "ENDPOINTS",
    "REPLICATION_CONTROLLER",
    "RESOURCE_QUOTA",
    "LIMIT_RANGE",
    "PERSISTENT_VOLUME",
    "PERSISTENT_VOLUME_CLAIM",
    "REPLICA_SET",
    "DEPLOYMENT",
    "DAEMON_SET",
    "STATEFUL_SET",
    "CONTROLLER_REVISION",
    "JOB",
    "CRON_JOB",
    "PRIORITY_CLASS",
    "POD_DISRUPTION_BUDGET",
    "HORIZONTAL_POD_AUTOSCALER",
    "ENDPOINT_SLICE",
    "LEASE",
    "EVENT",
    "CERTIFICATE_SIGNING_REQUEST",
    "ROLE",
    "CLUSTER_ROLE",
    "ROLE_BINDING",
    "CLUSTER_ROLE_BINDING",
    "TOKEN_REVIEW",
    "SELF_SUBJECT_REVIEW",
    "SUBJECT_ACCESS_REVIEW",
    "LOCAL_SUBJECT_ACCESS_REVIEW",
    "SELF_SUBJECT_ACCESS_REVIEW",
    "SELF_SUBJECT_RULES_REVIEW",
    "INGRESS_CLASS",
    "NETWORK_POLICY",
    "INGRESS",
    "RUNTIME_CLASS",
    "STORAGE_CLASS",
    "CSI_DRIVER",
    "CSI_NODE",
    "CUSTOM_RESOURCE_DEFINITION",
    "VALIDATING_ADMISSION_POLICY",
    "VALIDATING_ADMISSION_POLICY_BINDING",
    "MUTATING_WEBHOOK_CONFIGURATION",
    "VALIDATING_WEBHOOK_CONFIGURATION",
]

BUILT_IN: Final = LearningKinds(
    (
        *quotas.KINDS,
        *core.KINDS,
        *volumes.KINDS,
        *extensions.KINDS,
        *rbac.KINDS,
        *networking.KINDS,
        *apps.KINDS,
        *batch.KINDS,
        *policies.KINDS,
        *records.KINDS,
        *reviews.KINDS,
        *storage.KINDS,
        *admission.KINDS,
    ),
    TEACHER,
)
BUILT_IN_GROUPS: Final = frozenset(kind.group for kind in BUILT_IN)
