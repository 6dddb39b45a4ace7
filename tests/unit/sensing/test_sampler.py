import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import SetupError
from akid.sensing.sampler import Cursor, Sampler, SequenceSampler, ShuffleSampler, get

names = st.sampled_from(["shuffle", "sequence"])
counts = st.integers(1, 40)


def make(name: str, num_samples: int, seed: int = 0) -> Sampler:
    sampler = get(name)
    sampler.setup(num_samples, seed=seed)
    return sampler


@given(names, counts, counts, st.integers(0, 3))
def test_every_epoch_gives_each_index_exactly_once(
    name: str, num_samples: int, size: int, epochs: int
) -> None:
    """Batches are full but for the last of an epoch, and none crosses an epoch's end."""
    sampler = make(name, num_samples)

    for epoch in range(epochs):
        batches = []
        while sampler.cursor.epoch == epoch:
            batches.append(sampler.next(size))
        assert sorted(torch.cat(batches).tolist()) == list(range(num_samples))
        assert all(len(batch) == size for batch in batches[:-1])


@given(names, counts, counts, st.integers(0, 30), st.integers(0, 2**62))
def test_two_numbers_are_enough_to_go_on_anywhere(
    name: str, num_samples: int, size: int, steps: int, seed: int
) -> None:
    """A fresh sampler that seeks the cursor gives the same sequence as the undisturbed one."""
    undisturbed = make(name, num_samples, seed)
    for _ in range(steps):
        undisturbed.next(size)
    resumed = make(name, num_samples, seed)
    resumed.next(3)
    resumed.seek(Cursor(*undisturbed.cursor))

    for _ in range(5):
        assert resumed.next(size).tolist() == undisturbed.next(size).tolist()


@given(names, counts, counts, st.integers(1, 6))
def test_the_workers_shares_make_up_every_batch(
    name: str, num_samples: int, size: int, num_workers: int
) -> None:
    """Shares are disjoint, together the batch of one worker, and differ by at most one example."""
    alone = make(name, num_samples)
    workers = [make(name, num_samples) for _ in range(num_workers)]
    for rank, worker in enumerate(workers):
        worker.share(rank, num_workers)

    for _ in range(6):
        shares = [worker.next(size).tolist() for worker in workers]
        assert sorted(itertools.chain(*shares)) == sorted(alone.next(size).tolist())
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_shuffling_depends_on_seed_and_epoch() -> None:
    """The same seed gives the same order; another seed or epoch another one."""
    first, again, other = make("shuffle", 100, 1), make("shuffle", 100, 1), make("shuffle", 100, 2)

    assert first.order(0).tolist() == again.order(0).tolist()
    assert first.order(0).tolist() != first.order(1).tolist()
    assert first.order(0).tolist() != other.order(0).tolist()


def test_the_short_batch_is_followed_by_the_next_epoch() -> None:
    """Five examples by two: 0 1, 2 3, 4, and again from the start."""
    sampler = make("sequence", 5)

    assert [sampler.next(2).tolist() for _ in range(4)] == [[0, 1], [2, 3], [4], [0, 1]]


def test_take_crosses_epochs() -> None:
    """Exactly the number that was asked for, even more than an epoch has."""
    sampler = make("sequence", 3)

    assert sampler.take(7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert sampler.take(2).tolist() == [1, 2]


def test_peek_does_not_go_on() -> None:
    """What peek shows is what next gives."""
    sampler = make("shuffle", 10)

    assert sampler.peek(4).tolist() == sampler.peek(4).tolist() == sampler.next(4).tolist()


def test_names_are_looked_up() -> None:
    """A name, a description or a sampler; anything else lists what is known."""
    sampler = SequenceSampler()

    assert isinstance(get({"name": "shuffle"}), ShuffleSampler)
    assert get(sampler) is sampler
    with pytest.raises(
        SetupError, match=r"\['class_balanced', 'sequence', 'shuffle'\].*got 'shufle'"
    ):
        get("shufle")


def test_impossible_settings_are_refused() -> None:
    """Nothing to walk through, or a rank that does not exist."""
    with pytest.raises(SetupError, match="num_samples=0"):
        make("shuffle", 0)
    with pytest.raises(SetupError, match="rank=2, num_workers=2"):
        make("shuffle", 5).share(2, 2)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 3))
def test_classes_are_balanced_and_no_example_is_favoured(classes: list[int], epoch: int) -> None:
    """Class counts differ by at most one, and so do the counts of examples within a class."""
    labels = torch.tensor(classes)
    sampler = get("class_balanced")
    sampler.setup(len(classes), seed=1, labels=labels)

    order = sampler.order(epoch)

    assert len(order) == len(classes)
    present = labels.unique()
    counts = torch.bincount(labels[order], minlength=4)[present]
    assert counts.max() - counts.min() <= 1
    times = torch.bincount(order, minlength=len(classes))
    for kind in present:
        of_class = times[labels == kind]
        assert of_class.max() - of_class.min() <= 1


@pytest.mark.parametrize("labels", [None, torch.rand(5), torch.zeros(4, dtype=torch.int64)])
def test_balancing_needs_the_classes(labels: torch.Tensor | None) -> None:
    """None, no classes, or those of another set: the error says what came."""
    with pytest.raises(SetupError, match="expected one class for each of 5 examples"):
        get("class_balanced").setup(5, labels=labels)
