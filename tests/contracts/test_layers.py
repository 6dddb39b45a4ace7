"""Every layer of akid keeps the contract for blocks."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
import torch

import akid.layers
from akid.core.block import Block, Signal
from akid.layers import (
    activation,
    attention,
    batch_normalization,
    binary_loss,
    collapse_out,
    colorization,
    convolution,
    convolution_1d,
    dropout,
    embedding,
    evaluation,
    group_softmax,
    group_softmax_loss,
    hinge_loss,
    inner_product,
    loss,
    memory,
    merge,
    normalization,
    padding,
    pooling,
    pooling_1d,
    ranking_loss,
    recurrent,
    regularization_loss,
    reshape,
    scatter,
    self_normalized_convolution,
    transposed_convolution,
)
from akid.testing.block_contract import BlockContract

BASES = {
    "Activation",
    "EvalLayer",
    "LossLayer",
    "MetricLayer",
    "RecurrentLayer",
    "SynapseLayer",
}
LOSS = {"is_per_sample": False}


def random(*shape: int) -> torch.Tensor:
    """Values in (-1, 1), the same each time, none of which is on the kink of an activation."""
    generator = torch.Generator().manual_seed(len(shape))
    return torch.rand(shape, generator=generator) * 1.9 - 0.95


def images() -> Signal:
    return random(3, 4, 6, 6)


def sequence() -> Signal:
    return random(3, 5, 4)


def signal_1d() -> Signal:
    return random(3, 4, 8)


def vectors() -> Signal:
    return random(3, 8)


def two_images() -> Signal:
    return [random(3, 4, 6, 6), random(3, 4, 6, 6).flip(0)]


def classes() -> Signal:
    return [random(3, 4), torch.tensor([0, 3, 1])]


def pairs() -> Signal:
    return [random(3, 4), random(3, 4).flip(0)]


def binary() -> Signal:
    return [random(3, 4), (random(3, 4) > 0).float()]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A layer, what it gets, and what its contract says of it."""

    make: Callable[[], Block]
    inputs: Callable[[], Signal]
    shapes: list[tuple[int, ...]] | None = None
    says: Mapping[str, Any] = field(default_factory=dict)
    wrong: Callable[[], list[Any]] = list


def case(
    make: Callable[[], Block],
    inputs: Callable[[], Signal] = images,
    shape: tuple[int, ...] | None = None,
    wrong: Callable[[], list[Any]] = list,
    **says: Any,
) -> Case:
    shapes = None if shape is None else [shape]
    return Case(make=make, inputs=inputs, shapes=shapes, says=says, wrong=wrong)


SAME = (3, 4, 6, 6)
SYNAPSE = {"wd": {"type": "l2", "scale": 0.01}, "max_norm": 0.5}
CASES: dict[str, Case] = {
    **{
        kind.__name__: case(kind, images, SAME)
        for kind in (
            activation.ReLULayer,
            activation.SigmoidLayer,
            activation.TanhLayer,
            activation.LeakyReLULayer,
            activation.PReLULayer,
            activation.ELULayer,
            activation.SELULayer,
            activation.GELULayer,
            activation.SiLULayer,
            activation.SoftplusLayer,
            activation.SoftmaxLayer,
            normalization.L2NormalizationLayer,
            normalization.LRNLayer,
        )
    },
    "MultiHeadAttentionLayer": case(
        lambda: attention.MultiHeadAttentionLayer(2), sequence, (3, 5, 4)
    ),
    "BatchNormalizationLayer": case(batch_normalization.BatchNormalizationLayer, images, SAME),
    "BatchNormalizationLayer of vectors": case(
        lambda: batch_normalization.BatchNormalizationLayer(share_gamma=True, beta_init=None),
        vectors,
        (3, 8),
    ),
    "BCELossLayer": case(binary_loss.BCELossLayer, binary, (), **LOSS),
    **{
        f"CollapseOutLayer {kind}": case(
            lambda kind=kind: collapse_out.CollapseOutLayer(2, kind), images, (3, 2, 6, 6)
        )
        for kind in ("maxout", "average_out")
    },
    "ColorizationReLULayer": case(
        colorization.ColorizationReLULayer,
        lambda: [random(3, 4, 6, 6), random(3, 12, 6, 6)],
    ),
    "ConvolutionLayer": case(
        lambda: convolution.ConvolutionLayer(ksize=3, strides=2, out_channel_num=6, **SYNAPSE),
        images,
        (3, 6, 3, 3),
        lambda: [random(3, 4), random(3, 4, 6), None],
    ),
    "ConvolutionLayer VALID in groups": case(
        lambda: convolution.ConvolutionLayer(
            ksize=[3, 2], padding="VALID", groups=2, dilation=2, out_channel_num=6
        ),
        images,
        (3, 6, 2, 4),
        lambda: [random(3, 4, 2, 2)],
    ),
    "ConvolutionLayer depthwise": case(
        lambda: convolution.ConvolutionLayer(ksize=3, depthwise=True, out_channel_num=4),
        images,
        SAME,
    ),
    "Convolution1DLayer": case(
        lambda: convolution_1d.Convolution1DLayer(ksize=3, out_channel_num=6),
        signal_1d,
        (3, 6, 8),
        lambda: [random(3, 4)],
    ),
    "TransposedConvolutionLayer": case(
        lambda: transposed_convolution.TransposedConvolutionLayer(
            ksize=3, strides=2, out_channel_num=5
        ),
        images,
        (3, 5, 12, 12),
    ),
    "SelfNormalizedConvolutionLayer": case(
        lambda: self_normalized_convolution.SelfNormalizedConvolutionLayer(
            ksize=3, out_channel_num=5
        ),
        images,
        (3, 5, 6, 6),
        is_per_sample=False,
    ),
    "DropoutLayer": case(lambda: dropout.DropoutLayer(0.5), images, SAME, is_random=True),
    "EmbeddingLayer": case(
        lambda: embedding.EmbeddingLayer(7, 4),
        lambda: torch.tensor([[0, 1], [6, 2], [3, 3]]),
        (3, 2, 4),
    ),
    "AccuracyLayer": case(evaluation.AccuracyLayer, classes, (3, 4)),
    "TopKAccuracyLayer": case(lambda: evaluation.TopKAccuracyLayer(2), classes, (3, 4)),
    "BinaryAccuracyLayer": case(evaluation.BinaryAccuracyLayer, binary, (3, 4)),
    "BinaryAccuracy": case(evaluation.BinaryAccuracy, binary, (3, 4)),
    "MultiLabelAccuracyLayer": case(evaluation.MultiLabelAccuracyLayer, binary, (3, 4)),
    "MultiLabelAccuracy": case(evaluation.MultiLabelAccuracy, binary, (3, 4)),
    "AUCLayer": case(evaluation.AUCLayer, binary, (3, 4)),
    "SoftmaxNormalizationLayer": case(
        lambda: group_softmax.SoftmaxNormalizationLayer(2, use_temperature=True), images, SAME
    ),
    "GroupSoftmaxLayer": case(
        lambda: group_softmax.GroupSoftmaxLayer(2, use_temperature=True), images
    ),
    "GroupSoftmaxWithLossLayer": case(
        lambda: group_softmax_loss.GroupSoftmaxWithLossLayer(class_num=4, group_size=2),
        lambda: [random(3, 4), torch.tensor([0, 2, 1]), random(3, 6).abs()],
        (),
        **LOSS,
    ),
    "HingeLossLayer": case(
        hinge_loss.HingeLossLayer,
        lambda: [random(6), torch.tensor([1.0, -1.0, 0.0, 1.0, -1.0, 0.0])],
        (),
        **LOSS,
    ),
    "InnerProductLayer": case(
        lambda: inner_product.InnerProductLayer(out_channel_num=5, **SYNAPSE),
        images,
        (3, 5),
    ),
    "InvariantInnerProductLayer": case(
        lambda: inner_product.InvariantInnerProductLayer(out_channel_num=5), images, (3, 5)
    ),
    "FixedWeightInnerProductLayer": case(
        lambda: inner_product.FixedWeightInnerProductLayer(random(8, 2)), vectors, (3, 2)
    ),
    "SoftmaxWithLossLayer": case(
        lambda: loss.SoftmaxWithLossLayer(class_num=4, multiplier=0.5),
        classes,
        (),
        lambda: [random(3, 4), [random(3, 5), torch.tensor([0, 3, 1])], [random(3, 4)]],
        **LOSS,
    ),
    "MSELossLayer": case(loss.MSELossLayer, pairs, (), lambda: [[random(3), random(4)]], **LOSS),
    "MemoryReLULayer": case(memory.MemoryReLULayer, images, SAME),
    "MemoryMaxPoolingLayer": case(lambda: memory.MemoryMaxPoolingLayer(2, 2), images, (3, 4, 3, 3)),
    "MergeLayer": case(merge.MergeLayer, two_images, SAME),
    **{
        f"MergeLayer {kind}": case(
            lambda kind=kind: merge.MergeLayer(kind), two_images, (3, size, 6, 6)
        )
        for kind, size in (("concat", 8), ("max", 4), ("product", 4))
    },
    "LayerNormalizationLayer": case(
        lambda: normalization.LayerNormalizationLayer(dim_num=3), images, SAME
    ),
    "GroupNormalizationLayer": case(lambda: normalization.GroupNormalizationLayer(2), images, SAME),
    "PaddingLayer": case(lambda: padding.PaddingLayer([1, 2]), images, (3, 4, 8, 10)),
    "PoolingLayer": case(lambda: pooling.PoolingLayer(3, 2, "SAME"), images, (3, 4, 3, 3)),
    "MaxPoolingLayer": case(lambda: pooling.MaxPoolingLayer(2, 2), images, (3, 4, 3, 3)),
    "AveragePoolingLayer": case(
        lambda: pooling.AveragePoolingLayer(3, 2, "SAME"), images, (3, 4, 3, 3)
    ),
    "GlobalPoolingLayer": case(pooling.GlobalPoolingLayer, images),
    "MaxPooling1DLayer": case(lambda: pooling_1d.MaxPooling1DLayer(2), signal_1d, (3, 4, 4)),
    "MarginRankingLossLayer": case(
        lambda: ranking_loss.MarginRankingLossLayer(0.3),
        lambda: [random(4), random(4).flip(0)],
        (),
        **LOSS,
    ),
    "GRULayer": case(lambda: recurrent.GRULayer(6), sequence, (3, 5, 6)),
    "LSTMLayer": case(
        lambda: recurrent.LSTMLayer(6, bidirectional=True, layer_num=2), sequence, (3, 5, 12)
    ),
    "KLRegularizationLayer": case(
        lambda: regularization_loss.KLRegularizationLayer(mean=0.5), vectors, (), **LOSS
    ),
    "WeightDecayLayer": case(regularization_loss.WeightDecayLayer, vectors, (), **LOSS),
    "ReshapeLayer": case(lambda: reshape.ReshapeLayer([-1, 12]), images, is_per_sample=False),
    "ScatterLayer": case(lambda: scatter.ScatterLayer([1, 3]), images),
}


class TestLayers(BlockContract):
    """The contract, for each layer."""

    @pytest.fixture(autouse=True, params=CASES.values(), ids=list(CASES))
    def _case(self, request):
        self.case = request.param
        for attribute, value in self.case.says.items():
            setattr(self, attribute, value)

    def make_block(self):
        return self.case.make()

    def make_inputs(self):
        return self.case.inputs()

    def expected_shapes(self):
        return self.case.shapes

    def make_wrong_inputs(self):
        return self.case.wrong()


def test_no_layer_is_left_out() -> None:
    """Each public layer class has a case."""
    public = {
        name
        for module in iter_modules(akid.layers.__path__)
        for name, kind in vars(import_module(f"akid.layers.{module.name}")).items()
        if inspect.isclass(kind) and issubclass(kind, Block) and not name.startswith("_")
        if kind.__module__.startswith("akid.layers.")
    }

    assert public - BASES == {name.split()[0] for name in CASES}
