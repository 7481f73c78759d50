"""Join tokens: what a new machine shows, once, to become a node.

Owns: the token's text and its stored form.  Invariants: the secret is stored
only as a hash; the text carries the authority's fingerprint, so that a joining
agent can check the server before it sends the token; pure, time and randomness
are passed in.

The text is ``podraft1.<id>.<secret>.<SHA-256 of the authority's DER, hex>``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Final

VERSION: Final = "podraft1"
KEY_PREFIX: Final = b"_cluster/tokens/"
RANDOM_BYTES: Final = 6 + 20
LIFETIME_S_DEFAULT: Final = 24 * 3600
LIFETIME_S_MAX: Final = 90 * 24 * 3600

_ID_BYTES: Final = 6
_TEXT = re.compile(r"podraft1\.([0-9a-f]{12})\.([0-9a-f]{40})\.([0-9a-f]{64})")


class TokenError(ValueError):
    """A token is malformed, unknown, wrong or expired; the message says which."""


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """The parts of a token's text."""

    id: str
    secret: str
    fingerprint: str

    @property
    def key(self) -> bytes:
        """The key below which the token is stored."""
        return KEY_PREFIX + self.id.encode()


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: the text for the user, the value for the store."""

    text: str
    key: bytes
    stored: bytes
    expires_at_s: int


def make_token(random: bytes, fingerprint: str, now_s: float, lifetime_s: int) -> NewToken:
    """Return the token that ``random`` makes, for the authority with ``fingerprint``.

    Raises:
        TokenError: The lifetime is not between one second and ninety days.

    """
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a token takes {RANDOM_BYTES} random bytes, not {len(random)}")
    if not 0 < lifetime_s <= LIFETIME_S_MAX:
        raise TokenError(f"a token lives between 1 and {LIFETIME_S_MAX} seconds, not {lifetime_s}")
    parsed = ParsedToken(random[:_ID_BYTES].hex(), random[_ID_BYTES:].hex(), fingerprint)
    expires_at_s = int(now_s) + lifetime_s
    stored = json.dumps({"secretSha256": _hash(parsed), "expiresAt": expires_at_s}).encode()
    text = f"{VERSION}.{parsed.id}.{parsed.secret}.{parsed.fingerprint}"
    return NewToken(text, parsed.key, stored, expires_at_s)


def parse_token(text: str) -> ParsedToken:
    """Return the parts of a token.

    Raises:
        TokenError: It does not look like a token.

    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise TokenError(f"malformed join token; expected {VERSION}.<id>.<secret>.<fingerprint>")
    return ParsedToken(*match.groups())


def check_token(text: str, stored: bytes | None, now_s: float) -> None:
    """Accept ``text`` against the value stored below its key (None: there is none).

    Raises:
        TokenError: The token is malformed, unknown, wrong or expired.

    """
    parsed = parse_token(text)
    if stored is None:
        raise TokenError("unknown join token; it may have been removed after it expired")
    entry = json.loads(stored)
    if not hmac.compare_digest(_hash(parsed), entry["secretSha256"]):
        raise TokenError("the join token's secret is wrong")
    if now_s >= entry["expiresAt"]:
        raise TokenError("the join token has expired; create a new one")


def is_expired(stored: bytes, now_s: float) -> bool:
    """Return whether a stored token can no longer be used and may be removed."""
    return bool(now_s >= json.loads(stored)["expiresAt"])


def _hash(token: ParsedToken) -> str:
    # The secret has 160 random bits: a plain hash cannot be guessed backwards.
    return hashlib.sha256(f"{token.id}.{token.secret}".encode()).hexdigest()
