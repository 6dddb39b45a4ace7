"""The part of the contract for blocks that is about repeating: seeds and states."""

import io
import random
from typing import Any

import numpy as np
import torch

from akid.core import seeding
from akid.core.block import Block
from akid.testing.signals import copied, same_bits
from akid.testing.subject import BlockSubject


class RepeatingContract(BlockSubject):
    """The same seed gives the same bits, and a state that is loaded goes on where it was saved."""

    def test_the_same_seed_gives_the_same_bits(self) -> None:
        """Parameters, buffers and a call in training agree in two blocks of one seed."""
        one, other = self._ready(seed=3), self._ready(seed=3)
        assert same_bits(_values(one), _values(other)), (
            f"{one.label}: expected the same parameters from the same seed and name, got others."
        )
        assert same_bits(one(self.make_inputs()), other(self.make_inputs())), (
            f"{one.label}: expected the same outputs in training from the same seed."
        )

    def test_other_seeds_and_other_names_give_other_draws(self) -> None:
        """What another seed changes, another name changes as well: no two layers start alike."""
        first = _values(self._ready(seed=3, name="left"))
        by_seed = _differing(first, _values(self._ready(seed=4, name="left")))
        by_name = _differing(first, _values(self._ready(seed=3, name="right")))
        assert by_seed == by_name, (
            f"{type(self).__name__}: expected a name to change the same draws as a seed, got"
            f" tensors {by_seed} changed by the seed and {by_name} by the name."
        )

    def test_leaves_the_generators_of_the_process_alone(self) -> None:
        """Under a seed, neither set-up nor a call draws from the generators of torch and others."""
        before = _global_generators()
        with seeding.seed_scope(5):
            block = self.make_block()
            block(self.make_inputs())
        assert _global_generators() == before, (
            f"{block.label}: drew from a generator of the whole process. Use seeding.generator."
        )

    def test_its_state_can_be_saved_and_loaded(self) -> None:
        """A block of another seed that loads the state goes on as the first one would have."""
        block = self._ready(seed=1)
        block(self.make_inputs())
        file = io.BytesIO()
        torch.save(block.state_dict(), file)
        file.seek(0)
        other = self._ready(seed=2)
        other.load_state_dict(torch.load(file, weights_only=True))
        for mode in (True, False):
            expected = copied(block.train(mode)(self.make_inputs()))
            assert same_bits(expected, other.train(mode)(self.make_inputs())), (
                f"{block.label}: expected the same outputs after load_state_dict, got others"
                f" ({'training' if mode else 'evaluation'})."
            )


def _values(block: Block) -> list[torch.Tensor]:
    return [*block.parameters(), *block.buffers()]


def _differing(left: list[torch.Tensor], right: list[torch.Tensor]) -> list[int]:
    pairs = enumerate(zip(left, right, strict=True))
    return [place for place, (one, other) in pairs if not same_bits(one, other)]


def _global_generators() -> tuple[Any, ...]:
    numpy_state = np.random.get_state()  # noqa: NPY002 - the old one is the one to leave alone
    return bytes(torch.get_rng_state().numpy()), repr(numpy_state), random.getstate()
