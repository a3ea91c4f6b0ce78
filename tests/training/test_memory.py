"""Freed memory is used again: the kernel is asked for it once and not at every operation."""

import os
import subprocess
import sys

import pytest

from cli import ROOT

PROGRAM = """
import resource
import sys
import torch

torch.set_num_threads(1)
from gausspg.training.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()


def faults_of_operations() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        x = torch.ones(1 << 20)  # 4 MiB each
        y = x + 1
        z = y * 2
        del x, y, z  # all at once, as the end of a gradient step does
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


faults_of_operations()  # the heap grows to what is needed
print(faults_of_operations())
"""


def page_faults(mode: str) -> int:
    command = [sys.executable, "-c", PROGRAM, mode]
    # Fixed where it starts: left to itself it may happen to grow beyond what is freed here.
    threshold = {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
    environment = os.environ | threshold | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked to keep memory")
def test_operations_find_the_memory_of_those_before() -> None:
    # 4 MiB are 1024 pages of 4 KiB, or two large ones; the heap may grow once more by one of them.
    default = page_faults("default")
    assert default > 100
    assert page_faults("keep") < 0.02 * default
