"""One valid object of every kind, as a user would write it."""

from __future__ import annotations

import copy
from typing import Any

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind

_CONTAINERS = [{"name": "main", "image": "registry.example/app:1"}]
_TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": _CONTAINERS}}
_PODS = {"selector": {"matchLabels": {"app": "web"}}, "template": _TEMPLATE}
_WORKLOAD = {"replicas": 2, **_PODS}
_FINITE = {"restartPolicy": "Never", "containers": _CONTAINERS}
_RULE = {
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "resources": ["deployments"],
    "operations": ["CREATE", "UPDATE"],
}
_WEBHOOK = {
    "name": "check.example.com",
    "clientConfig": {"service": {"name": "check", "namespace": "default"}},
    "rules": [_RULE],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
# Of a key that nobody has.
_REQUEST = "".join(
    (
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlHTk1FRUNBUUF3RGpFTU1Bb0dBMVVF",
        "QXd3RFlXUmhNQ293QlFZREsyVndBeUVBd2EwUlpqcWZrQmJqWGNnYwo5NFRHNDlCcUtKNTZqOWtUb3VP",
        "c1lhb2NtT1NnQURBRkJnTXJaWEFEUVFBVkRwVGpCK1J5U2FHbTdvUUU4dUU1Clp4QUhGVTNPTHBCRHNN",
        "dGpUcmQ0a1NHT0x4VTVoT0NzWExSSkZVVkhCeVpRU0pUeHQ4VTNMdWlzRU5HYzlUTUwKLS0tLS1FTkQg",
        "Q0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==",
    )
)

_BODIES: dict[str, dict[str, Any]] = {
    "ServiceAccount": {},
    "PodTemplate": {"template": _TEMPLATE},
    "Endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.7"}], "ports": [{"port": 80}]}]},
    "ReplicationController": {"spec": {"replicas": 2, "template": _TEMPLATE}},
    "PersistentVolume": {
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/data"},
        }
    },
    "PersistentVolumeClaim": {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
    },
    "ResourceQuota": {"spec": {"hard": {"pods": "10", "requests.cpu": "4"}}},
    "LimitRange": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}},
    "Namespace": {},
    "Node": {},
    "ConfigMap": {"data": {"color": "blue"}},
    "Secret": {"data": {"password": "c2VjcmV0"}},
    "Service": {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
    "Pod": {"spec": {"containers": _CONTAINERS}},
    "ReplicaSet": {"spec": _WORKLOAD},
    "Deployment": {"spec": _WORKLOAD},
    "DaemonSet": {"spec": _PODS},
    "StatefulSet": {"spec": _WORKLOAD | {"serviceName": "web"}},
    "ControllerRevision": {"data": {"spec": {"a": [1]}}, "revision": 3},
    "Job": {"spec": {"completions": 3, "template": {"spec": _FINITE}}},
    "CronJob": {
        "spec": {
            "schedule": "30 2 * * 1-5",
            "timeZone": "Europe/Zurich",
            "jobTemplate": {"spec": {"template": {"spec": _FINITE}}},
        }
    },
    "HorizontalPodAutoscaler": {
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5}
    },
    "PodDisruptionBudget": {
        "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}
    },
    "PriorityClass": {"value": 1000, "description": "what people wait for"},
    "EndpointSlice": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.7"]}],
        "ports": [{"port": 80}],
    },
    "Lease": {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}},
    "Role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "ClusterRole": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "RoleBinding": {
        "subjects": [{"kind": "User", "name": "ada"}],
        "roleRef": {"kind": "ClusterRole", "name": "view"},
    },
    "ClusterRoleBinding": {
        "subjects": [{"kind": "Group", "name": "operators"}],
        "roleRef": {"kind": "ClusterRole", "name": "view"},
    },
    "IngressClass": {"spec": {"controller": "example.com/ingress"}},
    "NetworkPolicy": {"spec": {"ingress": [{"from": [{"podSelector": {}}]}]}},
    "Ingress": {
        "spec": {
            "tls": [{"hosts": ["shop.example.com"], "secretName": "tls"}],
            "rules": [
                {
                    "host": "shop.example.com",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "web", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ],
        }
    },
    "CustomResourceDefinition": {
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "web", "kind": "Web"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {
                                "spec": {
                                    "type": "object",
                                    "properties": {"color": {"type": "string", "default": "red"}},
                                }
                            },
                        }
                    },
                }
            ],
        }
    },
    "CertificateSigningRequest": {
        "spec": {
            "request": _REQUEST,
            "signerName": "example.com/signer",
            "usages": ["client auth"],
        }
    },
    "RuntimeClass": {"handler": "gvisor", "overhead": {"podFixed": {"memory": "64Mi"}}},
    "StorageClass": {"provisioner": "example.com/disks", "parameters": {"type": "fast"}},
    "CSIDriver": {"spec": {"tokenRequests": [{"audience": "vault"}]}},
    "CSINode": {"spec": {"drivers": [{"name": "disks.example.com", "nodeID": "n1"}]}},
    "MutatingWebhookConfiguration": {"webhooks": [_WEBHOOK]},
    "ValidatingWebhookConfiguration": {"webhooks": [_WEBHOOK]},
    "ValidatingAdmissionPolicy": {
        "spec": {
            "matchConstraints": {"resourceRules": [_RULE]},
            "validations": [{"expression": "object.spec.replicas <= 5", "message": "too many"}],
        }
    },
    "ValidatingAdmissionPolicyBinding": {
        "spec": {"policyName": "few-replicas", "validationActions": ["Deny"]}
    },
    "Event": {
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingController": "tests",
        "reportingInstance": "tests-1",
        "action": "Testing",
        "reason": "Tested",
        "type": "Normal",
        "note": "a note",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
    },
}


def body(kind: AnyKind, word: str = "web") -> dict[str, Any]:
    """Return what a valid object says besides its metadata, if it is called by ``word``."""
    value = copy.deepcopy(_BODIES[kind.name])
    if kind is kinds.CUSTOM_RESOURCE_DEFINITION:
        name = "".join(part.capitalize() for part in word.split("-"))
        value["spec"]["names"] = {"plural": word, "kind": name}
    return value


def name_of(kind: AnyKind, word: str) -> str:
    """Return the name of an object that is called by ``word``."""
    return f"{word}.example.com" if kind is kinds.CUSTOM_RESOURCE_DEFINITION else word


def example(
    kind: AnyKind, name: str, namespace: str = "default", labels: dict[str, str] | None = None
) -> Any:
    """Return a new, valid object, called as `name_of` says."""
    metadata: dict[str, Any] = {"name": name_of(kind, name)}
    if kind.namespaced:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = labels
    said = body(kind, name)
    return codec.parse(
        kind.message,
        {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **said},
    )
