"""The rendered files, tried out as far as one machine can."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from akid.cluster.deploy.render import render, write
from akid.cluster.deploy.values import Values

SCONTROL = "#!/bin/bash\necho node1; echo node2\n"
SRUN = """#!/bin/bash
# Run the command here, and note its process; the options that choose a node are of no use.
while [[ "${1:-}" == -* ]]; do [ "$1" = -w ] && shift; shift; done
[ "$1" = hostname ] && { echo 127.0.0.1; exit 0; }
echo $$ >> "$PIDS"
exec "$@" > "$PIDS.$$.log" 2>&1
"""


def test_the_slurm_script_brings_a_cluster_up_and_sweeps(place) -> None:
    """Two nodes of one CPU each, on this machine: a shell in the place of Slurm, all else real."""
    file = place.empty('opt_paras_list = [{"lr": 0.1}, {"lr": 0.2}]', lr='{{ opt_paras["lr"] }}')
    folder, programs = place.folder / "deploy", place.folder / "bin"
    values = {"gpus_per_worker": 0, "cpus_per_worker": 1, "max_workers": 2}
    write(folder, Values(experiment=str(file), shared=str(place.folder), **values))
    programs.mkdir()
    for name, text in (("scontrol", SCONTROL), ("srun", SRUN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    pids = place.folder / "pids"
    environment = os.environ | {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIDS": str(pids),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "MLFLOW_TRACKING_URI": place.uri,
    }
    try:
        done = subprocess.run(
            [folder / "slurm.sh"],
            env=environment,
            cwd=place.folder,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
    finally:
        _end(pids)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "trials: 2 FINISHED" in done.stdout
    assert [run.info.status for run in place.runs()] == ["FINISHED", "FINISHED"]


def test_mlflow_knows_the_servers_options() -> None:
    """The manifest's command is one of the installed version."""
    mlflow = Path(sys.executable).with_name("mlflow")
    shown = subprocess.run([mlflow, "server", "--help"], capture_output=True, text=True, check=True)
    known = set(re.findall(r"--[a-z-]+", shown.stdout))
    deployment = list(yaml.safe_load_all(render(Values())["mlflow.yaml"]))[-1]
    command = deployment["spec"]["template"]["spec"]["containers"][0]["command"]

    assert command[:2] == ["mlflow", "server"]
    assert {word.partition("=")[0] for word in command[2:]} <= known


def _end(pids: Path) -> None:
    """End the nodes, the later one first, as Slurm does at a job's end."""
    nodes = [int(pid) for pid in pids.read_text().split()] if pids.exists() else []
    for pid in reversed(nodes):
        os.kill(pid, signal.SIGTERM)
    deadline_s = time.monotonic() + 20.0
    while any(Path(f"/proc/{pid}").exists() for pid in nodes):
        assert time.monotonic() < deadline_s, "expected that the nodes end"
        time.sleep(0.1)
