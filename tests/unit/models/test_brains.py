import copy
import pickle
from importlib import import_module
from pkgutil import iter_modules

import pytest
import torch

from akid import models
from akid.core import seeding
from akid.core.brain import Brain
from akid.core.export import export, load
from akid.layers.activation import ReLULayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.collapse_out import CollapseOutLayer
from akid.layers.convolution import ConvolutionLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.layers.merge import MergeLayer
from akid.layers.normalization import LRNLayer
from akid.layers.pooling import GlobalPoolingLayer, MaxPoolingLayer, PoolingLayer
from akid.models import brains

SMALL = [
    (brains.LeNet, {}, 28, 1),
    (brains.OneLayerBrain, {}, 28, 1),
    (brains.MnistTfTutorialNet, {}, 28, 1),
    (brains.CifarAlexNet, {}, 24, 3),
    (brains.MnistMaxoutNet, {}, 28, 1),
    (brains.CifarResNet, {"depth": 10, "width": 1}, 32, 3),
    (brains.AllConvNet, {}, 32, 3),
]
kinds = pytest.mark.parametrize(("kind", "options", "side_px", "channels"), SMALL)


def set_up(kind, options, inputs, seed=0):
    brain = kind(name="brain", **options)
    with seeding.seed_scope(seed):
        brain.setup(inputs)
    return brain


def test_the_catalogue_lists_every_brain() -> None:
    """All brains of the room are in it, and each can be made without arguments."""
    modules = [
        import_module(f"akid.models.{module.name}") for module in iter_modules(models.__path__)
    ]
    known = {
        name
        for module in modules
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Brain) and kind is not Brain
    }

    assert brains.__all__ == sorted(known)
    assert all(getattr(brains, name)().blocks for name in known)


KINDS = {
    ConvolutionLayer: "C", InnerProductLayer: "I", BatchNormalizationLayer: "B", ReLULayer: "R",
    CollapseOutLayer: "O", LRNLayer: "N", MaxPoolingLayer: "P", PoolingLayer: "P",
    GlobalPoolingLayer: "G", DropoutLayer: "D", MergeLayer: "+", SoftmaxWithLossLayer: "L",
}  # fmt: skip


@pytest.mark.parametrize(
    ("brain", "layers", "keep_probs"),
    [
        (brains.OneLayerBrain(), "CRP IL", []),
        (brains.LeNet(), "CRP CRP IR IL", []),
        (brains.MnistTfTutorialNet(), "CRP CRP IRD IL", [0.5]),
        (brains.CifarAlexNet(), "CRPN CRNP IR I IL", []),
        (brains.AlexNet(), "CRP CRP CR CR CRP DIR DIR IL", [0.5, 0.5]),
        (
            brains.VGGNet(),
            "CBRD CBR P CBRD CBR P CBRD CBRD CBR P CBRD CBRD CBR P D IBRD IBL",
            [0.7, 0.6, 0.6, 0.6, 0.6, 0.6, 0.5, 0.5],
        ),
        (brains.CifarMaxoutNet(), "D CPOD CPOD CPOD IOD IL", [0.8, 0.5, 0.5, 0.5, 0.5]),
        (brains.MnistMaxoutNet(), "D CPBOD CPBOD CPBOD IL", [0.8, 0.5, 0.5, 0.5]),
        (
            brains.CifarResNet(depth=10, width=1, dropout_prob=0.3),
            "C BRCBRDC+ BRCBRDCC+ BRCBRDCC+ BRG IL",
            [0.7] * 3,
        ),
        (
            brains.ImagenetResNet(depth=18),
            "CBRP CBRCB+R CBRCB+R CBRCBCB+R CBRCB+R CBRCBCB+R CBRCB+R CBRCBCB+R CBRCB+R G IL",
            [],
        ),
        (brains.AllConvNet(), "D CRCRCRD CRCRCRD CR CR CGL", [0.8, 0.5, 0.5]),
        (brains.PatriceNet(), "IR IL", []),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Brain) else "",
)
def test_the_layers_are_those_of_the_recipe(brain, layers: str, keep_probs: list[float]) -> None:
    """Facts 5, for what has no parameters that could be counted: activations, pools, dropouts."""
    blocks = list(brain.blocks.values())

    assert "".join(KINDS[type(block)] for block in blocks) == layers.replace(" ", "")
    kept = [block.keep_prob for block in blocks if isinstance(block, DropoutLayer)]
    assert kept == pytest.approx(keep_probs)


@kinds
def test_a_seed_gives_the_same_bits(kind, options, side_px: int, channels: int, batch) -> None:
    """Two of one seed are equal, also in training with dropout; another seed differs."""
    inputs = batch(side_px, channels=channels)
    one, same, other = (set_up(kind, options, inputs, seed) for seed in (0, 0, 1))

    assert torch.equal(one(inputs), same(inputs))
    assert not torch.equal(one.get_filters()[0], other.get_filters()[0])


@kinds
def test_copies_compute_the_same_and_share_nothing(
    kind, options, side_px: int, channels: int, batch
) -> None:
    """deepcopy, pickle and state_dict work after a call, in evaluation mode to the bit."""
    inputs = batch(side_px, channels=channels)
    brain = set_up(kind, options, inputs)
    brain(inputs)
    brain.eval()
    expected = brain(inputs)
    fresh = set_up(kind, options, inputs, seed=5)
    fresh.load_state_dict(brain.state_dict())

    for twin in (copy.deepcopy(brain), pickle.loads(pickle.dumps(brain)), fresh.eval()):
        assert torch.equal(twin(inputs), expected)
        assert twin.get_filters()[0].data_ptr() != brain.get_filters()[0].data_ptr()


@kinds
def test_the_loss_has_the_gradients_of_the_closed_form(
    kind, options, side_px: int, channels: int, batch
) -> None:
    """Differentiating `loss` equals data_loss and add_regularization_gradients, to 1e-7."""
    inputs = batch(side_px, channels=channels)
    brain = set_up(kind, options, inputs).double().eval()
    inputs = [inputs[0].double(), inputs[1]]
    twin = copy.deepcopy(brain)
    brain(inputs)
    twin(inputs)

    brain.loss.backward()
    twin.data_loss.backward()
    twin.add_regularization_gradients()

    for one, other in zip(brain.get_filters(), twin.get_filters(), strict=True):
        assert (one.grad - other.grad).abs().max() < 1e-7


@kinds
def test_exported_brains_predict_the_same(
    kind, options, side_px: int, channels: int, batch, tmp_path
) -> None:
    """The program takes images alone, in batches of any size, and gives the logits."""
    inputs = batch(side_px, channels=channels)
    brain = set_up(kind, options, inputs).eval()
    logits = next(reversed([n for n in brain.blocks if not n.endswith("loss")]))

    program = load(export(brain, tmp_path / "brain.pt2"))

    torch.testing.assert_close(program(inputs[0][:3]), brain(inputs, end_block=logits)[:3])


@kinds
def test_summaries_count_what_is_trained(kind, options, side_px: int, channels: int, batch) -> None:
    """The rows' parameters sum up to the brain's."""
    brain = set_up(kind, options, batch(side_px, channels=channels))

    assert brain.summary().num_parameters == brain.num_parameters()
