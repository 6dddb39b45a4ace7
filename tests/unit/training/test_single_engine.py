from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from akid.core import regularizers
from akid.core.brain import Brain
from akid.errors import SetupError
from akid.layers.activation import SigmoidLayer
from akid.layers.binary_loss import BCELossLayer
from akid.layers.evaluation import AUCLayer, BinaryAccuracyLayer, MultiLabelAccuracyLayer
from akid.layers.inner_product import InnerProductLayer
from akid.sensing.datasets.array_source import ArrayFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training.kid import Kid
from akid.training.kongfu import GradientDescentKongFu, KongFu, MomentumKongFu
from akid.training.kongfus import AdagradKongFu, AdamKongFu, RMSPropKongFu
from akid.training.team import Team

MakeKid = Callable[..., Kid]


@pytest.mark.parametrize("wd", [{"type": "l2", "scale": 0.5}, {"type": "l1", "scale": 0.5}])
@pytest.mark.parametrize("clip_value", [None, 1e3])
def test_a_step_is_one_of_plain_torch(
    make_kid: MakeKid, wd: dict[str, Any], clip_value: float | None
) -> None:
    """The update is that of the loss with its penalties, differentiated by autograd."""
    kid = make_kid(kongfu=GradientDescentKongFu(lr=0.1, clip_value=clip_value))
    plain = make_kid()
    for each in (kid, plain):
        each.brain.blocks["ip2"].regularizer = regularizers.from_description(wd, who="ip2")
        each.setup()
    kid.engine.step(kid.sensor.next_batch())
    plain.brain(plain.sensor.next_batch())
    plain.brain.loss.backward()

    for ours, theirs in zip(kid.brain.parameters(), plain.brain.parameters(), strict=True):
        assert theirs.grad is not None
        torch.testing.assert_close(ours.detach(), theirs.detach() - 0.1 * theirs.grad)
    assert (kid.step, plain.step) == (1, 0)
    assert kid.kongfu.decays_weights == (wd["type"] == "l2" and clip_value is None)


@pytest.mark.parametrize("kongfu", [AdamKongFu, RMSPropKongFu, AdagradKongFu, MomentumKongFu])
def test_an_optimiser_that_decays_weights_does_what_added_gradients_do(
    make_kid: MakeKid, kongfu: type[KongFu]
) -> None:
    """Whoever adds the penalty's gradient, the weights are the same."""
    alone, helped = make_kid(kongfu=kongfu(lr=0.01)), make_kid(kongfu=kongfu(lr=0.01, clip_value=9))
    for kid in (alone, helped):
        kid.practice()

    assert alone.kongfu.decays_weights
    assert not helped.kongfu.decays_weights
    for one, other in zip(alone.brain.parameters(), helped.brain.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("accumulate", [2, 3, 10, 11])
def test_pieces_of_a_batch_give_the_gradients_of_the_batch(
    make_kid: MakeKid, accumulate: int
) -> None:
    """However the batch is cut, an update is the same, and so is what is measured of it."""
    whole = make_kid(kongfu=GradientDescentKongFu(lr=0.1))
    cut = make_kid(kongfu=GradientDescentKongFu(lr=0.1, accumulate=accumulate))
    for kid in (whole, cut):
        kid.setup()
        kid.brain.eval()  # the mean over a batch, and dropout, do hang on the pieces
        kid.engine.step(kid.sensor.next_batch(), measure=True)

    for ours, theirs in zip(cut.brain.parameters(), whole.brain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert cut.engine.measurements() == pytest.approx(whole.engine.measurements(), rel=1e-5)
    assert cut.step == 1


def test_evaluation_leaves_the_mode_as_it_was(make_kid: MakeKid) -> None:
    """Training stays training, and data stay kept."""
    kid = make_kid()
    kid.setup()
    kid.brain.train()
    kid.engine.evaluate(kid.sensor.epoch("val"))

    assert kid.brain.training
    assert kid.brain.keep_data


def test_a_brain_keeps_no_activations_at_work(make_kid: MakeKid) -> None:
    """They are freed after their last use, and kept again afterwards."""
    kid = make_kid()
    kept: list[bool] = []
    kid.hooks.on_batch_begin.append(lambda k: kept.append(k.brain.keep_data))
    kid.practice()

    assert not any(kept)
    assert kid.brain.keep_data


def test_the_engine_is_a_block(make_kid: MakeKid) -> None:
    """It propagates a batch, and holds no parameters of its own."""
    kid = make_kid()
    kid.setup()
    batch = kid.sensor.current_batch()

    assert torch.equal(kid.eval().engine(batch), kid.brain(batch))
    assert list(kid.engine.parameters()) == []


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_computes_in_less_and_keeps_the_parameters(
    make_kid: MakeKid, precision: str
) -> None:
    """Products are of the lower precision, weights and their updates are not; it still learns."""
    kid = make_kid(max_steps=60, engine={"name": "single", "precision": precision})
    dtypes = set()

    def look(module: Any, inputs: Any, output: torch.Tensor) -> None:
        dtypes.add(output.dtype)

    kid.brain.blocks["ip1"].register_forward_hook(look)
    report = kid.practice()

    assert getattr(torch, precision) in dtypes
    assert {parameter.dtype for parameter in kid.brain.parameters()} == {torch.float32}
    assert report.final["val_loss"] < kid.rows[0]["val_loss"]


def test_mixed_precision_is_close_to_full(make_kid: MakeKid) -> None:
    """A step with a scaled loss moves the weights as one without, within the precision."""
    full = make_kid(kongfu=GradientDescentKongFu(lr=0.1))
    mixed = make_kid(
        kongfu=GradientDescentKongFu(lr=0.1), engine={"name": "single", "precision": "float16"}
    )
    for kid in (full, mixed):
        kid.setup()
        kid.engine.step(kid.sensor.next_batch())

    for one, other in zip(full.brain.parameters(), mixed.brain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3)


def test_mixed_precision_resumes_bit_for_bit(make_kid: MakeKid) -> None:
    """The scale of the loss is part of the checkpoint."""
    arguments = {"engine": {"name": "single", "precision": "float16"}, "max_steps": 6}
    whole, first = make_kid(**arguments), make_kid(**arguments)
    whole.practice()
    first.hooks.on_batch_begin.append(lambda k: k.stop() if k.step == 3 else None)
    first.practice()
    resumed = make_kid(**arguments)
    resumed.practice(continue_from_chk_point=True)

    assert resumed.engine.get_extra_state() == whole.engine.get_extra_state()
    for one, other in zip(whole.brain.parameters(), resumed.brain.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_first_batch_without_samples_is_a_step_with_a_scaled_loss_too(make_kid: MakeKid) -> None:
    """As a worker of a team has it: the gradients are the others', scaled as its own would be."""
    kid = make_kid(engine={"name": "single", "precision": "float16"})
    kid.setup()
    batch = kid.sensor.next_batch()
    before = kid.engine.get_extra_state()["scaler"]["scale"]
    kid.engine.team = Others()
    kid.engine.step([tensor[:0] for tensor in batch])

    assert kid.step == 1
    assert kid.engine.get_extra_state()["scaler"]["scale"] == before


class Others(Team):
    """A team whose others give each gradient."""

    def average(self, parameters: Any, buffers: Any) -> None:
        del buffers
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)

    def join(self, tally: Any) -> Any:
        return tally

    def sum(self, value: float) -> float:
        return value


def test_an_unknown_precision_is_an_error_with_the_known_ones(make_kid: MakeKid) -> None:
    """The message lists them."""
    with pytest.raises(SetupError, match=r"among \['bfloat16', .*got precision='int8'"):
        make_kid(engine={"name": "single", "precision": "int8"})


@pytest.mark.filterwarnings("ignore")  # the compiler's own, which it means to hide
def test_a_compiled_brain_learns_the_same(make_kid: MakeKid) -> None:
    """Losses, metrics and weights are those of the brain as it is."""
    arguments = {"max_steps": 2, "train_log_step": 1, "source": {"num_val": 3, "has_test": False}}
    plain = make_kid(**arguments)
    compiled = make_kid(**arguments, engine={"name": "single", "compile": {"backend": "eager"}})
    expected, report = plain.practice(), compiled.practice()

    speed = {"samples_per_s"}
    numbers = {key: value for key, value in report.final.items() if key not in speed}
    assert numbers == pytest.approx({key: expected.final[key] for key in numbers}, rel=1e-5)
    for one, other in zip(plain.brain.parameters(), compiled.brain.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_averages_are_of_the_weights_as_the_brain_left_them(make_kid: MakeKid) -> None:
    """A norm that is kept by every step's weights is kept by their average."""
    kid = make_kid(max_steps=20, kongfu=MomentumKongFu(lr=1.0, moving_average_decay=0.5))
    kid.brain.blocks["ip2"].max_norm = 0.1
    kid.practice()

    with kid.kongfu.averaged_weights():
        assert float(kid.brain["ip2/weights"].detach().norm(dim=1).max()) <= 0.1 + 1e-6


def test_rates_of_pieces_and_averages_work_together(make_kid: MakeKid) -> None:
    """Clipping, factors, pieces and averages in one practice."""
    kongfu = MomentumKongFu(
        lr=0.1, lr_factors={"ip2": 0.5}, clip_norm=1.0, accumulate=2, moving_average_decay=0.9
    )
    kid = make_kid(kongfu=kongfu, max_steps=60)
    report = kid.practice()

    assert report.final["val_loss"] < 0.7 * kid.rows[0]["val_loss"]


class TagsBrain(Brain):
    """Says which of three tags an example has."""

    def __init__(self) -> None:
        super().__init__(name="Brain")
        self.attach(InnerProductLayer(out_channel_num=3, name="ip"))
        self.attach(SigmoidLayer(name="tags"))
        seen = [{"name": "tags", "idxs": [0]}, {"name": "system_in", "idxs": [1]}]
        self.attach(BCELossLayer(name="loss", inputs=seen))
        self.attach(AUCLayer(name="auc", inputs=seen))
        self.attach(MultiLabelAccuracyLayer(name="map", inputs=seen))
        self.attach(AUCLayer(return_average_auc=False, name="aucs", inputs=seen))
        self.attach(BinaryAccuracyLayer(name="right", inputs=seen))


@pytest.mark.parametrize("val_batch_size", [1, 7, 60])
def test_rankings_are_of_the_whole_validation(val_batch_size: int, tmp_path: Path) -> None:
    """However it is cut into batches, equal to what scikit-learn makes of all predictions."""
    random = np.random.default_rng(0)
    data = random.normal(size=(100, 5)).astype(np.float32)
    labels = (data[:, :3] + random.normal(size=(100, 3)) > 0.7).astype(np.float32)
    sensor = FeedSensor(
        ArrayFeedSource(data, labels, num_val=60), batch_size=16, val_batch_size=val_batch_size
    )
    kid = Kid(sensor, TagsBrain(), AdamKongFu(lr=0.1), log_dir=tmp_path, max_steps=2, device="cpu")
    kid.setup()

    measured = kid.engine.evaluate(kid.sensor.epoch("val"))

    val, truth = sensor.source.prepared("val").tensors
    kid.brain.eval()
    with torch.no_grad():
        kid.brain.keep_data = True
        kid.brain([val, truth])
    scores = kid.brain.get_layer_by_name("tags").data.numpy()
    each = [roc_auc_score(truth[:, tag], scores[:, tag]) for tag in range(3)]
    assert measured["auc"] == pytest.approx(np.mean(each), abs=1e-6)
    assert [measured[f"auc_{tag}"] for tag in range(3)] == pytest.approx(each, abs=1e-6)
    precision = average_precision_score(truth, scores, average="macro")
    assert measured["mean_average_precision"] == pytest.approx(precision, abs=1e-6)
    right = ((scores > 0.5) == (truth.numpy() > 0.5)).mean()
    assert measured["binary_accuracy"] == pytest.approx(right, abs=1e-6)
