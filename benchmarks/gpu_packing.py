"""Small trials that share a GPU, against the same trials one after the other.

Both sweeps run in this process, on a cluster each, one after the other:

    packed    each trial has a share of a GPU (0.125 by default), so that several run at once
    alone     each trial has a GPU for itself, and they are told to run one at a time

The wall time is that from the first trial's begin to the last one's end, as MLflow has it: the start
of the cluster is in neither. A thread reads the memory and the utilisation of the GPUs from NVML
meanwhile; the peak that the trials logged stands beside it. Both sweeps have to come to the same
metrics, or the report says by how much they differ.

On a machine without a GPU `--logical` goes through all of it on the CPU; its figures say nothing of GPUs.

Run: python benchmarks/gpu_packing.py [--trials 8] [--share 0.125] [--epochs 20] [--logical]
     [--report benchmarks/reports]
"""

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

EXPERIMENT = """
opt_paras_list = [{{"lr": 0.001 * (1 + n)}} for n in range({trials})]
cpu_num_per_instance = {cpus}


def setup():
    from akid import FeedSensor, Kid, MomentumKongFu, SyntheticFeedSource
    from akid.models.brains import LeNet

    source = SyntheticFeedSource(shape=[28, 28, 1], num_train={examples}, num_val=1000)
    return Kid(
        FeedSensor(source_in=source, batch_size=100),
        LeNet(),
        MomentumKongFu(lr={{{{ opt_paras["lr"] }}}}),
        max_epoch={epochs},
        log_by_epoch=True,
        save_chk_point=False,
    )
"""


@dataclass
class Watch:
    """What NVML says of all GPUs of the machine, ten times a second, inside of a `with` block."""

    busiest_bytes: int = 0
    idle_bytes: int = 0
    percents: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self.idle_bytes = self._used_bytes()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.busiest_bytes = max(self.busiest_bytes, self._used_bytes())
            self.percents += _utilisation_percents()

    def _used_bytes(self) -> int:
        from akid.cluster import nvml

        found = nvml.survey()
        return 0 if isinstance(found, str) else sum(g.memory_bytes - g.free_bytes for g in found)


def _utilisation_percents() -> list[int]:
    """Return how busy the busiest GPU is; nothing where none says so, as parts of one do (MIG)."""
    from akid.cluster import nvml

    try:
        with nvml.library() as library:
            said = [_percent(library, n) for n in range(_count(library))]
    except nvml.NoNvml:
        return []
    known = [percent for percent in said if percent is not None]
    return [max(known)] if known else []


def _count(library: Any) -> int:
    try:
        return int(library.nvmlDeviceGetCount())
    except library.NVMLError:
        return 0


def _percent(library: Any, number: int) -> int | None:
    try:
        handle = library.nvmlDeviceGetHandleByIndex(number)
        return int(library.nvmlDeviceGetUtilizationRates(handle).gpu)
    except library.NVMLError:
        return None


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What one of the two sweeps gave."""

    took_s: float
    at_once: int
    watch: Watch
    logged_peak_bytes: float
    losses: list[float]
    gpus: set[str]


def sweep_once(folder: Path, options: argparse.Namespace, *, share: float, alone: bool) -> Swept:
    """Sweep the trials, each with this share of a GPU."""
    from akid import sweep

    folder.mkdir()
    file = folder / "packing.py"
    file.write_text(
        EXPERIMENT.format(
            trials=options.trials,
            cpus=options.cpus,
            examples=options.examples,
            epochs=options.epochs,
        )
    )
    uri = f"sqlite:///{folder}/mlflow.db"
    command = [str(file), "--gpus-per-trial", str(share), "--json", "--tracking-uri", uri]
    command += ["--work-dir", str(folder / "runs")]
    command += ["--max-concurrent", "1"] if alone else []
    command += ["--num-gpus", "1"] if options.logical else []
    out = io.StringIO()
    with Watch() as watch, contextlib.redirect_stdout(out):
        code = sweep.main(command)
    if code != 0:
        raise SystemExit(f"gpu_packing: expected a sweep without failures, got exit code {code}")
    runs = [_run(uri, trial["run_id"]) for trial in json.loads(out.getvalue())["trials"]]
    spans = [(run.info.start_time / 1000, run.info.end_time / 1000) for run in runs]
    return Swept(
        took_s=max(end for _, end in spans) - min(begin for begin, _ in spans),
        at_once=max(sum(b <= begin < e for b, e in spans) for begin, _ in spans),
        watch=watch,
        logged_peak_bytes=max(r.data.metrics.get("gpu/peak_memory_bytes", 0.0) for r in runs),
        losses=[run.data.metrics["val_loss"] for run in runs],
        gpus={run.data.tags.get("akid.gpu.uuids", "none") for run in runs},
    )


def _run(uri: str, run_id: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri).get_run(run_id)


def report(packed: Swept, alone: Swept, options: argparse.Namespace) -> str:
    """Return the report as Markdown."""
    from akid.tuning import provenance

    tags = provenance.worker_tags()
    where = tags.get("akid.gpu.names", "no GPU: logical ones on the CPU")
    differ = max(abs(a - b) for a, b in zip(packed.losses, alone.losses, strict=True))
    lines = [
        "# Small trials packed on a GPU",
        "",
        (
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {where}, {os.cpu_count()} processors,"
            f" {platform.machine()}, torch {provenance.versions()['torch']}. {options.trials} trials of"
            f" LeNet, {options.examples} examples, {options.epochs} epochs."
        ),
        "",
        (
            "| | share | s | trials at once | GPUs | NVML peak MiB | a trial's logged peak MiB"
            " | mean utilisation % |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        _row("packed", options.share, packed),
        _row("alone", 1.0, alone),
        "",
        (
            f"Alone takes {alone.took_s / packed.took_s:.2f} times as long as packed. The largest"
            f" difference of a validation loss is {differ:.1e}."
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, share: float, swept: Swept) -> str:
    percents = swept.watch.percents
    mean = f"{statistics.mean(percents):.0f}" if percents else "unknown"
    seen_mib = (swept.watch.busiest_bytes - swept.watch.idle_bytes) / 2**20
    return (
        f"| {name} | {share:g} | {swept.took_s:.1f} | {swept.at_once} | {len(swept.gpus)}"
        f" | {seen_mib:.0f} | {swept.logged_peak_bytes / 2**20:.0f} | {mean} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--share", type=float, default=0.125)
    parser.add_argument("--cpus", type=float, default=1, help="of each trial")
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--logical", action="store_true", help="count one GPU that is not there")
    parser.add_argument("--report", type=Path, help="a folder for the dated report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="akid-packing-") as folder:
        place = Path(folder)
        packed = sweep_once(place / "packed", options, share=options.share, alone=False)
        alone = sweep_once(place / "alone", options, share=1, alone=True)
    text = report(packed, alone, options)
    print(text)
    if options.report is not None:
        name = f"{datetime.now(UTC):%Y-%m-%d}-gpu-packing.md"
        (options.report / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
