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


def test_what_was_seen_is_joined_over_workers() -> None:
    """In the order of the workers, whatever each of them has seen; nobody's tally changes."""
    tallies = [Tally(), Tally(), Tally()]
    for number, (tally, sizes) in enumerate(zip(tallies, [[2, 1], [], [3]], strict=True)):
        for size in sizes:
            scores = torch.full((size, 2), float(number))
            tally.add(size, {"loss": torch.tensor(1.0)}, {"auc": (scores, scores[:, 0] > 0)})

    whole = Tally.joined(tally.detached() for tally in tallies)

    scores, labels = whole.seen()["auc"]
    assert scores[:, 0].tolist() == [0, 0, 0, 2, 2, 2]
    assert labels.tolist() == [False] * 3 + [True] * 3
    assert whole.means() == {"loss": 1.0}
    assert [len(tally.seen().get("auc", [()])[0]) for tally in tallies] == [3, 0, 3]
