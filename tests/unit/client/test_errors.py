"""What a failed call is to callers of the SDK."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest

from podraft.client.connecting.failures import from_rpc_error
from podraft.client.errors import UnavailableError


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_a_server_that_ends_in_the_middle_of_a_call_is_unavailable(code: grpc.StatusCode) -> None:
    metadata = grpc.aio.Metadata()
    error = from_rpc_error(grpc.aio.AioRpcError(code, metadata, metadata, "ended"))
    assert isinstance(error, UnavailableError)
    assert error.code is code
