"""Samples of the grid, and drawn values."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.tuning.grid import Paras
from akid.tuning.sampling import Grid, sampled
from akid.tuning.space import choice, loguniform, randint, uniform

sizes = st.integers(1, 5)
NETS = [{"net": i} for i in range(4)]
OPTS = [{"opt": i} for i in range(5)]
DRAWN = [{"lr": loguniform(1e-4, 0.1), "deep": {"decay": [uniform(0, 1)]}}, {"lr": uniform(1, 2)}]


def tried(grid: Grid) -> list[tuple[Paras, Paras]]:
    return [(cell.opt_paras, cell.net_paras) for cell in grid.cells(1)]


@given(sizes, sizes, sizes)
def test_order_is_repeats_then_opts_then_nets(repeats: int, opts: int, nets: int) -> None:
    """Cells come in the documented order, nets fastest, and count up from 0."""
    grid = sampled([{"net": i} for i in range(nets)], [{"opt": i} for i in range(opts)], seed=0)

    cells = list(grid.cells(repeats))

    assert [cell.index for cell in cells] == list(range(repeats * opts * nets))
    assert [(c.repeat, c.opt_index, c.net_index) for c in cells] == list(
        product(range(repeats), range(opts), range(nets))
    )
    assert all(c.index == c.repeat * nets * opts + c.opt_index * nets + c.net_index for c in cells)
    assert all(c.net_paras == {"net": c.net_index} for c in cells)
    assert all(c.opt_paras == {"opt": c.opt_index} for c in cells)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 25), st.integers(1, 25))
def test_a_larger_sample_contains_the_smaller_one(seed: int, one: int, other: int) -> None:
    """A sample of N has N combinations of the grid, in its order."""
    smaller, larger = (
        tried(sampled(NETS, OPTS, seed=seed, sample=n)) for n in sorted((one, other))
    )
    whole = tried(sampled(NETS, OPTS, seed=seed))

    assert len(smaller) == min(one, other, len(whole))
    assert [item for item in larger if item in smaller] == smaller
    assert [item for item in whole if item in larger] == larger


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.permutations(NETS), st.permutations(OPTS))
def test_a_sample_does_not_depend_on_the_order(
    seed: int, nets: list[Paras], opts: list[Paras]
) -> None:
    """What is chosen depends on what stands in the lists."""
    here, there = sampled(NETS, OPTS, seed=seed, sample=6), sampled(nets, opts, seed=seed, sample=6)

    assert {str(item) for item in tried(here)} == {str(item) for item in tried(there)}


def test_another_seed_gives_another_sample() -> None:
    """The choice is one of chance."""
    samples = {str(tried(sampled(NETS, OPTS, seed=seed, sample=5))) for seed in range(10)}

    assert len(samples) > 5


def test_each_combination_has_all_repeats() -> None:
    """Repeats are outside, as in the whole grid."""
    cells = list(sampled(NETS, OPTS, seed=0, sample=3).cells(2))

    assert [cell.index for cell in cells] == list(range(6))
    first, second = cells[:3], cells[3:]
    assert [(c.opt_index, c.net_index) for c in first] == [
        (c.opt_index, c.net_index) for c in second
    ]


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 40))
def test_more_draws_contain_the_fewer(seed: int, one: int, other: int) -> None:
    """Draws are spread over the combinations; each is within its law's bounds."""
    fewer, more = (tried(sampled(NETS, DRAWN, seed=seed, sample=n)) for n in sorted((one, other)))

    assert len(fewer) == min(one, other)
    assert [item for item in more if item in fewer] == fewer
    for opt, _ in more:
        assert (1e-4 <= opt["lr"] <= 0.1 and 0 <= opt["deep"]["decay"][0] < 1) or 1 <= opt["lr"] < 2


def test_a_draw_is_the_same_for_every_network() -> None:
    """So networks are compared at equal rates, and a list may grow without new draws."""
    rates = [
        {opt["lr"] for opt, net in tried(sampled(nets, DRAWN[:1], seed=3, sample=n)) if net["net"]}
        for nets, n in ((NETS[1:2], 5), (NETS[1:3], 10))
    ]

    assert rates[0] == rates[1]
    assert len(rates[0]) == 5


def test_without_a_number_each_combination_is_drawn_once() -> None:
    """As Tune's `num_samples=1`."""
    grid = sampled(NETS, DRAWN, seed=0)

    assert len(grid.combinations) == 8
    assert grid.extent == "8 draws from 8 combinations"


def test_no_draw_comes_twice() -> None:
    """A law with few values gives each of them once, and no more."""
    grid = sampled([{}], [{"n": randint(0, 4)}], seed=0, sample=10)

    assert [opt["n"] for opt, _ in tried(grid)] != [0, 1, 2, 3]
    assert sorted(opt["n"] for opt, _ in tried(grid)) == [0, 1, 2, 3]


def test_what_has_no_distribution_is_taken_once() -> None:
    """The rest of the sample goes to what can be drawn."""
    grid = sampled([{}], [{"lr": 0.5}, {"lr": uniform(0, 1)}], seed=0, sample=8)

    assert [opt["lr"] for opt, _ in tried(grid)].count(0.5) == 1
    assert len(grid.combinations) == 8


def test_a_choice_may_have_laws_in_it() -> None:
    """A value that is chosen brings parameters of its own: a conditional space."""
    kinds = choice(["relu", {"type": "maxout", "size": randint(2, 6)}])

    found = [opt["act"] for opt, _ in tried(sampled([{}], [{"act": kinds}], seed=0, sample=5))]

    assert "relu" in found
    assert {act["size"] for act in found if act != "relu"} <= {2, 3, 4, 5}
    assert len(found) == 5


@pytest.mark.parametrize("sample", [None, 2000])
def test_a_large_grid_needs_little(sample: int | None) -> None:
    """Ten thousand combinations are described by as many pairs of numbers."""
    grid = sampled(
        [{"n": i} for i in range(100)], [{"o": i} for i in range(100)], seed=0, sample=sample
    )

    assert len(grid.combinations) == (sample or 10_000)
    assert len(set(product(range(100), range(100))) & set(grid.combinations)) == (sample or 10_000)
