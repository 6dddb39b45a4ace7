"""Observer: looks inside of a kid and draws what it sees (visualisation)."""

import math
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor

from akid.core.wiring import known
from akid.errors import SetupError
from akid.observing import anatomy, figures, graph, summaries
from akid.observing import filters as weights
from akid.observing.figures import Labels
from akid.observing.portrait import portrait
from akid.observing.subject import Subject
from akid.observing.summaries import Summaries, Track
from akid.observing.tensorboard import EventFile
from akid.observing.tiling import Canvas, Layout, fold, mosaic, tile, to_layout

_NORMAL: Final = Layout(type="normal", num=1)
_MAX_BARS: Final = 64
_PANELS_PER_PAGE: Final = 24


@final
class Observer:
    """Draws a kid's filters, feature maps, graph and training dynamics.

    Pictures are PNG files (the graph is SVG) in `<kid.log_dir>/visualization/`, written whole or
    not at all; each method returns their paths. No window is opened, and looking changes nothing:
    the brain is propagated without learning and put back into its mode.

    Args:
        kid: A `Kid`; it is set up when that is needed first.

    Attributes:
        summaries: What is recorded while the kid practises; None before `record`.
    """

    def __init__(self, kid: Subject) -> None:
        self.kid: Final = kid
        self.summaries: Summaries | None = None
        self._own_folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Where the pictures go; below `log/<time>_<process>` as long as the kid has no log_dir."""
        if self.kid.log_dir is not None:
            return Path(self.kid.log_dir, "visualization")
        if self._own_folder is None:
            now = datetime.now().astimezone()
            self._own_folder = Path("log", f"{now:%Y-%m-%d_%H-%M-%S-%f}_{os.getpid()}")
        return self._own_folder / "visualization"

    def _log_folder(self) -> Path:
        return self.folder.parent

    # Filters.

    def visualize_filters(
        self,
        layers: str | Sequence[str] | None = None,
        layout: Mapping[str, Any] | Layout = _NORMAL,
    ) -> list[Path]:
        """Draw the filters of layers, each layer to `<layer>_para.png`.

        A layer whose bag lists `"filters_to_visual"`, as indices, shows only these. The filters of
        an inner product are folded back to the feature maps that they look at.

        Args:
            layers: Names of layers, or of systems of them; None means all with weights.
            layout: How they are put on the page, `{"type": "normal", "num": 1}`; see `Layout`.

        Raises:
            SetupError: If a name is unknown, a named layer has no weights, or the layout or a
                selection is wrong.
        """
        arrangement = to_layout(layout)
        paths = []
        for name, bank in self._filters(layers).items():
            page = tile(bank.values, bank.biases, arrangement)
            has_bar = bank.biases is not None and arrangement.type != "square"
            note = "; right: bias" if has_bar else ""
            labels = Labels(title=name, subtitle=bank.describe() + note, scale="weight")
            paths.append(self._save(figures.tiles(page, labels), f"{name}_para"))
        return paths

    def do_stat_on_filters(self, layers: str | Sequence[str] | None = None) -> Path:
        """Draw how the L2 norms of filters are spread in each layer, to `filter_norms.png`."""
        by_layer = {name: weights.norms(bank) for name, bank in self._filters(layers).items()}
        return self._save(figures.norms(by_layer, f"{self._title()}: filter norms"), "filter_norms")

    def _filters(self, layers: str | Sequence[str] | None) -> dict[str, weights.Filters]:
        self.kid.setup()
        blocks = anatomy.named(self.kid.brain, layers)
        asked = {layers} if isinstance(layers, str) else set(layers or ())
        blocks = {
            name: block
            for name, block in blocks.items()
            if name in asked or weights.has_filters(block)
        }
        if not blocks:
            raise SetupError(f"{self.kid.brain.label}: expected a layer with weights, got none.")
        return {name: weights.filters_of(block, who=name) for name, block in blocks.items()}

    # What the brain makes of a batch.

    def visualize_activation(
        self,
        layers: str | Sequence[str] | None = None,
        *,
        sample: int = 0,
        inputs: Sequence[Tensor] | None = None,
    ) -> list[Path]:
        """Draw what each layer gives for one sample, to `<layer>_fmap.png`.

        The last path is `activations.png`, a page with the input and all of them.

        Args:
            layers: Names of layers, or of systems of them; None means all.
            sample: Which sample of the batch.
            inputs: The batch, `[data, *labels]`; the kid's current training batch unless given.

        Raises:
            SetupError: If a name is unknown, or the batch has no such sample.
        """
        batch = self._batch(inputs)
        if not 0 <= sample < len(batch[0]):
            raise SetupError(
                f"{self.kid.label}: expected a sample from 0 to {len(batch[0]) - 1} of the batch,"
                f" got sample={sample!r}."
            )
        picked = anatomy.named(self.kid.brain, layers)
        pages: dict[str, Canvas] = {}
        paths = []
        with anatomy.thinking(self.kid.brain, batch) as outputs:
            for name, output in _numbered(outputs, picked):
                if output.dim() == 0 or len(output) != len(batch[0]):
                    continue  # a loss is no picture
                pages[name] = _page(output, sample)
                paths.append(self._draw_page(name, pages[name], tuple(output.shape[1:]), sample))
        title = f"{self._title()}: activations of sample {sample}"
        drawn = figures.overview(portrait(batch[0][sample]), pages, title)
        return [*paths, self._save(drawn, "activations")]

    def _draw_page(self, name: str, page: Canvas, shape: Sequence[int], sample: int) -> Path:
        size = " x ".join(map(str, shape)) if len(shape) > 1 else f"{math.prod(shape)} units"
        zeros = float((page[np.isfinite(page)] == 0).mean())
        note = f", {zeros:.0%} zeros" if zeros > 0 else ""
        labels = Labels(title=name, subtitle=f"sample {sample}: {size}{note}", scale="activation")
        draw_as_bars = len(page) == 1
        drawn = figures.bars(page[0], labels) if draw_as_bars else figures.tiles(page, labels)
        return self._save(drawn, f"{name}_fmap")

    def visualize_classifying(
        self,
        name: str,
        idxs: Sequence[int] | None = None,
        *,
        class_names: Sequence[str] | None = None,
    ) -> Path:
        """Draw validation images with their class and what a layer takes them for.

        Args:
            name: The layer that gives a score for each class.
            idxs: Which samples of the validation batch; the first 64 unless given.
            class_names: The names of the classes; numbers unless given.

        Raises:
            SetupError: If the name is unknown, or the layer, the batch or the indices do not fit.
        """
        self.kid.setup()
        batch = self.kid.sensor.current_batch(get_val=True)
        scores = self._scores(name, batch)
        picked = list(range(min(64, len(scores)))) if idxs is None else list(idxs)
        if not picked or not all(0 <= idx < len(scores) for idx in picked):
            raise SetupError(
                f"{name}: expected idxs from 0 to {len(scores) - 1}, samples of the validation"
                f" batch, got idxs={idxs!r}."
            )
        truths, guesses = _classes(batch[1]), scores.argmax(1).tolist()
        shown = []
        for idx in picked:
            truth, guess = truths[idx], guesses[idx]
            names = [class_names[k] if class_names else str(k) for k in (truth, guess)]
            caption = names[0] if truth == guess else f"{names[0]} → {names[1]}"
            shown.append((portrait(batch[0][idx]), caption, truth == guess))
        num_right = sum(is_right for _, _, is_right in shown)
        title = f"{name}: {num_right} of {len(shown)} right (in red: class → taken for)"
        return self._save(figures.classified(shown, title), f"{name}_classifying")

    def _scores(self, name: str, batch: Sequence[Tensor]) -> Tensor:
        with anatomy.thinking(self.kid.brain, batch) as outputs:
            if name not in outputs:
                raise SetupError(
                    f"{self.kid.brain.label}: expected a layer that gives scores, got"
                    f" name={name!r}; {known(name, outputs)}"
                )
            scores = outputs[name][0].flatten(1) if outputs[name][0].dim() > 1 else None
        if scores is None or len(batch) < 2 or len(scores) != len(batch[0]):
            raise SetupError(
                f"{name}: expected scores of shape (N, classes) and a batch with labels, got"
                f" {[tuple(tensor.shape) for tensor in outputs[name]]} and a batch of"
                f" {len(batch)} tensors."
            )
        return scores

    def stem3_data(self, sample: int = 0) -> Path:
        """Draw an image of the current training batch as stems, to `input_stems.png`."""
        batch = self._batch(None)
        image = _array(batch[0][sample]).squeeze()
        if image.ndim == 3:
            image = image.mean(axis=0)
        labels = Labels(title=f"{self._title()}: sample {sample}", scale="value")
        return self._save(figures.stems(np.atleast_2d(image), labels), "input_stems")

    def _batch(self, inputs: Sequence[Tensor] | None) -> list[Tensor]:
        self.kid.setup()
        return list(inputs) if inputs is not None else self.kid.sensor.current_batch()

    # Training dynamics.

    def record(self, *, tensorboard: bool = False, num_samples: int = 100) -> Summaries:
        """Record scalars and distributions whenever the kid logs, from now on.

        Args:
            tensorboard: Whether to write an event file for TensorBoard into the log folder too.
            num_samples: Of how many samples activations are recorded.
        """
        if self.summaries is None:
            self.summaries = Summaries(num_samples=num_samples)
            self.summaries.attach_to(self.kid)
            if tensorboard:
                file = EventFile(self._log_folder)
                self.summaries.listeners.append(file)
                self.kid.hooks.on_train_end.append(file.close)
        return self.summaries

    def visualize_scalars(self, tags: Sequence[str] | None = None) -> Path:
        """Draw losses, metrics, rate, regularisation and sparsity by step, to `scalars.png`.

        Args:
            tags: Which scalars; all unless given. Without `record`, those of the kid's rows.

        Raises:
            SetupError: If nothing was recorded, or a tag is unknown.
        """
        recorded = self.summaries or summaries.of_rows(self.kid.rows)
        groups = _grouped(_picked(recorded.scalars, tags, who=self.kid.label))
        return self._save(figures.curves(groups, f"{self._title()}: scalars"), "scalars")

    def plot_relu_sparsity(self) -> Path:
        """Draw the fraction of zeros in activations by step and layer, to `sparsity.png`.

        Raises:
            SetupError: If none was recorded; see `record`.
        """
        scalars = {} if self.summaries is None else self.summaries.scalars
        tracks = {tag: track for tag, track in scalars.items() if track.group == "sparsity"}
        groups = _grouped(_picked(tracks, None, who=self.kid.label))
        return self._save(figures.curves(groups, f"{self._title()}: sparsity"), "sparsity")

    def visualize_distributions(self, tags: Sequence[str] | None = None) -> list[Path]:
        """Draw bands between percentiles of weights, biases, activations and gradients by step.

        The lines are maximum, 93, 84, 69, 50, 31, 16, 7 % and minimum: of a normal distribution,
        its mean and 0.5, 1 and 1.5 deviations around it. A file each quantity,
        `distributions_<quantity>.png`.

        Args:
            tags: Which histograms; all unless given.

        Raises:
            SetupError: If nothing was recorded, see `record`, or a tag is unknown.
        """
        return self._draw_spreads(tags, "distributions", figures.bands)

    def visualize_histograms(self, tags: Sequence[str] | None = None) -> list[Path]:
        """Draw histograms, step behind step, to `histograms_<quantity>.png`; see above."""
        return self._draw_spreads(tags, "histograms", figures.ridges)

    def _draw_spreads(self, tags: Sequence[str] | None, what: str, draw: Any) -> list[Path]:
        recorded = {} if self.summaries is None else self.summaries.histograms
        paths = []
        for group, tracks in _grouped(_picked(recorded, tags, who=self.kid.label)).items():
            for start in range(0, len(tracks), _PANELS_PER_PAGE):
                page = tracks[start : start + _PANELS_PER_PAGE]
                number = f"_{start // _PANELS_PER_PAGE + 1}" if start else ""
                quantity = " of ".join(reversed(group.split("/")))
                title = f"{self._title()}: {what} of {quantity}"
                paths.append(self._save(draw(page, title), f"{what}_{group}{number}"))
        return paths

    # Others.

    def visualize_graph(self) -> Path:
        """Draw the blocks and what flows between them.

        Returns:
            `graph.svg`, or `graph.mmd` (Mermaid text) where Graphviz's `dot` is not installed.
        """
        batch = self._batch(None)
        with anatomy.thinking(self.kid.brain, [tensor[:2] for tensor in batch]) as outputs:
            shapes = {name: ", ".join(map(_shape, tensors)) for name, tensors in outputs.items()}
        return graph.write(graph.of_kid(self.kid, shapes=shapes), self.folder / "graph")

    def line_plot(  # noqa: PLR0917 - the arguments of the first akid's
        self,
        x: Sequence[float],
        y: Sequence[float],
        x_label: str = "",
        y_label: str = "",
        title: str = "line",
        log_x: bool = False,
    ) -> Path:
        """Draw a line of your own, to `<title>.png`."""
        labels = {"x": x_label, "y": y_label, "title": title, "log_x": log_x}
        return self._save(figures.line(x, y, labels), title)

    def _title(self) -> str:
        return f"{self.kid.brain.label} at step {self.kid.step}"

    def _save(self, figure: Any, name: str) -> Path:
        return figures.save(figure, self.folder / f"{name.replace('/', '_')}.png")


def _numbered(
    outputs: Mapping[str, Sequence[Tensor]], picked: Mapping[str, Any]
) -> list[tuple[str, Tensor]]:
    """Give each tensor a name: of several that a layer gives, the layer's and a number."""
    return [
        (name if len(tensors) == 1 else f"{name}_{number}", tensor)
        for name, tensors in outputs.items()
        if name in picked
        for number, tensor in enumerate(tensors)
    ]


def _page(output: Tensor, sample: int) -> Canvas:
    """Return one sample as a page: maps tiled, a long vector folded, a short one as one line."""
    values = _array(output[sample])
    if values.ndim <= 1:
        vector = np.atleast_1d(values)
        return vector[None] if len(vector) <= _MAX_BARS else fold(vector)
    if values.ndim == 2:
        return values
    maps = values.reshape(-1, *values.shape[-2:])
    return fold(maps.ravel()) if maps.shape[1:] == (1, 1) else mosaic(maps)


def _classes(labels: Tensor) -> list[int]:
    """Return classes from `(N,)` integers, or from `(N, classes)` scores."""
    listed: list[int] = (labels.argmax(1) if labels.dim() > 1 else labels.long()).tolist()
    return listed


def _array(tensor: Tensor) -> Canvas:
    array: Canvas = tensor.detach().to(torch.float32).cpu().numpy()
    return array


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape[1:])) or "scalar"


def _picked(
    tracks: Mapping[str, Track[Any]], tags: Sequence[str] | None, *, who: str
) -> list[Track[Any]]:
    if not tracks:
        raise SetupError(
            f"{who}: expected something recorded, got nothing."
            " Call observer.record() and then kid.practice() for at least one log step."
        )
    for tag in tags or ():
        if tag not in tracks:
            raise SetupError(f"{who}: expected a tag, got {tag!r}; {known(tag, tracks)}")
    return [tracks[tag] for tag in tags or tracks]


def _grouped(tracks: Sequence[Track[Any]]) -> dict[str, list[Track[Any]]]:
    groups: dict[str, list[Track[Any]]] = {}
    for track in tracks:
        groups.setdefault(track.group, []).append(track)
    return groups
