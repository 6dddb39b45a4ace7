"""`akid.sweep gpus`: the GPUs of this machine or of a cluster, and who uses them."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import Final

from akid.cluster.gpus import Gpu
from akid.cluster.inventory import NodeInventory, of_cluster, of_this_machine
from akid.commands import exit_codes

DESCRIPTION: Final = (
    "List the GPUs of this machine, or of each machine of a running cluster: model, UUID, memory,"
    " who uses them, and how much of them Ray has given away."
)
_GIB: Final = 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--address", metavar="HOST:PORT", help="a running Ray cluster")
    parser.add_argument("--json", action="store_true", help="print the inventory as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the inventory."""
    nodes = _inventory(options.address)
    if options.json:
        print(json.dumps([dataclasses.asdict(node) for node in nodes], indent=2))
    else:
        print("\n".join(line for node in nodes for line in _lines(node)))
    return exit_codes.FINISHED


def _inventory(address: str | None) -> list[NodeInventory]:
    if address is None:
        return [of_this_machine()]
    from akid.cluster.connection import connect

    with connect(address):
        return of_cluster()


def _lines(node: NodeInventory) -> Sequence[str]:
    head = node.name
    if node.logical is not None:
        head += f": Ray has given away {node.taken:g} of {node.logical:g} GPUs"
    if isinstance(node.gpus, str):
        return [head, f"  no GPU can be used here: {node.gpus}"]
    return [head, *(line for gpu in node.gpus for line in _gpu_lines(gpu))]


def _gpu_lines(gpu: Gpu) -> Sequence[str]:
    if gpu.fault:
        return [f"  GPU {gpu.index} can't be used: {gpu.fault}"]
    used, whole = (gpu.memory_bytes - gpu.free_bytes) / _GIB, gpu.memory_bytes / _GIB
    what = f"GPU {gpu.index}  {gpu.name}  {gpu.uuid}"
    lines = [f"  {what}  {used:.1f} of {whole:.1f} GiB in use  driver {gpu.driver}"]
    lines += [f"    part {uuid}" for uuid in gpu.instances]
    for process in gpu.processes:
        memory = "?" if process.memory_bytes is None else f"{process.memory_bytes / _GIB:.1f}"
        who = f"{process.user}  {process.command}" if process.user else "of another container"
        lines.append(f"    process {process.pid}  {memory} GiB  {who}")
    return lines
