"""Which code, versions and machine a sweep ran with."""

import getpass
import os
import platform
import shlex
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from akid.cluster import nvml
from akid.cluster.gpus import Gpu
from akid.cluster.processor import processor
from akid.tuning import provenance


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a committed file."""
    file = tmp_path / "experiment.py"
    file.write_text("before\n")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    return file


def test_the_commit_of_the_sources_own_repository_is_noted(source) -> None:
    """With versions, host, command and data."""
    tags = provenance.tags(source, data_fingerprint="ab12")

    assert tags["mlflow.source.git.commit"] == _git(source.parent, "rev-parse", "HEAD")
    assert tags["akid.git.dirty"] == "False"
    assert tags["akid.driver_pid"] == str(os.getpid())
    assert tags["akid.driver_host"] == socket.gethostname()
    assert tags["akid.version.python"] == platform.python_version()
    for package in ("akid", "torch", "ray", "mlflow", "numpy"):
        assert tags[f"akid.version.{package}"] == metadata.version(package)
    assert tags["mlflow.user"] == getpass.getuser()
    assert shlex.split(tags["akid.command"]) == sys.orig_argv
    assert tags["akid.data"] == "ab12"
    assert provenance.uncommitted(source) == ""


def test_a_user_without_a_name_is_not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user no file knows."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987654)

    assert "mlflow.user" not in provenance.tags(None)


def test_what_is_not_committed_is_a_diff(source) -> None:
    """And the run is marked as dirty."""
    source.write_text("after\n")

    assert provenance.tags(source)["akid.git.dirty"] == "True"
    assert "-before\n+after" in provenance.uncommitted(source)


def test_a_diff_may_have_bytes_that_are_no_text(source) -> None:
    """They are replaced."""
    source.write_bytes(b"# caf\xe9\n")

    assert "+# caf\ufffd" in provenance.uncommitted(source)


def test_without_a_repository_nothing_is_said_of_commits(tmp_path) -> None:
    """No error either."""
    tags = provenance.tags(tmp_path / "experiment.py")

    assert "mlflow.source.git.commit" not in tags
    assert provenance.uncommitted(tmp_path / "experiment.py") == ""


def test_only_a_dead_process_of_this_machine_is_dead_for_sure(tmp_path) -> None:
    """Of another machine's process nothing is known."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    tags = provenance.tags(tmp_path / "experiment.py")
    dead = {**tags, "akid.driver_pid": str(done.pid)}

    assert provenance.may_be_alive(tags)
    assert not provenance.may_be_alive(dead)
    assert not provenance.may_be_alive({**tags, "akid.driver_started": "another boot/7"})
    assert provenance.may_be_alive({**dead, "akid.driver_host": "elsewhere"})
    assert provenance.may_be_alive({})


@pytest.mark.parametrize(
    ("visible", "said"),
    [
        ("1", {"akid.gpu.names": "NVIDIA H200", "akid.gpu.uuids": "GPU-1"}),
        ("0,1", {"akid.gpu.names": "NVIDIA L4, NVIDIA H200", "akid.gpu.uuids": "GPU-0, GPU-1"}),
        ("", None),
    ],
)
def test_a_worker_tells_its_host_and_its_trials_gpus(monkeypatch, visible, said) -> None:
    """Not those of the other trials on the machine."""
    machine = [
        Gpu(
            index=n,
            name=f"NVIDIA {name}",
            uuid=f"GPU-{n}",
            memory_bytes=1,
            free_bytes=1,
            driver="5",
        )
        for n, name in enumerate(("L4", "H200"))
    ]
    monkeypatch.setattr(nvml, "survey", lambda: machine)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    provenance.worker_tags.cache_clear()

    gpus = {} if said is None else {**said, "akid.version.driver": "5"}
    known = {"akid.worker_host": socket.gethostname(), "akid.processor": processor()}
    assert provenance.worker_tags() == known | gpus
    provenance.worker_tags.cache_clear()
