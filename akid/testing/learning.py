"""The part of the contract for blocks that is about gradients."""

import torch
from torch import Tensor

from akid.core import seeding
from akid.core.block import Block, Signal
from akid.testing.signals import changed, of_dtype, tensors
from akid.testing.subject import BlockSubject


class LearningContract(BlockSubject):
    """Gradients reach every parameter and every input, and are the derivatives."""

    def test_every_parameter_gets_a_finite_gradient(self) -> None:
        """A step of training gives each trainable parameter a gradient without NaN."""
        block, inputs = self._ready().train(), _leaves(self.make_inputs())
        total = _weighted_sum(block(inputs))
        wanted = dict(block.named_parameters())
        if not self.is_differentiable:
            return
        total.backward()  # type: ignore[no-untyped-call]
        missing = [n for n, p in wanted.items() if p.requires_grad and p.grad is None]
        assert not missing, f"{block.label}: expected a gradient of {missing}, got none."
        bad = [n for n, p in wanted.items() if p.grad is not None and not p.grad.isfinite().all()]
        assert not bad, f"{block.label}: expected finite gradients, got NaN or infinity in {bad}."
        grads = [x.grad for x in tensors(inputs) if x.requires_grad]
        assert all(grad is None or bool(grad.isfinite().all()) for grad in grads), (
            f"{block.label}: expected finite gradients of the inputs, got NaN or infinity."
        )

    def test_gradients_are_the_derivatives(self) -> None:
        """In double precision they agree with differences of the outputs."""
        if not (self.is_differentiable and self.is_smooth):
            return
        block = self._ready().double().train(not self.is_random)
        inputs = _leaves(of_dtype(self.make_inputs(), torch.float64))
        names = [name for name, p in block.named_parameters() if p.requires_grad]
        free = [x for x in tensors(inputs) if x.requires_grad]
        if not free and not names:
            return
        torch.autograd.gradcheck(
            lambda *values: _call(block, inputs, names, values),
            (*free, *(p.detach().clone().requires_grad_() for p in _trainable(block))),
            eps=1e-6,
            atol=1e-5,
            nondet_tol=1e-7,
            fast_mode=True,
            raise_exception=True,
        )

    def test_what_is_regularised_is_its_own(self) -> None:
        """`regularized` names parameters of the block, each with a finite penalty."""
        block = self._ready()
        own = {id(parameter) for parameter in block.parameters()}
        for regularizer, parameter in block.regularized():
            assert id(parameter) in own, f"{block.label}: regularises a parameter of another block."
            assert bool(regularizer.penalty(parameter).isfinite()), (
                f"{block.label}: expected a finite penalty from {regularizer!r}."
            )

    def test_restoring_its_constraints_keeps_the_gradient_flow(self) -> None:
        """`on_para_update` leaves parameters finite leaves of the graph, and twice is as once."""
        block = self._ready().train()
        block.on_para_update()
        first = [p.detach().clone() for p in block.parameters()]
        block.on_para_update()
        for (name, parameter), before in zip(block.named_parameters(), first, strict=True):
            assert parameter.is_leaf and bool(parameter.isfinite().all()), (  # noqa: PT018
                f"{block.label}: expected {name} to stay a finite leaf after on_para_update."
            )
            torch.testing.assert_close(parameter.detach(), before)


def _trainable(block: Block) -> list[Tensor]:
    return [p for p in block.parameters() if p.requires_grad]


def _leaves(inputs: Signal) -> Signal:
    return changed(inputs, lambda x: x.detach().clone().requires_grad_(x.is_floating_point()))


def _call(
    block: Block, inputs: Signal, names: list[str], values: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Call the block with other values of its inputs and parameters."""
    remaining = iter(values)
    signal = changed(inputs, lambda x: next(remaining) if x.requires_grad else x)
    parameters = dict(zip(names, remaining, strict=True))
    outputs = tensors(torch.func.functional_call(block, parameters, (signal,)))
    return tuple(x for x in outputs if x.is_floating_point())


def _weighted_sum(signal: Signal) -> Tensor:
    """Return a sum with weights, so that outputs which add up to a constant have gradients too."""
    with seeding.seed_scope(0):
        generator = seeding.generator("contract")
    total = torch.zeros(())
    for x in tensors(signal):
        if x.is_floating_point():
            total = total + (x * torch.rand(x.shape, generator=generator)).sum()
    return total
