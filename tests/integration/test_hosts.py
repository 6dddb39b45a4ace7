"""Several machines: hosts in network namespaces, each with an address and a raylet of its own."""

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from akid.tuning.rows import FILE_NAME as ROWS

PORT = 6379
SETTINGS = {
    # A machine that does not answer is given up after two seconds, not after half a minute.
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}
SLOW = """
def wait(kid):
    import time

    time.sleep(0.25)

kid.hooks.on_epoch_end.append(wait)
"""


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


class Hosts:
    """A switch and the hosts on it; the first is the cluster's head."""

    def __init__(self, folder: Path, n: int) -> None:
        self.tag = f"ak{secrets.token_hex(3)}"
        self.folder = folder
        self.ray_folder = tempfile.mkdtemp(
            prefix="akid-", dir="/tmp"
        )  # paths of sockets have to be short
        self.n = n
        self.nodes: dict[int, subprocess.Popen] = {}

    def address(self, host: int) -> str:
        return f"10.213.77.{host + 1}"

    def build(self) -> None:
        run("ip", "link", "add", self.tag, "type", "bridge")
        run("ip", "link", "set", self.tag, "up")
        for host in range(self.n):
            name, outer = f"{self.tag}-{host}", f"{self.tag}v{host}"
            run("ip", "netns", "add", name)
            run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", outer, "master", self.tag, "up")
            inside = ("ip", "-n", name)
            run(*inside, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
            run(*inside, "link", "set", "eth0", "up")
            run(*inside, "link", "set", "lo", "up")

    def command(self, host: int, *words: str) -> list[str]:
        return ["ip", "netns", "exec", f"{self.tag}-{host}", sys.executable, "-m", *words]

    def start(self, host: int, cpus: int) -> None:
        here = self.address(host)
        place = (
            [
                "--head",
                f"--port={PORT}",
                "--include-dashboard=false",
                f"--temp-dir={self.ray_folder}",
            ]
            if host == 0
            else [f"--address={self.address(0)}:{PORT}"]
        )
        with (self.folder / f"host{host}.log").open("w") as log:
            self.nodes[host] = subprocess.Popen(
                self.command(
                    host,
                    "ray.scripts.scripts",
                    "start",
                    f"--node-ip-address={here}",
                    f"--num-cpus={cpus}",
                    "--num-gpus=0",
                    "--block",
                    "--object-store-memory=100000000",
                    *place,
                ),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | SETTINGS,
                start_new_session=True,
            )
        log_file = self.folder / f"host{host}.log"
        wait_until(lambda: "Ray runtime started" in log_file.read_text(), 60, self.nodes[host])

    def sweep(self, *arguments: object, hides: Path | None = None) -> subprocess.Popen:
        """Start a sweep on the head, which sees nothing of the others' files in `hides`."""
        words = self.command(0, "akid.sweep", *map(str, arguments))
        command = [*words, "--address", f"{self.address(0)}:{PORT}"]
        if hides is not None:
            mount = f'mount -t tmpfs tmpfs {shlex.quote(str(hides))} && exec "$@"'
            command = ["unshare", "--mount", "bash", "-c", mount, "bash", *command]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | SETTINGS,
        )

    def kill(self, host: int) -> None:
        """End all processes of a host at once."""
        for pid in self.pids(host):
            os.kill(pid, signal.SIGKILL)
        if host in self.nodes:
            self.nodes.pop(host).wait()

    def cut_off(self, host: int) -> None:
        run("ip", "link", "set", f"{self.tag}v{host}", "down")

    def pids(self, host: int) -> list[int]:
        found = subprocess.run(
            ["ip", "netns", "pids", f"{self.tag}-{host}"],
            capture_output=True,
            text=True,
            check=False,  # it may not have come to its making
        )
        return [int(pid) for pid in found.stdout.split()]

    def destroy(self) -> None:
        for host in range(self.n):
            self.kill(host)
        for host in range(self.n):
            subprocess.run(["ip", "netns", "del", f"{self.tag}-{host}"], check=False)
        subprocess.run(["ip", "link", "del", self.tag], check=False)
        shutil.rmtree(self.ray_folder)


def may_make_hosts() -> bool:
    if shutil.which("ip") is None:
        return False
    made = subprocess.run(["ip", "netns", "add", "akid-try"], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", "akid-try"], capture_output=True, check=False)
    return made.returncode == 0


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Return three hosts: a head without CPUs, and two with one each."""
    if not may_make_hosts():
        pytest.skip("needs iproute2 and the right to make network namespaces")
    found = Hosts(tmp_path_factory.mktemp("hosts"), 3)
    try:
        found.build()
        for host, cpus in enumerate((0, 1, 1)):
            found.start(host, cpus)
        yield found
    finally:
        found.destroy()


def wait_until(is_so: Callable[[], bool], seconds: float, process: subprocess.Popen) -> None:
    """Wait until something is so, which a process is to bring about."""
    deadline_s = time.monotonic() + seconds
    while not is_so():
        assert process.poll() is None, "expected that the process goes on"
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.2)


def test_a_folder_that_a_machine_does_not_see_is_told(hosts, place, tmp_path) -> None:
    """Before anything is trained, with the machine's address."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    # The head gets a file system of its own there, which the others do not see.
    sweep = hosts.sweep(
        place.empty(), "--tracking-uri", place.uri, "--work-dir", hidden, hides=hidden
    )
    try:
        out, err = sweep.communicate(timeout=120)
    finally:
        sweep.kill()

    assert (sweep.returncode, out) == (3, "")
    assert "expected a place that all machines see" in err
    assert hosts.address(1) in err


def test_two_workers_of_a_trial_lie_on_two_machines(hosts, place) -> None:
    """Neither machine has room for both; they reach each other by the addresses that Ray knows."""
    file = place.empty(
        after="from akid.training import engine\n"
        'kid.engine = engine.get({"name": "data_parallel", "num_gpu": 2})'
    )
    sweep = hosts.sweep(file, "--tracking-uri", place.uri, "--work-dir", place.folder / "akid_runs")
    try:
        out, err = sweep.communicate(timeout=120)
    finally:
        sweep.kill()
    sys.stdout.write(out)
    sys.stderr.write(err)

    assert sweep.returncode == 0
    assert [run.info.status for run in place.runs()] == ["FINISHED"]


def test_a_lost_machine_costs_no_trial(hosts, place) -> None:
    """A machine is killed, another is cut off; the sweep ends complete on those that are left.

    The module beside the experiment is known on all machines.
    """
    code = place.folder / "code"
    code.mkdir()
    (code / "rates.py").write_text("RATES = {number: number / 100 for number in range(1, 7)}")
    cells = [{"number": number} for number in range(1, 7)]
    file = place.empty(
        f"opt_paras_list = {cells}",
        body="from rates import RATES",
        lr='RATES[{{ opt_paras["number"] }}]',
        after=SLOW,
    ).rename(code / "slow.py")
    short, long = "max_epoch=1, save_chk_point=False", "max_epoch=12, log_by_epoch=True"
    file.write_text(file.read_text().replace(short, long))
    runs = place.folder / "akid_runs"

    sweep = hosts.sweep(file, "--tracking-uri", place.uri, "--work-dir", runs)
    try:
        wait_until(lambda: len(list(runs.rglob(ROWS))) >= 3, 90, sweep)
        hosts.kill(1)
        hosts.start(1, 1)
        wait_until(lambda: len(list(runs.rglob(ROWS))) >= 5, 90, sweep)
        hosts.cut_off(2)
        out, err = sweep.communicate(timeout=120)
    finally:
        sweep.kill()
    sys.stdout.write(out)
    sys.stderr.write(err)

    assert sweep.returncode == 0
    assert "is tried again: lost" in err
    assert [run.info.status for run in place.runs("slow")] == ["FINISHED"] * 6
