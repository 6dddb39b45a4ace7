"""Shares, gangs, resources and labels on a cluster of several nodes with logical GPUs."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

CLUSTER = """
import sys

from ray.cluster_utils import Cluster

head = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "dashboard_port": 0}
cluster = Cluster(initialize_head=True, head_node_args=head)
eu = {"resources": {"slot": 4, "accelerator_type:A100": 1}, "labels": {"region": "eu"}}
cluster.add_node(num_cpus=4, num_gpus=2, **eu)
us = cluster.add_node(num_cpus=4, num_gpus=1, labels={"region": "us"})
print(cluster.address, flush=True)
if sys.stdin.readline() == "lose us\\n":
    cluster.remove_node(us, allow_graceful=False)
    sys.stdin.read()
cluster.shutdown()
"""
NOTE = """
import json
import os
import time
from pathlib import Path

import ray

def note(rank, workers=0):
    seen = {
        "workers": workers,
        "trial": {{ opt_paras["number"] }},
        "pid": os.getpid(),
        "devices": os.environ["CUDA_VISIBLE_DEVICES"],
        "region": ray.get_runtime_context().get_node_labels().get("region"),
    }
    name = f"{seen['trial']}-{rank}"
    new = Path("SEEN", f".{name}")
    new.write_text(json.dumps(seen))
    new.rename(Path("SEEN", name))  # a worker may be ended at any moment
"""
MEET = """
note(0)
deadline_s = time.monotonic() + 60
while len(list(Path("SEEN").glob("[0-9]*"))) < 4:
    assert time.monotonic() < deadline_s, "the trials do not run at once"
    time.sleep(0.05)
"""
WORKER = """
class InnerProductLayer(InnerProductLayer):
    def forward(self, inputs):
        from torch import distributed

        if distributed.is_initialized():
            note(distributed.get_rank(), distributed.get_world_size())
            time.sleep(PAUSE)
        return super().forward(inputs)
"""
GANG = """
from akid.training import engine

kid.engine = engine.get({"name": "data_parallel", "num_gpu": NUMBER})
"""


class Nodes:
    """A cluster of a node with two GPUs in region eu, and one with a GPU in region us."""

    def __init__(self) -> None:
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.environment = {**os.environ, **token}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self.process.stdout.readline().strip()

    def sweep(self, place, *arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "akid.sweep", *map(str, arguments)]
        ran = subprocess.run(
            [*command, "--address", self.address, "--tracking-uri", place.uri],
            cwd=place.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        sys.stdout.write(ran.stdout)
        sys.stderr.write(ran.stderr)
        return ran

    def lose_us(self) -> None:
        """End the node in region us as a crash would."""
        self.process.stdin.write("lose us\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Return a cluster for all tests of this file; the last one loses a node."""
    found = Nodes()
    with found.process:
        try:
            yield found
        finally:
            found.process.stdin.close()
            found.process.wait(60)


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Return the folder in which trials note what they see."""
    folder = tmp_path / "seen"
    folder.mkdir()
    return folder


def notes(seen: Path) -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(seen.glob("[0-9]*"))]


def test_what_no_node_has_is_refused_before_the_start(nodes, place) -> None:
    """Need and stock stand side by side: a resource, a model of GPU and a label."""
    asked = ("--resources-per-trial", "slot=5", "--accelerator-type", "A100")

    ran = nodes.sweep(place, place.empty(), *asked, "--label-selector", "region=eu", "--dry-run")

    assert ran.returncode == 3
    assert "trial 0: 1 CPU, 0 GPUs, an A100, 5 slot, region=eu" in ran.stderr
    assert ": 4 CPUs, 2 GPUs, A100, 4 slot, region=eu\n" in ran.stderr
    assert ": 4 CPUs, 1 GPU, region=us" in ran.stderr


def test_shares_fill_the_gpus_of_the_nodes_that_are_asked_for(nodes, place, seen) -> None:
    """Four trials at once on two GPUs: one has its own; a half and two quarters share the other."""
    shares = [1, 0.5, 0.25, 0.25]
    file = place.empty(
        f"opt_paras_list = [{{'number': n}} for n in range(4)]\ngpu_num_per_instance = {shares}\n"
        "cpu_num_per_instance = 0.5\nresources_per_instance = {'slot': 1}\n"
        "accelerator_type = 'A100'\nlabel_selector = {'region': '!us'}",
        body=(NOTE + MEET).replace("SEEN", str(seen)),
    )

    ran = nodes.sweep(place, file)

    assert ran.returncode == 0
    on_device = defaultdict(list)
    for found in notes(seen):
        assert found["region"] == "eu"
        on_device[found["devices"]].append(shares[found["trial"]])
    assert sorted(on_device) == ["0", "1"]
    assert sorted(on_device.values(), key=len) == [[1], [0.5, 0.25, 0.25]]


def test_gangs_that_do_not_fit_together_take_turns_on_one_node(nodes, place, seen) -> None:
    """Two gangs of two on three GPUs: neither holds half of what the other waits for.

    Each lies on the node that has room for both workers, though another has a free GPU.
    """
    file = place.empty(
        "opt_paras_list = [{'number': n} for n in range(2)]\ngpu_num_per_instance = 2\n"
        "cpu_num_per_instance = 0.5",
        body=NOTE.replace("SEEN", str(seen)) + WORKER.replace("PAUSE", "0"),
        after=GANG.replace("NUMBER", "2"),
    )

    ran = nodes.sweep(place, file)

    assert ran.returncode == 0
    found = notes(seen)
    assert [note["trial"] for note in found] == [0, 0, 1, 1]
    assert {note["region"] for note in found} == {"eu"}
    for gang in (found[:2], found[2:]):
        assert sorted(note["devices"] for note in gang) == ["0", "1"]


def test_a_gang_goes_on_with_as_many_workers_as_a_lost_node_leaves(nodes, place, seen) -> None:
    """All three GPUs first, then the two that are left; the numbers are those of one."""
    file = place.empty(
        "opt_paras_list = [{'number': 0}, {'number': 1}]\ncpu_num_per_instance = 0.5\n"
        "gpu_num_per_instance = None",
        body=NOTE.replace("SEEN", str(seen)) + WORKER.replace("PAUSE", "0.3"),
        after='#% if opt_paras["number"]\n' + GANG.replace("NUMBER", "(1, 4)") + "\n#% endif",
    )
    short, long = "max_epoch=1, save_chk_point=False", "max_epoch=9, log_by_epoch=True"
    file.write_text(file.read_text().replace(short, long))

    def lose_a_node() -> None:
        while len(notes(seen)) < 3:
            time.sleep(0.1)
        time.sleep(1)
        nodes.lose_us()

    threading.Thread(target=lose_a_node, daemon=True).start()
    ran = nodes.sweep(place, file, "--max-concurrent", 1)

    assert ran.returncode == 0
    assert "is tried again: lost" in ran.stderr
    chief, *_, lost = notes(seen)
    assert lost["workers"] == 3
    assert chief["workers"] == 2
    single, gang = place.runs()
    assert gang.data.metrics["val_loss"] == pytest.approx(single.data.metrics["val_loss"], abs=1e-6)
    assert gang.data.tags["akid.workers"] == str(chief["workers"])
