"""What views need is read."""

from __future__ import annotations

from podraft.cli.kinds.view import Need
from podraft.cli.sessions import around


def test_every_need_of_a_view_has_a_reader() -> None:
    # Records of pods are read when the pods are known.
    assert set(around._READS) == set(Need) - {Need.POD_RECORDS}
