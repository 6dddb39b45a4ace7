"""Sweeps whose trials are kept in an object store: a real S3 server, which may be out of reach."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector, FileSystem

from akid.cluster.object_folder import ObjectFolder, joined

pytestmark = pytest.mark.usefixtures("cluster")

EVENTS = """
event, uri, away = {{ opt_paras["event"] }}, {{ opt_paras["uri"] }}, {{ opt_paras["away"] }}

def act(kid):
    import os
    import time
    from pathlib import Path

    from pyarrow.fs import FileSelector, FileSystem

    if event == "dies" and kid.clock.epoch == 3 and "goes on from" not in log(kid):
        filesystem, path = FileSystem.from_uri(uri)
        wanted = f"checkpoint-{kid.step - 2}.pt"
        while True:
            found = filesystem.get_file_info(FileSelector(path, recursive=True))
            manifests = [i.path for i in found if "/1-" in i.path and "manifest" in i.path]
            texts = [filesystem.open_input_stream(path).read().decode() for path in manifests]
            if any(wanted in text for text in texts):
                os._exit(1)
            time.sleep(0.1)
    if event == "away" and kid.clock.epoch == 2:
        Path(away).touch()

def log(kid):
    from pathlib import Path

    return Path(kid.log_dir, "training.log").read_text()

kid.hooks.on_epoch_end.append(act)
"""


class Store:
    """A bucket of an S3 server; while the file `away` is there, it does not answer."""

    def __init__(self, port: int, away: Path) -> None:
        self.away = away
        address = urllib.parse.quote(f"127.0.0.1:{port}", safe="")
        self.uri = f"s3://bucket/runs?region=us-east-1&scheme=http&endpoint_override={address}"

    def trial(self, beginning: str) -> ObjectFolder:
        """Return the folder of the trial whose slug begins so."""
        filesystem, path = FileSystem.from_uri(joined(self.uri, "experiment_file"))
        names = [info.base_name for info in filesystem.get_file_info(FileSelector(path))]
        (slug,) = [name for name in names if name.startswith(beginning) and "~" not in name]
        return ObjectFolder(joined(self.uri, "experiment_file", slug))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, gate) -> Iterator[Store]:
    """Start an S3 server, and a gate to it that can be closed."""
    folder = tmp_path_factory.mktemp("s3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        put = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
        deadline_s = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(put).close()
                break
            except OSError:
                assert time.monotonic() < deadline_s, (folder / "server.log").read_text()
                time.sleep(0.1)
        with gate(port, folder / "away") as gate_port:
            yield Store(gate_port, folder / "away")
    finally:
        server.kill()
        server.wait()


def experiment(place, store: Store, events: list[str]) -> Path:
    """Write an experiment of five epochs with checkpoints, a trial for each event."""
    places = {"uri": joined(store.uri, "experiment_file"), "away": str(store.away)}
    cells = [{"event": event, **places} for event in events]
    file = place.empty(f"opt_paras_list = {cells}", after=EVENTS)
    short, long = "max_epoch=1, save_chk_point=False", "max_epoch=5, log_by_epoch=True"
    file.write_text(file.read_text().replace(short, long))
    return file


def history(place, run, metric: str) -> list[tuple[int, float]]:
    """Return a metric's steps and values, in the order in which they were logged."""
    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri=place.uri).get_metric_history(run.info.run_id, metric)
    return [(point.step, point.value) for point in found]


def test_a_lost_process_goes_on_from_what_is_in_the_store(place, store) -> None:
    """Its numbers are those of a trial that was not disturbed; nothing is left on the machine."""
    ran = place.command(experiment(place, store, ["", "dies"]), "--work-dir", store.uri)

    calm, stormy = place.runs()
    assert ran.code == 0
    assert "is tried again: lost" in ran.err
    for metric in ("val_loss", "train_loss"):
        assert history(place, stormy, metric) == history(place, calm, metric)
    artifacts = place.artifacts(stormy.info.run_id)
    assert "goes on from" in (artifacts / "training.log").read_text()
    newest = store.trial("1-").newest()
    assert {"model/best.pt", "model/checkpoint-10.pt", "rows.jsonl"} <= set(newest.files)
    assert newest.files["model/best.pt"].size_bytes == (artifacts / "best.pt").stat().st_size
    assert list(Path(os.environ["AKID_SCRATCH"], "trials").iterdir()) == []


def test_a_store_that_is_away_costs_no_trial(place, store) -> None:
    """Training goes on; the trial is finished when its last checkpoint is in the store."""

    def come_back() -> None:
        while not store.away.exists():
            time.sleep(0.1)
        time.sleep(8)
        store.away.unlink()

    threading.Thread(target=come_back, daemon=True).start()
    ran = place.command(experiment(place, store, ["away"]), "--work-dir", store.uri)

    (run,) = place.runs()
    assert ran.code == 0
    assert "the trial goes on: object store: can't" in ran.err
    assert not store.away.exists()
    assert "model/checkpoint-10.pt" in store.trial("0-trial").newest().files
    assert (place.artifacts(run.info.run_id) / "best.pt").is_file()


def test_a_place_that_can_not_be_used_is_told_before_the_start(place, store) -> None:
    """Nothing is trained."""
    uri = store.uri.replace("bucket", "nowhere")

    ran = place.command(experiment(place, store, [""]), "--work-dir", uri)

    assert ran.code == 3
    assert "object store: can't write" in ran.err
    assert "bucket does not exist" in ran.err


def test_orders_to_end_reach_other_processes() -> None:
    """Each attempt hears its own; without the driver there are none, which ends no trial."""
    import ray

    from akid.tuning.ray_orders import RayOrders

    asks = ray.remote(num_cpus=0)(lambda orders, attempt: orders.has(0, attempt))
    with RayOrders() as orders:
        assert not ray.get(asks.remote(orders, 1))
        orders.give(0, 1)
        while not ray.get(asks.remote(orders, 1)):  # it is not waited until an order is there
            time.sleep(0.1)
        assert not ray.get(asks.remote(orders, 2))
    while orders.has(0, 1):  # nor until the actor is gone
        time.sleep(0.1)
