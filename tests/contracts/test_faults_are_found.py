"""A contract that nothing can break is none: each fault makes the test that it is for fail."""

from functools import partial, partialmethod

import pytest
import torch
from torch import nn

from akid.core import seeding
from akid.core.block import Block
from akid.sensing.joker import Joker
from akid.sensing.source import FeedSource, StaticSource, SupervisedSource
from akid.testing.block_contract import BlockContract
from akid.testing.joker_contract import JokerContract
from akid.testing.source_contract import SourceContract


class Sound(Block):
    """A linear block without fault, the base of those with one."""

    def _setup(self, inputs):
        generator = seeding.generator("weights")
        weights = torch.rand(inputs.shape[1], 3, generator=generator).to(inputs.device)
        self.weights = nn.Parameter(weights)

    def forward(self, inputs):
        return inputs @ self.weights


class MixesSamples(Sound):
    def forward(self, inputs):
        return super().forward(inputs - inputs.mean(0))


class WritesIntoInputs(Sound):
    def forward(self, inputs):
        with torch.no_grad():
            inputs.mul_(2)
        return super().forward(inputs)


class DrawsInEvaluation(Sound):
    def forward(self, inputs):
        return super().forward(inputs) + torch.rand(())


class StaysSingle(Sound):
    def forward(self, inputs):
        return super().forward(inputs).float()


class AllocatesOnTheCpu(Sound):
    def _setup(self, inputs):
        super()._setup(inputs)
        self.weights = nn.Parameter(torch.rand(inputs.shape[1], 3))


class CutsTheGraph(Sound):
    def forward(self, inputs):
        return inputs.sum() + (inputs @ self.weights.detach())


class WrongGradient(Sound):
    def forward(self, inputs):
        y = super().forward(inputs)
        return y + (y - y.detach())


class IgnoresTheSeed(Sound):
    def _setup(self, inputs):
        self.weights = nn.Parameter(torch.rand(inputs.shape[1], 3))


class IgnoresTheName(Sound):
    def _setup(self, inputs):
        generator = torch.Generator().manual_seed(seeding.current_seed() or 0)
        self.weights = nn.Parameter(torch.rand(inputs.shape[1], 3, generator=generator))


class HidesItsState(Sound):
    def _setup(self, inputs):
        super()._setup(inputs)
        self.hidden = torch.rand(3, generator=seeding.generator("hidden"))

    def forward(self, inputs):
        return super().forward(inputs) + self.hidden


class CannotBePickled(Sound):
    def _setup(self, inputs):
        super()._setup(inputs)
        self.scale = lambda x: x


class SharesItsWeights(Sound):
    def __deepcopy__(self, memo):
        return self


FAULTS = {
    MixesSamples: "test_takes_any_batch_size_after_its_set_up",
    WritesIntoInputs: "test_leaves_its_inputs_alone",
    DrawsInEvaluation: "test_is_deterministic_and_changes_nothing_in_evaluation",
    StaysSingle: "test_follows_to_another_dtype",
    AllocatesOnTheCpu: "test_allocates_where_its_inputs_lie",
    CutsTheGraph: "test_every_parameter_gets_a_finite_gradient",
    WrongGradient: "test_gradients_are_the_derivatives",
    IgnoresTheSeed: "test_the_same_seed_gives_the_same_bits",
    IgnoresTheName: "test_other_seeds_and_other_names_give_other_draws",
    HidesItsState: "test_its_state_can_be_saved_and_loaded",
    CannotBePickled: "test_gives_the_same_in_another_process",
    SharesItsWeights: "test_a_copy_is_independent",
}


def contract(base, **methods):
    """Return a contract whose methods give the same each time."""
    makers = {name: partial(_call, method) for name, method in methods.items()}
    return type("Contract", (base,), {n: partialmethod(m) for n, m in makers.items()})


def _call(function, _contract):
    return function()


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_the_contract_for_blocks_finds_a_fault(kind) -> None:
    """The faulty block fails the test in question, and the sound one passes it."""

    def make(kind):
        inputs = torch.linspace(-1, 1, 8).view(2, 4)
        return contract(BlockContract, make_block=kind, make_inputs=inputs.clone)()

    getattr(make(Sound), FAULTS[kind])()
    with pytest.raises(Exception):  # noqa: B017, PT011 - a fault shows itself in any way
        getattr(make(kind), FAULTS[kind])()


class OneForAll(Joker):
    def play(self, images, generator):
        return images + torch.rand((), generator=generator)


class OwnGenerator(Joker):
    def play(self, images, generator):  # noqa: ARG002
        return images + torch.rand(len(images), 1, 1, 1)


class InPlace(Joker):
    def play(self, images, generator):
        return images.add_(torch.rand(len(images), 1, 1, 1, generator=generator))


JOKER_FAULTS = {
    OneForAll: "test_draws_for_each_image_if_it_is_random",
    OwnGenerator: "test_the_same_generator_gives_the_same_bits",
    InPlace: "test_leaves_what_it_is_given_alone",
}


@pytest.mark.parametrize("kind", JOKER_FAULTS, ids=lambda kind: kind.__name__)
def test_the_contract_for_jokers_finds_a_fault(kind) -> None:
    """A joker that draws once for all, from elsewhere, or writes into its images, fails."""
    with pytest.raises(AssertionError):
        getattr(contract(JokerContract, make_joker=kind)(), JOKER_FAULTS[kind])()


class Noise(SupervisedSource, StaticSource, FeedSource):
    def get_batch(self, num, get_val=False):  # noqa: ARG002
        images = torch.rand(num, 4, 4, 1, generator=torch.Generator().manual_seed(torch.seed()))
        return images.numpy(), torch.zeros(num - 1).numpy()


@pytest.mark.parametrize(
    "test",
    [
        "test_gives_as_many_examples_as_it_is_asked_for",
        "test_the_same_seed_gives_the_same_batches",
        "test_a_sensor_serves_it",
    ],
)
def test_the_contract_for_sources_finds_a_fault(test) -> None:
    """A source with too few labels, other data each time, fails."""
    made = contract(SourceContract, make_source=lambda: Noise(num_train=8, num_val=4))

    with pytest.raises((AssertionError, ValueError)):
        getattr(made(), test)()
