"""The SDK for programs without an event loop: ``with connect() as client: client.pods.list()``.

The asynchronous client does the work, on one event loop in a thread of its own; `loop` waits for
it, `client` and `resources` have the blocking forms of its calls,
`informer` that of live copies.
"""

from podraft.client.sync.client import SyncClient, connect
from podraft.client.sync.informer import SyncInformer
from podraft.client.sync.loop import Stream
from podraft.client.sync.resources import SyncResource

__all__ = ["Stream", "SyncClient", "SyncInformer", "SyncResource", "connect"]
