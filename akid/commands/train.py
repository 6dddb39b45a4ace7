"""`akid.sweep FILE`: train what is missing of an experiment's grid and rank the results."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from akid.cluster import jobs
from akid.cluster.instance_numbers import AUTO
from akid.commands import exit_codes
from akid.commands.arguments import add_tracking_uri, positive
from akid.errors import ExperimentError, StorageError, TrackingError

if TYPE_CHECKING:
    from akid.tuning.sweep import Sweep

DESCRIPTION: Final = (
    "Train every combination of an experiment's network and optimisation parameters on Ray, log"
    " each trial to MLflow, and rank the results. What an earlier sweep finished is not trained"
    " again."
)

_RERUN: Final = ("missing", "failed", "stopped", "changed", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a Python file with `setup`")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and train nothing")
    _add_grid(parser)
    _add_place(parser)
    _add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Train, or print what would be trained."""
    from akid.cluster.work_dir import WorkDir
    from akid.tuning import experiment
    from akid.tuning.early_stopping import parse_named
    from akid.tuning.search import sweep_of
    from akid.tuning.sweep import SweepOptions

    _check_kept(options)
    described = experiment.load(options.file).with_overrides(
        settings=options.set,
        repeat_times=options.repeat,
        sample=options.sample,
        search=None if options.search is None else parse_named(options.search),
        scheduler=None if options.scheduler is None else parse_named(options.scheduler),
        gpu_num_per_instance=options.gpus_per_trial,
        resources_per_instance=_dict(options.resources_per_trial),
        accelerator_type=options.accelerator_type,
        label_selector=_dict(options.label_selector),
        name=options.name,
        seed=options.seed,
    )
    sweep = sweep_of(
        described,
        SweepOptions(
            tracking_uri=options.tracking_uri,
            address=options.address,
            rerun=options.rerun,
            max_concurrent=options.max_concurrent,
            work_dir=WorkDir.of(options.work_dir),
            num_cpus=options.num_cpus,
            num_gpus=options.num_gpus,
        ),
    )
    return _dry_run(sweep, as_json=options.json) if options.dry_run else _practise(sweep, options)


def _check_kept(options: argparse.Namespace) -> None:
    """Refuse results in a job's own folder, which goes when the job ends."""
    named = options.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if jobs.is_job() and not named:
        raise TrackingError(
            "this sweep is a Ray job: expected a store that outlives the job's folder, got none."
            " Pass --tracking-uri, or set MLFLOW_TRACKING_URI on the cluster's machines."
        )


def _dry_run(sweep: "Sweep", *, as_json: bool) -> int:
    from akid.tuning import plan_json, table

    plan = sweep.plan()
    if as_json:
        print(plan_json.to_json(plan))
    else:
        table.print_plan(plan)
    return exit_codes.FINISHED


def _practise(sweep: "Sweep", options: argparse.Namespace) -> int:
    from akid.tuning import results, table

    if options.csv is not None:
        _check_file(options.csv)
    with redirect_stdout(sys.stderr):  # Ray tells of a lost process on standard output
        outcome = sweep.run()
    records = outcome.records
    metric, mode, fault = results.usable_metric(
        records, sweep.experiment.metric, sweep.experiment.mode
    )
    if options.json:
        print(results.to_json(records, metric=metric, mode=mode))
    else:
        table.print_results(records, metric=metric, mode=mode)
        print(f"\n{sweep.where()}")
    if options.csv is not None:
        _write(options.csv, results.to_csv(records))
    if fault is not None:
        raise fault
    if outcome.is_interrupted:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return exit_codes.of_signal(outcome.signum or signal.SIGINT)
    if outcome.lacks_resources:
        return exit_codes.RESOURCES
    return (
        exit_codes.FINISHED
        if all(r.status in results.SUCCEEDED for r in records)
        else exit_codes.FAILED
    )


def _check_file(file: Path) -> None:
    """Refuse a file for results that can't be written, before anything is trained."""
    what = ""
    if not file.parent.is_dir():
        what = f"there is no folder {str(file.parent)!r}"
    elif file.is_dir():
        what = "that is a folder"
    elif not os.access(file if file.exists() else file.parent, os.W_OK):
        what = "this user may not write it"
    if what:
        raise ExperimentError(
            f"--csv: expected a file that can be written, got {str(file)!r}: {what}."
        )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StorageError(
            f"--csv: expected a file that can be written, got {str(file)!r}: {error}."
            " The results are in the tracking store: the same command writes them without training."
        ) from error


def _add_grid(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is trained")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="replace a list, for example opt.lr=0.1,0.2 (may be repeated)",
    )
    group.add_argument(
        "--sample",
        type=positive,
        metavar="N",
        help="try N combinations at random; distributions are drawn anew for each",
    )
    group.add_argument(
        "--search",
        metavar="NAME[,KEY=VALUE]",
        help="suggest combinations from earlier results: tpe, tpe,startup=10,batch=4, or none",
    )
    group.add_argument(
        "--scheduler",
        metavar="NAME[,KEY=VALUE]",
        help="stop trials that fall behind: asha, asha,max_t=27,reduction_factor=3, or none",
    )
    group.add_argument("--repeat", type=positive, metavar="N", help="trainings of each combination")
    group.add_argument("--seed", type=int, metavar="N", help="the seed of the first repeat")
    group.add_argument(
        "--rerun",
        choices=_RERUN,
        default="missing",
        help="what runs: missing - what has not finished (default); failed - what began and did not"
        " finish; stopped - what fell behind and was stopped early; changed - what ran with another"
        " source, seed, data or other versions of torch, numpy, Python or akid; all - everything,"
        " from the begin",
    )


def _add_place(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it is trained")
    group.add_argument("--address", metavar="HOST:PORT", help="a running Ray cluster")
    group.add_argument(
        "--gpus-per-trial",
        type=_number,
        metavar="X",
        help="GPUs of each trial: 0, a fraction, a whole number, or auto (measured)",
    )
    group.add_argument(
        "--resources-per-trial",
        action="append",
        type=_resource,
        metavar="NAME=NUMBER",
        help="what each trial takes of a resource of the cluster (may be repeated)",
    )
    group.add_argument(
        "--accelerator-type", metavar="X", help="the model of GPU of its node, for example A100"
    )
    group.add_argument(
        "--label-selector",
        action="append",
        type=_label,
        metavar="LABEL=VALUE",
        help="a label of its node: eu, '!eu', 'in(eu, us)' or '!in(eu, us)' (may be repeated)",
    )
    group.add_argument("--max-concurrent", type=positive, metavar="N", help="trials at once")
    group.add_argument(
        "--num-cpus", type=positive, metavar="N", help="CPUs of the cluster that is started here"
    )
    group.add_argument(
        "--num-gpus", type=int, metavar="N", help="GPUs of the cluster that is started here"
    )
    group.add_argument(
        "--work-dir",
        default="akid_runs",
        metavar="DIR",
        help="logs and checkpoints of the trials: a folder that all machines see, or a place in an"
        " object store, s3://BUCKET/PATH (default: akid_runs)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where results go")
    group.add_argument("--name", help="the MLflow experiment (default: the experiment's own name)")
    add_tracking_uri(group)
    group.add_argument(
        "--json", action="store_true", help="print the results, or the plan, as JSON"
    )
    group.add_argument("--csv", type=Path, metavar="FILE", help="write results to a CSV file too")


def _number(text: str) -> float | str:
    if text == AUTO:
        return text
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected 0, a fraction, a whole number, or {AUTO} (measured), got {text!r}"
        ) from None
    return int(number) if number.is_integer() else number


def _label(text: str) -> tuple[str, str]:
    name, is_there, value = text.partition("=")
    if not is_there:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _resource(text: str) -> tuple[str, float]:
    name, value = _label(text)
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, got {text!r}") from None


def _dict(pairs: Sequence[tuple[str, Any]] | None) -> dict[str, Any] | None:
    return None if pairs is None else dict(pairs)
