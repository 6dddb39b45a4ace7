"""Torch settings: what of torch is set for a whole process, read once and put back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, final


@final
@dataclass(frozen=True)
class TorchSettings:
    """The settings of torch's that decide how a process computes.

    Gradient mode, autocast, default device, number of threads and denormals are a thread's own.

    Args:
        put_back: Sets each of them to what it was, in an order that torch takes.
    """

    put_back: tuple[Callable[[], object], ...]

    @classmethod
    def take(cls) -> "TorchSettings":
        """Read the settings as they are now."""
        switches = (partial(put, get()) for get, put in _functions())
        attributes = (partial(setattr, *at, getattr(*at)) for at in _attributes())
        return cls((*switches, *attributes))

    def restore(self) -> None:
        """Put them back."""
        for put in self.put_back:
            put()


def _functions() -> Iterator[tuple[Callable[[], Any], Callable[[Any], object]]]:
    """Give the settings that are a function to read and one to write."""
    import torch

    yield torch.get_default_dtype, torch.set_default_dtype
    yield torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    yield torch.get_deterministic_debug_mode, _set_deterministic
    yield torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly
    yield torch.multiprocessing.get_sharing_strategy, torch.multiprocessing.set_sharing_strategy
    cuda = torch.backends.cuda
    yield cuda.flash_sdp_enabled, cuda.enable_flash_sdp
    yield cuda.mem_efficient_sdp_enabled, cuda.enable_mem_efficient_sdp
    yield cuda.math_sdp_enabled, cuda.enable_math_sdp
    yield cuda.cudnn_sdp_enabled, cuda.enable_cudnn_sdp
    yield cuda.fp16_bf16_reduction_math_sdp_allowed, cuda.allow_fp16_bf16_reduction_math_sdp
    yield cuda.preferred_linalg_library, cuda.preferred_linalg_library
    yield cuda.preferred_blas_library, cuda.preferred_blas_library


def _attributes() -> Iterator[tuple[Any, str]]:
    """Give the settings that are attributes, and whose.

    `float32_matmul_precision` and `allow_tf32` write `fp32_precision`, so these come last, the
    general ones before those of one operation. (PyTorch documentation, "CUDA semantics", "TF32".)
    """
    import torch

    backends: Any = torch.backends  # its types know half of it
    cudnn, matmul, mkldnn = backends.cudnn, backends.cuda.matmul, backends.mkldnn
    for name in ("enabled", "benchmark", "deterministic", "allow_tf32"):
        yield cudnn, name
    for number in ("fp16", "bf16"):
        yield matmul, f"allow_{number}_reduced_precision_reduction"
    yield matmul, "allow_fp16_accumulation"
    yield mkldnn, "enabled"
    yield mkldnn, "deterministic"
    computing = (cudnn.conv, cudnn.rnn, matmul, mkldnn.conv, mkldnn.rnn, mkldnn.matmul)
    for owner in (backends, cudnn, *computing):
        yield owner, "fp32_precision"


def _set_deterministic(mode: int) -> None:
    """Demand deterministic algorithms (2), warn where there is none (1), or neither (0)."""
    import torch

    if mode != torch.get_deterministic_debug_mode():  # setting it loads torch's compiler: 1.4 s
        torch.use_deterministic_algorithms(mode > 0, warn_only=mode == 1)
