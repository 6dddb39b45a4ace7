"""What a net takes, measured on a real GPU."""

import pytest
import torch

from akid.cluster import machine
from akid.cluster.modules import Modules
from akid.tuning.gpu_probe import peak_of
from akid.tuning.packing import Peak, model_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]

SOURCE = """
def setup():
    from akid import FeedSensor, Kid, MomentumKongFu
    from akid.models.brains import LeNet
    from akid import SyntheticFeedSource

    source = SyntheticFeedSource(shape=[28, 28, 1], num_train=4096, num_val=64)
    return Kid(FeedSensor(source_in=source, batch_size=BATCH), LeNet(), MomentumKongFu(lr=0.01))
"""


def test_a_larger_batch_has_a_larger_peak() -> None:
    """Both are measured within a few steps."""
    modules = Modules(folder=".")
    small = peak_of(SOURCE.replace("BATCH", "16"), modules, 0, 1)
    large = peak_of(SOURCE.replace("BATCH", "2048"), modules, 0, 1)

    assert isinstance(small, Peak)
    assert isinstance(large, Peak)
    assert small.gpu_model == large.gpu_model == model_of(machine.local_gpus()[0])
    assert 0 < small.peak_bytes < large.peak_bytes < large.memory_bytes
