"""What the first akid got wrong in its layers; each must not return."""

import random
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest
import torch

import akid.layers
from akid.core import seeding
from akid.core.system import SequentialSystem
from akid.errors import SetupError
from akid.layers.activation import ReLULayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.collapse_out import CollapseOutLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.group_softmax import GroupSoftmaxLayer, SoftmaxNormalizationLayer
from akid.layers.hinge_loss import HingeLossLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import MSELossLayer, SoftmaxWithLossLayer
from akid.layers.merge import MergeLayer
from akid.layers.normalization import LRNLayer
from akid.layers.padding import PaddingLayer
from akid.layers.pooling import PoolingLayer
from akid.layers.regularization_loss import WeightDecayLayer
from akid.layers.reshape import ReshapeLayer

LAYER_FILES = sorted(Path(akid.layers.__file__).parent.glob("*.py"))


def test_two_layers_of_one_shape_are_not_identical() -> None:
    """A global seed in each initialiser made them so, and reseeded numpy on the way."""
    before = str(np.random.get_state()), random.getstate()  # noqa: NPY002
    x = torch.zeros(1, 4)
    with seeding.seed_scope(0):
        one, other = (InnerProductLayer(out_channel_num=4, name=name) for name in ("ip1", "ip2"))
        one.setup(x)
        other.setup(x)

    assert not torch.equal(one.weights, other.weights)
    assert before == (str(np.random.get_state()), random.getstate())  # noqa: NPY002


def test_the_fan_in_of_an_inner_product_is_its_input() -> None:
    """It was the number of outputs."""
    ip = InnerProductLayer(out_channel_num=7, init_para={"name": "default"})
    ip.setup(torch.zeros(1, 100))

    assert 0.09 < ip.weights.abs().max() <= 0.1


def test_the_normal_default_law_has_mean_zero() -> None:
    """It was drawn around minus its standard deviation."""
    law = {"name": "default", "normal_dist": True}
    ip = InnerProductLayer(out_channel_num=1000, init_para=law)
    ip.setup(torch.zeros(1, 100))

    assert abs(ip.weights.mean()) < 0.002
    assert ip.weights.std().item() == pytest.approx(0.1, rel=0.02)


def test_the_fan_out_of_xavier_counts_the_window() -> None:
    """It lacked k²: 20 x 10 x 3 x 3 has fans of 90 and 180."""
    conv = ConvolutionLayer(ksize=3, out_channel_num=20, init_para={"name": "xavier"})
    conv.setup(torch.zeros(1, 10, 4, 4))

    bound = (6 / (90 + 180)) ** 0.5
    assert 0.98 * bound < conv.weights.abs().max() <= bound


def test_a_truncated_normal_is_truncated() -> None:
    """Values beyond four standard deviations came through."""
    ip = InnerProductLayer(out_channel_num=1000)
    ip.setup(torch.zeros(1, 100))

    assert ip.weights.abs().max() <= 0.2 + 1e-6


def test_a_uniform_law_with_a_range_is_known_and_symmetric() -> None:
    """It was not registered, and its successor began at zero."""
    ip = InnerProductLayer(out_channel_num=100, init_para={"name": "uniform", "range": 0.005})
    ip.setup(torch.zeros(1, 100))

    assert ip.weights.min() < -0.0049
    assert 0.0049 < ip.weights.max() <= 0.005


@pytest.mark.parametrize("make", [lambda: PoolingLayer(2), MergeLayer, ReshapeLayer, ReLULayer])
def test_a_layer_needs_no_name(make) -> None:
    """Classes without a default name crashed when none was given."""
    system = SequentialSystem()
    system.attach(make(), make())

    names = list(system.blocks)
    assert len(set(names)) == 2
    assert all(names)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DropoutLayer(0.5),
        lambda: PaddingLayer([1, 1]),
        MergeLayer,
        LRNLayer,
        lambda: GroupSoftmaxLayer(2),
        lambda: SoftmaxNormalizationLayer(2),
        lambda: CollapseOutLayer(2),
    ],
)
def test_no_layer_returns_none(make) -> None:
    """Those that did broke the chain of a sequential system."""
    system = SequentialSystem()
    system.attach(make(), ReLULayer())

    assert system(torch.rand(2, 4, 6, 6)).dim() == 4


def test_merging_leaves_its_inputs_alone() -> None:
    """The first input was overwritten, and with it the data of another block."""
    inputs = [torch.ones(2, 2), torch.ones(2, 2)]
    MergeLayer()(inputs)

    assert inputs[0].sum() == 4


def test_the_hinge_loss_leaves_its_inputs_alone() -> None:
    """Predictions were overwritten."""
    inputs = [torch.tensor([0.5, -2.0, 0.3]), torch.tensor([1.0, -1.0, 0.0])]
    before = [tensor.clone() for tensor in inputs]
    HingeLossLayer(tripod_hinge_loss=True, signal_balancing=True)(inputs)

    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))


def test_a_valid_convolution_and_a_depthwise_one_run() -> None:
    """Both failed on torch."""
    x = torch.rand(1, 4, 8, 8)

    assert ConvolutionLayer(ksize=3, padding="VALID", out_channel_num=2)(x).shape == (1, 2, 6, 6)
    assert ConvolutionLayer(ksize=3, depthwise=True, out_channel_num=4)(x).shape == x.shape


def test_odd_same_padding_is_right_and_below() -> None:
    """It was left and above: [[4, 6], [6, 9]]."""
    ones = {"name": "constant", "value": 1.0}
    conv = ConvolutionLayer(ksize=3, strides=2, out_channel_num=1, init_para=ones)

    assert conv(torch.ones(1, 1, 4, 4)).tolist() == [[[[9.0, 6.0], [6.0, 4.0]]]]


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_same_pooling_with_odd_padding_has_the_right_size(kind) -> None:
    """Maximum pooling gave 6 x 6 instead of 7 x 7, so LeNet failed; average pooling raised."""
    pool = PoolingLayer(5, 2, "SAME", kind)

    assert pool(torch.ones(1, 1, 14, 14)).tolist() == [[[[1.0] * 7] * 7]]


def test_batch_normalization_heeds_its_arguments() -> None:
    """Gamma was random, and beta_init, gamma_init, fix_gamma and share_gamma were ignored."""
    x = torch.randn(64, 3)
    bn = BatchNormalizationLayer(beta_init=2.0, gamma_init=3.0, fix_gamma=True, share_gamma=True)
    y = bn(x).detach()

    assert y.mean(0).tolist() == pytest.approx([2.0] * 3, abs=1e-5)
    assert y.std(0, correction=0).tolist() == pytest.approx([3.0] * 3, rel=1e-3)
    assert BatchNormalizationLayer().eps == 1e-5


def test_what_a_loss_gives_is_multiplied_once() -> None:
    """A loss layer gave the unmultiplied loss, and weight decay was multiplied twice."""
    assert MSELossLayer(multiplier=0.5)([torch.tensor([2.0]), torch.tensor([0.0])]).item() == 2.0
    assert WeightDecayLayer(multiplier=2.0)([torch.ones(1)]).item() == 2.0


def test_softmax_with_loss_takes_dense_labels() -> None:
    """One-hot labels raised on torch."""
    logits, labels = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    loss = SoftmaxWithLossLayer(class_num=3)

    assert loss([logits, torch.eye(3)[labels]]).item() == pytest.approx(
        loss([logits, labels]).item()
    )


def test_mse_heeds_size_average() -> None:
    """It was ignored on torch."""
    inputs = [torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0])]

    assert MSELossLayer(size_average=False)(inputs).item() == 10.0


def test_squeezing_keeps_a_batch_of_one() -> None:
    """(1, 3, 1, 1) became (3,)."""
    assert ReshapeLayer()(torch.zeros(1, 3, 1, 1)).shape == (1, 3)


def test_padding_of_two_numbers_is_of_height_and_width() -> None:
    """2 x 3 x 8 x 8 with [4, 4] became 2 x 11 x 16 x 8."""
    assert PaddingLayer(padding=[4, 4])(torch.zeros(2, 3, 8, 8)).shape == (2, 3, 16, 16)


def test_dropout_differs_between_layers() -> None:
    """A fixed seed gave each dropout layer the same pattern."""
    x = torch.ones(100)
    with seeding.seed_scope(0):
        one, other = DropoutLayer(name="dropout1"), DropoutLayer(name="dropout2")
        assert not torch.equal(one(x), other(x))


def test_default_sizes_are_not_changed_by_use() -> None:
    """Default lists were changed in place, so that a second layer got other sizes."""
    size = [1, 2, 2, 1]
    PoolingLayer(ksize=size, strides=size)(torch.zeros(1, 1, 4, 4))

    assert size == [1, 2, 2, 1]
    assert PaddingLayer().padding == PaddingLayer().padding == (1, 1)


def test_a_mistake_raises_and_never_ends_the_process() -> None:
    """sys.exit() in 24 places ended the program, often with status 0."""
    with pytest.raises(SetupError):
        CollapseOutLayer(type="softmax")
    calls = re.compile(r"\b(sys\.exit|exit|quit|print)\(")
    assert not [file.name for file in LAYER_FILES if calls.search(file.read_text())]


def test_no_layer_keeps_global_state() -> None:
    """Counters and tables of names made two models in a process know each other."""
    for module in iter_modules(akid.layers.__path__):
        values = vars(import_module(f"akid.layers.{module.name}")).items()
        mutable = [
            name
            for name, value in values
            if not name.startswith("__") and isinstance(value, list | dict | set)
        ]
        assert [name for name in mutable if not name.isupper()] == []
