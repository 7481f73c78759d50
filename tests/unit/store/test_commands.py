"""The command format gives back what it was given, and refuses everything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.server.state.commands import (
    AUTHOR_BYTES_MAX,
    KEY_BYTES_MAX,
    Command,
    CommandFormatError,
    check_transaction,
    decode_command,
    encode_command,
)
from podraft.server.state.datastore import Delete, Guard, Put, Transaction

keys = st.binary(min_size=1, max_size=KEY_BYTES_MAX).map(lambda key: key.replace(b"\0", b"\1"))
revisions = st.integers(0, 2**64 - 1)
guards = st.lists(st.builds(Guard, keys, revisions), max_size=4).map(tuple)
puts = st.builds(Put, keys, st.binary(max_size=300), st.booleans())
writes = st.lists(
    st.one_of(puts, st.builds(Delete, keys)), max_size=5, unique_by=lambda write: write.key
).map(tuple)
ids = st.binary(min_size=16, max_size=16)
requests = st.one_of(st.just((b"", b"")), st.tuples(ids, st.just(b"")), st.tuples(ids, ids))
transactions = st.builds(
    lambda guards, writes, author, request: Transaction(guards, writes, author, *request),
    guards,
    writes,
    st.binary(max_size=255),
    requests,
)

EXAMPLE = Transaction(
    (Guard(b"g", 7), Guard(b"absent", 0)),
    (Put(b"a", b"value"), Put(b"b", b"", stamped=False), Delete(b"c")),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(transactions, revisions)
def test_decoding_gives_back_what_was_encoded(transaction: Transaction, time_ms: int) -> None:
    assert decode_command(encode_command(transaction, time_ms)) == Command(transaction, time_ms)


def test_the_format_of_version_1_does_not_change() -> None:
    expected = (
        "01 0500000000000000 02000000 03000000"
        "0700000000000000 0100 67  0000000000000000 0600 616273656e74"
        "01 0100 05000000 61 76616c7565  02 0100 00000000 62  03 0100 00000000 63"
    )
    assert encode_command(EXAMPLE, 5) == bytes.fromhex(expected)


def test_the_format_of_version_2_has_the_author_behind_the_header() -> None:
    authored = Transaction((), (Delete(b"c"),), b"admin")
    expected = "02 0500000000000000 00000000 01000000 05 61646d696e  03 0100 00000000 63"
    assert encode_command(authored, 5) == bytes.fromhex(expected)


def test_the_format_of_version_3_has_the_request_before_the_author() -> None:
    requested = Transaction((), (Delete(b"c"),), b"me", bytes(range(16)))
    expected = "03 0500000000000000 00000000 01000000"
    expected += "000102030405060708090a0b0c0d0e0f 02 6d65  03 0100 00000000 63"
    assert encode_command(requested, 5) == bytes.fromhex(expected)


def test_the_format_of_version_4_has_the_digest_after_the_request() -> None:
    digested = Transaction((), (Delete(b"c"),), b"me", bytes(range(16)), b"\xff" * 16)
    expected = "04 0500000000000000 00000000 01000000 000102030405060708090a0b0c0d0e0f"
    expected += "ffffffffffffffffffffffffffffffff 02 6d65  03 0100 00000000 63"
    assert encode_command(digested, 5) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("request_id", "digest"), [(b"", b""), (b"r" * 16, b""), (b"r" * 16, b"d" * 16)]
)
@pytest.mark.parametrize("author", [b"", b"admin"])
def test_a_command_cut_anywhere_is_refused(author: bytes, request_id: bytes, digest: bytes) -> None:
    transaction = Transaction(EXAMPLE.guards, EXAMPLE.writes, author, request_id, digest)
    encoded = encode_command(transaction, 5)
    for cut in range(len(encoded)):
        with pytest.raises(CommandFormatError):
            decode_command(encoded[:cut])


def test_bytes_behind_a_command_are_refused() -> None:
    with pytest.raises(CommandFormatError, match="1 bytes follow"):
        decode_command(encode_command(EXAMPLE, 5) + b"\0")


def test_unknown_versions_and_operations_are_refused() -> None:
    encoded = encode_command(Transaction((), (Put(b"a", b"v"),)), 0)
    with pytest.raises(CommandFormatError, match="version 5 is unknown"):
        decode_command(b"\x05" + encoded[1:])
    with pytest.raises(CommandFormatError, match="unknown operation 9"):
        decode_command(encoded[:17] + b"\x09" + encoded[18:])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=80))
def test_random_bytes_are_refused_or_mean_one_thing(data: bytes) -> None:
    try:
        command = decode_command(b"\x01" + data)
    except CommandFormatError:
        return
    assert encode_command(command.transaction, command.time_ms) == b"\x01" + data


@pytest.mark.parametrize(
    "transaction",
    [
        Transaction((), (Put(b"", b""),)),
        Transaction((), (Put(b"a\0", b""),)),
        Transaction((), (Put(b"k" * (KEY_BYTES_MAX + 1), b""),)),
        Transaction((Guard(b"", 0),), ()),
        Transaction((), (Put(b"a", b""), Delete(b"a"))),
    ],
)
def test_transactions_that_the_store_cannot_hold_are_refused(transaction: Transaction) -> None:
    with pytest.raises(ValueError, match="key"):
        check_transaction(transaction)
    with pytest.raises(CommandFormatError):
        decode_command(encode_command(transaction, 0))


def test_keys_and_authors_are_taken_up_to_their_bounds() -> None:
    check_transaction(Transaction((), (Put(b"k" * KEY_BYTES_MAX, b""),), b"a" * AUTHOR_BYTES_MAX))
    with pytest.raises(ValueError, match="author"):
        check_transaction(Transaction((), (), b"a" * (AUTHOR_BYTES_MAX + 1)))


def test_a_command_with_an_author_must_have_one() -> None:
    encoded = encode_command(Transaction((), (Delete(b"c"),), b"a"), 5)
    with pytest.raises(CommandFormatError, match="author"):
        decode_command(encoded[:17] + b"\0" + encoded[19:])
