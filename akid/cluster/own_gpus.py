"""Own GPUs: a process that Ray has started sees the GPUs that Ray gave it, and no others."""

import os
from typing import Final

import ray

from akid.cluster.gpus import VISIBLE

_ORDER: Final = "CUDA_DEVICE_ORDER"


def see_own_gpus() -> None:
    """Let CUDA see in this process what Ray gave it; to be called before CUDA is used.

    Ray hides the others only where it gave some: a process without any would see all. Its numbers
    are NVML's, in the order of the PCI bus; CUDA by itself counts the fastest first, which is
    another order where a machine has several models. What the user has set of that order stays.
    (CUDA documentation, "CUDA_DEVICE_ORDER".)
    """
    os.environ.setdefault(_ORDER, "PCI_BUS_ID")
    if not ray.get_runtime_context().get_accelerator_ids()["GPU"]:
        os.environ[VISIBLE] = ""
