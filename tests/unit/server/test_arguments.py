"""What the server's command line refuses, in one line that says what is expected."""

from __future__ import annotations

import pytest

from podraft.server.startup import arguments

_GROUP = ("--members=a=h:1,b=h:2,c=h:3", "--member-name=a")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--heartbeat-seconds=0",), "'0': expected seconds, 0.02 to 5"),
        (("--heartbeat-seconds=often",), "'often': expected seconds, 0.02 to 5"),
        (("--election-seconds=61",), "'61': expected seconds, 0.1 to 60"),
        (("--heartbeat-seconds=0.2",), "--election-seconds must be at least 5 times"),
        ((*_GROUP, "--accept-damaged-state"), "is for a server alone"),
        (("--datastore=etcd://h:1", "--accept-damaged-state"), "is for a server alone"),
    ],
)
def test_a_bad_flag_is_named(words, expected, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments.parse(words)
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err


def test_timeouts_and_the_last_resort_are_taken_as_given():
    given = arguments.parse(["--heartbeat-seconds=0.2", "--election-seconds=1.5"])
    assert (given.heartbeat_s, given.election_s, given.accept_damage) == (0.2, 1.5, False)
    assert arguments.parse(["--accept-damaged-state"]).accept_damage
