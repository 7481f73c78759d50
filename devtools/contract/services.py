"""The gRPC service of each kind, as the text of a ``.proto``.

Owns: the shape that the services of all kinds share: methods, requests, events, their comments.

Invariant: pure; package, names and numbers follow from the kind's entry alone, so that they stay
the same for everybody who has generated code from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from textwrap import wrap

from google.protobuf.message import Message

from podraft.api.kinds import AnyKind
from podraft.api.kinds.kind import Method

_META = "podraft.api.meta.v1"
_AUTOSCALING = "podraft.api.autoscaling.v1"
_SCALE = "podraft/api/autoscaling/v1/scale.proto"
_SCALE_REQUESTS = "podraft/api/autoscaling/v1/scale_requests.proto"
_REQUESTS = "podraft/api/meta/v1/requests.proto"
_WIDTH = 99
_MARK = "Written by `./dev generate` from the registry of kinds; do not edit."


def path_of(kind: AnyKind) -> PurePosixPath:
    """Return the path of a kind's service below ``protos``."""
    folder = PurePosixPath(kind.message.DESCRIPTOR.file.name).parent
    return folder / f"{kind.field}_service.proto"


def text_of(kind: AnyKind) -> str:
    """Return the whole file of a kind's service."""
    head = [
        f"// {_MARK}",
        "",
        'syntax = "proto3";',
        "",
        f"package {kind.message.DESCRIPTOR.file.package};",
        "",
        *(f'import "{file}";' for file in _imports(kind)),
        "",
        *_comment(f"{_summary(kind)} objects of kind {kind.name}.", ""),
        f"service {kind.name}Service {{",
    ]
    methods = "\n\n".join("\n".join(method) for method in _methods(kind))
    messages = ["\n".join(message) for message in _messages(kind)]
    return "\n".join([*head, methods, "}"]) + "".join(f"\n\n{one}" for one in messages) + "\n"


_CREATE_COMMENT = (
    "Stores a new {}. Fails with `ALREADY_EXISTS` if the name is taken, with `INVALID_ARGUMENT` "
    "(every wrong field is named) if it is malformed."
)
_ANSWER_COMMENT = (
    "Answers a {}, of which nothing is stored. Fails with `INVALID_ARGUMENT` (every wrong field is "
    "named) if it is malformed."
)


def _imports(kind: AnyKind) -> list[str]:
    used = {kind.message.DESCRIPTOR.file.name, _REQUESTS}
    if kind.scale is not None:
        used.update((_SCALE, _SCALE_REQUESTS))
    for method in kind.extra_methods:
        used.update(one.DESCRIPTOR.file.name for one in (method.request, method.response))
    return sorted(used)


def _summary(kind: AnyKind) -> str:
    if not kind.is_stored:
        return "Answers"
    does = [
        word
        for word, verbs in (
            ("reads", {"get", "list"}),
            ("writes", {"create", "update", "patch", "delete"}),
            ("watches", {"watch"}),
        )
        if verbs.intersection(kind.verbs)
    ]
    text = does[0] if len(does) == 1 else f"{', '.join(does[:-1])} and {does[-1]}"
    return text.capitalize()


def _methods(kind: AnyKind) -> Iterator[list[str]]:
    name, plural = kind.name, kind.plural_name
    update = f"Update{name}Request"
    if "create" in kind.verbs:
        yield _method(
            f"Create{name}",
            f"Create{name}Request",
            name,
            _CREATE_COMMENT.format(name) if kind.is_stored else _ANSWER_COMMENT.format(name),
        )
    if "get" in kind.verbs:
        comment = f"Returns one {name}, or `NOT_FOUND`."
        yield _method(f"Get{name}", f"{_META}.GetRequest", name, comment)
    if "list" in kind.verbs:
        yield _method(
            f"List{plural}",
            f"{_META}.ListRequest",
            f"{name}List",
            f"Returns the {plural} that match, at one revision. Fails with `OUT_OF_RANGE` if a "
            "continued page's revision was compacted: list again.",
        )
    if "watch" in kind.verbs:
        yield _method(
            f"Watch{plural}",
            f"{_META}.WatchRequest",
            f"stream Watch{plural}Response",
            f"Streams changes of {plural} in revision order, without gaps. Fails with "
            "`OUT_OF_RANGE` if the revision to start from was compacted: list, then watch.",
        )
    if "update" in kind.verbs:
        rest = " except for its status" if kind.has_status else ""
        yield _method(
            f"Update{name}",
            update,
            name,
            f"Replaces the {name}{rest}. Fails with `ABORTED` if `metadata.resourceVersion` is set "
            "and is not the stored one.",
        )
    if "update" in kind.verbs and kind.has_status:
        yield _method(
            f"Update{name}Status",
            update,
            name,
            "Replaces the status only. Sent by the component that observes it. Fails like the "
            "update.",
        )
    if "patch" in kind.verbs:
        yield _method(
            f"Patch{name}",
            f"{_META}.PatchRequest",
            name,
            f"Changes some fields of the {name}; retried by the server if somebody else writes at "
            "the same time.",
        )
    if "patch" in kind.verbs:
        yield _method(
            f"Apply{name}",
            f"Apply{name}Request",
            name,
            f"Makes the {name} as a manager's configuration states: what it states is set, what it "
            "stated before and does not state any more is removed, unless others own it. Fails "
            "with `ABORTED` if other managers own fields of it with other values.",
        )
    if "delete" in kind.verbs:
        yield _method(
            f"Delete{name}",
            f"{_META}.DeleteRequest",
            name,
            f"Deletes the {name}. Returns it as it was last, or, if its end has to wait, as it is "
            "now with a deletionTimestamp.",
        )
    if kind.scale is not None:
        yield from _scale_methods(name)
    if "deletecollection" in kind.verbs:
        yield _method(
            f"Delete{name}Collection",
            f"{_META}.DeleteCollectionRequest",
            f"{_META}.DeleteCollectionResponse",
            f"Deletes the {plural} that match and exist when the call begins, in transactions of "
            "some hundreds. If one is refused, the error names it, and those before it are "
            "deleted.",
        )
    yield from (_extra(kind, method) for method in kind.extra_methods)


def _scale_methods(name: str) -> Iterator[list[str]]:
    scale = f"{_AUTOSCALING}.Scale"
    yield _method(
        f"Get{name}Scale",
        f"{_META}.GetRequest",
        scale,
        f"Returns how many pods the {name} should have and has.",
    )
    yield _method(
        f"Update{name}Scale",
        f"{_AUTOSCALING}.UpdateScaleRequest",
        scale,
        f"Sets how many pods the {name} should have. Fails like the update.",
    )
    yield _method(
        f"Patch{name}Scale",
        f"{_META}.PatchRequest",
        scale,
        "Changes how many pods it should have, by a patch of the Scale.",
    )


def _method(name: str, request: str, response: str, comment: str) -> list[str]:
    return [*_comment(comment, "  "), f"  rpc {name}({request}) returns ({response});"]


def _extra(kind: AnyKind, method: Method) -> list[str]:
    request, response = (
        ("stream " if streams else "") + _name_in(kind, message)
        for message, streams in (
            (method.request, method.client_streams),
            (method.response, method.server_streams),
        )
    )
    return _method(method.name, request, response, method.comment)


def _name_in(kind: AnyKind, message: type[Message]) -> str:
    """Return a message's name as seen from the package of a kind."""
    found = message.DESCRIPTOR
    same = found.file.package == kind.message.DESCRIPTOR.file.package
    return found.name if same else found.full_name


def _messages(kind: AnyKind) -> Iterator[list[str]]:
    name = kind.name
    if "create" in kind.verbs:
        yield _request(kind, "Create", f"A new {name}.")
    if "update" in kind.verbs:
        yield _request(kind, "Update", f"A changed {name}.")
    if "patch" in kind.verbs:
        yield _apply_request(kind)
    if "watch" in kind.verbs:
        event = f"{name}WatchEvent"
        yield _message(
            event,
            f"One change of {_article(name)} {name}.",
            ("What happened.", f"{_META}.WatchEventType type = 1;"),
            ("The object after the change; as it was last if it is gone.", f"{name} object = 2;"),
        )
        yield _message(
            f"Watch{kind.plural_name}Response",
            "Changes in revision order; all changes of one revision come in one response.",
            ("The changes.", f"repeated {event} events = 1;"),
        )


def _request(kind: AnyKind, verb: str, comment: str) -> list[str]:
    which = " Its metadata names the one to replace." if verb == "Update" else ""
    return _message(
        f"{verb}{kind.name}Request",
        comment,
        (f"The object.{which}", f"{kind.name} {kind.field} = 1;"),
        ("How to write.", f"{_META}.WriteOptions options = 2;"),
    )


def _article(name: str) -> str:
    return "an" if name[0] in "AEIOU" else "a"


def _apply_request(kind: AnyKind) -> list[str]:
    return _message(
        f"Apply{kind.name}Request",
        f"A manager's configuration of {_article(kind.name)} {kind.name}.",
        (
            "What the manager states, and nothing else. Its metadata names the object.",
            f"{kind.name} {kind.field} = 1;",
        ),
        ("How to write. `fieldManager` is required.", f"{_META}.WriteOptions options = 2;"),
        (
            "Whether fields that other managers own with other values are taken from them.",
            "bool force = 3;",
        ),
        (
            "`status` to apply the status; empty to apply everything else.",
            "string subresource = 4;",
        ),
        (
            "Whether the object must not exist yet; if it does, `ALREADY_EXISTS`.",
            "bool only_create = 5;",
        ),
    )


def _message(name: str, comment: str, *fields: tuple[str, str]) -> list[str]:
    body = "\n\n".join("\n".join([*_comment(said, "  "), f"  {field}"]) for said, field in fields)
    return [*_comment(comment, ""), f"message {name} {{", body, "}"]


def _comment(text: str, indent: str) -> Iterable[str]:
    lines = wrap(text, _WIDTH - len(indent) - 3, break_long_words=False, break_on_hyphens=False)
    return (f"{indent}// {line}" for line in lines)
