"""What the workers of a team put into one sum, and take from it."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.training.tally import Tally
from akid.training.team import Alone, pack, unpack


def tensors(values: list[float]) -> list[torch.Tensor]:
    tensor = torch.zeros(2, requires_grad=True)
    tensor.grad = torch.tensor(values[:2])
    return [tensor]


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=5).filter(any))
def test_what_is_weighted_by_parts_becomes_means(sizes: list[int]) -> None:
    """The sum of all packs has the sums of gradients, which are weighted, and means of buffers."""
    parts = [torch.tensor(size / sum(sizes)) for size in sizes]
    workers = [
        tensors([float(rank * part), float((rank + 0.5) * part)]) for rank, part in enumerate(parts)
    ]
    buffers = [[torch.tensor([float(rank)])] for rank in range(len(sizes))]
    packs = [pack(w, b, part) for w, b, part in zip(workers, buffers, parts, strict=True)]

    for mine, running in zip(workers, buffers, strict=True):
        unpack(torch.stack(packs).sum(0), mine, running)

    mean = sum(rank * size for rank, size in enumerate(sizes)) / sum(sizes)
    for mine, running in zip(workers, buffers, strict=True):
        assert mine[0].grad is not None
        torch.testing.assert_close(mine[0].grad, torch.tensor([mean, mean + 0.5]))
        torch.testing.assert_close(running[0], torch.tensor([mean]))


def test_the_memory_of_the_last_step_is_used_again() -> None:
    """All of it is written over, and what an optimiser was given of it is not read any more."""
    part = torch.tensor(0.5)
    first = pack(tensors([1.0, 2.0]), [torch.tensor([5.0])], part)
    mine = tensors([7.0, 8.0])

    running = [torch.tensor([6.0])]
    again = pack(mine, running, part, out=first)
    unpack(again, mine, running)
    mine[0].grad = torch.tensor([1.0, 1.0])
    third = pack(mine, [torch.tensor([4.0])], part, out=again)

    assert first.data_ptr() == again.data_ptr() == third.data_ptr()
    assert third.tolist() == [1.0, 1.0, 2.0, 1.0]


def test_what_nobody_has_a_gradient_of_keeps_none() -> None:
    """An optimiser leaves such a parameter alone, as it does with one worker."""
    unused, used = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    used.grad = torch.ones(1)
    empty = [torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)]

    packed = pack([unused, used], [], torch.tensor(1.0)) + pack(empty, [], torch.tensor(0.0))
    unpack(packed, empty, [])

    assert empty[0].grad is None
    assert empty[1].grad is not None
    assert empty[1].grad.tolist() == [1.0]


def test_statistics_of_half_precision_are_averaged_in_full() -> None:
    """What three workers have in common stays as it is to the last bit."""
    running = torch.randn(64).bfloat16()
    workers = [running.clone() for _ in range(3)]
    packs = [pack([], [mine], torch.tensor(1 / 3)) for mine in workers]

    unpack(torch.stack(packs).sum(0), [], workers[:1])

    assert torch.equal(workers[0], running)


def test_alone_nothing_changes() -> None:
    """A team of one gives back what it was given."""
    team, tally = Alone(), Tally()

    loss = torch.tensor(2.0)
    team.begin(3)
    assert team.weighted(loss) is loss
    assert team.join(tally) is tally
    assert team.sum(2.5) == 2.5
    assert team.is_chief
