"""Join tokens: accepted only whole, in time, and only by the cluster that made them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.server.auth.tokens import (
    LIFETIME_S_MAX,
    RANDOM_BYTES,
    TokenError,
    check_token,
    is_expired,
    make_token,
    parse_token,
    used_by_node,
)

FINGERPRINT = "ab" * 32
RANDOM = bytes(range(RANDOM_BYTES))


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES), st.integers(1, LIFETIME_S_MAX))
def test_a_token_is_accepted_until_it_expires(random: bytes, lifetime_s: int) -> None:
    token = make_token(random, FINGERPRINT, 1000.7, lifetime_s)
    assert parse_token(token.text).key == token.key
    assert parse_token(token.text).fingerprint == FINGERPRINT
    check_token(token.text, token.stored, 1000.7)
    check_token(f" {token.text}\n", token.stored, token.expires_at_s - 1)
    assert not is_expired(token.stored, token.expires_at_s - 1)
    with pytest.raises(TokenError, match="expired"):
        check_token(token.text, token.stored, token.expires_at_s)
    assert is_expired(token.stored, token.expires_at_s)


def test_what_is_stored_does_not_contain_the_secret() -> None:
    token = make_token(RANDOM, FINGERPRINT, 0, 60)
    assert parse_token(token.text).secret.encode() not in token.stored


@given(st.integers(0, 39), st.sampled_from("0123456789abcdef"))
def test_any_other_secret_is_wrong(position: int, digit: str) -> None:
    token = make_token(RANDOM, FINGERPRINT, 0, 60)
    parts = token.text.split(".")
    changed = parts[2][:position] + digit + parts[2][position + 1 :]
    if changed == parts[2]:
        return
    with pytest.raises(TokenError, match="wrong"):
        check_token(".".join([parts[0], parts[1], changed, parts[3]]), token.stored, 1)


def test_an_unknown_token_is_refused() -> None:
    with pytest.raises(TokenError, match="unknown"):
        check_token(make_token(RANDOM, FINGERPRINT, 0, 60).text, None, 1)


@pytest.mark.parametrize(
    "text", ["", "podraft1", "podraft1.a.b.c", "podraft2." + "a" * 12, "../" * 30, "\0"]
)
def test_a_malformed_token_is_refused(text: str) -> None:
    with pytest.raises(TokenError, match="malformed"):
        parse_token(text)


@pytest.mark.parametrize("lifetime_s", [0, -1, LIFETIME_S_MAX + 1])
def test_a_lifetime_is_bounded(lifetime_s: int) -> None:
    with pytest.raises(TokenError, match="lives between"):
        make_token(RANDOM, FINGERPRINT, 0, lifetime_s)


def test_a_nodes_token_is_good_for_so_many_machines_each_of_which_may_ask_again() -> None:
    for uses in (1, 3):
        stored = make_token(RANDOM, FINGERPRINT, 0, 60, uses=uses).stored
        for number in range(uses):
            stored = used_by_node(stored, f"n{number}", "key")
            assert used_by_node(stored, f"n{number}", "key") == stored
        for name, key in (("other", "key"), ("n0", "another key")):
            with pytest.raises(TokenError, match="used already"):
                used_by_node(stored, name, key)


def test_a_token_for_one_name_is_for_no_other() -> None:
    stored = make_token(RANDOM, FINGERPRINT, 0, 60, name="n1").stored
    with pytest.raises(TokenError, match='"n1", not "n2"'):
        used_by_node(stored, "n2", "key")
    assert used_by_node(stored, "n1", "key") != stored
