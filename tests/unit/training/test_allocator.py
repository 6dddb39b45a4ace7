"""What a process does with memory that it frees."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from akid.training import allocator

MIB = 1 << 20


def resident_mib():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * resource.getpagesize() // MIB


def use():
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"1") * (64 * MIB)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults


print(allocator.keep_freed_memory())
use()
print(use(), resident_mib())
allocator.give_back()
print(resident_mib())
"""


def numbers(**variables: str) -> tuple[bool, int, int, int]:
    """Return whether memory is kept, page faults of a second use, and MiB before and after."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults, before, after = answer.stdout.split()
    return kept == "True", int(faults), int(before), int(after)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_what_is_freed_is_there_for_the_next_step_until_it_is_given_back() -> None:
    """A second use of as much finds its pages; giving back frees most of them."""
    kept, faults, before, after = numbers()

    assert kept
    assert faults < 100  # of 16,384 pages
    assert after < before - 50


def test_the_users_own_setting_of_the_allocator_counts() -> None:
    """Nothing is changed then."""
    kept, _, _, _ = numbers(MALLOC_MMAP_THRESHOLD_="131072")

    assert not kept
