from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from akid.errors import SetupError
from akid.training.kid import Kid
from akid.training.kongfu import KongFu
from akid.training.kongfus import (
    AdagradKongFu,
    AdamKongFu,
    AdamWKongFu,
    RMSPropKongFu,
    TorchKongFu,
)

DATA = torch.rand(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def small_net() -> nn.Sequential:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-1, 1, generator=generator)
    return net


def loss_of(net: nn.Module) -> Tensor:
    return (net(DATA) - DATA.sum(dim=1, keepdim=True)).square().mean()


CASES: list[tuple[Callable[[], KongFu], Callable[[Any], Optimizer]]] = [
    (AdamKongFu, lambda p: torch.optim.Adam(p, lr=0.001)),
    (
        lambda: AdamKongFu(beta1=0.8, beta2=0.9, epsilon=1e-3, lr=0.1),
        lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.9), eps=1e-3),
    ),
    (AdamWKongFu, lambda p: torch.optim.AdamW(p, lr=0.001)),
    (
        lambda: AdamWKongFu(weight_decay=0.5, lr=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
    ),
    (
        lambda: RMSPropKongFu(decay=0.7, momentum=0.3, lr=0.1),
        lambda p: torch.optim.RMSprop(p, lr=0.1, alpha=0.7, momentum=0.3),
    ),
    (
        AdagradKongFu,
        lambda p: torch.optim.Adagrad(p, lr=0.01, initial_accumulator_value=0.1),
    ),
    (
        lambda: TorchKongFu("NAdam", arguments={"momentum_decay": 0.01}, lr=0.1),
        lambda p: torch.optim.NAdam(p, lr=0.1, momentum_decay=0.01),
    ),
]


@pytest.mark.parametrize(("kongfu", "make"), CASES)
def test_a_kongfu_moves_as_the_bare_optimiser(
    kongfu: Callable[[], KongFu], make: Callable[[Any], Optimizer]
) -> None:
    """The parameters after five steps are the same."""
    net, plain_net, practised = small_net(), small_net(), kongfu()
    practised.setup(net)
    optimizer = make(plain_net.parameters())
    for step in range(5):
        practised(loss_of(net))
        practised.update(step)
        optimizer.zero_grad()
        loss_of(plain_net).backward()
        optimizer.step()

    for one, other in zip(net.parameters(), plain_net.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "kongfu",
    [
        AdamKongFu,
        AdamWKongFu,
        RMSPropKongFu,
        AdagradKongFu,
        *(
            lambda name=name: TorchKongFu(name)
            for name in ("Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop")
        ),
    ],
)
def test_every_optimiser_resumes_bit_for_bit(
    make_kid: Callable[..., Kid], kongfu: Callable[[], KongFu]
) -> None:
    """Its state is in the checkpoint, whatever it consists of."""
    whole, first = make_kid(kongfu=kongfu()), make_kid(kongfu=kongfu())
    whole.practice()
    first.hooks.on_batch_begin.append(lambda k: k.stop() if k.step == 4 else None)
    first.practice()
    resumed = make_kid(kongfu=kongfu())
    assert resumed.practice(continue_from_chk_point=True).steps == 7

    for one, other in zip(whole.brain.parameters(), resumed.brain.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_unknown_optimiser_is_an_error_with_the_known_ones() -> None:
    """Those that need another loop are not among them."""
    with pytest.raises(SetupError, match=r"Adadelta, .*SGD.*got optimizer='LBFGS'") as caught:
        TorchKongFu("LBFGS")
    assert "LBFGS," not in str(caught.value)


def test_an_unknown_argument_is_an_error_with_the_known_ones() -> None:
    """The message lists them."""
    with pytest.raises(SetupError, match=r"arguments of NAdam among \['betas'.*got \['beta'\]"):
        TorchKongFu("NAdam", arguments={"beta": 0.9})
