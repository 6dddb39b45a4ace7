"""The part of the contract for blocks that is about set-up and calls: shapes, modes, types."""

import torch

from akid.core import seeding
from akid.core.block import Block, Signal
from akid.core.graph_system import GraphSystem
from akid.errors import SetupError
from akid.testing.signals import (
    assert_close,
    changed,
    copied,
    of_dtype,
    same_bits,
    shapes,
    tensors,
)
from akid.testing.subject import BlockSubject


class CallingContract(BlockSubject):
    """A block is set up once, then gives outputs of the declared shape for any batch."""

    def test_is_set_up_once_and_by_the_first_call_at_the_latest(self) -> None:
        """Hooks run once; a block that is called at once equals one that was set up before."""
        block, seen = self.make_block(), list[Block]()
        block.name = "subject"
        block.pre_setup_hooks.append(seen.append)
        assert not block.is_setup, f"{block.label}: expected a block that is not set up."
        with seeding.seed_scope(0):
            output = block.eval()(self.make_inputs())
        before = [id(parameter) for parameter in block.parameters()]
        block.setup(self.make_inputs())
        assert block.is_setup
        assert len(seen) == 1, f"{block.label}: expected one set-up, got {len(seen)}."
        assert [id(parameter) for parameter in block.parameters()] == before, (
            f"{block.label}: expected a second setup to do nothing, got new parameters."
        )
        assert_close(
            output,
            self._ready().eval()(self.make_inputs()),
            message=f"{block.label}: expected a first call to set up as setup(inputs) does.",
        )

    def test_outputs_have_the_declared_shape(self) -> None:
        """The outputs have the shapes of `expected_shapes`, in training and in evaluation."""
        block, expected = self._ready(), self.expected_shapes()
        for mode in (True, False):
            got = shapes(block.train(mode)(self.make_inputs()))
            assert expected is None or got == [tuple(shape) for shape in expected], (
                f"{block.label}: expected outputs of shapes {expected}, got {got}"
                f" ({'training' if mode else 'evaluation'})."
            )

    def test_takes_any_batch_size_after_its_set_up(self) -> None:
        """Fewer and more samples work, and a sample's output does not hang on the others'."""
        block = self._ready().eval()
        inputs = self.make_inputs()
        whole = copied(block(inputs))
        one = block(changed(inputs, lambda x: x[:1]))
        more = block(changed(inputs, lambda x: torch.cat([x, x])))
        if not self.is_per_sample:
            return
        num = len(tensors(inputs)[0])
        assert_close(
            one,
            changed(whole, lambda x: x[:1]),
            message=f"{block.label}: expected the first of {num} samples to give alone what it"
            " gives among them. Set is_per_sample = False if it is meant to differ.",
        )
        assert_close(
            changed(more, lambda x: x[num:]),
            whole,
            message=f"{block.label}: expected a batch twice as large to give the same twice.",
        )

    def test_leaves_its_inputs_alone(self) -> None:
        """Neither a call nor its gradients write into the inputs."""
        block, inputs = self._ready(), self.make_inputs()
        before = copied(inputs)
        for mode in (True, False):
            block.train(mode)(inputs)
            assert same_bits(before, inputs), f"{block.label}: wrote into its inputs."

    def test_is_deterministic_and_changes_nothing_in_evaluation(self) -> None:
        """Two calls give the same bits, and leave what `state_dict` holds as it was."""
        block = self._ready().eval()
        state = copied(_state(block))
        first = copied(block(self.make_inputs()))
        assert same_bits(first, block(self.make_inputs())), (
            f"{block.label}: expected two calls in evaluation to agree, got other values."
        )
        assert same_bits(state, _state(block)), (
            f"{block.label}: expected evaluation to change nothing of its state_dict."
        )

    def test_draws_in_training_only_if_it_says_so(self) -> None:
        """Two calls in training differ exactly if `is_random`."""
        block = self._ready().train()
        first = copied(block(self.make_inputs()))
        is_same = same_bits(first, block(self.make_inputs()))
        assert is_same != self.is_random, (
            f"{block.label}: is_random={self.is_random}, but two calls in training"
            f" {'agree' if is_same else 'differ'}."
        )

    def test_follows_to_another_dtype(self) -> None:
        """After `block.double()` doubles go in and come out."""
        block = self._ready().double().eval()
        outputs = tensors(block(of_dtype(self.make_inputs(), torch.float64)))
        types = {x.dtype for x in outputs if x.is_floating_point()}
        assert types <= {torch.float64}, (
            f"{block.label}: expected outputs of torch.float64 after .double(), got {types}."
        )

    def test_allocates_where_its_inputs_lie(self) -> None:
        """Parameters, buffers and outputs are on the inputs' device."""
        for device in ("meta", *self._accelerators()):
            block = self.make_block()
            inputs = changed(self.make_inputs(), lambda x, to=device: x.to(to))  # type: ignore[misc]
            block.eval().setup(inputs)
            own = [*block.parameters(), *block.buffers()]
            if self.works_on_meta or device != "meta":
                own += tensors(block(inputs))
            places = {x.device.type for x in own}
            assert places <= {device}, (
                f"{block.label}: expected everything on {device}, got some on {places}."
            )

    def test_computes_the_same_on_an_accelerator(self) -> None:
        """After a move to each accelerator of this machine the outputs agree, to rounding."""
        for device in self._accelerators():
            block = self._ready().eval().double()
            inputs = of_dtype(self.make_inputs(), torch.float64)
            expected = copied(block(inputs))
            there = block.to(device)(changed(inputs, lambda x, to=device: x.to(to)))  # type: ignore[misc]
            assert_close(
                changed(there, lambda x: x.cpu()),
                expected,
                message=f"{block.label}: expected the same on {device} as on the CPU.",
            )

    def test_gives_the_same_inside_a_system(self) -> None:
        """Wired into a graph by its inputs, it gives what it gives by itself."""
        block = self._ready().eval()
        expected = copied(block(self.make_inputs()))
        count = len(tensors(self.make_inputs()))
        block.inputs = [{"name": "system_in", "idxs": list(range(count))}]
        system = GraphSystem(name="system")
        system.attach(block)
        assert_close(
            system.eval()(self.make_inputs()),
            expected,
            message=f"{block.label}: expected the same inside a GraphSystem as alone.",
        )

    def test_refuses_wrong_inputs_by_name(self) -> None:
        """Each of `make_wrong_inputs` is a SetupError that names the block, when it is set up."""
        for wrong in self.make_wrong_inputs():
            block = self.make_block()
            block.name = "refusing"
            error = _refusal(block, wrong)
            assert error is not None, f"{block.label}: expected a SetupError for {_told(wrong)}."
            assert "refusing" in str(error), (
                f"{block.label}: expected the message to name the block, got {str(error)!r}."
            )

    @staticmethod
    def _accelerators() -> list[str]:
        return ["cuda"] if torch.cuda.is_available() else []


def _refusal(block: Block, inputs: Signal) -> SetupError | None:
    try:
        block.setup(inputs)
    except SetupError as error:
        return error
    return None


def _state(block: Block) -> list[torch.Tensor]:
    return [x for x in block.state_dict().values() if isinstance(x, torch.Tensor)]


def _told(inputs: Signal) -> str:
    is_signal = isinstance(inputs, torch.Tensor | list | tuple)
    return f"inputs of shapes {shapes(inputs)}" if is_signal else repr(inputs)
