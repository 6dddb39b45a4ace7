"""What is summed while backpropagation still goes on, in a process group of one."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, distributed

from akid.training.early_sums import LARGE
from akid.training.team import ProcessTeam


@pytest.fixture(scope="module", autouse=True)
def _group() -> Iterator[None]:
    distributed.init_process_group(
        "gloo",
        store=distributed.HashStore(),  # type: ignore[attr-defined]
        rank=0,
        world_size=1,
    )
    yield
    distributed.destroy_process_group()


@pytest.fixture
def team() -> ProcessTeam:
    return ProcessTeam(0, 1, device=torch.device("cpu"))


def parameter(*shape: int) -> Tensor:
    return torch.full(shape, 2.0, requires_grad=True)


def gradient(tensor: Tensor) -> float:
    """Return the one value that all of a gradient has."""
    assert tensor.grad is not None
    return float(tensor.grad.unique())


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return what is summed, in the order in which that begins."""
    begun: list[Tensor] = []
    all_reduce = distributed.all_reduce

    def spy(tensor: Tensor, **options: object) -> object:
        begun.append(tensor)
        return all_reduce(tensor, **options)

    monkeypatch.setattr(distributed, "all_reduce", spy)
    return begun


def begun_of(sums: list[Tensor], parameters: list[Tensor]) -> list[int]:
    """Return whose gradients are summed by themselves, as places in a list."""
    places = [tensor.data_ptr() for tensor in sums]
    of = {p.grad.data_ptr(): place for place, p in enumerate(parameters) if p.grad is not None}
    return [of[place] for place in places if place in of]


def test_large_gradients_are_summed_within_backpropagation(
    team: ProcessTeam, sums: list[Tensor]
) -> None:
    """Those behind first; small ones wait for all the others."""
    first, small, last = parameter(LARGE), parameter(3), parameter(LARGE)
    parameters = [first, small, last]

    team.begin(5)
    with team.averaging(parameters):
        loss = 3.0 * first.sum() + 7.0 * small.sum() + 11.0 * last.sum()
        team.weighted(loss).backward()
    within = begun_of(sums, parameters)
    team.average(parameters, [])

    assert within == [2, 0]
    assert [gradient(tensor) for tensor in parameters] == [3.0, 7.0, 11.0]


def test_a_gradient_waits_for_those_behind_it(team: ProcessTeam, sums: list[Tensor]) -> None:
    """All processes sum in one order, though one of them may lack a gradient."""
    first, last = parameter(LARGE), parameter(LARGE)

    team.begin(5)
    with team.averaging([first, last]):
        team.weighted(first.sum()).backward()
    within = begun_of(sums, [first, last])
    team.average([first, last], [])

    assert within == []
    assert begun_of(sums, [first, last]) == [0]
    assert gradient(first) == 1.0
    assert last.grad is None  # nobody has one


def test_a_step_may_do_without(team: ProcessTeam) -> None:
    """Pieces of a batch add up before they are summed, and samples may be missing."""
    large, running = parameter(LARGE), torch.tensor([4.0])

    team.begin(3)
    for _ in range(2):
        team.weighted(large.sum()).backward()
    team.average([large], [running])

    assert gradient(large) == 2.0
    assert running.tolist() == [4.0]


def test_a_step_leaves_nothing_for_the_next(team: ProcessTeam, sums: list[Tensor]) -> None:
    """What backpropagates outside of a step is not summed, and a step after a step is."""
    large = parameter(LARGE)
    for _ in range(2):
        large.grad = None
        sums.clear()
        team.begin(5)
        with team.averaging([large]):
            team.weighted(large.sum()).backward()
        assert begun_of(sums, [large]) == [0]
        team.average([large], [])

    assert gradient(large) == 1.0
    sums.clear()
    large.sum().backward()
    assert sums == []


def test_what_gets_no_gradient_is_no_obstacle(team: ProcessTeam) -> None:
    """A frozen parameter keeps none."""
    frozen, large = parameter(LARGE), parameter(LARGE)
    frozen.requires_grad = False

    team.begin(2)
    with team.averaging([large, frozen]):
        team.weighted(large.sum()).backward()
    team.average([large, frozen], [])

    assert gradient(large) == 1.0
    assert frozen.grad is None


def test_workers_agree_on_the_order_in_memory(team: ProcessTeam) -> None:
    """A gradient with channels last, which a large share gets, is laid out as a small share's."""
    kernels = parameter(64, 64, 4, 4)
    values = torch.rand(64, 64, 4, 4)

    kernels.grad = values.contiguous(memory_format=torch.channels_last)
    team.begin(2)
    team.average([kernels], [])

    assert kernels.grad.is_contiguous()
    assert torch.equal(kernels.grad, values)
