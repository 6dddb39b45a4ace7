"""Recurrent layers: read a sequence step by step, with a memory (GRU, LSTM)."""
# Shape legend: N = batch, T = time steps, D = features.

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Unpack

import torch
from torch import Tensor, nn

from akid.core import initializers, regularizers, seeding
from akid.core.block import Block
from akid.core.regularizers import Regularizer
from akid.layers.inputs import tensor_of_rank
from akid.layers.options import BlockOptions, positive

INIT_PARA: Final[Mapping[str, Any]] = {"name": "xavier"}
RECURRENT_INIT_PARA: Final[Mapping[str, Any]] = {"name": "orthogonal"}


class RecurrentOptions(BlockOptions, total=False):
    """What every recurrent layer takes beside its size: see `RecurrentLayer`."""

    layer_num: int
    bidirectional: bool
    return_sequences: bool
    init_para: Mapping[str, Any]
    recurrent_init_para: Mapping[str, Any]
    initial_bias_value: float
    wd: Mapping[str, Any] | Regularizer | None


class RecurrentLayer(Block):
    """The base of recurrent layers, around torch's own cells; the memory starts from zeros.

    `torch.compile` leaves the cells out of its graph, so that `fullgraph=True` is an error of
    torch's, unless `torch._dynamo.config.allow_rnn` is set.

    Args:
        out_channel_num: How many features the memory has.
        layer_num: How many layers are stacked, each reading the outputs of the one before.
        bidirectional: Whether there is a second reader, from the end to the beginning.
        return_sequences: Whether to give the outputs of all steps, or of each reader's last.
        init_para: The law of the weights of the inputs.
        recurrent_init_para: The law of the weights of the memory, drawn for each gate by itself.
        initial_bias_value: What the biases of the inputs start from.
        wd: The regulariser of all weights; None for none.
        options: The arguments of `Block`.

    Attributes:
        cells: torch's module, which holds the parameters.

    Shape:
        input: `(N, T, D)`.
        output: `(N, T, out_channel_num)`, or `(N, out_channel_num)`; twice as many features if
            bidirectional.

    Raises:
        SetupError: If an argument is wrong.
        ShapeError: When set up, if the input is not 3-D.
    """

    _CELLS: ClassVar[type[nn.GRU] | type[nn.LSTM]]
    cells: nn.RNNBase

    def __init__(
        self,
        out_channel_num: int,
        *,
        layer_num: int = 1,
        bidirectional: bool = False,
        return_sequences: bool = True,
        init_para: Mapping[str, Any] = INIT_PARA,
        recurrent_init_para: Mapping[str, Any] = RECURRENT_INIT_PARA,
        initial_bias_value: float = 0.0,
        wd: Mapping[str, Any] | Regularizer | None = None,
        **options: Unpack[BlockOptions],
    ) -> None:
        super().__init__(**options)
        self.out_channel_num = positive(out_channel_num, "out_channel_num", who=self.label)
        self.layer_num = positive(layer_num, "layer_num", who=self.label)
        self.bidirectional = bidirectional
        self.return_sequences = return_sequences
        for law in (init_para, recurrent_init_para):
            initializers.check(law, who=self.label)
        self._laws = {"weight_ih": init_para, "weight_hh": recurrent_init_para}
        self.initial_bias_value = initial_bias_value
        self.regularizer = regularizers.from_description(wd, who=self.label)

    def _setup(self, inputs: Any) -> None:
        x = tensor_of_rank(inputs, 3, who=self.label)
        # Made without values on no device: torch would draw them from its global generator.
        cells = self._CELLS(
            x.shape[2],
            self.out_channel_num,
            self.layer_num,
            batch_first=True,
            bidirectional=self.bidirectional,
            device="meta",
            dtype=torch.get_default_dtype(),
        )
        self.cells = cells.to_empty(device=x.device)
        with torch.no_grad():
            for name, parameter in self.cells.named_parameters():
                parameter.copy_(self._first_values(name, parameter))

    def _first_values(self, name: str, like: Tensor) -> Tensor:
        kind = "_".join(name.split("_")[:2])
        if kind not in self._laws:
            return torch.full_like(like, self.initial_bias_value if kind == "bias_ih" else 0.0)
        gate_num = like.shape[0] // self.out_channel_num
        generator = seeding.generator(name)
        gates = [
            initializers.initialize(
                self._laws[kind],
                (self.out_channel_num, like.shape[1]),
                fan_in=like.shape[1],
                fan_out=self.out_channel_num,
                generator=generator,
                device=like.device,
                who=self.label,
            )
            for _ in range(gate_num)
        ]
        return torch.cat(gates)

    def regularized(self) -> list[tuple[Regularizer, Tensor]]:
        """Give pairs of a regulariser and a parameter that it acts on; none before the set-up."""
        if self.regularizer is None or not self.is_setup:
            return []
        named = self.cells.named_parameters()
        return [(self.regularizer, p) for name, p in named if name.startswith("weight")]

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.cells(inputs)[0]
        if self.return_sequences:
            return outputs
        if not self.bidirectional:
            return outputs[:, -1]
        size = self.out_channel_num
        return torch.cat([outputs[:, -1, :size], outputs[:, 0, size:]], 1)


class GRULayer(RecurrentLayer):
    """Gated recurrent units; for `fullgraph=True` of `torch.compile`, see `RecurrentLayer`.

    Args:
        out_channel_num: See `RecurrentLayer`.
        options: See `RecurrentLayer`.

    >>> GRULayer(8)(torch.zeros(4, 10, 3)).shape
    torch.Size([4, 10, 8])
    """

    NAME: ClassVar[str] = "gru"
    _CELLS = nn.GRU

    def __init__(self, out_channel_num: int, **options: Unpack[RecurrentOptions]) -> None:
        super().__init__(out_channel_num, **options)


class LSTMLayer(RecurrentLayer):
    """Long short-term memory; for `fullgraph=True` of `torch.compile`, see `RecurrentLayer`.

    Args:
        out_channel_num: See `RecurrentLayer`.
        forget_bias: Added to the biases of the forget gates, so that the memory is kept at first.
        options: See `RecurrentLayer`.

    >>> LSTMLayer(8, return_sequences=False)(torch.zeros(4, 10, 3)).shape
    torch.Size([4, 8])
    """

    NAME: ClassVar[str] = "lstm"
    _CELLS = nn.LSTM

    def __init__(
        self,
        out_channel_num: int,
        *,
        forget_bias: float = 1.0,
        **options: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__(out_channel_num, **options)
        self.forget_bias = forget_bias

    def _first_values(self, name: str, like: Tensor) -> Tensor:
        values = super()._first_values(name, like)
        if name.startswith("bias_ih"):
            values[self.out_channel_num : 2 * self.out_channel_num] += self.forget_bias
        return values
