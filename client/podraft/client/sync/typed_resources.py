"""The blocking calls of each built-in kind, as a typed property: ``client.pods``.

Written by `./dev generate` from the registry of kinds; do not edit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from google.protobuf.message import Message

from podraft.api import kinds
from podraft.api.admissionregistration.v1 import (
    mutating_webhook_configuration_pb2,
    validating_admission_policy_binding_pb2,
    validating_admission_policy_pb2,
    validating_webhook_configuration_pb2,
)
from podraft.api.apiextensions.v1 import custom_resource_definition_pb2
from podraft.api.apps.v1 import (
    controller_revision_pb2,
    daemon_set_pb2,
    deployment_pb2,
    replica_set_pb2,
    stateful_set_pb2,
)
from podraft.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2
from podraft.api.batch.v1 import cron_job_pb2, job_pb2
from podraft.api.certificates.v1 import certificate_signing_request_pb2
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import (
    config_pb2,
    endpoints_pb2,
    limit_range_pb2,
    namespace_pb2,
    node_pb2,
    persistent_volume_claim_pb2,
    persistent_volume_pb2,
    pod_pb2,
    pod_template_pb2,
    replication_controller_pb2,
    resource_quota_pb2,
    service_account_pb2,
    service_pb2,
)
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.kinds import Kind
from podraft.api.networking.v1 import ingress_class_pb2, ingress_pb2, network_policy_pb2
from podraft.api.node.v1 import runtime_class_pb2
from podraft.api.policy.v1 import pod_disruption_budget_pb2
from podraft.api.rbac.v1 import (
    cluster_role_binding_pb2,
    cluster_role_pb2,
    role_binding_pb2,
    role_pb2,
)
from podraft.api.scheduling.v1 import priority_class_pb2
from podraft.api.storage.v1 import csi_driver_pb2, csi_node_pb2, storage_class_pb2
from podraft.client.sync.resources import SyncResource

ObjectT = TypeVar("ObjectT", bound=Message)


class SyncTypedResources(ABC):
    """The blocking calls of each kind; who inherits says how those of a kind are made."""

    @abstractmethod
    def resource(self, kind: Kind[ObjectT]) -> SyncResource[ObjectT]:
        """Return the blocking calls of one kind."""

    @property
    def namespaces(self) -> SyncResource[namespace_pb2.Namespace]:
        """The blocking calls of namespaces."""
        return self.resource(kinds.NAMESPACE)

    @property
    def nodes(self) -> SyncResource[node_pb2.Node]:
        """The blocking calls of nodes."""
        return self.resource(kinds.NODE)

    @property
    def custom_resource_definitions(
        self,
    ) -> SyncResource[custom_resource_definition_pb2.CustomResourceDefinition]:
        """The blocking calls of custom resource definitions."""
        return self.resource(kinds.CUSTOM_RESOURCE_DEFINITION)

    @property
    def resource_quotas(self) -> SyncResource[resource_quota_pb2.ResourceQuota]:
        """The blocking calls of resource quotas."""
        return self.resource(kinds.RESOURCE_QUOTA)

    @property
    def limit_ranges(self) -> SyncResource[limit_range_pb2.LimitRange]:
        """The blocking calls of limit ranges."""
        return self.resource(kinds.LIMIT_RANGE)

    @property
    def service_accounts(self) -> SyncResource[service_account_pb2.ServiceAccount]:
        """The blocking calls of service accounts."""
        return self.resource(kinds.SERVICE_ACCOUNT)

    @property
    def config_maps(self) -> SyncResource[config_pb2.ConfigMap]:
        """The blocking calls of config maps."""
        return self.resource(kinds.CONFIG_MAP)

    @property
    def secrets(self) -> SyncResource[config_pb2.Secret]:
        """The blocking calls of secrets."""
        return self.resource(kinds.SECRET)

    @property
    def pod_templates(self) -> SyncResource[pod_template_pb2.PodTemplate]:
        """The blocking calls of pod templates."""
        return self.resource(kinds.POD_TEMPLATE)

    @property
    def persistent_volumes(self) -> SyncResource[persistent_volume_pb2.PersistentVolume]:
        """The blocking calls of persistent volumes."""
        return self.resource(kinds.PERSISTENT_VOLUME)

    @property
    def persistent_volume_claims(
        self,
    ) -> SyncResource[persistent_volume_claim_pb2.PersistentVolumeClaim]:
        """The blocking calls of persistent volume claims."""
        return self.resource(kinds.PERSISTENT_VOLUME_CLAIM)

    @property
    def cluster_roles(self) -> SyncResource[cluster_role_pb2.ClusterRole]:
        """The blocking calls of cluster roles."""
        return self.resource(kinds.CLUSTER_ROLE)

    @property
    def roles(self) -> SyncResource[role_pb2.Role]:
        """The blocking calls of roles."""
        return self.resource(kinds.ROLE)

    @property
    def cluster_role_bindings(self) -> SyncResource[cluster_role_binding_pb2.ClusterRoleBinding]:
        """The blocking calls of cluster role bindings."""
        return self.resource(kinds.CLUSTER_ROLE_BINDING)

    @property
    def role_bindings(self) -> SyncResource[role_binding_pb2.RoleBinding]:
        """The blocking calls of role bindings."""
        return self.resource(kinds.ROLE_BINDING)

    @property
    def ingress_classes(self) -> SyncResource[ingress_class_pb2.IngressClass]:
        """The blocking calls of ingress classes."""
        return self.resource(kinds.INGRESS_CLASS)

    @property
    def priority_classes(self) -> SyncResource[priority_class_pb2.PriorityClass]:
        """The blocking calls of priority classes."""
        return self.resource(kinds.PRIORITY_CLASS)

    @property
    def runtime_classes(self) -> SyncResource[runtime_class_pb2.RuntimeClass]:
        """The blocking calls of runtime classes."""
        return self.resource(kinds.RUNTIME_CLASS)

    @property
    def storage_classes(self) -> SyncResource[storage_class_pb2.StorageClass]:
        """The blocking calls of storage classes."""
        return self.resource(kinds.STORAGE_CLASS)

    @property
    def csi_drivers(self) -> SyncResource[csi_driver_pb2.CSIDriver]:
        """The blocking calls of csi drivers."""
        return self.resource(kinds.CSI_DRIVER)

    @property
    def services(self) -> SyncResource[service_pb2.Service]:
        """The blocking calls of services."""
        return self.resource(kinds.SERVICE)

    @property
    def endpoints(self) -> SyncResource[endpoints_pb2.Endpoints]:
        """The blocking calls of endpoints."""
        return self.resource(kinds.ENDPOINTS)

    @property
    def network_policies(self) -> SyncResource[network_policy_pb2.NetworkPolicy]:
        """The blocking calls of network policies."""
        return self.resource(kinds.NETWORK_POLICY)

    @property
    def ingresses(self) -> SyncResource[ingress_pb2.Ingress]:
        """The blocking calls of ingresses."""
        return self.resource(kinds.INGRESS)

    @property
    def pod_disruption_budgets(self) -> SyncResource[pod_disruption_budget_pb2.PodDisruptionBudget]:
        """The blocking calls of pod disruption budgets."""
        return self.resource(kinds.POD_DISRUPTION_BUDGET)

    @property
    def pods(self) -> SyncResource[pod_pb2.Pod]:
        """The blocking calls of pods."""
        return self.resource(kinds.POD)

    @property
    def replication_controllers(
        self,
    ) -> SyncResource[replication_controller_pb2.ReplicationController]:
        """The blocking calls of replication controllers."""
        return self.resource(kinds.REPLICATION_CONTROLLER)

    @property
    def replica_sets(self) -> SyncResource[replica_set_pb2.ReplicaSet]:
        """The blocking calls of replica sets."""
        return self.resource(kinds.REPLICA_SET)

    @property
    def deployments(self) -> SyncResource[deployment_pb2.Deployment]:
        """The blocking calls of deployments."""
        return self.resource(kinds.DEPLOYMENT)

    @property
    def daemon_sets(self) -> SyncResource[daemon_set_pb2.DaemonSet]:
        """The blocking calls of daemon sets."""
        return self.resource(kinds.DAEMON_SET)

    @property
    def stateful_sets(self) -> SyncResource[stateful_set_pb2.StatefulSet]:
        """The blocking calls of stateful sets."""
        return self.resource(kinds.STATEFUL_SET)

    @property
    def jobs(self) -> SyncResource[job_pb2.Job]:
        """The blocking calls of jobs."""
        return self.resource(kinds.JOB)

    @property
    def cron_jobs(self) -> SyncResource[cron_job_pb2.CronJob]:
        """The blocking calls of cron jobs."""
        return self.resource(kinds.CRON_JOB)

    @property
    def horizontal_pod_autoscalers(
        self,
    ) -> SyncResource[horizontal_pod_autoscaler_pb2.HorizontalPodAutoscaler]:
        """The blocking calls of horizontal pod autoscalers."""
        return self.resource(kinds.HORIZONTAL_POD_AUTOSCALER)

    @property
    def controller_revisions(self) -> SyncResource[controller_revision_pb2.ControllerRevision]:
        """The blocking calls of controller revisions."""
        return self.resource(kinds.CONTROLLER_REVISION)

    @property
    def endpoint_slices(self) -> SyncResource[endpoint_slice_pb2.EndpointSlice]:
        """The blocking calls of endpoint slices."""
        return self.resource(kinds.ENDPOINT_SLICE)

    @property
    def leases(self) -> SyncResource[lease_pb2.Lease]:
        """The blocking calls of leases."""
        return self.resource(kinds.LEASE)

    @property
    def events(self) -> SyncResource[event_pb2.Event]:
        """The blocking calls of events."""
        return self.resource(kinds.EVENT)

    @property
    def certificate_signing_requests(
        self,
    ) -> SyncResource[certificate_signing_request_pb2.CertificateSigningRequest]:
        """The blocking calls of certificate signing requests."""
        return self.resource(kinds.CERTIFICATE_SIGNING_REQUEST)

    @property
    def csi_nodes(self) -> SyncResource[csi_node_pb2.CSINode]:
        """The blocking calls of csi nodes."""
        return self.resource(kinds.CSI_NODE)

    @property
    def validating_admission_policies(
        self,
    ) -> SyncResource[validating_admission_policy_pb2.ValidatingAdmissionPolicy]:
        """The blocking calls of validating admission policies."""
        return self.resource(kinds.VALIDATING_ADMISSION_POLICY)

    @property
    def validating_admission_policy_bindings(
        self,
    ) -> SyncResource[validating_admission_policy_binding_pb2.ValidatingAdmissionPolicyBinding]:
        """The blocking calls of validating admission policy bindings."""
        return self.resource(kinds.VALIDATING_ADMISSION_POLICY_BINDING)

    @property
    def mutating_webhook_configurations(
        self,
    ) -> SyncResource[mutating_webhook_configuration_pb2.MutatingWebhookConfiguration]:
        """The blocking calls of mutating webhook configurations."""
        return self.resource(kinds.MUTATING_WEBHOOK_CONFIGURATION)

    @property
    def validating_webhook_configurations(
        self,
    ) -> SyncResource[validating_webhook_configuration_pb2.ValidatingWebhookConfiguration]:
        """The blocking calls of validating webhook configurations."""
        return self.resource(kinds.VALIDATING_WEBHOOK_CONFIGURATION)
