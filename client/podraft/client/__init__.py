"""The Python SDK: a typed, asynchronous client of podraft's API.

`connecting` says where a cluster is and finds a server that answers, `calls` holds the typed
clients and builds the parts of a `Commit`, `watching` keeps live copies of kinds and has what else
a controller needs, `sync` has the same calls for programs without an event loop, `serving` is what
the server's and the agent's processes share.

Owns: the names that other people's programs import from here.  Invariant: a name's module is
imported when the name is used, not before: every process of podraft pays for what it imports.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podraft.client.calls import writes
    from podraft.client.calls.client import Client
    from podraft.client.calls.resources import ObjectList, ResourceClient
    from podraft.client.calls.wire import WatchEvent
    from podraft.client.connecting.config import ClusterConfig
    from podraft.client.connecting.config import load as load_config
    from podraft.client.errors import ApiError
    from podraft.client.watching.informer import Informer
    from podraft.client.watching.leader import ElectionOptions, LeaderElector
    from podraft.client.watching.recorder import EventRecorder
    from podraft.client.watching.workqueue import WorkQueue

__all__ = [
    "ApiError",
    "Client",
    "ClusterConfig",
    "ElectionOptions",
    "EventRecorder",
    "Informer",
    "LeaderElector",
    "ObjectList",
    "ResourceClient",
    "WatchEvent",
    "WorkQueue",
    "load_config",
    "writes",
]

_HOMES = {
    "ApiError": "errors:ApiError",
    "Client": "calls.client:Client",
    "ClusterConfig": "connecting.config:ClusterConfig",
    "ElectionOptions": "watching.leader:ElectionOptions",
    "EventRecorder": "watching.recorder:EventRecorder",
    "Informer": "watching.informer:Informer",
    "LeaderElector": "watching.leader:LeaderElector",
    "ObjectList": "calls.resources:ObjectList",
    "ResourceClient": "calls.resources:ResourceClient",
    "WatchEvent": "calls.wire:WatchEvent",
    "WorkQueue": "watching.workqueue:WorkQueue",
    "load_config": "connecting.config:load",
    "writes": "calls.writes:",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    found = import_module(f"{__name__}.{module}")
    return getattr(found, attribute) if attribute else found
