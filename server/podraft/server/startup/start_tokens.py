"""The join token that a server writes to a file when it starts, for the machine beside it.

Invariant: however often the server starts, at most one such token is valid; a token that cannot be
made does not prevent the start.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from podraft.client.serving.private_files import write_private
from podraft.server.auth import tokens
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.tokens import ParsedToken, TokenError
from podraft.server.registry.errors import RefusedError
from podraft.server.registry.joining.join_tokens import create_join_token
from podraft.server.state.datastore import Datastore, Delete, Transaction

_LOG = logging.getLogger(__name__)


async def write(path: Path, datastore: Datastore, authority: CertificateAuthority) -> None:
    """Replace the token at ``path``, and in the store, with a new one.

    Raises:
        OSError: The file cannot be written.
    """
    former = await asyncio.to_thread(_former, path)
    if former is not None:
        await datastore.transact(Transaction((), (Delete(former.key),)))
    try:
        token = await create_join_token(datastore, authority, tokens.LIFETIME_S_DEFAULT)
    except RefusedError as error:
        _LOG.error("no join token was written to %s: %s", path, error.message)
        return
    write_private(path, f"{token.token}\n".encode())


def _former(path: Path) -> ParsedToken | None:
    try:
        return tokens.parse_token(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError, TokenError):
        return None
