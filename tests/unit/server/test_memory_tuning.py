"""Garbage collection in the API's process: how long it may hold everything up at once."""

import subprocess
import sys

# As calls do: most objects go at once, some live on, some are cycles.
_SCRIPT = """
import gc, time
from podraft.server.startup.control_plane import tune_memory

tune_memory()
longest_s = began_s = 0.0

def look(phase, _):
    global began_s, longest_s
    if phase == "start":
        began_s = time.thread_time()
    else:
        longest_s = max(longest_s, time.thread_time() - began_s)

gc.callbacks.append(look)
kept = []
for number in range(400_000):
    first = {"number": [number]}
    second = [first]
    if number % 20 == 0:
        kept.append(second)
    if number % 3 == 0:
        first["cycle"] = second
print(longest_s)
"""


def test_no_look_through_young_objects_takes_long():
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )
    assert 0 < float(done.stdout) < 0.020
