"""What a trial sets in torch is put back, whichever of torch's ways it took."""

from collections.abc import Callable

import pytest
import torch
from torch import backends

from akid.training.single_engine import _reproducible
from akid.tuning.torch_settings import TorchSettings


def precisions() -> dict[str, object]:
    """Return the precisions of float32, as torch's old and new switches tell them."""
    computing = {
        "cudnn.conv": backends.cudnn.conv,
        "cudnn.rnn": backends.cudnn.rnn,
        "cuda.matmul": backends.cuda.matmul,
        "mkldnn.conv": backends.mkldnn.conv,
        "mkldnn.rnn": backends.mkldnn.rnn,
        "mkldnn.matmul": backends.mkldnn.matmul,
    }
    return {
        "all": backends.fp32_precision,
        "cudnn": backends.cudnn.fp32_precision,
        **{name: owner.fp32_precision for name, owner in computing.items()},
        "allow_tf32": (backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32),
        "matmul": torch.get_float32_matmul_precision(),
    }


def _set(owner: object, name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(owner, name, value)


PRECISE = {
    "all": _set(backends, "fp32_precision", "ieee"),
    "all tf32": _set(backends, "fp32_precision", "tf32"),
    "cudnn": _set(backends.cudnn, "fp32_precision", "ieee"),
    "conv": _set(backends.cudnn.conv, "fp32_precision", "ieee"),
    "rnn": _set(backends.cudnn.rnn, "fp32_precision", "ieee"),
    "matmul": _set(backends.cuda.matmul, "fp32_precision", "tf32"),
    "mkldnn": _set(backends.mkldnn.matmul, "fp32_precision", "bf16"),
    "cudnn, as of old": _set(backends.cudnn, "allow_tf32", value=False),
    "matmul, as of old": _set(backends.cuda.matmul, "allow_tf32", value=True),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
}


@pytest.mark.parametrize("name", PRECISE)
def test_the_precision_of_float32_is_put_back(name: str) -> None:
    """Of all operations, for a GPU and for a CPU; torch's old switches can be read again."""
    settings, before = TorchSettings.take(), precisions()

    PRECISE[name]()
    settings.restore()

    assert precisions() == before


@pytest.mark.parametrize("name", PRECISE)
def test_a_gpu_trains_with_the_precision_that_a_trial_has_set(name: str) -> None:
    """In reproducible ways; what else is set for cuDNN stays, and need not even be readable."""
    settings = TorchSettings.take()
    PRECISE[name]()
    try:
        before = backends.cudnn.conv.fp32_precision
        with _reproducible(torch.device("cuda")):
            assert backends.cudnn.conv.fp32_precision == before
            assert (backends.cudnn.benchmark, backends.cudnn.deterministic) == (False, True)
        assert backends.cudnn.conv.fp32_precision == before
        assert not backends.cudnn.deterministic
    finally:
        settings.restore()


def test_switches_are_put_back() -> None:
    """Also where the process began with others than torch's own."""
    cuda = backends.cuda
    backends.cudnn.benchmark = True
    settings = TorchSettings.take()

    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.multiprocessing.set_sharing_strategy("file_system")
    cuda.enable_flash_sdp(enabled=False)
    cuda.allow_fp16_bf16_reduction_math_sdp(enabled=True)
    cuda.matmul.allow_bf16_reduced_precision_reduction = False
    cuda.matmul.allow_fp16_accumulation = True
    backends.cudnn.enabled = backends.cudnn.benchmark = backends.mkldnn.enabled = False
    backends.mkldnn.deterministic = True
    settings.restore()

    assert torch.get_deterministic_debug_mode() == 0
    assert torch.multiprocessing.get_sharing_strategy() == "file_descriptor"
    assert cuda.flash_sdp_enabled()
    assert not cuda.fp16_bf16_reduction_math_sdp_allowed()
    assert cuda.matmul.allow_bf16_reduced_precision_reduction
    assert not cuda.matmul.allow_fp16_accumulation
    assert backends.cudnn.enabled
    assert backends.cudnn.benchmark
    assert backends.mkldnn.enabled
    assert not backends.mkldnn.deterministic
    backends.cudnn.benchmark = False
