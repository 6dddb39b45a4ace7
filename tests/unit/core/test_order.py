import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.core import order
from akid.core.graph_system import GraphSystem
from akid.layers.activation import LeakyReLULayer, ReLULayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.merge import MergeLayer
from akid.layers.pooling import AveragePoolingLayer, MaxPoolingLayer, PoolingLayer


def chain(*blocks, side=8, **options):
    system = GraphSystem(**options)
    system.attach(*blocks)
    system.setup(torch.zeros(1, 2, side, side))
    system.keep_data = False
    return system


def names_in_order(system):
    return [block.name for block in order.swapped(system, system._swaps)]


@settings(max_examples=40, deadline=None)
@given(
    ksize=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["SAME", "VALID"]),
    seed=st.integers(0, 1000),
)
def test_the_same_bits_come_out_and_flow_back(ksize, stride, padding, seed) -> None:
    """Pooled first or rectified first: no number and no gradient differs, also where values tie."""
    system = chain(ReLULayer(), MaxPoolingLayer(ksize, stride, padding))
    numbers = torch.Generator().manual_seed(seed)
    x = torch.randint(-2, 3, (3, 2, 8, 8), generator=numbers).float().requires_grad_()
    found = []
    for keep_data in (True, False):
        system.keep_data = keep_data
        y = system(x)
        weights = torch.rand(y.shape, generator=torch.Generator().manual_seed(seed))
        found.append((y, *torch.autograd.grad((y * weights).sum(), x)))

    assert names_in_order(system) == ["pool1", "relu1"]
    for kept, swapped in zip(*found, strict=True):
        assert torch.equal(kept, swapped)


def test_the_larger_image_is_never_rectified() -> None:
    """What is saved for the gradient is of the pooled image's size."""
    system = chain(ReLULayer(), MaxPoolingLayer(2))
    saved = []

    def save(tensor):
        saved.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        system(torch.ones(1, 2, 8, 8, requires_grad=True))

    # What is pooled, where the largest values lie, and what is rectified.
    assert sorted(saved) == [(1, 2, 4, 4), (1, 2, 4, 4), (1, 2, 8, 8)]


@pytest.mark.parametrize(
    "blocks",
    [
        [ReLULayer(), AveragePoolingLayer(2)],
        [ReLULayer(), MaxPoolingLayer(2, get_argmax_idx=True)],
        [LeakyReLULayer(), MaxPoolingLayer(2)],
        [MaxPoolingLayer(2), ReLULayer()],
        [
            ReLULayer(),
            MaxPoolingLayer(1),
            MergeLayer(inputs=[{"name": "relu1"}, {"name": "pool1"}]),
        ],
    ],
)
def test_other_blocks_stay(blocks) -> None:
    """So do those whose numbers would differ, or whose output somebody else reads."""
    system = chain(*copy.deepcopy(blocks))

    assert names_in_order(system) == list(system.blocks)


def test_a_block_whose_output_is_a_result_stays() -> None:
    """The system gives it."""
    system = chain(ReLULayer(), PoolingLayer(2), outputs=[{"name": "relu1"}, {"name": "pool1"}])

    assert [tuple(x.shape) for x in system(torch.zeros(1, 2, 8, 8))] == [
        (1, 2, 8, 8),
        (1, 2, 4, 4),
    ]


def test_who_looks_sees_each_block_in_its_place() -> None:
    """With a hook of torch's, and where data are kept, a block gives what it would by itself."""
    system = chain(ReLULayer(), MaxPoolingLayer(2))
    x, seen = torch.rand(1, 2, 8, 8), []
    hook = system.blocks["relu1"].register_forward_hook(lambda *a: seen.append(a[2].shape))
    system(x)
    hook.remove()
    system.keep_data = True
    system(x)

    assert seen == [(1, 2, 8, 8)]
    assert system.blocks["relu1"].data.shape == (1, 2, 8, 8)
    assert names_in_order(system) == ["pool1", "relu1"]


def test_it_compiles_in_one_graph() -> None:
    """Neither the changed order nor the question whether a hook watches breaks the graph."""
    system = chain(ConvolutionLayer(ksize=3, out_channel_num=4), ReLULayer(), PoolingLayer(3, 2))
    x = torch.randn(2, 2, 8, 8)

    compiled = torch.compile(system, backend="eager", fullgraph=True)

    assert torch.equal(compiled(x), system(x))


def test_a_copy_runs_its_own_blocks() -> None:
    """Those that change places are the copy's, not those that it was copied from."""
    system = chain(ConvolutionLayer(ksize=3, out_channel_num=4), ReLULayer(), PoolingLayer(3, 2))
    twin = copy.deepcopy(system)
    with torch.no_grad():
        twin.blocks["conv1"].weights.zero_()

    assert twin(torch.ones(1, 2, 8, 8)).count_nonzero() == 0
    assert system(torch.ones(1, 2, 8, 8)).count_nonzero() > 0
