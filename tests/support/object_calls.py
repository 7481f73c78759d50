"""Every method that is about objects of a kind, and requests for it, found in the descriptors.

A new kind or a new method with requests of a known type needs no entry here; a method with a
request of an unknown type fails, so that somebody says how it is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import podraft.api
from podraft.api import views
from podraft.api.autoscaling.v1 import scale_pb2, scale_requests_pb2
from podraft.api.cluster.v1 import commit_pb2, history_pb2, table_pb2
from podraft.api.core.v1 import pod_streams_pb2, scheduling_pb2
from podraft.api.kinds import BUILT_IN, AnyKind
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls import writes
from support.api_objects import example
from support.identities import NODE

# The kinds that have objects, also in other forms.
KINDS: Final[tuple[AnyKind, ...]] = (*BUILT_IN, *(view.kind for view in views.VIEWS))
COMMIT: Final = "/podraft.api.cluster.v1.CommitService/Commit"
HISTORY: Final = "/podraft.api.cluster.v1.HistoryService/GetObjectHistory"
TABLE: Final = "/podraft.api.cluster.v1.TableService/ListTable"
MANAGER: Final = "somebody"


class Method(NamedTuple):
    """A method of a kind's service."""

    name: str
    path: str
    request: type[Message]
    streams: bool


class Aim(NamedTuple):
    """What a call is about: an object as it is sent, and the options that every write has."""

    kind: AnyKind
    made: Any
    dry_run: bool = False
    request_id: bytes = b""

    @property
    def place(self) -> dict[str, Any]:
        """The object's name and namespace."""
        return {"name": self.made.metadata.name, "namespace": self.made.metadata.namespace}

    @property
    def expected(self) -> dict[str, Any]:
        """What the stored object must be, as far as the sent one says it."""
        metadata = self.made.metadata
        said = {"uid": metadata.uid, "resource_version": metadata.resource_version}
        return {name: value for name, value in said.items() if value}

    @property
    def of_name(self) -> dict[str, Any]:
        """The selection of the object alone."""
        metadata = self.made.metadata
        selector = f"metadata.name={metadata.name}"
        return {"namespace": metadata.namespace, "field_selector": selector}

    @property
    def preconditions(self) -> requests_pb2.Preconditions:
        """The expectations as a request has them."""
        return requests_pb2.Preconditions(**self.expected)

    @property
    def options(self) -> requests_pb2.WriteOptions:
        """How to write."""
        return requests_pb2.WriteOptions(
            dry_run=self.dry_run, request_id=self.request_id, field_manager=MANAGER
        )

    @property
    def deletion(self) -> requests_pb2.DeleteOptions:
        """How to delete."""
        return requests_pb2.DeleteOptions(
            dry_run=self.dry_run, request_id=self.request_id, preconditions=self.preconditions
        )


def example_of(kind: AnyKind, name: str) -> Any:
    """Return a valid object of a kind of the registry or of a view."""
    for view in views.VIEWS:
        if view.kind is kind:
            return view.shown(example(view.of, name))
    return example(kind, name)


def stored_kind(kind: AnyKind) -> AnyKind:
    """Return the kind as which objects are stored."""
    return next((view.of for view in views.VIEWS if view.kind is kind), kind)


def methods_of(kind: AnyKind) -> Iterator[Method]:
    """Yield the methods of a kind's service."""
    service = kind.service_module.DESCRIPTOR.services_by_name[f"{kind.name}Service"]
    for method in service.methods:
        yield Method(
            method.name,
            f"/{service.full_name}/{method.name}",
            GetMessageClass(method.input_type),
            method.server_streaming,
        )


def every_service() -> Iterator[ServiceDescriptor]:
    """Yield the services of all files of the contract."""
    root = Path(podraft.api.__path__[0])
    for path in sorted(root.rglob("*.proto")):
        name = path.relative_to(root.parents[1]).as_posix()
        importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        yield from Default().FindFileByName(name).services_by_name.values()


def takes_an_id(request: Any) -> bool:
    """Return whether a request of a descriptor has an id that makes repetitions one call."""
    fields = request.fields_by_name
    options = fields.get("options")
    inner = options.message_type.fields_by_name if options is not None else {}
    return "request_id" in fields or "request_id" in inner


# A way to call a method, which may need rights of its own, and a request.
Way: TypeAlias = tuple[str, Any]


def requests(method: Method, aim: Aim) -> Iterator[Way]:
    """Yield requests that call a method of the aim's kind in each of its ways."""
    # A namespace's field is called as the text that places other objects.
    field = method.request.DESCRIPTOR.fields_by_name.get(aim.kind.field)
    if field is not None and field.message_type is not None:
        yield from _with_object(method, aim)
    else:
        yield from _BY_TYPE[method.request](aim)


def _with_object(method: Method, aim: Aim) -> Iterator[Way]:
    made: type[Any] = method.request
    body = {aim.kind.field: aim.made, "options": aim.options}
    if "force" not in made.DESCRIPTOR.fields_by_name:
        yield "", made(**body)
        return
    yield "by force", made(**body, force=True)
    yield "only to create", made(**body, only_create=True)
    if aim.kind.has_status:
        yield "status", made(**body, subresource="status")


def _patches(aim: Aim) -> Iterator[Way]:
    change = b'{"metadata": {"labels": {"touched": "yes"}}}'
    common = {**aim.place, "preconditions": aim.preconditions, "options": aim.options}
    yield "", requests_pb2.PatchRequest(**common, merge_patch=change)
    if aim.dry_run:
        return  # It does not depend on the form.
    for patch in (b'{"data": {"password": "AAAA"}}', b"{", b'{"a": {}}'):
        yield "", requests_pb2.PatchRequest(**common, merge_patch=patch)
    yield "", requests_pb2.PatchRequest(**common, strategic_merge_patch=change)
    tested = b'[{"op": "test", "path": "/metadata/name", "value": "guessed"}]'
    yield "", requests_pb2.PatchRequest(**common, json_patch=tested)


def _scales(aim: Aim) -> Iterator[Way]:
    scale = scale_pb2.Scale(spec=scale_pb2.ScaleSpec(replicas=3))
    scale.metadata.CopyFrom(aim.made.metadata)
    yield "", scale_requests_pb2.UpdateScaleRequest(scale=scale, options=aim.options)


def _reads(aim: Aim) -> Iterator[Way]:
    for at in ("", "1", "1h", "nonsense"):
        yield f"at {at}", requests_pb2.GetRequest(**aim.place, at=at)
        hashed = requests_pb2.GetRequest(**aim.place, at=at, hash_secret_values=True)
        yield f"hashed at {at}", hashed


def _binds(aim: Aim) -> Iterator[Way]:
    yield "", bind(aim)


def bind(aim: Aim) -> scheduling_pb2.BindPodRequest:
    """Return the request to bind a pod."""
    uid = aim.made.metadata.uid or "guessed"
    return scheduling_pb2.BindPodRequest(
        **aim.place, uid=uid, node_name=NODE, request_id=aim.request_id
    )


def _of_containers(request: Callable[..., Any]) -> Callable[[Aim], Iterator[Way]]:
    def asked(aim: Aim) -> Iterator[Way]:
        for container in ("", "main", "other"):
            yield "", request(**aim.place, container=container)

    return asked


def _exec(**where: Any) -> pod_streams_pb2.ExecPodRequest:
    start = pod_streams_pb2.ExecStart(**where, command=["true"])
    return pod_streams_pb2.ExecPodRequest(start=start)


def _forwards(aim: Aim) -> Iterator[Way]:
    for port in (80, 1):
        start = pod_streams_pb2.ForwardStart(**aim.place, port=port)
        yield "", pod_streams_pb2.ForwardPodPortRequest(start=start)


def _watches(aim: Aim) -> Iterator[Way]:
    for revision in ("", "9" * 18, "x"):
        yield "", requests_pb2.WatchRequest(**aim.of_name, resource_version=revision)


_BY_TYPE: Final[Mapping[type[Any], Callable[[Aim], Iterator[Way]]]] = {
    requests_pb2.GetRequest: _reads,
    requests_pb2.ListRequest: lambda aim: iter(
        [("", requests_pb2.ListRequest(**aim.of_name, limit=1))]
    ),
    requests_pb2.WatchRequest: _watches,
    requests_pb2.PatchRequest: _patches,
    requests_pb2.DeleteRequest: lambda aim: iter(
        [("", requests_pb2.DeleteRequest(**aim.place, options=aim.deletion))]
    ),
    requests_pb2.DeleteCollectionRequest: lambda aim: iter(
        [("", requests_pb2.DeleteCollectionRequest(**aim.of_name, options=aim.deletion))]
    ),
    scale_requests_pb2.UpdateScaleRequest: _scales,
    scheduling_pb2.BindPodRequest: _binds,
    pod_streams_pb2.StreamPodLogsRequest: _of_containers(pod_streams_pb2.StreamPodLogsRequest),
    pod_streams_pb2.ForwardPodPortRequest: _forwards,
    pod_streams_pb2.ExecPodRequest: _of_containers(_exec),
}


def writes_of(aim: Aim) -> dict[str, commit_pb2.Write]:
    """Return a commit's writes to a stored kind, by the name of their field."""
    kind = aim.kind
    found = {
        "create": writes.create(aim.made),
        "update": writes.update(aim.made),
        "patch": writes.patch(kind, merge_patch=b"{}", **aim.place, **aim.expected),
        "delete": writes.delete(kind, **aim.place, **aim.expected),
        "apply": writes.apply(aim.made, force=True),
    }
    if "binding" in kind.subresources:
        found["bind"] = commit_pb2.Write(bind=bind(aim))
    return found


def commit(aim: Aim, *wanted: commit_pb2.Write) -> commit_pb2.CommitRequest:
    """Return a commit with an aim's options."""
    return commit_pb2.CommitRequest(writes=wanted, options=aim.options)


def history(aim: Aim) -> history_pb2.GetObjectHistoryRequest:
    """Return the request for an object's past."""
    return history_pb2.GetObjectHistoryRequest(
        api_version=aim.kind.api_version, kind=aim.kind.name, **aim.place
    )


def table(aim: Aim) -> table_pb2.ListTableRequest:
    """Return the request for a table with an object's row."""
    return table_pb2.ListTableRequest(
        api_version=aim.kind.api_version,
        kind=aim.kind.name,
        list=requests_pb2.ListRequest(**aim.of_name),
        rows=table_pb2.TABLE_ROWS_WITH_OBJECTS,
    )
