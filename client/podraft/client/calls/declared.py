"""The calls of a kind that a CustomResourceDefinition declares: its objects are Python values.

Owns: what such an object is in Python: the JSON object of its manifest, or an instance of the
program's own dataclass, whose fields are named as the schema names them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind
from podraft.client.calls.resources import ObjectList, ResourceClient

FormT = TypeVar("FormT")


class DeclaredClient(Generic[FormT]):
    """The calls of one declared kind; `ResourceClient` documents each, and what it raises.

    Every object goes in and comes out in the program's form.
    """

    def __init__(self, resource: ResourceClient[Any], form: type[FormT]) -> None:
        if form is not dict and not dataclasses.is_dataclass(form):
            raise ValueError(f"form: expected dict or a dataclass, got {form!r}")
        typing.get_type_hints(form)  # What cannot be made should be known before anything is done.
        self.kind: AnyKind = resource.kind
        self._resource = resource
        self._form = form
        self._known = kinds.Registry((resource.kind,))

    async def create(self, obj: FormT, *, dry_run: bool = False, field_manager: str = "") -> FormT:
        """Create ``obj`` and return it as stored."""
        return self._shown(
            await self._resource.create(
                self._message(obj), dry_run=dry_run, field_manager=field_manager
            )
        )

    async def get(self, name: str, namespace: str = "") -> FormT:
        """Return one object."""
        return self._shown(await self._resource.get(name, namespace))

    async def list(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> ObjectList[Any]:
        """Return a page of the objects that match, all of one revision."""
        page = await self._resource.list(
            namespace, label_selector=label_selector, limit=limit, continue_token=continue_token
        )
        return dataclasses.replace(page, items=[self._shown(item) for item in page.items])

    async def update(self, obj: FormT, *, dry_run: bool = False, field_manager: str = "") -> FormT:
        """Replace an object except for its status; what ``obj`` does not state is gone."""
        return self._shown(
            await self._resource.update(
                self._message(obj), dry_run=dry_run, field_manager=field_manager
            )
        )

    async def update_status(self, obj: FormT, *, dry_run: bool = False) -> FormT:
        """Replace only an object's status."""
        return self._shown(await self._resource.update_status(self._message(obj), dry_run=dry_run))

    async def patch(self, name: str, patch: Mapping[str, Any], namespace: str = "") -> FormT:
        """Patch an object with a JSON merge patch; what that does not name stays."""
        return self._shown(await self._resource.patch(name, patch, namespace))

    async def apply(self, obj: FormT, field_manager: str, *, force: bool = False) -> FormT:
        """Make an object as a manager states it; it need not exist.  Its ``spec`` is one field."""
        return self._shown(
            await self._resource.apply(self._message(obj), field_manager, force=force)
        )

    async def delete(self, name: str, namespace: str = "", *, uid: str | None = None) -> FormT:
        """Delete an object, or begin its deletion; return its last state."""
        return self._shown(await self._resource.delete(name, namespace, uid=uid))

    async def wait(
        self,
        name: str,
        reached: Callable[[FormT | None], bool],
        namespace: str = "",
        *,
        timeout_s: float,
    ) -> FormT | None:
        """Return an object as soon as it is as ``reached`` says; None if it then does not exist."""

        def is_reached(obj: Any) -> bool:
            return reached(None if obj is None else self._shown(obj))

        found = await self._resource.wait(name, is_reached, namespace, timeout_s=timeout_s)
        return None if found is None else self._shown(found)

    def _message(self, obj: FormT) -> Any:
        value: Any = obj
        if not isinstance(value, Mapping):
            value = _without_none(dataclasses.asdict(value))
        return codec.parse(self.kind.message, value, known=self._known)

    def _shown(self, message: Any) -> FormT:
        return typing.cast(FormT, made_of(self._form, codec.to_json(message, self._known)))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def made_of(form: Any, value: Any) -> Any:
    """Return a JSON value in a form: as it is, or as an instance of a dataclass.

    Fields that a dataclass does not have are left out.

    Raises:
        ValueError: A field without a default is absent.
    """
    if dataclasses.is_dataclass(form) and isinstance(form, type) and isinstance(value, Mapping):
        hints = typing.get_type_hints(form)
        present = {
            field.name: made_of(hints[field.name], value[field.name])
            for field in dataclasses.fields(form)
            if field.init and field.name in value
        }
        try:
            return form(**present)
        except TypeError as error:
            raise ValueError(f"{form.__name__}: {error}") from None
    origin, arguments = typing.get_origin(form), typing.get_args(form)
    if origin is list and isinstance(value, list):
        return [made_of(arguments[0], item) for item in value]
    if origin is dict and isinstance(value, Mapping):
        return {key: made_of(arguments[1], item) for key, item in value.items()}
    if origin in (types.UnionType, typing.Union):
        classes = [one for one in arguments if one is not type(None)]
        return made_of(classes[0], value) if len(classes) == 1 and value is not None else value
    return value
