"""The calls of one kind: create, get, list, watch, update, patch, apply, delete, wait.

Owns: how requests are built and answers read, from the table of kinds alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from google.protobuf.message import Message

from podraft.api.autoscaling.v1 import scale_pb2, scale_requests_pb2
from podraft.api.kinds import Kind
from podraft.api.meta.v1 import requests_pb2
from podraft.api.objects import conditions
from podraft.client.calls import writes as requests
from podraft.client.calls.following import until
from podraft.client.calls.request_ids import write_options
from podraft.client.calls.wire import WatchBatch, watch_decoder
from podraft.client.connecting.connection import LONG_ATTEMPT_S, Connection

ObjectT = TypeVar("ObjectT", bound=Message)


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[ObjectT]):
    """A page of objects at one revision; ``continue_token`` is empty on the last page.

    ``remaining`` is the number of objects on later pages; None if the server does not know.
    """

    items: Sequence[ObjectT]
    resource_version: str
    continue_token: str
    remaining: int | None = 0


class ResourceClient(Generic[ObjectT]):
    """The calls of one kind.

    ``namespace`` is empty for kinds without one, and in `list` and `watch` for all
    namespaces; no namespace is ever assumed.  A call is retried, at another server if there is
    one, until a server answers; a write still takes effect only once.  Every method raises
    `errors.ApiError` or one of its subclasses; each names those that callers usually handle.
    """

    def __init__(
        self,
        kind: Kind[ObjectT],
        connection: Connection,
        *,
        at: str = "",
        hash_secret_values: bool = False,
        allow_stale: bool = False,
    ) -> None:
        self.kind = kind
        self._connection = connection
        # The moment that `get` and `list` ask for by default.
        self._at = at
        self._hash_secret_values = hash_secret_values
        self._allow_stale = allow_stale

    async def create(
        self, obj: ObjectT, *, dry_run: bool = False, field_manager: str = ""
    ) -> ObjectT:
        """Create ``obj`` and return it as stored.

        Raises:
            AlreadyExistsError: An object of this name exists.
            InvalidError: ``obj`` is malformed.

        """
        request = self.kind.create_request(**self._body(obj, dry_run, field_manager))
        return await self._connection.write(self.kind.method("Create"), request, self._decode)

    async def get(self, name: str, namespace: str = "", *, at: str = "") -> ObjectT:
        """Return one object; with ``at``, as it was at a revision, a time or ``10m`` ago.

        Raises:
            NotFoundError: The object does not, or did not, exist.
            CompactedError: That moment is no longer kept, or lies in the future.

        """
        request = requests_pb2.GetRequest(
            namespace=namespace,
            name=name,
            at=at or self._at,
            hash_secret_values=self._hash_secret_values,
            allow_stale=self._allow_stale,
        )
        return await self._connection.read(self.kind.method("Get"), request, self._decode)

    async def list(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        at: str = "",
        resource_version: str = "",
        match: requests_pb2.ResourceVersionMatch | None = None,
    ) -> ObjectList[ObjectT]:
        """Return the objects that match, all of one revision; ``at`` is as in `get`.

        ``resource_version`` is what the list must have reached or, with an exact ``match``, shows.

        Raises:
            InvalidError: A selector is malformed.
            CompactedError: ``continue_token``, ``at`` or ``resource_version`` is too old; a list
                goes on by the error's own token.

        """
        request = requests_pb2.ListRequest(
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            continue_token=continue_token,
            at=at or self._at,
            hash_secret_values=self._hash_secret_values,
            allow_stale=self._allow_stale,
            resource_version=resource_version,
        )
        if match is not None:
            request.resource_version_match = match
        decode = cast("Callable[[bytes], Any]", self.kind.list_message.FromString)
        answer = await self._connection.read(
            self.kind.method("List"), request, decode, attempt_s=LONG_ATTEMPT_S
        )
        metadata, remaining = answer.metadata, None
        if metadata.HasField("remaining_item_count") or not metadata.continue_token:
            remaining = metadata.remaining_item_count
        return ObjectList(
            answer.items, metadata.resource_version, metadata.continue_token, remaining
        )

    def watch(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        send_initial_events: bool | None = None,
        allow_bookmarks: bool | None = None,
        timeout_s: int = 0,
    ) -> AsyncIterator[WatchBatch[ObjectT]]:
        """Yield the changes after ``resource_version``, in order and batches, until the call fails.

        Without a ``resource_version``, or with ``send_initial_events``, all present objects come
        first, as additions, and then a bookmark.  The stream has no deadline unless the server is
        asked to end it after ``timeout_s``; closing the iterator ends it.

        Raises (from the iterator):
            CompactedError: Changes after ``resource_version`` are no longer kept.
            UnavailableError: The connection was lost; resume from the last revision seen.
        """
        request = requests_pb2.WatchRequest(
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            resource_version=resource_version,
            send_initial_events=send_initial_events,
            allow_watch_bookmarks=allow_bookmarks,
            timeout_seconds=timeout_s,
        )
        path = self.kind.method("Watch")
        return self._connection.stream(path, request, watch_decoder(self.kind))

    async def update(
        self, obj: ObjectT, *, dry_run: bool = False, field_manager: str = ""
    ) -> ObjectT:
        """Replace an object except for its status.

        Raises:
            NotFoundError: The object does not exist.
            ConflictError: ``metadata.resource_version`` is set and not the stored one.
            InvalidError: ``obj`` is malformed.

        """
        request = self.kind.update_request(**self._body(obj, dry_run, field_manager))
        return await self._connection.write(self.kind.method("Update"), request, self._decode)

    async def update_status(
        self, obj: ObjectT, *, dry_run: bool = False, field_manager: str = ""
    ) -> ObjectT:
        """Replace only an object's status; raise as `update` does."""
        request = self.kind.update_request(**self._body(obj, dry_run, field_manager))
        path = self.kind.method("UpdateStatus")
        return await self._connection.write(path, request, self._decode)

    async def patch(
        self,
        name: str,
        patch: Mapping[str, Any] | Sequence[Mapping[str, Any]] | bytes,
        namespace: str = "",
        *,
        form: requests.PatchForm = "merge_patch",
        subresource: str = "",
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
        field_manager: str = "",
    ) -> ObjectT:
        """Patch the object, or its ``status``, with a JSON merge patch (RFC 7396) or another form.

        Raises:
            NotFoundError: The object does not exist.
            ConflictError: ``uid`` or ``resource_version`` is not the stored one.
            InvalidError: The patch, or what it makes of the object, is malformed.

        """
        request = requests.patch_request(
            name, patch, namespace, subresource, uid, resource_version, form
        )
        request.options.CopyFrom(write_options(dry_run=dry_run, field_manager=field_manager))
        return await self._connection.write(self.kind.method("Patch"), request, self._decode)

    async def apply(
        self,
        configuration: ObjectT,
        field_manager: str,
        *,
        force: bool = False,
        subresource: str = "",
        only_create: bool = False,
        dry_run: bool = False,
    ) -> ObjectT:
        """Make the object as a manager's configuration states it; it need not exist.

        What the manager stated before and does not state any more is removed, unless others own it.

        Raises:
            ConflictError: Other managers own fields with other values (`violations` names them),
                or ``metadata.resource_version`` is set and not the stored one.
            InvalidError: The configuration, or what it makes of the object, is malformed.

        """
        request = self.kind.apply_request(
            **self._body(configuration, dry_run, field_manager),
            force=force,
            subresource=subresource,
            only_create=only_create,
        )
        return await self._connection.write(self.kind.method("Apply"), request, self._decode)

    async def delete(
        self,
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation: requests_pb2.PropagationPolicy | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
    ) -> ObjectT:
        """Delete an object, or begin its graceful deletion; return its last state.

        Raises:
            NotFoundError: The object does not exist.
            ConflictError: ``uid`` or ``resource_version`` is not the stored one.

        """
        request = requests.delete_request(
            name,
            namespace,
            grace_period_seconds=grace_period_seconds,
            propagation=propagation,
            uid=uid,
            resource_version=resource_version,
        )
        options = write_options(dry_run=dry_run)
        request.options.dry_run, request.options.request_id = options.dry_run, options.request_id
        return await self._connection.write(self.kind.method("Delete"), request, self._decode)

    async def get_scale(self, name: str, namespace: str = "") -> scale_pb2.Scale:
        """Return how many pods an object should have and has; raise as `get` does."""
        request = requests_pb2.GetRequest(namespace=namespace, name=name, at=self._at)
        path = self.kind.method("GetScale")
        return await self._connection.read(path, request, scale_pb2.Scale.FromString)

    async def update_scale(
        self, scale: scale_pb2.Scale, *, dry_run: bool = False
    ) -> scale_pb2.Scale:
        """Set how many pods the object that ``scale`` names should have; raise as `update` does."""
        request = scale_requests_pb2.UpdateScaleRequest(
            scale=scale, options=write_options(dry_run=dry_run)
        )
        path = self.kind.method("UpdateScale")
        return await self._connection.write(path, request, scale_pb2.Scale.FromString)

    async def scale(
        self, name: str, replicas: int, namespace: str = "", *, dry_run: bool = False
    ) -> scale_pb2.Scale:
        """Set how many pods an object should have, whatever else it says; raise as `update` does.

        The kind must have a number of replicas.
        """
        if self.kind.scale is None:
            raise ValueError(f"{self.kind.resource}: this kind has no number of replicas")
        scale = scale_pb2.Scale(spec=scale_pb2.ScaleSpec(replicas=replicas))
        scale.metadata.name, scale.metadata.namespace = name, namespace
        return await self.update_scale(scale, dry_run=dry_run)

    async def delete_collection(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
        propagation: requests_pb2.PropagationPolicy | None = None,
        dry_run: bool = False,
    ) -> requests_pb2.DeleteCollectionResponse:
        """Delete the objects that match, some hundreds in one transaction; return which.

        Raises:
            ApiError: A selector is malformed, or the deletion of an object is refused; the error
                names it, and those before it are deleted.

        """
        options = requests.delete_request(
            "", grace_period_seconds=grace_period_seconds, propagation=propagation
        ).options
        options.dry_run = dry_run
        request = requests_pb2.DeleteCollectionRequest(
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            options=options,
        )
        # Repeated, the call deletes what is left: it needs no id.
        return await self._connection.read(
            self.kind.method("DeleteCollection"),
            request,
            requests_pb2.DeleteCollectionResponse.FromString,
            attempt_s=LONG_ATTEMPT_S,
        )

    async def wait(
        self,
        name: str,
        reached: Callable[[ObjectT | None], bool],
        namespace: str = "",
        *,
        timeout_s: float,
    ) -> ObjectT | None:
        """Return an object as soon as it is as ``reached`` says; None if it then does not exist.

        ``reached`` is called with every state of the object that is seen, and with None while
        there is none.  The object is watched, also through lost connections.

        Raises:
            TimeoutError: The object is not so in time.
            UnavailableError: The servers stayed away.
        """
        return await until(self, name, namespace, reached, timeout_s)

    async def wait_for_condition(
        self,
        name: str,
        condition: str,
        namespace: str = "",
        *,
        status: str = "True",
        timeout_s: float,
    ) -> ObjectT:
        """Return an object as soon as its condition has a status; it need not exist yet.

        Raises as `wait` does.
        """
        status_field = self.kind.message.DESCRIPTOR.fields_by_name.get("status")
        message = None if status_field is None else status_field.message_type
        if message is None or "conditions" not in message.fields_by_name:
            raise ValueError(f"{self.kind.resource}: this kind has no conditions")

        def reached(obj: Any) -> bool:
            found = None if obj is None else conditions.find(obj.status.conditions, condition)
            return found is not None and found.status == status

        return cast(ObjectT, await until(self, name, namespace, reached, timeout_s))

    async def wait_until_deleted(
        self, name: str, namespace: str = "", *, uid: str = "", timeout_s: float
    ) -> None:
        """Wait until an object is gone; with a ``uid``, or another one has its name.

        Raises as `wait` does.
        """

        def is_gone(obj: Any) -> bool:
            return obj is None or bool(uid and obj.metadata.uid != uid)

        await until(self, name, namespace, is_gone, timeout_s)

    def _decode(self, data: bytes) -> ObjectT:
        return self.kind.message.FromString(data)

    def _body(self, obj: ObjectT, dry_run: bool, field_manager: str) -> dict[str, Any]:
        options = write_options(dry_run=dry_run, field_manager=field_manager)
        return {self.kind.field: obj, "options": options}
