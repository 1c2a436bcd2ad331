"""Large blocks that are freed go back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

_TRY = """
import threading, numpy as np, psutil
from app.memory import return_large_blocks
assert return_large_blocks()
process, mib = psutil.Process(), 2**20

def take(sizes):
    kept = [np.ones(size * mib, np.uint8) for size in sizes]
    del kept[::2]
    kept.clear()

take([24])
before = process.memory_info().rss
threads = [threading.Thread(target=take, args=([2, 8, 3, 12, 5],)) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print((process.memory_info().rss - before) // mib)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no glibc here")
def test_many_threads_leave_nothing_behind() -> None:
    done = subprocess.run([sys.executable, "-c", _TRY], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8
