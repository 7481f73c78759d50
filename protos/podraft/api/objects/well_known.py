"""The names that several parts understand: namespaces, labels, annotations, taints.

Owns: each of these names, once.  A name that only one module reads may stay there.

Invariant: a name here is Kubernetes' own wherever Kubernetes has one for the same thing, so that
manifests and habits stay true; podraft's own stand below ``podraft.io``.
"""

from __future__ import annotations

from typing import Final

# Namespaces: for objects that name none, for the cluster's own objects, for the nodes' Leases.
DEFAULT_NAMESPACE: Final = "default"
SYSTEM_NAMESPACE: Final = "podraft-system"
NODE_LEASE_NAMESPACE: Final = "kube-node-lease"
OWN_NAMESPACES: Final = (DEFAULT_NAMESPACE, SYSTEM_NAMESPACE, NODE_LEASE_NAMESPACE)
# Manifests written for Kubernetes put a cluster's own workloads into `kube-system`.
PROTECTED_NAMESPACES: Final = frozenset((*OWN_NAMESPACES, "kube-system"))

# Finalizers.  The last is in a namespace's spec, and is removed when the namespace is empty.
FOREGROUND_FINALIZER: Final = "foregroundDeletion"
ORPHAN_FINALIZER: Final = "orphan"
CLEANUP_FINALIZER: Final = "customresourcecleanup.apiextensions.k8s.io"
NAMESPACE_FINALIZER: Final = "kubernetes"

# Labels.
NAMESPACE_NAME_LABEL: Final = "kubernetes.io/metadata.name"
TEMPLATE_HASH_LABEL: Final = "pod-template-hash"
REVISION_HASH_LABEL: Final = "controller-revision-hash"
STATEFUL_POD_LABEL: Final = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL: Final = "apps.kubernetes.io/pod-index"
SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
SLICE_MANAGER_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
HEADLESS_LABEL: Final = "service.kubernetes.io/headless"

# Labels, annotations and the finalizer of what jobs and cron jobs make.  The first two labels also
# have their former names, by which existing commands still select.
JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
JOB_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
OLD_JOB_NAME_LABEL: Final = "job-name"
OLD_JOB_UID_LABEL: Final = "controller-uid"
COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES: Final = "batch.kubernetes.io/job-index-failure-count"
JOB_TRACKING_FINALIZER: Final = "batch.kubernetes.io/job-tracking"
SCHEDULED_TIME: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"

# Labels of nodes; existing manifests still select by the two old names.
HOSTNAME_LABEL: Final = "kubernetes.io/hostname"
OS_LABEL: Final = "kubernetes.io/os"
ARCHITECTURE_LABEL: Final = "kubernetes.io/arch"
OLD_OS_LABEL: Final = "beta.kubernetes.io/os"
OLD_ARCHITECTURE_LABEL: Final = "beta.kubernetes.io/arch"
INSTANCE_TYPE_LABEL: Final = "node.kubernetes.io/instance-type"
REGION_LABEL: Final = "topology.kubernetes.io/region"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
NODE_ROLE_PREFIX: Final = "node-role.kubernetes.io/"

# Taints of nodes.
NOT_READY_TAINT: Final = "node.kubernetes.io/not-ready"
UNREACHABLE_TAINT: Final = "node.kubernetes.io/unreachable"
UNSCHEDULABLE_TAINT: Final = "node.kubernetes.io/unschedulable"
DISK_PRESSURE_TAINT: Final = "node.kubernetes.io/disk-pressure"
MEMORY_PRESSURE_TAINT: Final = "node.kubernetes.io/memory-pressure"
PID_PRESSURE_TAINT: Final = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE_TAINT: Final = "node.kubernetes.io/network-unavailable"

# The annotation of the bookmark that ends the objects with which a watch begins.
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"

# Annotations that controllers write or obey.
REVISION: Final = "deployment.kubernetes.io/revision"
REVISION_HISTORY: Final = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS: Final = "deployment.kubernetes.io/desired-replicas"
REPLICAS_MAX: Final = "deployment.kubernetes.io/max-replicas"
DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"

# Annotations that commands write.  `apply` of kubectl notes the whole manifest, that of podraft
# its fields' names.
CHANGE_CAUSE: Final = "kubernetes.io/change-cause"
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
KUBECTL_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
APPLIED_FIELDS: Final = "podraft.io/applied-fields"
APPLY_NOTES: Final = frozenset((KUBECTL_LAST_APPLIED, APPLIED_FIELDS))
