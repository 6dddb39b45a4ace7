import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from akid.observing import figures
from akid.observing.distribution import describe
from akid.observing.figures import Labels
from akid.observing.summaries import Track


def size_px(path: Path) -> tuple[int, int]:
    """Read width and height from a PNG's header."""
    return struct.unpack(">II", path.read_bytes()[16:24])


def test_a_figure_is_saved_as_png_without_pyplot(tmp_path: Path) -> None:
    """So no window can be opened and no global list of figures grows."""
    figure = figures.line([1, 2], [3, 4], {"x": "x", "y": "y", "title": "line", "log_x": False})

    path = figures.save(figure, tmp_path / "line.png")

    assert path.read_bytes().startswith(b"\x89PNG")
    assert min(size_px(path)) > 300
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize("shape", [(1, 1), (300, 2), (2, 300), (60, 60)])
def test_pages_of_any_shape_are_drawn(shape: tuple[int, int], tmp_path: Path) -> None:
    """Long ones too, with their colour bar."""
    canvas = np.linspace(-1, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)

    figure = figures.tiles(canvas, Labels(title="conv1", subtitle="notes", scale="weight"))
    path = figures.save(figure, tmp_path / "page.png")

    assert max(size_px(path)) < 3000
    assert len(figure.axes) == 2


def test_colours_are_centred_on_zero_where_values_are_negative() -> None:
    """And start at zero otherwise."""
    signed = figures.tiles(np.array([[-1, 3]], np.float32), Labels(title="t"))
    positive = figures.tiles(np.array([[1, 3]], np.float32), Labels(title="t"))

    assert signed.axes[0].images[0].get_clim() == (-3, 3)
    assert positive.axes[0].images[0].get_clim() == (0, 3)


@pytest.mark.parametrize("page", [[[np.nan]], [[0.0, 0.0]], [[np.inf, np.nan]]])
def test_a_page_without_contrast_is_drawn(page: list[list[float]], tmp_path: Path) -> None:
    """Nothing finite, or nothing but zeros."""
    figure = figures.tiles(np.array(page, np.float32), Labels(title="t"))

    assert figures.save(figure, tmp_path / "page.png").exists()


def test_bands_lie_between_percentiles_from_the_outside_in() -> None:
    """Four bands around the median, each within the one before."""
    track = Track(group="weights", label="conv1")
    for step in (1, 2, 3):
        track.add(describe(torch.arange(101.0) * step), step)

    axes = figures.bands([track], "title").axes[0]

    extents = [band.get_paths()[0].get_extents() for band in axes.collections]
    assert [(round(e.y0), round(e.y1)) for e in extents] == [
        (0, 300),
        (7, 279),
        (16, 252),
        (31, 207),
    ]
    assert axes.lines[0].get_ydata().tolist() == [50, 100, 150]


@pytest.mark.parametrize("num", [1, 40])
def test_one_record_and_many_are_drawn(num: int, tmp_path: Path) -> None:
    """Constants and spreads without a finite value do no harm."""
    track = Track(group="weights", label="conv1")
    for step in range(num):
        track.add(describe(torch.full((5,), float("nan") if step % 2 else 1.0)), step)

    for draw in (figures.bands, figures.ridges):
        assert figures.save(draw([track], "title"), tmp_path / "spread.png").exists()


def test_many_curves_share_a_short_legend() -> None:
    """Six names tell first, last and those between."""
    tracks = [
        Track(group="sparsity", label=f"relu{n}", steps=[1], values=[n / 40]) for n in range(40)
    ]

    axes = figures.curves({"sparsity": tracks}, "title").axes[0]

    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert (names[0], names[-1], len(names)) == ("relu0", "relu39", 6)


def test_losses_of_layers_are_drawn_on_a_logarithmic_scale_unless_one_is_zero() -> None:
    """A dead layer has no logarithm."""
    alive = Track(group="l2_loss", label="conv1", steps=[1], values=[0.5])
    dead = Track(group="l2_loss", label="conv2", steps=[1], values=[0.0])

    assert figures.curves({"l2_loss": [alive]}, "title").axes[0].get_yscale() == "log"
    assert figures.curves({"l2_loss": [alive, dead]}, "title").axes[0].get_yscale() == "linear"


def test_a_name_with_dollars_is_no_formula(tmp_path: Path) -> None:
    """Names are drawn as they are."""
    figure = figures.bars(np.ones(3, np.float32), Labels(title="a$b_{$"))

    assert figures.save(figure, tmp_path / "bars.png").exists()
