"""Join tokens: what a new machine shows, once, to become a node or a member.

Owns: the token's text and its stored form, with its uses.  Invariants: the secret is
stored only as a hash; the text carries the authority's fingerprint, so that a joining
machine can check the server before it sends the token; a token of one kind is invalid
as the other; it serves as many machines as it says and no more, yet each of these may
ask again; pure: time and randomness are passed in.

The text is ``<kind>.<id>.<secret>.<SHA-256 of the authority's DER, hex>``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Final

RANDOM_BYTES: Final = 6 + 20
LIFETIME_S_DEFAULT: Final = 3600
USES_MAX: Final = 1000
LIFETIME_S_MAX: Final = 90 * 24 * 3600

_ID_BYTES: Final = 6
_ID = re.compile(r"[0-9a-f]{12}")
_USER_DIGITS: Final = 16
_TEXT = re.compile(r"(podraft1m?)\.([0-9a-f]{12})\.([0-9a-f]{40})\.([0-9a-f]{64})")


class TokenError(ValueError):
    """The error of a malformed, unknown, wrong or expired token; the message says which."""


@dataclass(frozen=True, slots=True)
class TokenKind:
    """The kind of a token: what it lets a machine become.

    ``prefix`` begins its text, ``command`` makes one, ``key_prefix`` begins its key in the store.
    """

    prefix: str
    becomes: str
    command: str
    key_prefix: bytes


NODE: Final = TokenKind("podraft1", "a node", "podraft token create", b"_cluster/tokens/")
# A member token brings the cluster's keys with it: a node's token must never do that.
MEMBER: Final = TokenKind(
    "podraft1m", "a server", "podraft token create --member", b"_cluster/membertokens/"
)


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """The parts of a token's text."""

    kind: TokenKind
    id: str
    secret: str
    fingerprint: str

    @property
    def key(self) -> bytes:
        """The key below which the token is stored."""
        return self.kind.key_prefix + self.id.encode()


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: the text for the user, the value for the store."""

    text: str
    key: bytes
    stored: bytes
    expires_at_s: int


def make_token(
    random: bytes,
    fingerprint: str,
    now_s: float,
    lifetime_s: int,
    kind: TokenKind = NODE,
    name: str = "",
    uses: int = 1,
) -> NewToken:
    """Return the token that ``random`` makes, for the authority with ``fingerprint``.

    ``name``: the only name it may be used under; empty: any.  ``uses``: the number of machines.

    Raises:
        TokenError: The lifetime is not between one second and ninety days.

    """
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a token takes {RANDOM_BYTES} random bytes, not {len(random)}")
    if not 0 < lifetime_s <= LIFETIME_S_MAX:
        raise TokenError(f"a token lives between 1 and {LIFETIME_S_MAX} seconds, not {lifetime_s}")
    parsed = ParsedToken(kind, random[:_ID_BYTES].hex(), random[_ID_BYTES:].hex(), fingerprint)
    expires_at_s = int(now_s) + lifetime_s
    entry: dict[str, str | int] = {"secretSha256": _hash(parsed), "expiresAt": expires_at_s}
    if name:
        entry["name"] = name
    if uses > 1:
        entry["uses"] = uses
    text = f"{kind.prefix}.{parsed.id}.{parsed.secret}.{parsed.fingerprint}"
    return NewToken(text, parsed.key, json.dumps(entry).encode(), expires_at_s)


def parse_token(text: str, kind: TokenKind = NODE) -> ParsedToken:
    """Return the parts of a token.

    Raises:
        TokenError: It does not look like a token, or is of another kind.

    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise TokenError(
            f"malformed join token; expected {kind.prefix}.<id>.<secret>.<fingerprint>"
        )
    found = MEMBER if match[1] == MEMBER.prefix else NODE
    if found is not kind:
        raise TokenError(
            f"this token makes a machine {found.becomes}, not {kind.becomes}; "
            f"`{kind.command}` makes one that does"
        )
    return ParsedToken(kind, match[2], match[3], match[4])


def check_token(text: str, stored: bytes | None, now_s: float, kind: TokenKind = NODE) -> None:
    """Accept ``text`` against the value stored below its key (None: there is none).

    Raises:
        TokenError: The token is malformed, unknown, wrong or expired.

    """
    parsed = parse_token(text, kind)
    if stored is None:
        raise TokenError("unknown join token; it may have been removed after it expired")
    entry = json.loads(stored)
    if not hmac.compare_digest(_hash(parsed), entry["secretSha256"]):
        raise TokenError("the join token's secret is wrong")
    if now_s >= entry["expiresAt"]:
        raise TokenError("the join token has expired; create a new one")


@dataclass(frozen=True, slots=True)
class TokenUse:
    """The use of a stored member token: the machine that has used it (empty: none)."""

    name: str
    used_by: bytes
    member_id: int


def use_of(stored: bytes) -> TokenUse:
    """Return the stored use of a token."""
    entry = json.loads(stored)
    used_by = bytes.fromhex(entry.get("usedBy", ""))
    return TokenUse(entry.get("name", ""), used_by, entry.get("memberId", 0))


def used(stored: bytes, by: bytes, member_id: int) -> bytes:
    """Return the stored form of a token after ``by`` has used it, for good."""
    return json.dumps(json.loads(stored) | {"usedBy": by.hex(), "memberId": member_id}).encode()


def used_by_node(stored: bytes, name: str, key: str) -> bytes:
    """Return the stored form of a node's token after ``name`` has joined with ``key``.

    It is unchanged if exactly these have joined with the token before.

    Raises:
        TokenError: The token is for another name, or all of its uses are taken.
    """
    entry = json.loads(stored)
    wanted = entry.get("name", name)
    if wanted != name:
        raise TokenError(f'the join token is for a node with the name "{wanted}", not "{name}"')
    user = hashlib.sha256(f"{name} {key}".encode()).hexdigest()[:_USER_DIGITS]
    users = entry.get("usedBy", [])
    if user in users:
        return stored
    if len(users) >= entry.get("uses", 1):
        raise TokenError("the join token was used already; create a new one")
    return json.dumps(entry | {"usedBy": [*users, user]}).encode()


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """The facts of a stored token that may be told: everything but its secret."""

    id: str
    kind: TokenKind
    name: str
    expires_at_s: int
    uses: int
    uses_left: int


def facts_of(key: bytes, stored: bytes, kind: TokenKind) -> TokenFacts:
    """Return the public facts of the token that is stored at ``key``."""
    entry = json.loads(stored)
    uses = entry.get("uses", 1)
    # A member's token names the one machine that has used it, a node's all of them.
    used_by = entry.get("usedBy", [])
    count = len(used_by) if isinstance(used_by, list) else 1
    return TokenFacts(
        id=key.removeprefix(kind.key_prefix).decode(),
        kind=kind,
        name=entry.get("name", ""),
        expires_at_s=entry["expiresAt"],
        uses=uses,
        uses_left=max(uses - count, 0),
    )


def key_of(token_id: str, kind: TokenKind) -> bytes:
    """Return the key at which a token is stored.

    Raises:
        TokenError: ``token_id`` is no token's id.
    """
    if not _ID.fullmatch(token_id):
        raise TokenError("expected a token's id: 12 hexadecimal digits, the token's second part")
    return kind.key_prefix + token_id.encode()


def is_expired(stored: bytes, now_s: float) -> bool:
    """Return whether a stored token can no longer be used and may be removed."""
    return bool(now_s >= json.loads(stored)["expiresAt"])


def _hash(token: ParsedToken) -> str:
    # The secret has 160 random bits: a plain hash cannot be guessed backwards.
    return hashlib.sha256(f"{token.id}.{token.secret}".encode()).hexdigest()
