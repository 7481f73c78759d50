"""One kind of object: what every part of podraft must know about it, and what follows from that.

Owns: the names that manifests, keys, commands and gRPC methods use for a kind.

Invariants: nothing that the message's descriptor states is repeated; nothing is looked up before
it is needed, so kinds can be read before the code of their services is generated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from importlib import import_module
from itertools import takewhile
from types import SimpleNamespace
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from podraft.api.meta.v1 import meta_pb2

# Before a capital that follows a small letter, or that begins a word after capitals.
_WORD_BEGINS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
VERBS: Final = (
    "create",
    "get",
    "list",
    "watch",
    "update",
    "patch",
    "delete",
    "deletecollection",
)


class Object(Protocol):
    """A stored object, which has its metadata as field 1."""

    @property
    def metadata(self) -> meta_pb2.ObjectMeta:
        """Identity, revision and ownership of the object."""

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: D102, N802 - protobuf's name
        ...


class Order(IntEnum):
    """The classes of the order in which objects are created; deletion reverses it.

    Objects that others live in or refer to come first. Kinds of one class keep the order in which
    the registry got them.
    """

    NAMESPACES = 0
    MACHINES = 10
    CONFIG = 20
    NETWORK = 30
    WORKLOADS = 40
    # Objects that controllers and agents write by themselves.
    RECORDS = 50


ObjectT = TypeVar("ObjectT", bound=Message)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a kind's gRPC service beyond the common ones; `comment` says what it does.

    ``client_streams`` and ``server_streams`` say which sides send many messages.
    """

    name: str
    request: type[Message]
    response: type[Message]
    comment: str
    client_streams: bool = False
    server_streams: bool = False


@dataclass(frozen=True, slots=True)
class TypedField:
    """A field that an object may have only when its type has certain values.

    Attributes:
        type: The path of the type: ``spec.type``.
        field: The path of the field; it may lead through a list.
        forbidden_with: The types with which the field must not be set; "" is an absent type.
    """

    type: str
    field: str
    forbidden_with: tuple[str, ...]

    def forbids(self, type_: str) -> bool:
        """Return whether an object of a type must not have the field."""
        return type_ in self.forbidden_with


@dataclass(frozen=True, slots=True)
class ScaleFields:
    """The fields in which a kind's objects say how many pods they have, by their paths.

    Attributes:
        replicas: How many are wanted.
        status_replicas: How many there are.
        selector: Which pods those are: a label selector, or labels; empty: nothing says it.
    """

    replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"


@dataclass(frozen=True, eq=False, repr=False)
class Kind(Generic[ObjectT]):
    """One kind of object; compared by identity.

    Attributes:
        message: The objects' message; its name is the kind's.
        api_version: What manifests say: ``v1``, ``apps/v1``.
        resource: The plural that keys, rights and commands use: ``pods``.
        short_names: Further names that commands accept: ``po``.
        namespaced: Whether the objects live in namespaces.
        order: When the objects are created, relative to those of other kinds.
        subresources: The parts and actions that have rights of their own: ``status``, ``binding``.
        verbs: The operations on the objects, from ``VERBS``.
        categories: The words that name several kinds at once: ``all``.
        selectable_fields: The paths that field selectors may name.
        extra_methods: Further methods of its gRPC service.
        typed_fields: The fields that depend on a type.
        scale: Where the objects say how many pods they have; None: they have no such number.
        counts_generations: Whether ``metadata.generation`` counts the changes of the spec although
            the kind has no status; one with a status always does.
        custom: Whether the kind was declared by a user while the cluster ran.
        definition: The CustomResourceDefinition that declares a custom kind.
        is_stored: Whether there are objects of the kind.  Else creating one asks the server a
            question, which it answers.
    """

    message: type[ObjectT]
    api_version: str
    resource: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    order: Order = Order.WORKLOADS
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    categories: tuple[str, ...] = ()
    selectable_fields: tuple[str, ...] = ("metadata.name", "metadata.namespace")
    extra_methods: tuple[Method, ...] = ()
    typed_fields: tuple[TypedField, ...] = ()
    scale: ScaleFields | None = None
    counts_generations: bool = False
    custom: bool = False
    definition: Any = None
    is_stored: bool = True

    @cached_property
    def name(self) -> str:
        """The kind's name in manifests: ``Pod``."""
        return self.message.DESCRIPTOR.name

    @cached_property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @cached_property
    def group_resource(self) -> str:
        """The resource with its group, unique to the kind: ``pods``, ``deployments.apps``."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @cached_property
    def message_name(self) -> str:
        """The full name of the objects' message."""
        return self.message.DESCRIPTOR.full_name

    @property
    def has_status(self) -> bool:
        """Whether the status is written apart from the rest."""
        return "status" in self.subresources

    @cached_property
    def has_generations(self) -> bool:
        """Whether ``metadata.generation`` counts the changes of the spec."""
        has_spec = "spec" in self.message.DESCRIPTOR.fields_by_name
        return has_spec and (self.has_status or self.counts_generations)

    @cached_property
    def field(self) -> str:
        """The field that holds the object in create and update requests: ``csi_driver``."""
        return field_of(self.name)

    @cached_property
    def plural_name(self) -> str:
        """The plural that gRPC methods use: ``Pods``, ``NetworkPolicies``.

        It combines the name's capitals with the resource's ending.
        """
        return plural_of(self.name, self.resource)

    @cached_property
    def list_message(self) -> type[Message]:
        """The type of lists, such as ``PodList``, from the file of the objects' message."""
        return _message_in(self.message.DESCRIPTOR.file, f"{self.name}List")

    @cached_property
    def service(self) -> str:
        """The full name of the kind's gRPC service."""
        return f"{self.message.DESCRIPTOR.file.package}.{self.name}Service"

    @cached_property
    def service_module(self) -> Any:
        """The generated module of the kind's gRPC service and its requests.

        That of a custom kind has nothing but the descriptor of its messages' file.
        """
        if self.custom:
            return SimpleNamespace(DESCRIPTOR=self.message.DESCRIPTOR.file)
        return import_module(f"{self.message.DESCRIPTOR.file.package}.{self.field}_service_pb2")

    @cached_property
    def create_request(self) -> type[Message]:
        """The type of create requests, such as ``CreatePodRequest``."""
        return self._of_service(f"Create{self.name}Request")

    @cached_property
    def update_request(self) -> type[Message]:
        """The type of update requests, such as ``UpdatePodRequest``."""
        return self._of_service(f"Update{self.name}Request")

    @cached_property
    def apply_request(self) -> type[Message]:
        """The type of apply requests, such as ``ApplyPodRequest``."""
        return self._of_service(f"Apply{self.name}Request")

    @cached_property
    def watch_response(self) -> type[Message]:
        """The type of watch responses, such as ``WatchPodsResponse``."""
        return self._of_service(f"Watch{self.plural_name}Response")

    def _of_service(self, name: str) -> type[Message]:
        return _message_in(self.service_module.DESCRIPTOR, name)

    def method(self, verb: str) -> str:
        """Return the full path of one gRPC method.

        ``verb`` is Create, Get, List, Watch, Update, UpdateStatus, Patch, Apply, Delete,
        DeleteCollection, GetScale, UpdateScale or PatchScale.
        """
        match verb:
            case "List" | "Watch":
                method = f"{verb}{self.plural_name}"
            case "UpdateStatus":
                method = f"Update{self.name}Status"
            case "GetScale" | "UpdateScale" | "PatchScale":
                method = f"{verb.removesuffix('Scale')}{self.name}Scale"
            case "DeleteCollection":
                method = f"Delete{self.name}Collection"
            case _:
                method = f"{verb}{self.name}"
        return f"/{self.service}/{method}"

    def __repr__(self) -> str:
        return f"Kind({self.api_version} {self.name})"


AnyKind: TypeAlias = Kind[Any]


def field_of(name: str) -> str:
    """Return the field that holds an object of a kind in requests."""
    return _WORD_BEGINS.sub("_", name).lower()


def plural_of(name: str, resource: str) -> str:
    """Return the plural of a kind's name that gRPC methods use."""
    pairs = zip(name, resource, strict=False)
    same = takewhile(lambda pair: pair[0].lower() == pair[1], pairs)
    shared = "".join(letter for letter, _ in same)
    return shared + resource[len(shared) :].replace("-", "")


def _message_in(file: Any, name: str) -> type[Message]:
    return GetMessageClass(file.message_types_by_name[name])
