import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from akid.training.tally import Tally

Batches = st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), min_size=1, max_size=9)


@given(batches=Batches)
def test_each_sample_counts_the_same(batches: list[list[float]]) -> None:
    """However the samples are cut into batches, the mean is that over all."""
    tally = Tally()
    for batch in batches:
        tally.add(len(batch), {"loss": torch.tensor(batch, dtype=torch.float64).mean()})
    samples = [sample for batch in batches for sample in batch]

    assert tally.num_samples == len(samples)
    assert tally.means()["loss"] == pytest.approx(sum(samples) / len(samples), abs=1e-9)


def test_a_tally_of_nothing_is_empty() -> None:
    """No batch, no metric."""
    assert Tally().means() == {}
