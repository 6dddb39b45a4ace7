"""Waiting on a running cluster: for what can't be had, for what others hold, for what went away."""

import os
import secrets
import subprocess
import sys
import threading
import time

CLUSTER = """
import sys

import ray
from ray.cluster_utils import Cluster

head = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "dashboard_port": 0}
cluster = Cluster(initialize_head=True, head_node_args=head)
node = cluster.add_node(num_cpus=2, num_gpus=0)
ray.init(cluster.address, log_to_driver=False)
held = [ray.util.placement_group([{"CPU": cpus}]) for cpus in (2, 1)]
ray.get([group.ready() for group in held])
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "release\\n":
        for group in held:
            ray.util.remove_placement_group(group)
    elif line == "remove\\n":
        cluster.remove_node(node, allow_graceful=False)
ray.shutdown()
cluster.shutdown()
"""
SLOW = """
import time

kid.hooks.on_batch_begin.append(lambda kid: time.sleep(5))
"""


def read_until(process: subprocess.Popen, text: str, *, within_s: float) -> str:
    """Return what a command says up to a text, which it has to say in time."""
    watch = threading.Timer(within_s, process.kill)
    watch.start()
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            watch.cancel()
            return said
    raise AssertionError(f"the command did not say {text!r} within {within_s:g} s, but:\n{said}")


def test_no_wait_is_silent_and_none_is_without_hope(place) -> None:
    """Refused, busy, and gone: each is said with the need beside what there is."""
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], env=environment, **pipes) as cluster:
        try:
            address = cluster.stdout.readline().strip()
            command = [sys.executable, "-m", "akid.sweep", "--tracking-uri", place.uri]
            options = {"cwd": place.folder, "env": environment, "text": True}

            file = place.empty("cpu_num_per_instance = 3")
            refused = subprocess.run(
                [*command, file, "--address", address], capture_output=True, check=False, **options
            )
            assert refused.returncode == 3, refused.stderr
            for part in ("trial 0: 3 CPUs", "1 CPU, 0 GPUs", "2 CPUs, 0 GPUs"):
                assert part in refused.stderr

            file = place.empty(
                "cpu_num_per_instance = 2\nrepeat_times = 2\nwait_seconds = 5", after=SLOW
            )
            sweep = subprocess.Popen(
                [*command, file, "--address", address],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **options,
            )
            with sweep:
                busy = "waiting for 2 CPUs, 0 GPUs: 0 of 3 CPUs are free, the rest is held by other"
                assert read_until(sweep, busy, within_s=120).count("waiting for") == 1
                cluster.stdin.write("release\n")
                cluster.stdin.flush()
                rows = place.folder / "akid_runs"
                deadline_s = time.monotonic() + 120
                while not list(rows.rglob("rows.jsonl")):
                    assert time.monotonic() < deadline_s
                    time.sleep(0.1)
                cluster.stdin.write("remove\n")
                cluster.stdin.flush()
                gone = "waiting, for at most 5 s for 2 CPUs, 0 GPUs, which no node has"
                read_until(sweep, gone, within_s=30)
                out, err = sweep.communicate(timeout=120)
            assert sweep.returncode == 3, err
            assert "expected a node with 2 CPUs, 0 GPUs within 5 s (wait_seconds), got none" in out
            assert "2 FAILED" in out
            assert "Traceback" not in err
        finally:
            cluster.stdin.close()
            cluster.wait(60)
