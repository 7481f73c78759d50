"""Words for a shell's completion that only the cluster knows: the names of objects.

Owns: what may follow what on a command line that names objects.

Invariants: nothing is imported before a completion is wanted; a cluster that does not answer
within a second is no error: there are no words then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import click

    from podraft.api.kinds import AnyKind
    from podraft.cli.command_line.settings import Settings

_PATIENCE_S: Final = 1.0
_NAMES_MAX: Final = 500


def complete_targets(context: click.Context, parameter: click.Parameter, word: str) -> list[str]:
    """Return kinds, or the names of a kind's objects, that begin with ``word``."""
    from podraft.api import kinds

    given = [str(one) for one in context.params.get(parameter.name or "") or ()]
    kind_word, slash, begun = word.partition("/")
    if slash:
        kind = kinds.BUILT_IN.by_word(kind_word)
        return [f"{kind_word}/{name}" for name in _names(context, kind, begun)]
    if not given or "/" in given[0]:
        return [known for known in sorted(kinds.BUILT_IN.words()) if known.startswith(word.lower())]
    kind = kinds.BUILT_IN.by_word(given[0])
    return [name for name in _names(context, kind, word) if name not in given[1:]]


def complete_pods(context: click.Context, parameter: click.Parameter, word: str) -> list[str]:
    """Return the names of pods that begin with ``word``."""
    from podraft.api import kinds

    return _names(context, kinds.POD, word)


def complete_nodes(context: click.Context, parameter: click.Parameter, word: str) -> list[str]:
    """Return the names of nodes that begin with ``word``."""
    from podraft.api import kinds

    return _names(context, kinds.NODE, word)


def complete_namespaces(context: click.Context, parameter: click.Parameter, word: str) -> list[str]:
    """Return the names of namespaces that begin with ``word``."""
    from podraft.api import kinds

    return _names(context, kinds.NAMESPACE, word)


def _names(context: click.Context, kind: AnyKind | None, begun: str) -> list[str]:
    from podraft.cli.command_line.framework import settings_of
    from podraft.cli.errors import CliError

    if kind is None:
        return []
    settings = settings_of(context)
    settings.request_timeout_s = _PATIENCE_S
    try:
        names = _listed(settings, kind)
    except (CliError, OSError):
        return []  # A shell has no place for the reason.
    return [name for name in names if name.startswith(begun)]


def _listed(settings: Settings, kind: AnyKind) -> list[str]:
    from podraft.cli.sessions.connection import Session, run

    async def body(session: Session) -> list[str]:
        scope = session.namespace if kind.namespaced else ""
        # What one server knows is new enough, and it answers at once.
        listed: Any = await session.client.stale().resource(kind).list(scope, limit=_NAMES_MAX)
        return [str(obj.metadata.name) for obj in listed.items]

    return run(settings, body)
