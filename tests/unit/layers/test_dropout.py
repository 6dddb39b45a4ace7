import copy
import pickle

import pytest
import torch

from akid.core import seeding
from akid.errors import SetupError
from akid.layers.dropout import DropoutLayer, keep_mask

X = torch.ones(200, 100)


def made(seed=0, **options):
    layer = DropoutLayer(**options)
    with seeding.seed_scope(seed):
        layer.setup(X)
    return layer


@pytest.mark.parametrize("keep_prob", [0.2, 0.5, 0.8])
def test_keep_prob_is_the_part_that_is_kept(keep_prob) -> None:
    """Kept values are scaled by 1 / keep_prob, the others are zero; the input stays."""
    result = made(keep_prob=keep_prob)(X)

    assert result.unique().tolist() == pytest.approx([0, 1 / keep_prob])
    assert (result > 0).float().mean().item() == pytest.approx(keep_prob, abs=0.02)
    assert X.min() == 1


def test_evaluation_and_a_keep_prob_of_one_change_nothing() -> None:
    """The input itself comes out."""
    assert made().eval()(X) is X
    assert made(keep_prob=1.0)(X) is X


def test_each_layer_and_each_call_draws_anew_and_a_seed_repeats() -> None:
    """Streams hang on the seed and the layer's name, and no global generator is touched."""
    state = torch.get_rng_state()
    layer = made(name="dropout1")
    first, second = layer(X), layer(X)

    assert not torch.equal(first, second)
    assert torch.equal(first, made(name="dropout1")(X))
    assert not torch.equal(first, made(name="dropout2")(X))
    assert not torch.equal(first, made(seed=1, name="dropout1")(X))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("take", ["state_dict", "deepcopy", "pickle"])
def test_a_resumed_layer_draws_what_the_undisturbed_one_draws(take) -> None:
    """The generator's state travels with the layer."""
    layer = made()
    layer(X)
    if take == "state_dict":
        other = made(seed=1)
        other.load_state_dict(layer.state_dict())
    else:
        other = copy.deepcopy(layer) if take == "deepcopy" else pickle.loads(pickle.dumps(layer))

    assert torch.equal(layer(X), other(X))


def test_the_state_is_loaded_with_weights_only(tmp_path) -> None:
    """A checkpoint with a dropout layer needs no unpickling of code."""
    layer = made()
    torch.save(layer.state_dict(), tmp_path / "state.pt")
    layer(X)

    layer.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))

    assert torch.equal(layer(X), made()(X))


def test_the_gradient_goes_through_what_was_kept() -> None:
    """The gradient is the mask, scaled."""
    layer, x = made(), X.clone().requires_grad_()
    result = layer(x)
    result.sum().backward()

    assert torch.equal(x.grad, result.detach())


@pytest.mark.parametrize("keep_prob", [0, -0.1, 1.1, float("nan")])
def test_a_keep_prob_out_of_its_range_is_refused(keep_prob) -> None:
    """It is a probability to keep, not to drop."""
    with pytest.raises(SetupError, match="expected keep_prob above 0 and at most 1"):
        DropoutLayer(keep_prob)


def test_a_compiled_layer_draws_the_same_in_one_graph() -> None:
    """Draws, gradients and the state that a checkpoint holds are those of the layer as it is."""
    plain, layer, x = made(), made(), X.clone().requires_grad_()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for _ in range(3):
        expected, result = plain(x), compiled(x)
        (gradient,) = torch.autograd.grad(result.square().sum(), x)

        assert torch.equal(result, expected)
        assert torch.equal(gradient, 2 * expected**2)
    assert torch.equal(layer.get_extra_state()["state"], plain.get_extra_state()["state"])


def test_the_operation_is_what_it_says() -> None:
    """torch's own check: what it changes, its shapes without values, and its compilation."""
    state = torch.Generator().manual_seed(0).get_state()
    tests = ("test_schema", "test_faketensor", "test_aot_dispatch_static")

    torch.library.opcheck(keep_mask, (state, torch.ones(3, 4), 0.5), test_utils=tests)


def test_it_draws_what_a_generator_draws() -> None:
    """From the state on, number by number, in whatever layout the input lies."""
    x = torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(3)
    state = generator.get_state()

    for _ in range(2):
        expected = torch.empty_like(x).bernoulli_(0.3, generator=generator)
        assert torch.equal(keep_mask(state, x, 0.3), expected)


def test_a_saved_state_stays_as_it_was() -> None:
    """What the layer draws later changes neither what it gave away nor what it was given."""
    layer, other = made(), made(seed=1)
    saved = layer.get_extra_state()
    before = saved["state"].clone()
    other.set_extra_state(saved)
    layer(X)
    other(X)

    assert torch.equal(saved["state"], before)


def test_the_state_of_another_kind_of_device_waits_for_it() -> None:
    """A kid set up on a CPU goes on where a GPU's checkpoint says; here it draws from its seed."""
    layer, saved = made(), {"device": "cuda", "state": torch.arange(16, dtype=torch.uint8)}
    layer(X)
    layer.set_extra_state(saved)

    kept = layer.get_extra_state()
    assert kept["device"] == "cuda"
    assert torch.equal(kept["state"], saved["state"])
    assert torch.equal(layer(X), made()(X))


def test_a_seed_begins_another_stream() -> None:
    """As workers that share a batch need it."""
    layer, other = made(), made(seed=1)
    for each in (layer, other):
        each(X)
        each.reseed(3, device=X.device)

    assert torch.equal(layer(X), other(X))
    assert not torch.equal(made()(X), other(X))


def test_dropout_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work, also while training."""
    layer = check_layer(lambda: DropoutLayer(0.5), torch.randn(4, 8))

    assert torch.compile(layer.train(), backend="eager")(X).shape == X.shape
