"""Which key may join as which name, and how long a removed name is remembered."""

import pytest

from podraft.server.auth.lifetimes import NODE_LIFETIME
from podraft.server.auth.node_records import NodeRecord, removed, why_not_joining

KNOWN, OTHER, GONE = NodeRecord("key"), NodeRecord("another key"), removed(1000.0)


@pytest.mark.parametrize("record", [KNOWN, GONE, NodeRecord("key", older=True)])
def test_what_is_stored_is_read_back(record: NodeRecord) -> None:
    assert NodeRecord.decode(record.encode()) == record


@pytest.mark.parametrize(
    ("record", "node_exists", "named", "joins"),
    [
        (None, False, False, True),
        (None, True, False, False),
        (None, True, True, True),
        (KNOWN, True, False, True),
        (KNOWN, False, False, True),
        (OTHER, True, False, False),
        (OTHER, False, False, False),
        (OTHER, True, True, False),
        (GONE, False, False, True),
        (GONE, True, False, True),
    ],
)
def test_a_name_belongs_to_one_key_until_its_node_is_deleted(
    record: NodeRecord | None, node_exists: bool, named: bool, joins: bool
) -> None:
    reason = why_not_joining("n1", "key", record, node_exists=node_exists, named=named)
    assert (not reason) is joins
    assert joins or "podraft delete node n1" in reason


def test_a_removed_name_outlives_all_its_certificates() -> None:
    lifetime_s = NODE_LIFETIME.total_seconds()
    assert not GONE.is_forgotten(1000.0 + lifetime_s + 86_400)
    assert GONE.is_forgotten(1000.0 + 2 * lifetime_s)
    assert not KNOWN.is_forgotten(1e12)
