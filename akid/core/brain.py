"""Brain: a graph of blocks with its losses and metrics (a neural network that can be trained)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeGuard, TypeVar

import torch
from torch import Tensor, nn

from akid.core.block import Block, Signal
from akid.core.graph_system import GraphSystem
from akid.core.judge import Judge, Metric, named
from akid.core.regularizers import Regularizer
from akid.core.summary import Summary, summarize
from akid.core.wiring import known
from akid.errors import SetupError

_T = TypeVar("_T")


class Brain(GraphSystem):
    """A graph of blocks that knows its loss, its metrics and its parameters; made to be subclassed.

    After a call, `data_loss` is what the loss layers found, those of nested brains included.
    Regularisation is no part of the call: `loss` adds `penalty()`, for those who differentiate it;
    a training loop differentiates `data_loss` and calls `add_regularization_gradients()`, which
    gives the same gradients for less.

    Args:
        name: See `Block`.
        inputs: See `Block`.
        bag: See `Block`.

    Shape:
        input: What the blocks read of `"system_in"`: by convention `[data, *labels]`.
        output: What the last block gives, mostly the loss.

    >>> import torch
    >>> class Square(Judge):
    ...     def forward(self, x):
    ...         self.loss = (x**2).mean()
    ...         return self.loss
    >>> brain = Brain(name="brain")
    >>> brain.attach(Square(name="loss"))
    >>> _ = brain(torch.tensor([1.0, 3.0]))
    >>> brain.data_loss, brain.loss, brain.evals
    (tensor(5.), tensor(5.), {})
    """

    NAME: ClassVar[str] = "brain"

    def __init__(self, name: str | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self._judges: list[tuple[str, Judge]] = []
        self._regularized: list[Block] = []
        self._constrained: list[Block] = []

    def _setup_blocks(self, sample: Any) -> Any:
        output = super()._setup_blocks(sample)
        modules = dict(_named(self.named_modules()))
        self._judges = [
            (path, block) for path, block in modules.items() if isinstance(block, Judge)
        ]
        self._regularized = [
            block for block in modules.values() if _overrides(block, "regularized")
        ]
        self._constrained = [
            block for block in modules.values() if _overrides(block, "on_para_update")
        ]
        return output

    def _run_part(
        self,
        inputs: Any,
        start_block: str | None,
        end_block: str | None,
        injected_data: Mapping[str, Signal],
    ) -> Any:
        for _, judge in self._judges:
            judge.forget()
        return super()._run_part(inputs, start_block, end_block, injected_data)

    # Losses and metrics of the last call

    @property
    def data_loss(self) -> Tensor:
        """The sum of the loss layers' losses in the last call, without regularisation.

        Raises:
            SetupError: If no loss layer has run.
        """
        losses = [judge.loss for _, judge in self._judges if judge.loss is not None]
        if not losses:
            raise SetupError(
                f"{self.label}: expected a loss, got none of its loss layers"
                f" {[path for path, _ in self._judges]}. Attach one, and call the brain first."
            )
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        return total

    def penalty(self) -> Tensor:
        """Return the sum of all regularisers' penalties, differentiable; zero without any."""
        terms = [
            regularizer.penalty(parameter) for regularizer, parameter in self.regularized_terms()
        ]
        return torch.stack(terms).sum() if terms else self._zero()

    @property
    def loss(self) -> Tensor:
        """The data loss and the penalty of the last call, differentiable."""
        return self.data_loss + self.penalty()

    @property
    def evals(self) -> dict[str, Tensor]:
        """The metrics of the last call, computed when they are read.

        A metric that several blocks give has the block's path before it: `loss1/accuracy`.
        """
        return named(
            {
                (path, metric): value
                for path, judge in self._judges
                for metric, value in judge.evals.items()
            }
        )

    def mean_evals(self) -> dict[Metric, Tensor]:
        """Return the metrics of the last call that may be averaged, by their block and name."""
        return {
            (path, metric): value
            for path, judge in self._judges
            if not judge.is_pooled
            for metric, value in judge.evals.items()
        }

    def seen(self) -> dict[str, tuple[Tensor, ...]]:
        """Return what the other metrics of the last call are computed of, by their block."""
        return {path: judge.seen for path, judge in self._judges if judge.is_pooled and judge.seen}

    def pooled_evals(self, seen: Mapping[str, Sequence[Tensor]]) -> dict[Metric, Tensor]:
        """Return the other metrics, of all that was seen in many calls, by their block and name."""
        return {
            (path, metric): value
            for path, judge in self._judges
            if path in seen
            for metric, value in judge.evals_of(*seen[path]).items()
        }

    # Parameters

    def regularized_terms(self) -> Iterator[tuple[Regularizer, Tensor]]:
        """Give all pairs of a regulariser and a parameter that it acts on, in order."""
        for block in self._regularized:
            yield from block.regularized()

    @torch.no_grad()
    def add_regularization_gradients(self) -> None:
        """Add the gradient of `penalty()` to `.grad` of the parameters, in closed form."""
        groups: defaultdict[Regularizer, list[Tensor]] = defaultdict(list)
        for regularizer, parameter in self.regularized_terms():
            if parameter.requires_grad:
                groups[regularizer].append(parameter)
        for regularizer, parameters in groups.items():
            regularizer.add_gradients_(parameters)

    def on_para_update(self) -> None:
        """Let the blocks keep their constraints, such as max-norm; called after each update."""
        for block in self._constrained:
            block.on_para_update()

    def get_filters(self, names: str | Iterable[str] | None = None) -> list[nn.Parameter]:
        """Return the trainable parameters in order, of all blocks or of the named ones.

        Raises:
            SetupError: If the brain is not set up, or a name is unknown.
        """
        if not self.is_setup:
            raise SetupError(
                f"{self.label}: expected setup before its parameters are asked for, got none."
                " Call setup(inputs), or the brain itself."
            )
        if names is None:
            parameters = self.parameters()
            return [parameter for parameter in parameters if parameter.requires_grad]
        names = [names] if isinstance(names, str) else names
        blocks = [self.get_layer_by_name(name) for name in names]
        unique = dict.fromkeys(parameter for block in blocks for parameter in block.parameters())
        return [parameter for parameter in unique if parameter.requires_grad]

    def num_parameters(self) -> int:
        """Return how many numbers are trained."""
        return sum(parameter.numel() for parameter in self.get_filters())

    def __getitem__(self, path: str) -> Tensor:
        """Return the parameter or buffer of that path, such as `brain["conv1/weights"]`.

        Raises:
            SetupError: If there is none; the message lists those that are known.
        """
        tensors: dict[str, Tensor] = dict(_named(self.named_parameters(remove_duplicate=False)))
        tensors |= dict(_named(self.named_buffers(remove_duplicate=False)))
        if path not in tensors:
            raise SetupError(
                f"{self.label}: expected the path of a parameter or a buffer, got {path!r};"
                f" {known(path, tensors)}"
            )
        return tensors[path]

    def summary(self, inputs: Any = None) -> Summary:
        """Return a table of blocks, output shapes, parameters and FLOPs for one sample.

        Args:
            inputs: The inputs of one sample; None takes zeros like those of the set-up.
        """
        return summarize(self, self.example_inputs() if inputs is None else inputs)

    def _zero(self) -> Tensor:
        return next((parameter.new_zeros(()) for parameter in self.parameters()), torch.zeros(()))


def _named(items: Iterable[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    """Turn torch's paths, `blocks.sub.blocks.ip1.weights`, into ours, `sub/ip1/weights`."""
    for name, item in items:
        path = name.removeprefix("blocks.").replace(".blocks.", "/")
        yield path.replace(".", "/"), item


def _overrides(module: nn.Module, method: str) -> TypeGuard[Block]:
    """Say whether a block below the brains does something of its own there."""
    return (
        isinstance(module, Block)
        and not isinstance(module, Brain)
        and getattr(type(module), method) is not getattr(Block, method)
    )
