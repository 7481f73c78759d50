"""One kind of object: what every part of podraft must know of it, and what follows from that.

Owns: the names that manifests, keys, commands and gRPC methods use for a kind.

Invariants: what the message's descriptor says is never said again; nothing is looked up before
it is asked for, so kinds can be read before the code of their services is generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from importlib import import_module
from itertools import takewhile
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from podraft.api.meta.v1 import meta_pb2

VERBS: Final = ("create", "get", "list", "watch", "update", "patch", "delete")


class Object(Protocol):
    """What every stored object has: its metadata as field 1."""

    @property
    def metadata(self) -> meta_pb2.ObjectMeta:
        """Identity, revision and ownership of the object."""

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: D102, N802 - protobuf's name
        ...


class Order(IntEnum):
    """When the objects of a kind are created, among others; they are deleted the other way round.

    What others live in or refer to comes first. Kinds of one class keep the order in which the
    registry got them.
    """

    NAMESPACES = 0
    MACHINES = 10
    CONFIG = 20
    NETWORK = 30
    WORKLOADS = 40
    # What controllers and agents write of their own accord.
    RECORDS = 50


ObjectT = TypeVar("ObjectT", bound=Message)


@dataclass(frozen=True, slots=True)
class Method:
    """A method that a kind's gRPC service has beyond the shape of all; `comment` says what it does.

    ``client_streams`` and ``server_streams`` say of which side there are many messages.
    """

    name: str
    request: type[Message]
    response: type[Message]
    comment: str
    client_streams: bool = False
    server_streams: bool = False


@dataclass(frozen=True, slots=True)
class TypedField:
    """A field that an object may have only with some values of its type.

    Attributes:
        type: The path of the type: ``spec.type``.
        field: The path of the field; it may go through a list.
        forbidden_with: The values of the type with which it must not be set; "": none is said.
    """

    type: str
    field: str
    forbidden_with: tuple[str, ...]

    def forbids(self, type_: str) -> bool:
        """Return whether an object of a type must not have the field."""
        return type_ in self.forbidden_with


@dataclass(frozen=True, eq=False, repr=False)
class Kind(Generic[ObjectT]):
    """One kind of object; compared by identity.

    Attributes:
        message: The objects' message; its name is the kind's.
        api_version: What manifests say: ``v1``, ``apps/v1``.
        resource: The plural that keys, rights and commands use: ``pods``.
        short_names: What commands accept besides: ``po``.
        namespaced: Whether the objects live in namespaces.
        order: When the objects are created, among those of other kinds.
        subresources: The parts and actions that have rights of their own: ``status``, ``binding``.
        verbs: What can be done with the objects, of ``VERBS``.
        categories: The words that name several kinds at once: ``all``.
        selectable_fields: The paths that field selectors may name.
        extra_methods: What its gRPC service can do besides.
        typed_fields: The fields that go with a type.
        custom: Whether the kind was declared by a user while the cluster ran.
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
    custom: bool = False

    @cached_property
    def name(self) -> str:
        """What manifests call the kind: ``Pod``."""
        return self.message.DESCRIPTOR.name

    @cached_property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @cached_property
    def group_resource(self) -> str:
        """The resource with its group, as no other kind has it: ``pods``, ``deployments.apps``."""
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
    def field(self) -> str:
        """The field that holds the object in create and update requests."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in self.name).lstrip("_")

    @cached_property
    def plural_name(self) -> str:
        """The plural that gRPC methods use: ``Pods``, ``NetworkPolicies``.

        It has the name's capitals and the resource's ending.
        """
        pairs = zip(self.name, self.resource, strict=False)
        same = takewhile(lambda pair: pair[0].lower() == pair[1], pairs)
        shared = "".join(letter for letter, _ in same)
        return shared + self.resource[len(shared) :]

    @cached_property
    def list_message(self) -> type[Message]:
        """``PodList`` and the like, which stands in the file of the objects' message."""
        return _message_in(self.message.DESCRIPTOR.file, f"{self.name}List")

    @cached_property
    def service(self) -> str:
        """The full name of the kind's gRPC service."""
        return f"{self.message.DESCRIPTOR.file.package}.{self.name}Service"

    @cached_property
    def service_module(self) -> Any:
        """The generated module of the kind's gRPC service and its requests."""
        return import_module(f"{self.message.DESCRIPTOR.file.package}.{self.field}_service_pb2")

    @cached_property
    def create_request(self) -> type[Message]:
        """``CreatePodRequest`` and the like."""
        return self._of_service(f"Create{self.name}Request")

    @cached_property
    def update_request(self) -> type[Message]:
        """``UpdatePodRequest`` and the like."""
        return self._of_service(f"Update{self.name}Request")

    @cached_property
    def watch_response(self) -> type[Message]:
        """``WatchPodsResponse`` and the like."""
        return self._of_service(f"Watch{self.plural_name}Response")

    def _of_service(self, name: str) -> type[Message]:
        return _message_in(self.service_module.DESCRIPTOR, name)

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


def _message_in(file: Any, name: str) -> type[Message]:
    return GetMessageClass(file.message_types_by_name[name])
