"""Shares, gangs, resources and labels on a cluster of several nodes with logical GPUs."""

import json
import os
import secrets
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CLUSTER = """
import sys

from ray.cluster_utils import Cluster

head = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "dashboard_port": 0}
cluster = Cluster(initialize_head=True, head_node_args=head)
eu = {"resources": {"slot": 4, "accelerator_type:A100": 1}, "labels": {"region": "eu"}}
cluster.add_node(num_cpus=4, num_gpus=2, **eu)
cluster.add_node(num_cpus=4, num_gpus=1, labels={"region": "us"})
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
NOTE = """
import json
import os
import time
from pathlib import Path

import ray

def note(rank):
    seen = {
        "trial": {{ opt_paras["number"] }},
        "pid": os.getpid(),
        "devices": os.environ["CUDA_VISIBLE_DEVICES"],
        "region": ray.get_runtime_context().get_node_labels().get("region"),
    }
    Path("SEEN", f"{seen['trial']}-{rank}").write_text(json.dumps(seen))
"""
MEET = """
note(0)
deadline_s = time.monotonic() + 60
while len(list(Path("SEEN").iterdir())) < 4:
    assert time.monotonic() < deadline_s, "the trials do not run at once"
    time.sleep(0.05)
"""
WORKER = """
class InnerProductLayer(InnerProductLayer):
    def forward(self, inputs):
        from torch import distributed

        if distributed.is_initialized():
            note(distributed.get_rank())
        return super().forward(inputs)
"""
GANG = """
from akid.training import engine

kid.engine = engine.get({"name": "data_parallel", "num_gpu": 2})
"""

Sweep = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    """Return what sweeps on a node with two GPUs, and another with one."""
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], env=environment, **pipes) as cluster:
        address = cluster.stdout.readline().strip()

        def run(place, *arguments: object) -> subprocess.CompletedProcess:
            command = [sys.executable, "-m", "akid.sweep", *map(str, arguments)]
            ran = subprocess.run(
                [*command, "--address", address, "--tracking-uri", place.uri],
                cwd=place.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
            sys.stdout.write(ran.stdout)
            sys.stderr.write(ran.stderr)
            return ran

        try:
            yield run
        finally:
            cluster.stdin.close()
            cluster.wait(60)


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Return the folder in which trials note what they see."""
    folder = tmp_path / "seen"
    folder.mkdir()
    return folder


def notes(seen: Path) -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(seen.iterdir())]


def test_what_no_node_has_is_refused_before_the_start(sweep, place) -> None:
    """Need and stock stand side by side: a resource, a model of GPU and a label."""
    asked = ("--resources-per-trial", "slot=5", "--accelerator-type", "A100")

    ran = sweep(place, place.empty(), *asked, "--label-selector", "region=eu", "--dry-run")

    assert ran.returncode == 3
    assert "trial 0: 1 CPU, 0 GPUs, an A100, 5 slot, region=eu" in ran.stderr
    assert ": 4 CPUs, 2 GPUs, A100, 4 slot, region=eu\n" in ran.stderr
    assert ": 4 CPUs, 1 GPU, region=us" in ran.stderr


def test_shares_fill_the_gpus_of_the_nodes_that_are_asked_for(sweep, place, seen) -> None:
    """Four trials at once on two GPUs: one has its own; a half and two quarters share the other."""
    shares = [1, 0.5, 0.25, 0.25]
    file = place.empty(
        f"opt_paras_list = [{{'number': n}} for n in range(4)]\ngpu_num_per_instance = {shares}\n"
        "cpu_num_per_instance = 0.5\nresources_per_instance = {'slot': 1}\n"
        "accelerator_type = 'A100'\nlabel_selector = {'region': '!us'}",
        body=(NOTE + MEET).replace("SEEN", str(seen)),
    )

    ran = sweep(place, file)

    assert ran.returncode == 0
    on_device = defaultdict(list)
    for found in notes(seen):
        assert found["region"] == "eu"
        on_device[found["devices"]].append(shares[found["trial"]])
    assert sorted(on_device) == ["0", "1"]
    assert sorted(on_device.values(), key=len) == [[1], [0.5, 0.25, 0.25]]


def test_gangs_that_do_not_fit_together_take_turns_on_one_node(sweep, place, seen) -> None:
    """Two gangs of two on three GPUs: neither holds half of what the other waits for.

    Each lies on the node that has room for both workers, though another has a free GPU.
    """
    file = place.empty(
        "opt_paras_list = [{'number': n} for n in range(2)]\ngpu_num_per_instance = 2\n"
        "cpu_num_per_instance = 0.5",
        body=NOTE.replace("SEEN", str(seen)) + WORKER,
        after=GANG,
    )

    ran = sweep(place, file)

    assert ran.returncode == 0
    found = notes(seen)
    assert [note["trial"] for note in found] == [0, 0, 1, 1]
    assert {note["region"] for note in found} == {"eu"}
    for gang in (found[:2], found[2:]):
        assert sorted(note["devices"] for note in gang) == ["0", "1"]
