"""`akid.sweep deploy`: the files that bring a cluster up."""

import argparse
from pathlib import Path
from typing import Final

from akid.cluster.deploy import render, values
from akid.commands import exit_codes

DESCRIPTION: Final = (
    "Write a Dockerfile, Kubernetes manifests (KubeRay, MLflow), a Slurm script and a configuration"
    " of `ray up`, all from the values in DIR/values.toml, which is made where there is none."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the files go")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a value, for example max_workers=8 (may be repeated)",
    )


def run(options: argparse.Namespace) -> int:
    """Render the files."""
    known = options.folder / values.FILE_NAME
    described = values.read(known) if known.is_file() else values.Values()
    for file in render.write(options.folder, described.with_settings(options.set)):
        print(file)
    return exit_codes.FINISHED
