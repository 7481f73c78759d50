"""The built-in rights of nodes and components: one pure function.

Owns: podraft's built-in roles (masters, scheduler, controllers, nodes); `decision` asks it, and the
roles that are bound to everybody else.
Invariant: a call that no rule allows is denied, with a reason that names the caller, the
call and, where a rule exists, the condition that failed.

A node's agent runs on a machine that may be broken into; it can therefore read
and change only what its own pods need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Protocol, TypeAlias, cast

from google.protobuf.message import Message

from podraft.api import kinds
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.events.v1.event_pb2 import Event
from podraft.api.kinds import AnyKind, Object
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.api.objects import well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.references import Reference, references
from podraft.server.auth.identity import CONTROLLERS, SCHEDULER, Identity

Verb: TypeAlias = Literal[
    "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"
]

# Sub-resources and cluster-wide calls.  For the latter ``kind`` is None.
STATUS: Final = "status"
BINDING: Final = "binding"
SCALE: Final = "scale"
EVICTION: Final = "eviction"
SCHEDULING: Final = "scheduling"
LOG: Final = "log"
EXEC: Final = "exec"
PORT_FORWARD: Final = "portforward"
VERSION: Final = "version"
JOIN_TOKENS: Final = "jointokens"
CERTIFICATES: Final = "certificates"
MEMBERS: Final = "members"
DIAGNOSIS: Final = "diagnosis"
USERS: Final = "users"


_READ: Final = frozenset({"get", "list", "watch"})
_CHANGES: Final = frozenset({"create", "update", "patch"})
_WRITE: Final = frozenset({"create", "update", "patch", "delete"})
_SCHEDULER_READS: Final = (kinds.POD, kinds.NODE, kinds.NAMESPACE, kinds.SERVICE, kinds.REPLICA_SET)
_NODE_READS: Final = (kinds.NODE, kinds.SERVICE, kinds.ENDPOINT_SLICE)
FOR_EVERYONE: Final = frozenset({("get", VERSION), ("list", MEMBERS)})
# The labels of its own node that an agent may set below the administrator's prefixes.
_NODE_LABELS: Final = frozenset(
    {
        well_known.HOSTNAME_LABEL,
        well_known.ARCHITECTURE_LABEL,
        well_known.OS_LABEL,
        well_known.OLD_ARCHITECTURE_LABEL,
        well_known.OLD_OS_LABEL,
        well_known.INSTANCE_TYPE_LABEL,
        well_known.REGION_LABEL,
        well_known.ZONE_LABEL,
    }
)
_NODE_LABEL_DOMAINS: Final = ("kubernetes.io", "k8s.io")
_NODE_LABEL_FREE_DOMAINS: Final = ("node.kubernetes.io", "kubelet.kubernetes.io")


class Unseen(Enum):
    """The type of `UNSEEN`, which stands for an object that nobody has looked at yet."""

    UNSEEN = "unseen"


UNSEEN: Final = Unseen.UNSEEN


@dataclass(frozen=True, slots=True)
class Attributes:
    """One attempted call.

    ``verb`` create with sub-resource ``binding`` binds a pod.  ``object`` is what
    would be stored (for a patch: the result), ``stored`` what is stored now;
    both are None for reads.  Lists and watches carry their ``field_selector``.
    ``kind`` None: a call on the cluster (version, join tokens, certificates).

    An ``UNSEEN`` object is not known yet: a call is denied if it would be denied whatever the
    object is, so that a caller without the right learns nothing of what is stored, and costs
    nothing.
    """

    verb: Verb
    kind: AnyKind | None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    object: Message | Unseen | None = None
    stored: Message | Unseen | None = None
    field_selector: str = ""


class Lookup(Protocol):
    """The facts that the rules need of the cluster's state."""

    def pods_on_node(self, node: str) -> Iterable[Pod]:
        """Return the pods that are bound to ``node``, in all namespaces."""


def authorize(identity: Identity, attributes: Attributes, lookup: Lookup) -> str | None:
    """Return why ``identity`` may not make this call; None if it may."""
    if identity.is_admin:
        return None
    if attributes.kind is None and (attributes.verb, attributes.subresource) in FOR_EVERYONE:
        return None  # Every certified caller may ask for the version and the members.
    denial = _denial(identity, attributes, lookup)
    return None if denial is None else f"{sentence(identity, attributes)}{denial}"


def _denial(identity: Identity, attributes: Attributes, lookup: Lookup) -> str | None:
    """Return the condition that failed (may be empty); None if the call is allowed."""
    if identity.user == SCHEDULER and SCHEDULER in identity.groups:
        return _scheduler(attributes)
    if identity.user == CONTROLLERS and CONTROLLERS in identity.groups:
        return _controllers(attributes)
    node = identity.node_name
    if node is not None:
        return _node(node, attributes, lookup)
    return ""


def sentence(identity: Identity, attributes: Attributes) -> str:
    """Return the beginning of a refusal: who may not do what."""
    kind, subresource = attributes.kind, attributes.subresource
    if kind is None:
        what = subresource
    else:
        what = f"{kind.resource}/{subresource}" if subresource else kind.resource
    if attributes.name:
        what += f' "{attributes.name}"'
    if attributes.namespace:
        what += f' in namespace "{attributes.namespace}"'
    return f'user "{identity.user}" may not {attributes.verb} {what}'


def _scheduler(attributes: Attributes) -> str | None:
    kind, verb, subresource = attributes.kind, attributes.verb, attributes.subresource
    if kind in _SCHEDULER_READS and verb in _READ and subresource in ("", STATUS, SCHEDULING):
        return None
    if kind is kinds.POD and (verb, subresource) in {
        ("create", BINDING),
        ("update", STATUS),
        ("patch", STATUS),
    }:
        return None
    if kind is kinds.EVENT and verb in ("create", "update", "patch") and not subresource:
        return None
    if kind is kinds.LEASE:
        deletes = verb in ("delete", "deletecollection")
        if attributes.namespace == well_known.SYSTEM_NAMESPACE and not deletes:
            return None
        return f': only leases in namespace "{well_known.SYSTEM_NAMESPACE}"'
    return ""


def _controllers(attributes: Attributes) -> str | None:
    if attributes.kind is None or attributes.subresource not in ("", STATUS, SCALE):
        return ""
    return None


def _node(node: str, attributes: Attributes, lookup: Lookup) -> str | None:
    kind, verb, subresource = attributes.kind, attributes.verb, attributes.subresource
    if kind is None:
        # The server renews the caller's own identity, whatever the request asks for.
        return None if (verb, subresource) == ("create", CERTIFICATES) else ""
    if subresource not in ("", STATUS):
        return ""
    if kind in _NODE_READS and verb in _READ:
        return None
    if kind is kinds.POD:
        return _node_pod(node, attributes)
    if kind is kinds.NODE:
        return _node_node(node, attributes)
    if kind is kinds.SECRET or kind is kinds.CONFIG_MAP:
        return _node_configuration(node, attributes, lookup)
    if kind is kinds.LEASE:
        return _node_lease(node, attributes)
    if kind is kinds.EVENT:
        return _node_event(node, attributes)
    return ""


def _node_event(node: str, attributes: Attributes) -> str | None:
    if attributes.verb not in _CHANGES or attributes.subresource:
        return ""
    # An agent is not told whether an Event of somebody else exists.
    absent = attributes.stored is None and attributes.verb != "create"
    met = (attributes.stored, attributes.object)
    if absent or any(isinstance(e, Event) and e.reporting_instance != node for e in met):
        return f": an agent's Events have reportingInstance {node}"
    return _holding(attributes, "an event")


def _node_pod(node: str, attributes: Attributes) -> str | None:
    verb, stored = attributes.verb, attributes.stored
    if verb in ("list", "watch"):
        if selected(attributes.field_selector, "spec.nodeName") == node:
            return None
        return f": the field selector must contain spec.nodeName={node}"
    if verb in ("create", "deletecollection"):
        return ""
    if verb in ("update", "patch") and attributes.subresource != STATUS:
        return ": an agent writes only the status"
    if stored is UNSEEN:
        return None
    if not isinstance(stored, Pod) or stored.spec.node_name != node:
        return f': the pod is not bound to node "{node}"'
    if verb == "delete" and not is_deleting(stored.metadata):
        return ": an agent removes only pods that are being deleted"
    return None


def _node_node(node: str, attributes: Attributes) -> str | None:
    verb, new, stored = attributes.verb, attributes.object, attributes.stored
    if attributes.name != node:
        return f': an agent writes only its own node, "{node}"'
    if verb not in ("create", "update", "patch"):
        return ""
    if attributes.subresource == STATUS:
        return None if verb != "create" else ""
    if new is UNSEEN:
        return None
    if not isinstance(new, Node):
        return ": the call carries no node"
    before = stored if isinstance(stored, Node) else Node()
    if verb == "create":
        if new.spec.pod_cidr or new.spec.pod_cidrs:
            return ": the control plane assigns podCIDR"
    elif new.spec != before.spec:
        return ": an agent must not change the spec of its node (taints, unschedulable, podCIDR)"
    if (denial := _holding(attributes, "its node")) is not None:
        return denial
    for label in _changed(before.metadata.labels, new.metadata.labels):
        if _is_restricted(label):
            return f': the label "{label}" is set by administrators only'
    return None


def _node_lease(node: str, attributes: Attributes) -> str | None:
    if attributes.namespace != well_known.NODE_LEASE_NAMESPACE or attributes.name != node:
        return f': only the lease "{node}" in namespace "{well_known.NODE_LEASE_NAMESPACE}"'
    if attributes.verb == "get":
        return None
    return _holding(attributes, "its lease") if attributes.verb in _CHANGES else ""


def _holding(attributes: Attributes, what: str) -> str | None:
    """Deny an owner or a finalizer that could hold up the deletion of somebody else's object."""
    new, stored = attributes.object, attributes.stored
    if not isinstance(new, Message):
        return None
    metadata = cast("Object", new).metadata
    before = cast("Object", stored).metadata if isinstance(stored, Message) else ObjectMeta()
    if list(metadata.owner_references) != list(before.owner_references):
        return f": an agent must not change the owners of {what}"
    if list(metadata.finalizers) != list(before.finalizers):
        return f": an agent must not change the finalizers of {what}"
    return None


def _node_configuration(node: str, attributes: Attributes, lookup: Lookup) -> str | None:
    kind, verb, name = attributes.kind, attributes.verb, attributes.name
    if verb not in _READ or attributes.subresource:
        return ""
    if verb != "get":
        name = selected(attributes.field_selector, "metadata.name") or ""
        if not name or not attributes.namespace:
            return ": one object at a time, by namespace and field selector metadata.name"
    wanted = Reference("Secret" if kind is kinds.SECRET else "ConfigMap", name)
    for pod in lookup.pods_on_node(node):
        if pod.metadata.namespace == attributes.namespace and wanted in references(pod.spec):
            return None
    return f': no pod on node "{node}" refers to it'


def selected(field_selector: str, field: str) -> str | None:
    """Return the one value that ``field_selector`` demands of ``field``; None if it demands none.

    Terms are a conjunction, so one equality is enough, whatever the other terms are.
    """
    for term in field_selector.split(","):
        key, operator, value = term.partition("=")
        if operator and key.strip() == field:
            return value.removeprefix("=").strip()
    return None


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            yield key


def _is_restricted(label: str) -> bool:
    prefix, slash, _ = label.partition("/")
    if not slash or label in _NODE_LABELS or _within(prefix, _NODE_LABEL_FREE_DOMAINS):
        return False
    return _within(prefix, _NODE_LABEL_DOMAINS)


def _within(prefix: str, domains: tuple[str, ...]) -> bool:
    return any(prefix == domain or prefix.endswith(f".{domain}") for domain in domains)
