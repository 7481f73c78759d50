"""Sealing: what is sealed opens in its place only, with its key only, and says nothing."""

from __future__ import annotations

from random import Random

import pytest

from podraft.server.encryption import sealing
from podraft.server.encryption.sealing import OVERHEAD_BYTES, Sealer, SealError, new_data_key


def test_what_is_sealed_opens_in_its_context_only() -> None:
    sealer = Sealer(new_data_key())
    for value in (b"", b"value", bytes(100_000)):
        sealed = sealer.seal(value, b"here")
        assert len(sealed) == len(value) + OVERHEAD_BYTES
        assert sealer.open(sealed, b"here") == value
        with pytest.raises(SealError, match="altered"):
            sealer.open(sealed, b"there")


def test_no_changed_missing_or_added_byte_goes_unnoticed() -> None:
    sealer = Sealer(new_data_key())
    sealed = sealer.seal(b"a value", b"here")
    for place in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit
            with pytest.raises(SealError):
                sealer.open(bytes(changed), b"here")
        with pytest.raises(SealError):
            sealer.open(sealed[:place], b"here")
    with pytest.raises(SealError):
        sealer.open(sealed + b"\0", b"here")


def test_equal_values_do_not_look_alike() -> None:
    sealer = Sealer(new_data_key())
    sealed = {sealer.seal(b"value", b"here") for _ in range(1000)}
    assert len({each[16:28] for each in sealed}) == 1000, "a nonce was used twice"
    assert len({each[28:] for each in sealed}) == 1000


def test_two_sealers_of_one_data_key_do_not_share_a_key() -> None:
    key = new_data_key()
    first, second = Sealer(key), Sealer(key)
    assert first.seal(b"", b"")[8:16] != second.seal(b"", b"")[8:16]
    assert second.open(first.seal(b"value", b"here"), b"here") == b"value"


def test_a_sealer_takes_another_salt_before_nonces_could_repeat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sealing, "_SEALED_MAX", 10)
    sealer = Sealer(new_data_key())
    sealed = [sealer.seal(b"%d" % n, b"here") for n in range(35)]
    assert len({each[8:16] for each in sealed}) == 4
    assert [sealer.open(each, b"here") for each in sealed] == [b"%d" % n for n in range(35)]


def test_an_unknown_key_is_named() -> None:
    key = new_data_key()
    sealed = Sealer(key).seal(b"value", b"here")
    with pytest.raises(SealError, match=key.id.hex()):
        Sealer(new_data_key()).open(sealed, b"here")


def test_after_a_rotation_both_keys_open() -> None:
    old, new = new_data_key(), new_data_key()
    sealer = Sealer(old)
    before = sealer.seal(b"before", b"here")
    sealer.use(new)
    after = sealer.seal(b"after", b"here")
    assert (before[:8], after[:8]) == (old.id, new.id)
    assert sealer.open(before, b"here") == b"before"
    assert sealer.open(after, b"here") == b"after"


def test_many_salts_are_remembered_within_bounds() -> None:
    key = new_data_key()
    sealer = Sealer(key)
    random = Random(1)
    sealed = [Sealer(key).seal(b"%d" % n, b"") for n in range(1500)]
    for number in random.sample(range(1500), 1500):
        assert sealer.open(sealed[number], b"") == b"%d" % number
        assert len(sealer._opening) <= 1024


def test_secrets_of_keys_are_not_printed() -> None:
    key = new_data_key()
    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)
