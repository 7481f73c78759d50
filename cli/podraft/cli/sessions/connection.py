"""A command's connection to the API: configuration, one client, errors as users read them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from podraft.api.declared import kinds_of
from podraft.api.kinds import CUSTOM_RESOURCE_DEFINITION, AnyKind
from podraft.cli.command_line.settings import Settings
from podraft.cli.errors import CliError, lines_of_api_error, usage
from podraft.cli.output import printing
from podraft.client.calls.client import Client
from podraft.client.connecting import config
from podraft.client.errors import ApiError, ConfigError

ResultT = TypeVar("ResultT")
_FOREVER_S = 10 * 365 * 86400.0
# A cluster that does not answer must not hold up the message that a name is unknown.
_ATTEMPT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Session:
    """A client, and the user's settings for where and how to work."""

    client: Client
    settings: Settings
    namespace: str
    address: str

    def now_s(self) -> float:
        """Return the time from which ages count, in seconds since the epoch."""
        return time.time()


def load_config(settings: Settings) -> config.ClusterConfig:
    """Return the configuration that the options choose.

    Raises:
        CliError: The configuration cannot be read.
    """
    try:
        return _acting(config.load(settings.config, settings.context), settings)
    except ConfigError as error:
        hint = "  podraft-server writes one; name it with --config or $PODRAFT_CONFIG"
        raise CliError(str(error), *([hint] if "no such" in str(error) else [])) from None


def _acting(chosen: config.ClusterConfig, settings: Settings) -> config.ClusterConfig:
    """Return a configuration with whom the options say to act as."""
    if not settings.as_user:
        if settings.as_groups:
            raise usage("--as-group goes with --as")
        return chosen
    for word in (settings.as_user, *settings.as_groups):
        if not word.isascii() or not word.isprintable():
            raise usage(f"--as and --as-group take printable ASCII, got {word!r}")
    return replace(chosen, impersonate_user=settings.as_user, impersonate_groups=settings.as_groups)


def namespace_of(settings: Settings) -> str:
    """Return the namespace to work in, from the options or the configuration.

    Raises:
        CliError: The configuration cannot be read.
    """
    return settings.namespace or load_config(settings).namespace


def run(settings: Settings, function: Callable[[Session], Awaitable[ResultT]]) -> ResultT:
    """Run a command's function with a connection and return its result.

    Raises:
        CliError: The API refused or failed a call; the lines are for a user.
    """
    chosen = load_config(settings)
    address = ", ".join(chosen.servers)

    async def body() -> ResultT:
        timeout_s = settings.request_timeout_s or _FOREVER_S
        async with Client(chosen, timeout_s=timeout_s) as client:
            client.on_warning(printing.warn_of_new)
            namespace = settings.namespace or chosen.namespace
            return await function(Session(client, settings, namespace, address))

    began_s = time.monotonic()
    try:
        return asyncio.run(body())
    except ApiError as error:
        raise CliError(*lines_of_api_error(error, address)) from None
    finally:
        if settings.verbosity:
            took_ms = (time.monotonic() - began_s) * 1000
            printing.say(f"server {address}, {took_ms:.0f} ms", err=True)


def declared_kinds(settings: Settings) -> Iterable[AnyKind]:
    """Return the declared kinds; none if the cluster does not tell, which other calls report."""
    try:
        chosen = load_config(settings)
    except CliError:
        return ()
    # The caller may be within a running loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _read(chosen)).result()


async def _read(chosen: config.ClusterConfig) -> tuple[AnyKind, ...]:
    try:
        async with Client(chosen, timeout_s=_ATTEMPT_S) as client:
            found = await client.resource(CUSTOM_RESOURCE_DEFINITION).list()
            return tuple(kinds_of(found.items))
    except ApiError:
        return ()
