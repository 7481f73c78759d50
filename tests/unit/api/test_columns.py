"""Ages, status words and the tables of all kinds: exactly kubectl's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.columns import ages, row_of, table_of
from podraft.api.columns.pod_words import pod_words
from podraft.api.core.v1 import pod_pb2

NOW_S = 1_800_000_000.0
THEN = "2027-01-15T07:50:00Z"  # Ten minutes before.


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (599, "9m59s"), (600, "10m"),
        (3 * 3600 - 1, "179m"), (3 * 3600, "3h"), (3 * 3600 + 60, "3h1m"), (8 * 3600, "8h"),
        (47 * 3600, "47h"), (48 * 3600, "2d"), (49 * 3600, "2d1h"), (8 * 86400, "8d"),
        (729 * 86400, "729d"), (730 * 86400, "2y"), (731 * 86400, "2y1d"), (4000 * 86400, "10y"),
    ],
)  # fmt: skip
def test_durations_have_two_units_at_most(seconds: int, text: str) -> None:
    assert ages.human_duration(seconds) == text


def pod(**parts: Any) -> pod_pb2.Pod:
    metadata = {"name": "web-1", "namespace": "default", "creationTimestamp": THEN}
    spec = {"nodeName": "n1", "containers": [{"name": "a", "image": "i"}]}
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | parts.pop("metadata", {}),
        "spec": spec | parts.pop("spec", {}),
        "status": {"phase": "Running"} | parts,
    }
    made = codec.from_json(value)
    assert isinstance(made, pod_pb2.Pod)
    return made


RUNNING = {"name": "a", "ready": True, "state": {"running": {"startedAt": THEN}}}
DONE = {"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
READY = {"type": "Ready", "status": "True"}
TWO = {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]}
INIT = {"initContainers": [{"name": "x", "image": "i"}, {"name": "y", "image": "i"}]}


def waiting(reason: str) -> dict[str, Any]:
    return {"name": "a", "state": {"waiting": {"reason": reason}}}


def ended(**state: Any) -> dict[str, Any]:
    return {"name": "a", "state": {"terminated": state}}


@pytest.mark.parametrize(
    ("status", "word", "ready"),
    [
        ({"phase": "Pending"}, "Pending", "0/1"),
        ({"containerStatuses": [RUNNING], "conditions": [READY]}, "Running", "1/1"),
        ({"containerStatuses": [waiting("CrashLoopBackOff")]}, "CrashLoopBackOff", "0/1"),
        ({"containerStatuses": [waiting("ImagePullBackOff")]}, "ImagePullBackOff", "0/1"),
        ({"containerStatuses": [ended(exitCode=1, reason="Error")]}, "Error", "0/1"),
        ({"containerStatuses": [ended(exitCode=137, reason="OOMKilled")]}, "OOMKilled", "0/1"),
        ({"containerStatuses": [ended(exitCode=3)]}, "ExitCode:3", "0/1"),
        ({"containerStatuses": [ended(exitCode=9, signal=9)]}, "Signal:9", "0/1"),
        ({"phase": "Succeeded", "containerStatuses": [DONE]}, "Completed", "0/1"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted", "0/1"),
        (
            {"spec": TWO, "containerStatuses": [DONE, RUNNING | {"name": "b"}],
             "conditions": [READY]},
            "Running", "1/2",
        ),
        (
            {"spec": TWO, "containerStatuses": [DONE, RUNNING | {"name": "b"}]},
            "NotReady", "1/2",
        ),
        (
            {"spec": INIT, "initContainerStatuses": [DONE, waiting("PodInitializing")]},
            "Init:1/2", "0/1",
        ),
        (
            {"spec": INIT, "initContainerStatuses": [waiting("CrashLoopBackOff")]},
            "Init:CrashLoopBackOff", "0/1",
        ),
        (
            {"spec": INIT, "initContainerStatuses": [ended(exitCode=2, reason="Error")]},
            "Init:Error", "0/1",
        ),
        (
            {"spec": INIT, "initContainerStatuses": [ended(exitCode=2)]},
            "Init:ExitCode:2", "0/1",
        ),
        (
            {"metadata": {"deletionTimestamp": THEN}, "containerStatuses": [RUNNING]},
            "Terminating", "1/1",
        ),
        (
            {"metadata": {"deletionTimestamp": THEN}, "reason": "NodeLost"},
            "Unknown", "0/1",
        ),
        (
            {"metadata": {"deletionTimestamp": THEN}, "phase": "Succeeded",
             "containerStatuses": [DONE]},
            "Completed", "0/1",
        ),
    ],
)  # fmt: skip
def test_the_status_word_of_a_pod_is_kubectls(
    status: dict[str, Any], word: str, ready: str
) -> None:
    words = pod_words(pod(**status), NOW_S)

    assert (words.status, words.ready) == (word, ready)


def test_restarts_say_how_long_ago_the_last_was() -> None:
    crashed = waiting("CrashLoopBackOff") | {
        "restartCount": 4,
        "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2027-01-15T07:59:30Z"}},
    }

    assert pod_words(pod(containerStatuses=[crashed]), NOW_S).restarts == "4 (30s ago)"


def manifest(kind: kinds.AnyKind, name: str, **parts: Any) -> dict[str, Any]:
    metadata = {"name": name, "creationTimestamp": THEN, "labels": {"b": "2", "a": "1"}}
    if kind.namespaced:
        metadata["namespace"] = "shop"
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **parts}


TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}
SELECTOR = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "k", "operator": "Exists"}]}
TABLES = [
    (
        manifest(kinds.NAMESPACE, "shop", status={"phase": "Active"}),
        "NAME   STATUS   AGE\nshop   Active   10m\n",
    ),
    (
        manifest(
            kinds.NODE, "n1", spec={"unschedulable": True},
            status={
                "conditions": [READY],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1", "osImage": "Debian", "kernelVersion": "6.1",
                             "containerRuntimeVersion": "podman://5"},
            },
        ),
        "NAME   STATUS                     ROLES    AGE   VERSION   INTERNAL-IP   EXTERNAL-IP   "
        "OS-IMAGE   KERNEL-VERSION   CONTAINER-RUNTIME\n"
        "n1     Ready,SchedulingDisabled   <none>   10m   v1        10.0.0.1      <none>        "
        "Debian     6.1              podman://5\n",
    ),
    (
        manifest(kinds.POD, "web-1", spec={"nodeName": "n1", **TEMPLATE["spec"]},
                 status={"phase": "Running", "podIP": "10.244.0.5",
                         "containerStatuses": [RUNNING]}),
        "NAME    READY   STATUS    RESTARTS   AGE   IP           NODE   NOMINATED NODE   "
        "READINESS GATES\n"
        "web-1   1/1     Running   0          10m   10.244.0.5   n1     <none>           <none>\n",
    ),
    (
        manifest(kinds.SERVICE, "web",
                 spec={"type": "NodePort", "clusterIP": "10.96.0.9", "selector": {"a": "1"},
                       "ports": [{"port": 80, "nodePort": 30080},
                                 {"port": 53, "protocol": "UDP"}]}),
        "NAME   TYPE       CLUSTER-IP   EXTERNAL-IP   PORT(S)               AGE   SELECTOR\n"
        "web    NodePort   10.96.0.9    <none>        80:30080/TCP,53/UDP   10m   a=1\n",
    ),
    (
        manifest(kinds.DEPLOYMENT, "web",
                 spec={"replicas": 3, "selector": SELECTOR, "template": TEMPLATE},
                 status={"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}),
        "NAME   READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS   IMAGES    SELECTOR\n"
        "web    2/3     3            2           10m   c            nginx:2   a=1,k\n",
    ),
    (
        manifest(kinds.REPLICA_SET, "web-1",
                 spec={"replicas": 3, "selector": SELECTOR, "template": TEMPLATE},
                 status={"replicas": 3, "readyReplicas": 1}),
        "NAME    DESIRED   CURRENT   READY   AGE   CONTAINERS   IMAGES    SELECTOR\n"
        "web-1   3         3         1       10m   c            nginx:2   a=1,k\n",
    ),
    (
        manifest(kinds.DAEMON_SET, "logs",
                 spec={"selector": SELECTOR,
                       "template": {"spec": {**TEMPLATE["spec"], "nodeSelector": {"disk": "ssd"}}}},
                 status={"desiredNumberScheduled": 3, "currentNumberScheduled": 2,
                         "numberReady": 1, "updatedNumberScheduled": 2, "numberAvailable": 1}),
        "NAME   DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR   AGE   "
        "CONTAINERS   IMAGES    SELECTOR\n"
        "logs   3         2         1       2            1           disk=ssd        10m   "
        "c            nginx:2   a=1,k\n",
    ),
    (
        manifest(kinds.STATEFUL_SET, "db",
                 spec={"replicas": 3, "selector": SELECTOR, "template": TEMPLATE},
                 status={"readyReplicas": 2}),
        "NAME   READY   AGE   CONTAINERS   IMAGES\ndb     2/3     10m   c            nginx:2\n",
    ),
    (
        {**manifest(kinds.CONTROLLER_REVISION, "logs-abc", revision=4),
         "metadata": {"name": "logs-abc", "namespace": "shop", "creationTimestamp": THEN,
                      "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet",
                                           "name": "logs", "uid": "u", "controller": True}]}},
        "NAME       CONTROLLER            REVISION   AGE\n"
        "logs-abc   daemonset.apps/logs   4          10m\n",
    ),
    (
        manifest(kinds.JOB, "pi",
                 spec={"completions": 3, "selector": SELECTOR, "template": TEMPLATE},
                 status={"succeeded": 3, "conditions": [{"type": "Complete", "status": "True"}],
                         "startTime": THEN, "completionTime": "2027-01-15T07:50:09Z"}),
        "NAME   STATUS     COMPLETIONS   DURATION   AGE   CONTAINERS   IMAGES    SELECTOR\n"
        "pi     Complete   3/3           9s         10m   c            nginx:2   a=1,k\n",
    ),
    (
        manifest(kinds.CRON_JOB, "backup",
                 spec={"schedule": "30 2 * * *", "timeZone": "Europe/Zurich", "suspend": False,
                       "jobTemplate": {"spec": {"template": TEMPLATE}}},
                 status={"active": [{"name": "backup-1"}], "lastScheduleTime": THEN}),
        "NAME     SCHEDULE     TIMEZONE        SUSPEND   ACTIVE   LAST SCHEDULE   AGE   "
        "CONTAINERS   IMAGES    SELECTOR\n"
        "backup   30 2 * * *   Europe/Zurich   False     1        10m             10m   "
        "c            nginx:2   <none>\n",
    ),
    (
        manifest(kinds.HORIZONTAL_POD_AUTOSCALER, "web",
                 spec={"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 2,
                       "maxReplicas": 9,
                       "metrics": [
                           {"type": "Resource", "resource": {"name": "cpu", "target": {
                               "type": "Utilization", "averageUtilization": 80}}},
                           {"type": "External", "external": {"metric": {"name": "m"}, "target": {
                               "type": "AverageValue", "averageValue": "30"}}},
                           {"type": "Object", "object": {"target": {"value": "3"}}}]},
                 status={"currentReplicas": 4, "currentMetrics": [
                     {"type": "Resource", "resource": {"current": {"averageUtilization": 12}}}]}),
        "NAME   REFERENCE        TARGETS   "
        "MINPODS   MAXPODS   REPLICAS   AGE\n"
        "web    Deployment/web   cpu: 12%/80%, <unknown>/30 (avg) + 1 more...   "
        "2         9         4          10m\n",
    ),
    (
        manifest(kinds.POD_DISRUPTION_BUDGET, "web", spec={"minAvailable": "50%"},
                 status={"disruptionsAllowed": 1}),
        "NAME   MIN AVAILABLE   MAX UNAVAILABLE   ALLOWED DISRUPTIONS   AGE\n"
        "web    50%             N/A               1                     10m\n",
    ),
    (
        manifest(kinds.PRIORITY_CLASS, "high", value=1000, preemptionPolicy="Never"),
        "NAME   VALUE   GLOBAL-DEFAULT   AGE   PREEMPTIONPOLICY\n"
        "high   1000    false            10m   Never\n",
    ),
    (
        manifest(kinds.CONFIG_MAP, "c", data={"a": "1"}, binaryData={"b": "AA=="}),
        "NAME   DATA   AGE\nc      2      10m\n",
    ),
    (
        manifest(kinds.SECRET, "s", type="Opaque", data={"a": "AA=="}),
        "NAME   TYPE     DATA   AGE\ns      Opaque   1      10m\n",
    ),
    (
        manifest(kinds.ENDPOINT_SLICE, "web-x", addressType="IPv4", ports=[{"port": 80}],
                 endpoints=[{"addresses": [f"10.0.0.{n}"]} for n in range(5)]),
        "NAME    ADDRESSTYPE   PORTS   ENDPOINTS                                  AGE\n"
        "web-x   IPv4          80      10.0.0.0,10.0.0.1,10.0.0.2 + 2 more...   10m\n",
    ),
    (
        manifest(kinds.LEASE, "l", spec={"holderIdentity": "n1"}),
        "NAME   HOLDER   AGE\nl      n1       10m\n",
    ),
    (
        manifest(kinds.ROLE, "r", rules=[]),
        "NAME   CREATED AT\nr      2027-01-15T07:50:00Z\n",
    ),
    (
        manifest(kinds.CLUSTER_ROLE, "system:r", rules=[]),
        "NAME       CREATED AT\nsystem:r   2027-01-15T07:50:00Z\n",
    ),
    (
        manifest(kinds.ROLE_BINDING, "b", roleRef={"kind": "Role", "name": "r"},
                 subjects=[{"kind": "ServiceAccount", "namespace": "a", "name": "robot"},
                           {"kind": "Group", "name": "g"}, {"kind": "User", "name": "u"},
                           {"kind": "User", "name": "v"}]),
        "NAME   ROLE     AGE   USERS   GROUPS   SERVICEACCOUNTS\n"
        "b      Role/r   10m   u, v   g   a/robot\n",
    ),
    (
        manifest(kinds.CLUSTER_ROLE_BINDING, "b", roleRef={"kind": "ClusterRole", "name": "r"},
                 subjects=[{"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"},
                           {"kind": "ServiceAccount", "namespace": "a", "name": "robot"}]),
        "NAME   ROLE            AGE   USERS   GROUPS   SERVICEACCOUNTS\n"
        "b      ClusterRole/r   10m   u   g   a/robot\n",
    ),
    (
        manifest(kinds.INGRESS_CLASS, "c", spec={
            "controller": "example.com/i",
            "parameters": {"apiGroup": "example.com", "kind": "Settings", "name": "s"}}),
        "NAME   CONTROLLER      PARAMETERS                AGE\n"
        "c      example.com/i   Settings.example.com/s   10m\n",
    ),
    (
        manifest(kinds.NETWORK_POLICY, "p", spec={"podSelector": {"matchLabels": {"a": "b"}}}),
        "NAME   POD-SELECTOR   AGE\np      a=b            10m\n",
    ),
    (
        manifest(kinds.INGRESS, "i", spec={"tls": [{}], "rules": [{"host": f"{n}.example.com"}
                                                              for n in "abcd"]},
                 status={"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}, {"hostname": "a.b"}]}}),
        "NAME   CLASS    HOSTS                                               ADDRESS        "
        "PORTS   AGE\n"
        "i      <none>   a.example.com,b.example.com,c.example.com + 1 more...   10.0.0.1,a.b   "
        "80, 443   10m\n",
    ),
    (
        manifest(kinds.STORAGE_CLASS, "fast", provisioner="example.com/d",
                 volumeBindingMode="WaitForFirstConsumer", allowVolumeExpansion=True),
        "NAME   PROVISIONER   RECLAIMPOLICY   VOLUMEBINDINGMODE   ALLOWVOLUMEEXPANSION   AGE\n"
        "fast   example.com/d   Delete   WaitForFirstConsumer   true   10m\n",
    ),
    (
        manifest(kinds.CSI_DRIVER, "d.example.com",
                 spec={"attachRequired": True, "volumeLifecycleModes": ["Persistent", "Ephemeral"],
                       "tokenRequests": [{"audience": "a"}, {"audience": "b"}]}),
        "NAME   ATTACHREQUIRED   PODINFOONMOUNT   STORAGECAPACITY   TOKENREQUESTS   "
        "REQUIRESREPUBLISH   MODES   AGE\n"
        "d.example.com   true   false   false   a,b   false   Persistent,Ephemeral   10m\n",
    ),
    (
        manifest(kinds.CSI_NODE, "n1", spec={"drivers": [{"name": "a"}, {"name": "b"}]}),
        "NAME   DRIVERS   AGE\nn1     2         10m\n",
    ),
    (
        manifest(kinds.RUNTIME_CLASS, "g", handler="gvisor"),
        "NAME   HANDLER   AGE\ng      gvisor    10m\n",
    ),
    (
        manifest(kinds.MUTATING_WEBHOOK_CONFIGURATION, "w", webhooks=[{"name": "a"}]),
        "NAME   WEBHOOKS   AGE\nw      1          10m\n",
    ),
    (
        manifest(kinds.VALIDATING_WEBHOOK_CONFIGURATION, "w", webhooks=[]),
        "NAME   WEBHOOKS   AGE\nw      0          10m\n",
    ),
    (
        manifest(kinds.VALIDATING_ADMISSION_POLICY, "p", spec={
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [{"expression": "true"}]}),
        "NAME   VALIDATIONS   PARAMKIND      AGE\np      1             v1/ConfigMap   10m\n",
    ),
    (
        manifest(kinds.VALIDATING_ADMISSION_POLICY_BINDING, "b",
                 spec={"policyName": "p", "paramRef": {"name": "c", "namespace": "n"}}),
        "NAME   POLICYNAME   PARAMREF   AGE\nb      p            n/c        10m\n",
    ),
    (
        manifest(kinds.CUSTOM_RESOURCE_DEFINITION, "w.example.com"),
        "NAME            CREATED AT\nw.example.com   2027-01-15T07:50:00Z\n",
    ),
    (
        manifest(kinds.SERVICE_ACCOUNT, "robot", secrets=[{"name": "a"}]),
        "NAME   SECRETS   AGE\nrobot   1   10m\n",
    ),
    (
        manifest(kinds.POD_TEMPLATE, "web", template=TEMPLATE),
        "NAME   CONTAINERS   IMAGES   POD LABELS\nweb   c   nginx:2   <none>\n",
    ),
    (
        manifest(kinds.ENDPOINTS, "web", subsets=[
            {"addresses": [{"ip": f"10.0.0.{n}"} for n in (1, 2)],
             "ports": [{"port": 80}, {"port": 81}]}, {"addresses": [{"ip": "10.0.0.3"}]}]),
        "NAME   ENDPOINTS   AGE\n"
        "web   10.0.0.1:80,10.0.0.1:81,10.0.0.2:80 + 2 more...   10m\n",
    ),
    (
        manifest(kinds.REPLICATION_CONTROLLER, "web",
                 spec={"replicas": 2, "selector": {"app": "web"}, "template": TEMPLATE},
                 status={"replicas": 2, "readyReplicas": 1}),
        "NAME   DESIRED   CURRENT   READY   AGE   CONTAINERS   IMAGES   SELECTOR\n"
        "web   2   2   1   10m   c   nginx:2   app=web\n",
    ),
    (
        manifest(kinds.PERSISTENT_VOLUME, "v", spec={
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "fast",
            "claimRef": {"namespace": "default", "name": "data"}},
            status={"phase": "Failed", "reason": "Broken"}),
        "NAME   CAPACITY   ACCESS MODES   RECLAIM POLICY   STATUS   CLAIM   STORAGECLASS   "
        "VOLUMEATTRIBUTESCLASS   REASON   AGE   VOLUMEMODE\n"
        "v   1Gi   RWO,RWX   Retain   Failed   default/data   fast   <unset>   Broken   10m   "
        "<unset>\n",
    ),
    (
        manifest(kinds.PERSISTENT_VOLUME_CLAIM, "data", spec={
            "volumeName": "v", "storageClassName": "fast", "volumeMode": "Filesystem"},
            status={"phase": "Bound", "accessModes": ["ReadOnlyMany", "ReadWriteOncePod"],
                    "capacity": {"storage": "2Gi"}}),
        "NAME   STATUS   VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   "
        "VOLUMEATTRIBUTESCLASS   AGE   VOLUMEMODE\n"
        "data   Bound   v   2Gi   ROX,RWOP   fast   <unset>   10m   Filesystem\n",
    ),
    (
        manifest(kinds.RESOURCE_QUOTA, "q", status={
            "hard": {"pods": "4", "limits.cpu": "2", "count/jobs.batch": "1"},
            "used": {"pods": "1", "limits.cpu": "500m"}}),
        "NAME   REQUEST   LIMIT   AGE\n"
        "q   count/jobs.batch: 0/1, pods: 1/4   limits.cpu: 500m/2   10m\n",
    ),
    (
        manifest(kinds.LIMIT_RANGE, "l"),
        f"NAME   CREATED AT\nl   {THEN}\n",
    ),
    (
        manifest(kinds.CERTIFICATE_SIGNING_REQUEST, "c",
                 spec={"signerName": "a.b/c", "username": "ada", "expirationSeconds": 3600},
                 status={"conditions": [{"type": "Approved"}], "certificate": "AA=="}),
        "NAME   AGE   SIGNERNAME   REQUESTOR   REQUESTEDDURATION   CONDITION\n"
        "c      10m   a.b/c        ada         60m                 Approved,Issued\n",
    ),
    (
        manifest(kinds.EVENT, "e", type="Warning", reason="Failed", note="line\nbreak\u001b[31m",
                 regarding={"kind": "Pod", "name": "web-1", "fieldPath": "spec"},
                 reportingController="agent", eventTime="2027-01-15T07:50:00.000000Z",
                 series={"count": 3, "lastObservedTime": "2027-01-15T07:59:00.000000Z"}),
        "LAST SEEN   TYPE      REASON   OBJECT      SUBOBJECT   SOURCE   MESSAGE           "
        "FIRST SEEN   COUNT   NAME\n"
        "60s         Warning   Failed   pod/web-1   spec        agent    line break\\x1b[31m   "
        "10m          3       e\n",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"), TABLES, ids=lambda v: v.get("kind") if isinstance(v, dict) else ""
)
def test_the_table_of_a_kind_is_kubectls(value: dict[str, Any], text: str) -> None:
    obj = codec.from_json(value)
    columns = table_of(kinds.BUILT_IN.of(obj)).shown(wide=True)

    shown = [[column.header for column in columns], row_of(columns, obj, NOW_S)]

    assert shown == [
        [cell.strip() for cell in line.split("   ") if cell.strip()] for line in text.splitlines()
    ]


def test_every_kind_has_a_table() -> None:
    assert {value["kind"] for value, _ in TABLES} == {kind.name for kind in kinds.BUILT_IN}


def test_a_kind_that_nobody_wrote_a_table_for_shows_names_and_ages() -> None:
    unknown = replace(kinds.LEASE)
    obj = codec.from_json(manifest(kinds.LEASE, "l"))
    columns = table_of(unknown).shown(wide=True)

    assert [column.header for column in columns] == ["NAME", "AGE"]
    assert row_of(columns, obj, NOW_S) == ["l", "10m"]


def test_events_are_listed_by_when_they_were_seen_last() -> None:
    order = table_of(kinds.EVENT).order
    often = codec.from_json(TABLES[-1][0])
    once = codec.from_json(manifest(kinds.EVENT, "f", eventTime="2027-01-15T07:55:00.000000Z"))

    assert order is not None
    assert sorted([often, once], key=order) == [once, often]
