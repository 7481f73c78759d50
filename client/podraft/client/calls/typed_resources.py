"""The calls of each built-in kind, as a typed property: ``client.pods``.

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
from podraft.client.calls.resources import ResourceClient

ObjectT = TypeVar("ObjectT", bound=Message)


class TypedResources(ABC):
    """The calls of each kind; who inherits says how those of a kind are made."""

    @abstractmethod
    def resource(self, kind: Kind[ObjectT]) -> ResourceClient[ObjectT]:
        """Return the calls of one kind."""

    @property
    def namespaces(self) -> ResourceClient[namespace_pb2.Namespace]:
        """The calls of namespaces."""
        return self.resource(kinds.NAMESPACE)

    @property
    def nodes(self) -> ResourceClient[node_pb2.Node]:
        """The calls of nodes."""
        return self.resource(kinds.NODE)

    @property
    def custom_resource_definitions(
        self,
    ) -> ResourceClient[custom_resource_definition_pb2.CustomResourceDefinition]:
        """The calls of custom resource definitions."""
        return self.resource(kinds.CUSTOM_RESOURCE_DEFINITION)

    @property
    def resource_quotas(self) -> ResourceClient[resource_quota_pb2.ResourceQuota]:
        """The calls of resource quotas."""
        return self.resource(kinds.RESOURCE_QUOTA)

    @property
    def limit_ranges(self) -> ResourceClient[limit_range_pb2.LimitRange]:
        """The calls of limit ranges."""
        return self.resource(kinds.LIMIT_RANGE)

    @property
    def service_accounts(self) -> ResourceClient[service_account_pb2.ServiceAccount]:
        """The calls of service accounts."""
        return self.resource(kinds.SERVICE_ACCOUNT)

    @property
    def config_maps(self) -> ResourceClient[config_pb2.ConfigMap]:
        """The calls of config maps."""
        return self.resource(kinds.CONFIG_MAP)

    @property
    def secrets(self) -> ResourceClient[config_pb2.Secret]:
        """The calls of secrets."""
        return self.resource(kinds.SECRET)

    @property
    def pod_templates(self) -> ResourceClient[pod_template_pb2.PodTemplate]:
        """The calls of pod templates."""
        return self.resource(kinds.POD_TEMPLATE)

    @property
    def persistent_volumes(self) -> ResourceClient[persistent_volume_pb2.PersistentVolume]:
        """The calls of persistent volumes."""
        return self.resource(kinds.PERSISTENT_VOLUME)

    @property
    def persistent_volume_claims(
        self,
    ) -> ResourceClient[persistent_volume_claim_pb2.PersistentVolumeClaim]:
        """The calls of persistent volume claims."""
        return self.resource(kinds.PERSISTENT_VOLUME_CLAIM)

    @property
    def cluster_roles(self) -> ResourceClient[cluster_role_pb2.ClusterRole]:
        """The calls of cluster roles."""
        return self.resource(kinds.CLUSTER_ROLE)

    @property
    def roles(self) -> ResourceClient[role_pb2.Role]:
        """The calls of roles."""
        return self.resource(kinds.ROLE)

    @property
    def cluster_role_bindings(self) -> ResourceClient[cluster_role_binding_pb2.ClusterRoleBinding]:
        """The calls of cluster role bindings."""
        return self.resource(kinds.CLUSTER_ROLE_BINDING)

    @property
    def role_bindings(self) -> ResourceClient[role_binding_pb2.RoleBinding]:
        """The calls of role bindings."""
        return self.resource(kinds.ROLE_BINDING)

    @property
    def ingress_classes(self) -> ResourceClient[ingress_class_pb2.IngressClass]:
        """The calls of ingress classes."""
        return self.resource(kinds.INGRESS_CLASS)

    @property
    def priority_classes(self) -> ResourceClient[priority_class_pb2.PriorityClass]:
        """The calls of priority classes."""
        return self.resource(kinds.PRIORITY_CLASS)

    @property
    def runtime_classes(self) -> ResourceClient[runtime_class_pb2.RuntimeClass]:
        """The calls of runtime classes."""
        return self.resource(kinds.RUNTIME_CLASS)

    @property
    def storage_classes(self) -> ResourceClient[storage_class_pb2.StorageClass]:
        """The calls of storage classes."""
        return self.resource(kinds.STORAGE_CLASS)

    @property
    def csi_drivers(self) -> ResourceClient[csi_driver_pb2.CSIDriver]:
        """The calls of csi drivers."""
        return self.resource(kinds.CSI_DRIVER)

    @property
    def services(self) -> ResourceClient[service_pb2.Service]:
        """The calls of services."""
        return self.resource(kinds.SERVICE)

    @property
    def endpoints(self) -> ResourceClient[endpoints_pb2.Endpoints]:
        """The calls of endpoints."""
        return self.resource(kinds.ENDPOINTS)

    @property
    def network_policies(self) -> ResourceClient[network_policy_pb2.NetworkPolicy]:
        """The calls of network policies."""
        return self.resource(kinds.NETWORK_POLICY)

    @property
    def ingresses(self) -> ResourceClient[ingress_pb2.Ingress]:
        """The calls of ingresses."""
        return self.resource(kinds.INGRESS)

    @property
    def pod_disruption_budgets(
        self,
    ) -> ResourceClient[pod_disruption_budget_pb2.PodDisruptionBudget]:
        """The calls of pod disruption budgets."""
        return self.resource(kinds.POD_DISRUPTION_BUDGET)

    @property
    def pods(self) -> ResourceClient[pod_pb2.Pod]:
        """The calls of pods."""
        return self.resource(kinds.POD)

    @property
    def replication_controllers(
        self,
    ) -> ResourceClient[replication_controller_pb2.ReplicationController]:
        """The calls of replication controllers."""
        return self.resource(kinds.REPLICATION_CONTROLLER)

    @property
    def replica_sets(self) -> ResourceClient[replica_set_pb2.ReplicaSet]:
        """The calls of replica sets."""
        return self.resource(kinds.REPLICA_SET)

    @property
    def deployments(self) -> ResourceClient[deployment_pb2.Deployment]:
        """The calls of deployments."""
        return self.resource(kinds.DEPLOYMENT)

    @property
    def daemon_sets(self) -> ResourceClient[daemon_set_pb2.DaemonSet]:
        """The calls of daemon sets."""
        return self.resource(kinds.DAEMON_SET)

    @property
    def stateful_sets(self) -> ResourceClient[stateful_set_pb2.StatefulSet]:
        """The calls of stateful sets."""
        return self.resource(kinds.STATEFUL_SET)

    @property
    def jobs(self) -> ResourceClient[job_pb2.Job]:
        """The calls of jobs."""
        return self.resource(kinds.JOB)

    @property
    def cron_jobs(self) -> ResourceClient[cron_job_pb2.CronJob]:
        """The calls of cron jobs."""
        return self.resource(kinds.CRON_JOB)

    @property
    def horizontal_pod_autoscalers(
        self,
    ) -> ResourceClient[horizontal_pod_autoscaler_pb2.HorizontalPodAutoscaler]:
        """The calls of horizontal pod autoscalers."""
        return self.resource(kinds.HORIZONTAL_POD_AUTOSCALER)

    @property
    def controller_revisions(self) -> ResourceClient[controller_revision_pb2.ControllerRevision]:
        """The calls of controller revisions."""
        return self.resource(kinds.CONTROLLER_REVISION)

    @property
    def endpoint_slices(self) -> ResourceClient[endpoint_slice_pb2.EndpointSlice]:
        """The calls of endpoint slices."""
        return self.resource(kinds.ENDPOINT_SLICE)

    @property
    def leases(self) -> ResourceClient[lease_pb2.Lease]:
        """The calls of leases."""
        return self.resource(kinds.LEASE)

    @property
    def events(self) -> ResourceClient[event_pb2.Event]:
        """The calls of events."""
        return self.resource(kinds.EVENT)

    @property
    def certificate_signing_requests(
        self,
    ) -> ResourceClient[certificate_signing_request_pb2.CertificateSigningRequest]:
        """The calls of certificate signing requests."""
        return self.resource(kinds.CERTIFICATE_SIGNING_REQUEST)

    @property
    def csi_nodes(self) -> ResourceClient[csi_node_pb2.CSINode]:
        """The calls of csi nodes."""
        return self.resource(kinds.CSI_NODE)

    @property
    def validating_admission_policies(
        self,
    ) -> ResourceClient[validating_admission_policy_pb2.ValidatingAdmissionPolicy]:
        """The calls of validating admission policies."""
        return self.resource(kinds.VALIDATING_ADMISSION_POLICY)

    @property
    def validating_admission_policy_bindings(
        self,
    ) -> ResourceClient[validating_admission_policy_binding_pb2.ValidatingAdmissionPolicyBinding]:
        """The calls of validating admission policy bindings."""
        return self.resource(kinds.VALIDATING_ADMISSION_POLICY_BINDING)

    @property
    def mutating_webhook_configurations(
        self,
    ) -> ResourceClient[mutating_webhook_configuration_pb2.MutatingWebhookConfiguration]:
        """The calls of mutating webhook configurations."""
        return self.resource(kinds.MUTATING_WEBHOOK_CONFIGURATION)

    @property
    def validating_webhook_configurations(
        self,
    ) -> ResourceClient[validating_webhook_configuration_pb2.ValidatingWebhookConfiguration]:
        """The calls of validating webhook configurations."""
        return self.resource(kinds.VALIDATING_WEBHOOK_CONFIGURATION)
