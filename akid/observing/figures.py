"""Figures: everything that is drawn (matplotlib, without a window)."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import matplotlib as mpl
import matplotlib.image
import matplotlib.lines
import matplotlib.patches
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from akid.observing import storage
from akid.observing.distribution import PERCENTILES, Distribution
from akid.observing.summaries import Track
from akid.observing.tiling import Canvas

Image: TypeAlias = NDArray[np.float32]
"""`(height, width)` for grey or `(height, width, 3)` for colours, from 0 to 1."""

_INK: Final = "#333a41"
_BLUE: Final = "#2a6f97"
_RED: Final = "#c1121f"
_GREY: Final = "#c8cdd2"
_STYLE: Final[Any] = {  # the key's type is a list of three hundred
    "axes.edgecolor": "#8a939c",
    "axes.labelcolor": _INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": _INK,
    "axes.titlesize": 10,
    "figure.titlesize": 13,
    "font.size": 9,
    "grid.color": "#e3e6e9",
    "legend.fontsize": 8,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.8,
    "lines.linewidth": 1.6,
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _INK,
    "xtick.labelsize": 8,
    "ytick.color": _INK,
    "ytick.labelsize": 8,
}
_COLOURS: Final = (
    *("#2a6f97", "#e76f51", "#2a9d8f", "#9b5de5", "#e9a820"),
    *("#6c757d", "#d6568c", "#588157", "#3a86ff", "#8d5524"),
)
_QUANTITY_COLOURS: Final = {"weights": "#2a6f97", "biases": "#2a9d8f", "activations": "#e0752d"}
_DPI: Final = 150
_LONGEST_IN: Final = (5.0, 16.0)
_PIXELS_PER_TILE_PIXEL: Final = 6
_SHORTEST_IN: Final = 1.2
_LOGARITHMIC: Final = ("l1_loss", "l2_loss")
_MAX_INSIDE: Final = 2
_MARGIN_PX: Final = 20
_WHITE: Final = 0xFFFFFFFF
_MAX_LEGEND: Final = 12
_MAX_RIDGES: Final = 16


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The words of a figure.

    Attributes:
        title: What it shows.
        subtitle: More about it, in smaller letters.
        scale: What the colours mean.
    """

    title: str
    subtitle: str = ""
    scale: str = ""


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, and return its path."""
    canvas = FigureCanvasAgg(figure)
    with _style():
        canvas.draw()  # type: ignore[no-untyped-call]
    picture = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    mpl.image.imsave(buffer, _cropped(picture), format="png", dpi=_DPI)
    return storage.write_bytes(path, buffer.getvalue())


def tiles(canvas: Canvas, labels: Labels) -> Figure:
    """Draw a page of tiles with a colour bar: blue-red around 0 where values are negative."""
    height, width = canvas.shape
    longest_in = np.clip(_PIXELS_PER_TILE_PIXEL * max(height, width) / _DPI, *_LONGEST_IN)
    scale = float(longest_in) / max(height, width)
    width_in, height_in = max(width * scale, _SHORTEST_IN), max(height * scale, _SHORTEST_IN)
    with _figure((max(width_in + 1.2, 3.6), height_in + 0.8)) as figure:
        axes = figure.add_subplot()
        image = _heat(axes, canvas)
        _write_title(axes, labels)
        bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 4.0 / height_in), pad=0.02)
        bar.set_label(labels.scale)
        bar.outline.set_visible(False)
    return figure


def bars(values: Canvas, labels: Labels) -> Figure:
    """Draw a short vector as bars."""
    with _figure((max(3.6, 0.28 * len(values) + 1.5), 2.6)) as figure:
        axes = figure.add_subplot()
        _draw_bars(axes, values)
        axes.set_xlabel("unit")
        axes.set_ylabel(labels.scale)
        _write_title(axes, labels)
    return figure


def overview(image: Image, pages: Mapping[str, Canvas], title: str) -> Figure:
    """Draw an input and what layers make of it, each in colours of its own; lines are bars."""
    columns = min(len(pages) + 1, max(4, int(np.ceil(np.sqrt(len(pages) + 1)))))
    rows = -(-(len(pages) + 1) // columns)
    with _figure((2.9 * columns, 3.05 * rows + 0.4)) as figure:
        figure.suptitle(title)
        axes = figure.add_subplot(rows, columns, 1)
        _draw_image(axes, image)
        axes.set_anchor("N")
        axes.set_title("input")
        for position, (name, canvas) in enumerate(pages.items()):
            axes = figure.add_subplot(rows, columns, position + 2)
            if len(canvas) == 1:
                _draw_bars(axes, canvas[0])
                axes.set_box_aspect(1)
            else:
                _heat(axes, canvas)
                axes.set_anchor("N")
            axes.set_title(name)
    return figure


def classified(images: Sequence[tuple[Image, str, bool]], title: str) -> Figure:
    """Draw a grid of images with what they were taken for; wrong ones in red."""
    columns = min(len(images), max(4, int(np.ceil(np.sqrt(len(images))))))
    rows = -(-len(images) // columns)
    with _figure((max(1.25 * columns, 4.0), 1.5 * rows + 0.5)) as figure:
        figure.suptitle(title)
        for position, (image, caption, is_right) in enumerate(images):
            axes = figure.add_subplot(rows, columns, position + 1)
            _draw_image(axes, image)
            axes.set_title(caption, fontsize=8, color=_INK if is_right else _RED)
            _frame(axes, _GREY if is_right else _RED, width=0.8 if is_right else 2.2)
    return figure


def norms(by_layer: Mapping[str, Canvas], title: str) -> Figure:
    """Draw how the norms of filters are spread: a line of dots and a box for each layer."""
    with _figure((7.0, 0.55 * len(by_layer) + 1.4)) as figure:
        axes = figure.add_subplot()
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        for row, values in enumerate(by_layer.values()):
            low, median, high = np.percentile(values, (25, 50, 75))
            axes.barh(row, high - low, left=low, height=0.5, color="#cfe0f3", zorder=1)
            axes.plot([median, median], [row - 0.25, row + 0.25], color=_INK, zorder=3)
            offsets = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
            axes.scatter(values, row + offsets, s=9, color=_BLUE, alpha=0.6, lw=0, zorder=2)
            axes.annotate(
                f"n = {len(values)}", (1.01, row), xycoords=("axes fraction", "data"), va="center",
                fontsize=8,
            )  # fmt: skip
        axes.set_yticks(range(len(by_layer)), list(by_layer))
        axes.set_ylim(len(by_layer) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.set_xlabel("L2 norm of a filter (dot: filter, bar: middle half, line: median)")
        axes.set_title(title, loc="left", fontsize=12)
    return figure


def stems(image: Image, labels: Labels) -> Figure:
    """Draw an image as stems in three dimensions: the brighter, the higher."""
    height, width = image.shape
    y, x = np.mgrid[0:height, 0:width]
    with _figure((8.0, 6.4)) as figure:
        axes: Any = figure.add_subplot(projection="3d")
        span = float(np.ptp(image)) or 1.0
        colours = mpl.colormaps["viridis"]((image.ravel() - image.min()) / span)
        floor = float(image.min())
        for column, line, value, colour in zip(
            x.ravel(), y.ravel(), image.ravel(), colours, strict=True
        ):
            if value > floor:
                axes.plot([column] * 2, [line] * 2, [floor, value], color=colour, linewidth=0.9)
        sizes = np.where(image.ravel() > floor, 10.0, 1.5)
        axes.scatter(x.ravel(), y.ravel(), image.ravel(), c=colours, s=sizes, depthshade=False)
        axes.set_xlabel("column")
        axes.set_ylabel("row")
        axes.set_zlabel(labels.scale)
        axes.invert_yaxis()
        axes.view_init(elev=42, azim=-62)
        axes.set_title("\n".join(filter(None, (labels.title, labels.subtitle))), fontsize=12)
    return figure


def line(x: Sequence[float], y: Sequence[float], labels: Mapping[str, Any]) -> Figure:
    """Draw one line; `labels` has "x", "y", "title" and "log_x"."""
    with _figure((6.4, 4.0)) as figure:
        axes = figure.add_subplot()
        axes.grid(visible=True)
        axes.plot(x, y, color=_BLUE, marker="o" if len(x) <= 40 else None, markersize=4)
        axes.set_xlabel(labels["x"])
        axes.set_ylabel(labels["y"])
        axes.set_title(labels["title"], loc="left", fontsize=12)
        if labels["log_x"]:
            axes.set_xscale("log")
            _write_plain(axes.xaxis)
    return figure


def curves(groups: Mapping[str, Sequence[Track[float]]], title: str) -> Figure:
    """Draw a panel for each group of scalars, with a line for each track."""
    with _panels(len(groups), title, size_in=(4.3, 3.0)) as (figure, panels):
        for axes, (group, tracks) in zip(panels, groups.items(), strict=True):
            axes.set_title(group.replace("_", " "), loc="left")
            axes.set_xlabel("step")
            ordered = sorted(tracks, key=lambda track: track.label == "validation")
            for track, colour in zip(ordered, _line_colours(len(tracks)), strict=True):
                marker = "o" if len(track.steps) <= 25 else None
                axes.plot(track.steps, track.values, color=colour, label=track.label or None,
                          marker=marker, markersize=3)  # fmt: skip
            if group in _LOGARITHMIC and min(min(track.values) for track in tracks) > 0:
                axes.set_yscale("log")
                _write_plain(axes.yaxis)
            if any(track.label for track in tracks):
                _write_legend(axes, len(tracks))
    return figure


def bands(tracks: Sequence[Track[Distribution]], title: str) -> Figure:
    """Draw how distributions change: nested bands between nine percentiles, and the median."""
    colour = _QUANTITY_COLOURS.get(tracks[0].group.partition("/")[0], "#7a5c99")
    with _panels(len(tracks), title, size_in=(4.0, 2.7)) as (figure, panels):
        for axes, track in zip(panels, tracks, strict=True):
            table = np.array([spread.percentiles for spread in track.values])
            for outer, alpha in enumerate((0.16, 0.22, 0.30, 0.45)):
                axes.fill_between(
                    track.steps, table[:, -1 - outer], table[:, outer],
                    color=colour, alpha=alpha, linewidth=0,
                )  # fmt: skip
            axes.plot(track.steps, table[:, 4], color=colour, linewidth=1.8)
            axes.set_title(track.label, loc="left")
            axes.set_xlabel("step")
            axes.margins(x=0)
        _write_band_legend(figure, colour)
    return figure


def ridges(tracks: Sequence[Track[Distribution]], title: str) -> Figure:
    """Draw histograms behind each other, the latest in front; a bin that towers above is cut."""
    with _panels(len(tracks), title, size_in=(4.0, 3.2)) as (figure, panels):
        for axes, track in zip(panels, tracks, strict=True):
            _draw_ridges(axes, track)
    return figure


# The parts of figures.


def _cropped(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make the white margins narrow and even; cheaper than to lay out twice."""
    inked = np.ascontiguousarray(picture).view(np.uint32)[..., 0] != _WHITE
    if not inked.any():
        return picture
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    kept = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    margins = ((_MARGIN_PX, _MARGIN_PX), (_MARGIN_PX, _MARGIN_PX), (0, 0))
    return np.pad(kept, margins, constant_values=255)


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(_STYLE):
        yield


@contextmanager
def _figure(size_in: tuple[float, float]) -> Iterator[Figure]:
    """Give an empty figure in the house style; no window and no global list knows of it."""
    with _style():
        yield Figure(figsize=size_in, dpi=_DPI, layout="constrained")


@contextmanager
def _panels(
    num: int, title: str, *, size_in: tuple[float, float]
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Give a figure with panels in up to three columns, each with a grid and whole steps."""
    columns = min(num, 3)
    rows = -(-num // columns)
    with _figure((max(size_in[0] * columns, 5.0), size_in[1] * rows + 0.5)) as figure:
        figure.suptitle(title)
        panels = [figure.add_subplot(rows, columns, position + 1) for position in range(num)]
        for axes in panels:
            axes.grid(visible=True)
            axes.set_axisbelow(True)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        yield figure, panels


def _heat(axes: Axes, canvas: Canvas) -> Any:
    """Draw a canvas with colours that tell signs apart, if there are any."""
    finite = canvas[np.isfinite(canvas)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low < 0:
        reach = max(-low, high)
        low, high, name = -reach, reach, "RdBu_r"
    else:
        low, high, name = min(low, 0.0), high or 1.0, "viridis"
    colours = mpl.colormaps[name].with_extremes(bad=_GREY)
    # "auto" keeps pixels sharp as long as each can be seen, and averages them otherwise.
    image = axes.imshow(canvas, cmap=colours, norm=Normalize(low, high), interpolation="auto")
    _frame(axes, _GREY, width=0.8)
    return image


def _draw_image(axes: Axes, image: Image) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _frame(axes, _GREY, width=0.8)


def _frame(axes: Axes, colour: str, *, width: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=width)


def _write_title(axes: Axes, labels: Labels) -> None:
    axes.set_title(labels.title, loc="left", fontsize=12, pad=20 if labels.subtitle else 6)
    if labels.subtitle:
        axes.annotate(labels.subtitle, (0, 1), xytext=(0, 6), xycoords="axes fraction",
                      textcoords="offset points", fontsize=8, color="#5a6470")  # fmt: skip


def _draw_bars(axes: Axes, values: Canvas) -> None:
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
    axes.bar(range(len(values)), values, color=[_BLUE if v >= 0 else _RED for v in values])
    axes.axhline(0, color="#8a939c", linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True))


def _write_plain(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis without mathematical typesetting."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _line_colours(num: int) -> Sequence[Any]:
    """Give colours that differ; of many lines, colours that go from the first to the last."""
    if num <= len(_COLOURS):
        return _COLOURS[:num]
    return [*mpl.colormaps["viridis"](np.linspace(0, 0.9, num))]


def _write_legend(axes: Axes, num: int) -> None:
    handles, names = axes.get_legend_handles_labels()
    if num > _MAX_LEGEND:
        kept = [round(k) for k in np.linspace(0, num - 1, 6)]
        handles, names = [handles[k] for k in kept], [names[k] for k in kept]
    if len(names) > _MAX_INSIDE:
        axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    else:
        axes.legend(handles, names, loc="best")


def _write_band_legend(figure: Figure, colour: str) -> None:
    ranges = [f"{PERCENTILES[-1 - k]} to {PERCENTILES[k]} %" for k in range(4)]
    opacities = np.cumsum((0.16, 0.22, 0.30, 0.45)).clip(max=0.85)
    handles: list[Any] = [
        mpl.patches.Patch(color=colour, alpha=float(opacity), linewidth=0) for opacity in opacities
    ]
    handles.append(mpl.lines.Line2D([], [], color=colour, linewidth=1.8))
    names = ["minimum to maximum", *ranges[1:], "median"]
    figure.legend(handles, names, loc="outside lower center", ncols=5)


def _draw_ridges(axes: Axes, track: Track[Distribution]) -> None:
    picked = np.unique(np.linspace(0, len(track.steps) - 1, _MAX_RIDGES).round().astype(int))
    spreads = [track.values[k] for k in picked]
    colours = mpl.colormaps["viridis_r"](np.linspace(0.12, 0.95, len(picked)))
    for depth, (spread, colour) in enumerate(zip(spreads, colours, strict=True)):
        edges = np.array(spread.edges)
        density = np.array(spread.counts, dtype=float)
        second = np.sort(density)[-2] or density.max() or 1.0  # ReLUs pile most values up in one
        height = (density / second).clip(max=1.25) * 2.2
        base = float(len(picked) - 1 - depth)
        centres = (edges[1:] + edges[:-1]) / 2
        axes.fill_between(centres, base, base + height, color=colour, alpha=0.85, linewidth=0,
                          zorder=depth + 2)  # fmt: skip
        axes.plot(centres, base + height, color="white", linewidth=0.7, zorder=depth + 2)
    shown = np.unique(np.linspace(0, len(picked) - 1, 5).round().astype(int))
    bases = [len(picked) - 1 - int(k) for k in shown]
    axes.set_yticks(bases, [str(track.steps[picked[k]]) for k in shown])
    axes.set_ylabel("step")
    axes.set_xlabel("value")
    axes.set_title(track.label, loc="left")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
