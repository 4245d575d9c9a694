"""Freed memory stays in the process, so the kernel clears no pages again."""

import os
import subprocess
import sys

import pytest

PROBE = """
import os, resource, sys
import numpy as np
from attention_zoo.allocator import keep_freed_memory
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # as on a small machine
if sys.argv[1] == "keep":
    print(keep_freed_memory())
def faults():
    np.full(1 << 24, 1.0)  # 128 MiB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
first, second = faults(), faults()
print(second - first)
"""


def probe(how, **environment):
    command = [sys.executable, "-c", PROBE, how]
    # Small pages, so that there are many to count.
    variables = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0", **environment}
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="about glibc")
def test_the_second_array_costs_no_page_faults():
    (without,) = probe("plain")
    said, faults = probe("keep")
    assert said == "True"
    assert int(faults) < 1000 < 30000 < int(without)


@pytest.mark.skipif(sys.platform != "linux", reason="about glibc")
def test_what_the_user_has_set_stays():
    said, _ = probe("keep", GLIBC_TUNABLES="glibc.malloc.tcache_count=7")
    assert said == "False"
