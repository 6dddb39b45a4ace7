"""tune: a sweep from Python, with the documented signature."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from akid.cluster.instance_numbers import GpuNumbers
from akid.cluster.work_dir import WorkDir
from akid.tuning import experiment
from akid.tuning.grid import Paras
from akid.tuning.results import TrialRecord
from akid.tuning.search import sweep_of
from akid.tuning.sweep import SweepOptions


def tune(  # noqa: PLR0917 (the documented signature)
    template: Callable[..., Any],
    opt_paras_list: Sequence[Paras] | None = None,
    net_paras_list: Sequence[Paras] | None = None,
    repeat_times: int = 1,
    gpu_num_per_instance: GpuNumbers = None,
    debug: bool = False,
    *,
    sample: int | None = None,
    search: Mapping[str, Any] | None = None,
    scheduler: Mapping[str, Any] | None = None,
    name: str | None = None,
    metric: str | None = None,
    mode: str | None = None,
    seed: int = 0,
    cpu_num_per_instance: float = 1,
    resources_per_instance: Mapping[str, float] | None = None,
    accelerator_type: str | None = None,
    label_selector: Mapping[str, str] | None = None,
    max_failures: int = 0,
    retries: Mapping[str, int] | None = None,
    max_seconds: float | None = None,
    stall_seconds: float | None = None,
    wait_seconds: float | None = 300.0,
    abort_after: int = 3,
    tracking_uri: str | None = None,
    address: str | None = None,
    rerun: str = "missing",
    max_concurrent: int | None = None,
    folder: str | Path = "akid_runs",
) -> list[TrialRecord]:
    """Fill the holes of `template` with every combination, train all of them, and return records.

    Args:
        template: A function named `setup` that returns a `Kid`; its source is a jinja2 template
            with holes such as `{{ net_paras["bn"] }}` and `{{ opt_paras["lr"] }}`. What it needs is
            imported inside of it.
        opt_paras_list: Optimisation parameters, one dict for each way to optimise.
        net_paras_list: Network parameters, one dict for each network.
        repeat_times: How often each combination is trained, each time with the next seed.
        gpu_num_per_instance: GPUs of each trial: a number, a fraction, or a list with a number for
            each trial. None gives one GPU each where there are GPUs, and the CPU elsewhere.
        debug: Whether to stop after the plan: nothing is trained, and each record tells what is
            known of its trial already.
        sample: How many combinations are tried, chosen and drawn at random; None for each once.
        search: What suggests combinations from earlier results: `{"name": "tpe"}`.
        scheduler: What stops trials that fall behind, for example `{"name": "asha", "max_t": 27}`.
        name: The MLflow experiment; None for the name of the file in which `template` stands.
        metric: What results are ranked by; None for the validation accuracy or loss.
        mode: "max" or "min"; None follows from the metric's name.
        seed: The seed of the first repeat.
        cpu_num_per_instance: CPUs, and by that threads, of each trial, or of each of its workers.
        resources_per_instance: What each takes besides, by the names that the cluster's nodes were
            started with, such as `{"slot": 1}`.
        accelerator_type: The model of GPU that its node has, by Ray's name, such as "A100".
        label_selector: What its node's labels are, such as `{"region": "eu", "disk": "!slow"}`.
        max_failures: How often a trial is tried again after an error of its own.
        retries: How often it is tried again after other failures, for example
            `{"lost": 5, "memory": 1, "stalled": 1}`.
        max_seconds: How long a trial may run, over all attempts of a sweep; None for ever.
        stall_seconds: How long a trial may report nothing, and a minute more before its first
            report, until it is restarted; None for ever.
        wait_seconds: How long a trial may wait for what no machine of the cluster has any more, or
            for a process that does not come up, which has a minute at least; None for ever.
        abort_after: After so many trials have failed alike and none has finished, the sweep ends; 0
            for never.
        tracking_uri: The MLflow store; None for MLFLOW_TRACKING_URI, else mlflow.db here.
        address: A running Ray cluster; None starts one on this machine for as long as it is needed.
        rerun: Which known trials run again: "missing", "failed", "stopped", "changed" or "all".
        max_concurrent: At most so many trials at once.
        folder: Where logs and checkpoints go: a folder that all machines see, or a place in an
            object store (`s3://...`).

    Returns:
        A record for each trial in the documented order: repeats, then `opt_paras_list`, then
        `net_paras_list`, nets fastest. A trial that failed is a record, too.

    Raises:
        ExperimentError: If the template or an argument is wrong.
        ResourceError: If a trial needs what the cluster never has.
        TrackingError: If the store can't be opened.
    """
    described = experiment.from_function(
        template,
        opt_paras_list,
        net_paras_list,
        name=name,
        repeat_times=repeat_times,
        sample=sample,
        search=search,
        scheduler=scheduler,
        gpu_num_per_instance=gpu_num_per_instance,
        cpu_num_per_instance=cpu_num_per_instance,
        resources_per_instance=resources_per_instance,
        accelerator_type=accelerator_type,
        label_selector=label_selector,
        metric=metric,
        mode=mode,
        seed=seed,
        max_failures=max_failures,
        retries=retries,
        max_seconds=max_seconds,
        stall_seconds=stall_seconds,
        wait_seconds=wait_seconds,
        abort_after=abort_after,
    )
    options = SweepOptions(
        tracking_uri=tracking_uri,
        address=address,
        rerun=rerun,
        max_concurrent=max_concurrent,
        work_dir=WorkDir.of(folder),
    )
    sweep = sweep_of(described, options)
    return sweep.known_records() if debug else sweep.run().records
