"""The id of a call, which lets it be repeated without a second effect."""

from __future__ import annotations

import os

from podraft.api.meta.v1 import requests_pb2

_REQUEST_ID_BYTES = 16


def write_options(*, dry_run: bool = False, field_manager: str = "") -> requests_pb2.WriteOptions:
    """Return the options of one call, whose id lets it be repeated without a second effect."""
    if dry_run:
        return requests_pb2.WriteOptions(dry_run=True, field_manager=field_manager)
    return requests_pb2.WriteOptions(
        request_id=os.urandom(_REQUEST_ID_BYTES), field_manager=field_manager
    )
