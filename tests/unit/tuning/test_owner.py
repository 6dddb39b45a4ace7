"""Which process owns a sweep, and whether it still runs."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from akid.tuning.owner import Owner


def test_a_process_comes_back_from_its_tags() -> None:
    """With all by which it is told from others."""
    here = Owner.here()

    assert Owner.of(here.tags()) == here
    assert here.pid == os.getpid()
    assert here.is_alive() is True


@pytest.mark.parametrize("tags", [{}, {"akid.driver_host": "a"}, {"akid.driver_pid": "3"}])
def test_tags_without_a_process_name_none(tags: dict[str, str]) -> None:
    """As those of runs that are none of akid's."""
    assert Owner.of(tags) is None


def test_a_process_that_has_gone_is_dead() -> None:
    """Also before anybody has waited for it, when its number is still taken."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        owner = replace(Owner.here(), pid=other.pid, started=Owner.here().started)
        unknown = replace(owner, started="")
        assert unknown.is_alive() is True
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert owner.is_alive() is False
    assert unknown.is_alive() is False


def test_a_number_that_another_process_has_now_is_not_the_owner() -> None:
    """Numbers come again; the time of the start tells."""
    assert replace(Owner.here(), started="1").is_alive() is False


@pytest.mark.parametrize("other", [{"host": "elsewhere"}, {"machine": "another boot pid:[1]"}])
def test_of_another_machine_or_container_nothing_is_known(other: dict[str, str]) -> None:
    """Its numbers are not those of this one."""
    assert replace(Owner.here(), **other).is_alive() is None
