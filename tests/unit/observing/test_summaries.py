import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from akid.observing.summaries import Record, Summaries, Track, of_rows, row_tag

LAYERS = ("conv1", "head/ip1", "ip2")


def test_each_log_step_records_parameters_gradients_and_activations(observer) -> None:
    """Under the tags <brain>/<layer>/<quantity>."""
    histograms = observer.summaries.histograms

    for layer in LAYERS:
        for what in ("weights", "weights/gradients", "biases", "biases/gradients", "activations"):
            assert histograms[f"brain/{layer}/{what}"].steps == [2, 4, 6]
    assert "brain/relu1/activations" in histograms
    assert "brain/loss/activations" not in histograms


def test_a_kid_that_resembles_another_records_what_the_other_would(make_kid) -> None:
    """As the kid at home does whose copies practise elsewhere: weights, gradients, rows."""
    there, home = make_kid(), make_kid()
    home.setup()
    recorded, heard = Summaries(), Summaries()
    recorded.attach_to(there)
    heard.attach_to(home)

    def spoken(event: str):
        def speak(kid) -> None:
            home.resemble(kid.likeness(is_whole=True))
            home.react(event)

        return speak

    for event in ("on_train_begin", "on_train_log_step", "on_val_log_step"):
        getattr(there.hooks, event).append(spoken(event))
    there.practice()

    assert "brain/conv1/weights/gradients" in heard.histograms
    assert heard.histograms == recorded.histograms
    assert heard.scalars == recorded.scalars


def test_the_last_recorded_weights_are_the_kids(observer) -> None:
    """Extremes are exact."""
    weights = observer.kid.brain["conv1/weights"].detach()

    spread = observer.summaries.histograms["brain/conv1/weights"].values[-1]

    assert spread.percentiles[0] == float(weights.max())
    assert spread.num == weights.numel()


def test_the_last_recorded_gradients_are_the_kids(observer) -> None:
    """They are not the weights once more."""
    gradients = observer.kid.brain["conv1/weights"].grad

    spread = observer.summaries.histograms["brain/conv1/weights/gradients"].values[-1]

    assert spread.percentiles[0] == float(gradients.max())
    assert spread.percentiles[-1] == float(gradients.min())


def test_rows_become_scalars(observer) -> None:
    """Training rows and validation rows at their steps."""
    scalars = observer.summaries.scalars

    assert scalars["Training Loss"].steps == [2, 4, 6]
    assert scalars["Validation Loss"].steps == [0, 3, 6]
    assert scalars["Validation Accuracy"].group == scalars["Training Accuracy"].group == "accuracy"
    assert scalars["Learning Rate"].values == pytest.approx([0.05] * 3)
    assert scalars["Training Loss"].values[-1] == observer.kid.report.final["train_loss"]


def test_regularisation_is_recorded_by_layer(observer) -> None:
    """Layers without a regulariser have none; together they are the brain's penalty."""
    scalars = observer.summaries.scalars
    losses = [scalars[f"brain/{layer}/weights/l2_loss"].values[-1] for layer in ("conv1", "ip2")]

    assert sum(losses) == pytest.approx(observer.kid.brain.penalty().item())
    assert "brain/head/ip1/weights/l2_loss" not in scalars


def test_sparsity_is_the_fraction_of_zeros_where_there_are_any(observer) -> None:
    """Not of a layer that never gives a zero."""
    scalars = observer.summaries.scalars

    assert 0 < scalars["brain/relu1/sparsity"].values[-1] < 1
    assert scalars["brain/relu1/sparsity"].label == "relu1"
    assert "brain/conv1/sparsity" not in scalars


def test_recording_does_not_change_what_the_kid_learns(make_kid) -> None:
    """The same bits with and without."""
    plain, recorded = make_kid(), make_kid()
    Summaries().attach_to(recorded)

    plain.practice()
    recorded.practice()

    pairs = zip(plain.brain.parameters(), recorded.brain.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_listeners_hear_each_record(make_kid) -> None:
    """With all that is new."""
    heard: list[Record] = []
    kid, summaries = make_kid(), Summaries()
    summaries.listeners.append(heard.append)
    summaries.attach_to(kid)

    kid.practice()

    assert [record.step for record in heard] == [0, 2, 3, 4, 6, 6]
    assert heard[1].histograms.keys() == summaries.histograms.keys()
    assert set().union(*(record.scalars for record in heard)) == summaries.scalars.keys()


def test_tensors_and_numbers_of_ones_own_are_recorded_too() -> None:
    """Group and label are read from the tag unless they are given."""
    summaries = Summaries()

    summaries.add_histogram("brain/gate/values", torch.arange(3.0), step=1)
    summaries.add_scalar("temperature", 2, step=1, group="heat")

    assert summaries.histograms["brain/gate/values"].label == "brain/gate"
    assert summaries.scalars["temperature"] == Track(
        group="heat", label="", steps=[1], values=[2.0]
    )


@given(steps=st.lists(st.integers(0, 20)))
def test_steps_of_a_track_increase(steps: list[int]) -> None:
    """A run that goes back to an earlier step forgets what came later."""
    track: Track[int] = Track(group="g", label="l")

    for number, step in enumerate(steps):
        track.add(number, step)

    assert track.steps == sorted(set(track.steps))
    assert track.steps[-1:] == steps[-1:]
    assert [steps[number] for number in track.values] == track.steps


def test_rows_alone_give_scalars(observer) -> None:
    """For a kid that nobody recorded."""
    assert of_rows(observer.kid.rows).scalars["Training Loss"].steps == [2, 4, 6]


@pytest.mark.parametrize(
    ("key", "tag"),
    [("train_loss", "Training Loss"), ("val_top5_error", "Validation Top5 Error"), ("odd", "odd")],
)
def test_a_rows_keys_become_readable_tags(key: str, tag: str) -> None:
    """Those of no split stay."""
    assert row_tag(key)[0] == tag


def test_summaries_are_copied_and_pickled_without_listeners(observer) -> None:
    """The numbers are there."""
    for twin in (
        copy.deepcopy(observer.summaries),
        pickle.loads(pickle.dumps(observer.summaries)),
    ):
        assert twin.scalars == observer.summaries.scalars
        assert twin.listeners == []
