import copy
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from akid.errors import SetupError
from akid.observing import figures
from akid.observing.figures import Labels
from akid.observing.observer import Observer
from akid.observing.tiling import Canvas


@pytest.fixture(autouse=True)
def _few_dots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw coarsely: what is on the pictures is the same."""
    monkeypatch.setattr(figures, "_DPI", 50)


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_filters_of_all_layers_are_drawn_below_the_log_folder(observer) -> None:
    """One file a layer, whatever the layout."""
    for kind in ("inverse", "dynamic", "square"):
        (path,) = observer.visualize_filters("conv1", layout={"type": kind, "num": 2})
        assert path.name == "conv1_para.png"

    paths = observer.visualize_filters(layout={"type": "normal", "num": 2})

    assert names(paths) == ["conv1_para.png", "head_ip1_para.png", "ip2_para.png"]
    assert {path.parent for path in paths} == {Path(observer.kid.log_dir, "visualization")}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Canvas]:
    """Return what is drawn as tiles, by title; it is drawn all the same."""
    drawn, tiles = dict[str, Canvas](), figures.tiles

    def draw(canvas: Canvas, labels: Labels) -> Figure:
        drawn[labels.title] = canvas
        return tiles(canvas, labels)

    monkeypatch.setattr(figures, "tiles", draw)
    return drawn


def values_on(page: Canvas) -> list[float]:
    return sorted(page[np.isfinite(page)].tolist())


def test_the_filters_that_are_drawn_are_the_kids_weights(observer, pages) -> None:
    """All of them, with bars for their biases, and nothing else."""
    observer.visualize_filters()

    brain = observer.kid.brain
    assert pages.keys() == {"conv1", "head/ip1", "ip2"}
    for name, page in pages.items():
        filters = [brain[f"{name}/{what}"].detach().flatten() for what in ("weights", "biases")]
        assert set(values_on(page)) == set(torch.cat(filters).tolist())


def test_the_maps_that_are_drawn_are_what_the_layer_gives_for_the_sample(observer, pages) -> None:
    """Of the kid's current batch, without learning."""
    observer.visualize_activation("conv1", sample=3)

    brain = copy.deepcopy(observer.kid.brain).eval()
    brain(observer.kid.sensor.current_batch())
    maps = brain.get_layer_by_name("conv1").data[3]
    assert values_on(pages["conv1"]) == pytest.approx(sorted(maps.flatten().tolist()), abs=1e-6)


def test_a_kid_that_has_just_been_made_can_be_looked_at(make_kid) -> None:
    """It is set up for that; its weights are the first ones."""
    observer = Observer(make_kid())

    assert names(observer.visualize_filters("ip2")) == ["ip2_para.png"]
    assert names(Observer(make_kid()).visualize_activation("ip2"))[-1] == "activations.png"


def test_layers_are_chosen_by_name(observer) -> None:
    """A system stands for the layers with weights in it; a layer without them is an error."""
    assert names(observer.visualize_filters("ip2")) == ["ip2_para.png"]
    assert names(observer.visualize_filters(["head"])) == ["head_ip1_para.png"]
    with pytest.raises(SetupError, match="relu1: expected a layer with weights"):
        observer.visualize_filters(["relu1"])
    with pytest.raises(SetupError, match="Did you mean 'conv1'"):
        observer.visualize_filters(["conv"])


def test_what_every_layer_gives_is_drawn(observer) -> None:
    """But no loss; the last picture has all of them."""
    assert names(observer.visualize_activation(sample=3)) == [
        "conv1_fmap.png",
        "relu1_fmap.png",
        "pool1_fmap.png",
        "head_ip1_fmap.png",
        "head_drop1_fmap.png",
        "ip2_fmap.png",
        "activations.png",
    ]


def test_a_batch_of_ones_own_is_propagated(observer) -> None:
    """Its samples are counted from 0."""
    batch = [torch.rand(2, 1, 6, 8), torch.tensor([0, 1])]

    assert observer.visualize_activation("conv1", sample=1, inputs=batch)
    with pytest.raises(SetupError, match=re.escape("from 0 to 1 of the batch, got sample=2")):
        observer.visualize_activation(sample=2, inputs=batch)


def test_classified_images_are_drawn(observer) -> None:
    """All of a validation batch, or some, with names of classes or without."""
    assert observer.visualize_classifying("ip2").name == "ip2_classifying.png"
    observer.visualize_classifying("ip2", [0, 3], class_names=["lying", "upright"])
    with pytest.raises(SetupError, match=re.escape("idxs from 0 to 9")):
        observer.visualize_classifying("ip2", [10])
    with pytest.raises(SetupError, match="Did you mean 'ip2'"):
        observer.visualize_classifying("ip3")
    with pytest.raises(SetupError, match="expected scores of shape"):
        observer.visualize_classifying("loss")


def test_dynamics_are_drawn_by_quantity(observer) -> None:
    """Bands and histograms of weights, biases, their gradients, and activations."""
    quantities = ["activations", "biases", "biases_gradients", "weights", "weights_gradients"]

    paths = observer.visualize_distributions()

    assert sorted(names(paths)) == [f"distributions_{quantity}.png" for quantity in quantities]
    assert names(observer.visualize_histograms(["brain/conv1/weights/gradients"])) == [
        "histograms_weights_gradients.png"
    ]


def test_tags_choose_what_is_drawn(observer) -> None:
    """Unknown ones are errors."""
    (path,) = observer.visualize_distributions(["brain/conv1/weights"])

    assert path.name == "distributions_weights.png"
    with pytest.raises(SetupError, match="Did you mean 'Training Loss'"):
        observer.visualize_scalars(["Training Los"])


def test_other_pictures_are_drawn(observer) -> None:
    """Scalars, sparsity, norms, stems, the graph and a line."""
    paths = [
        observer.visualize_scalars(),
        observer.plot_relu_sparsity(),
        observer.do_stat_on_filters(),
        observer.stem3_data(sample=1),
        observer.visualize_graph(),
        observer.line_plot([1, 10], [0.1, 0.2], "x", "y", "rate", log_x=True),
    ]

    assert [path.stem for path in paths] == [
        "scalars", "sparsity", "filter_norms", "input_stems", "graph", "rate",
    ]  # fmt: skip
    assert all(path.stat().st_size > 500 for path in paths)


def test_scalars_are_drawn_of_a_kid_that_nobody_recorded(make_kid) -> None:
    """Its rows are enough; distributions are not there."""
    kid = make_kid()
    kid.practice()
    observer = Observer(kid)

    assert observer.visualize_scalars().exists()
    with pytest.raises(SetupError, match=re.escape("Call observer.record()")):
        observer.visualize_distributions()


def test_before_practice_nothing_was_recorded(make_kid) -> None:
    """The message says what to do."""
    with pytest.raises(SetupError, match=re.escape("expected something recorded, got nothing")):
        Observer(make_kid()).visualize_scalars()


def test_recording_twice_is_recording_once(make_kid) -> None:
    """The second call gives what the first made."""
    kid = make_kid()
    observer = Observer(kid)

    assert observer.record() is observer.record()
    assert len(kid.hooks.on_train_log_step) == 1


def test_without_a_log_folder_pictures_get_one_of_their_own(
    make_kid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for all pictures; once the kid has one, they go there."""
    monkeypatch.chdir(tmp_path)
    kid = make_kid(log_dir=None)
    observer = Observer(kid)

    first = observer.folder
    assert first.parent.parent == Path("log")
    assert observer.folder == first
    kid.log_dir = tmp_path / "other"
    assert observer.folder == tmp_path / "other" / "visualization"


def test_no_window_can_be_opened() -> None:
    """The interface that opens windows is not loaded."""
    assert "matplotlib.pyplot" not in sys.modules
