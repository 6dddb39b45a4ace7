"""`akid.sweep submit`: a sweep whose driver runs on the cluster."""

import argparse
import sys
from pathlib import Path
from typing import Final

from akid.commands import exit_codes

DESCRIPTION: Final = (
    "Send an experiment's folder to a cluster and sweep there as a Ray job, so that this machine"
    " may be switched off. Follows what the sweep prints and returns its exit code; Ctrl-C leaves"
    " the job running. Results go to the store that the cluster's machines name in"
    " MLFLOW_TRACKING_URI, or that --tracking-uri names; other options of `akid.sweep` follow"
    " after `--`."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the experiment file")
    parser.add_argument("arguments", metavar="-- OPTIONS", nargs="*", help="for akid.sweep there")
    parser.add_argument(
        "--address",
        metavar="URL",
        required=True,
        help="the dashboard, for example http://head:8265",
    )
    parser.add_argument(
        "--work-dir",
        metavar="DIR",
        required=True,
        help="for logs and checkpoints: a folder that all machines of the cluster see, or"
        " s3://BUCKET/PATH",
    )
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="the MLflow store as the cluster sees it"
    )
    parser.add_argument("--no-wait", action="store_true", help="print the job's id and return")


def run(options: argparse.Namespace) -> int:
    """Submit the job, and follow it."""
    from akid.cluster.jobs import JobServer, write_out
    from akid.tuning import experiment

    experiment.load(options.file)  # what is wrong with it is told here and now
    server = JobServer(options.address)
    arguments = ["--work-dir", options.work_dir, *options.arguments]
    if options.tracking_uri is not None:
        arguments += ["--tracking-uri", options.tracking_uri]
    job = server.submit(options.file, arguments)
    if options.no_wait:
        print(job)
        return exit_codes.FINISHED
    print(
        f"job {job}; stop it with: ray job stop --address {options.address} {job}", file=sys.stderr
    )
    try:
        return server.follow(job, write_out)
    except KeyboardInterrupt:
        print(
            f"\nnot followed any more; job {job} goes on: ray job logs --follow --address"
            f" {options.address} {job}",
            file=sys.stderr,
        )
        return exit_codes.INTERRUPTED
