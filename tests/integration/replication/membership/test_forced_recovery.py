"""The last member of a lost group becomes a group of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

from support.group_writers import VOTER, names_at, roles, write
from support.membership_processes import (
    GrowingGroup,
    ask,
    listed,
    member_command,
)


def test_the_last_member_of_a_lost_group_becomes_one_of_its_own_by_force(
    group: GrowingGroup,
) -> None:
    group.grown("a", "b", "c")
    a, b, c = (group.servers[name] for name in "abc")
    write(b, "kept")
    ask(c, lambda client: client.config_maps.get("kept", "default"))
    revision = ask(c, lambda client: client.version()).resource_version
    old_id = {m.name: m.id for m in listed(c).members}["c"]
    for server in (a, b):
        server.end(signal.SIGKILL)
    done = member_command(c, "remove", "a")
    assert done.returncode == 1
    assert "a, b cannot be reached" in done.stderr
    assert "podraft-server recover" in done.stderr
    c.end(signal.SIGKILL)
    recover = ("recover", f"--data-dir={c.data_dir}")
    asked = run_server_command(*recover)
    assert asked.returncode == 2
    assert f"member c has revision {revision}" in asked.stdout
    assert "a, b acknowledged after that would be LOST" in asked.stdout
    done = run_server_command(*recover, "--accept-data-loss")
    assert done.returncode == 0
    assert f"begins with revision {revision}" in done.stdout
    c.start()
    assert names_at(c) == {"kept"}
    assert roles(c) == {"c": VOTER}
    assert listed(c).members[0].id != old_id
    write(c, "new-life")
    # The old ones find each other, but also the one that has gone on without them: they leave.
    for server in (a, b):
        server.begin()
    for server in (a, b):
        assert server.process is not None
        assert server.process.wait(30) == 1
        assert "was removed from the group" in server.log()
    for server in (a, b):
        shutil.rmtree(server.data_dir)
        group.joined(server.name, c)
    assert names_at(a) == names_at(b) == {"kept", "new-life"}


def run_server_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podraft.server.app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_recover_is_for_members_only(group: GrowingGroup) -> None:
    alone = group.alone("a")
    recover = ("recover", f"--data-dir={alone.data_dir}", "--accept-data-loss")
    done = run_server_command(*recover)
    assert done.returncode == 1
    assert "is not that of a group's member" in done.stderr
    alone.stop()
    group.first("a")
    done = run_server_command(*recover)
    assert done.returncode == 1
    assert "in use" in done.stderr
