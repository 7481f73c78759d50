"""Refusals in gRPC's words: nothing of what the registry says is lost, and it fits in trailers."""

from __future__ import annotations

from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from podraft.api.violations import Violation
from podraft.server.registry.errors import Code, RefusedError, from_violations, located
from podraft.server.rpc.calls.statuses import CODE_OF, NUMBER_OF, STATUS_OF, warnings, words

# What gRPC takes as trailers in sum.
TRAILERS_BYTES_MAX = 8 * 1024
PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def test_every_code_is_a_status_of_its_own_and_every_failure_of_grpc_a_code() -> None:
    assert set(STATUS_OF) == set(Code)
    assert set(CODE_OF) == set(grpc.StatusCode) - {grpc.StatusCode.OK}
    assert all(CODE_OF[status] is code for code, status in STATUS_OF.items())


@pytest.mark.parametrize("character", ["x", "\u00e4", "\u4e16", "%"])
@pytest.mark.parametrize("number", [1, 3, 500])
def test_violations_fit_whatever_their_number(number: int, character: str) -> None:
    violations = [Violation(f"spec.field[{n}]", character * 3000) for n in range(number)]
    message, details = words(from_violations(violations))
    # Binary trailers are sent in base64, whatever else is no plain text percent-encoded.
    written = quote(message, safe=PRINTABLE)
    assert len(written) + len(details) * 4 / 3 < TRAILERS_BYTES_MAX
    assert len(written) > 2_000
    status = status_pb2.Status.FromString(details)
    assert status.code == NUMBER_OF[Code.INVALID_ARGUMENT] == 3
    told = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(told)
    assert told.field_violations[0].field == "spec.field[0]"


def test_the_message_counts_what_is_cut() -> None:
    violations = [Violation(f"spec.field[{n}]", "x" * 500) for n in range(500)]
    message, details = words(from_violations(violations))
    told = error_details_pb2.BadRequest()
    status_pb2.Status.FromString(details).details[0].Unpack(told)
    assert len(told.field_violations) < 500
    assert message.endswith("(and 499 more)")


def test_what_may_be_tried_again_says_when() -> None:
    refusal = RefusedError(Code.RESOURCE_EXHAUSTED, "too many", retry_s=1.5)
    message, details = words(refusal)
    told = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(told)
    assert (message, told.retry_delay.ToMilliseconds()) == ("too many", 1500)


def test_what_has_no_details_is_a_message_only() -> None:
    assert words(RefusedError(Code.NOT_FOUND, "not there")) == ("not there", b"")


def test_a_write_of_a_commit_is_named() -> None:
    refusal = located(from_violations([Violation("spec.replicas", "too many")]), 3)
    assert [v.field for v in refusal.violations] == ["writes[3].spec.replicas"]
    assert located(RefusedError(Code.ABORTED, "it changed"), 3).message == "writes[3]: it changed"
    # Whoever comes with the same list again would be refused again.
    assert located(RefusedError(Code.RESOURCE_EXHAUSTED, "too many", retry_s=2), 3).retry_s is None


@pytest.mark.parametrize("character", ["x", "\u00e4", "\u4e16"])
def test_warnings_fit_into_trailers_and_stay_text(character: str) -> None:
    told = warnings(["short", *[character * 3000] * 16])
    assert told[0] == ("podraft-warning-bin", b"short")
    assert len(told) == 17
    for _, text in told[1:]:
        assert set(text.decode()) == {character}, "no character is cut"
        assert 253 < len(text) <= 256
    # Each has a name and some bytes of its own, and is sent in base64.
    assert sum(len(text) * 4 / 3 + 32 + len(key) for key, text in told) < TRAILERS_BYTES_MAX
