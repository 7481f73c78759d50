"""What may not be imported before the environment of libraries is set."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("program", ["podraft.server.app"])
def test_grpc_is_imported_after_its_care_for_forks_was_switched_off(program):
    # Else a start of a child process hangs for ever when another thread is inside gRPC.
    script = f"import sys, {program}; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
