import copy
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from akid.core import seeding
from akid.core.brain import Brain
from akid.errors import CheckpointError, DivergedError, SetupError
from akid.layers.activation import ReLULayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.sensing.datasets.digits import DigitsFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training import checkpoint
from akid.training.hooks import EarlyStopping
from akid.training.kid import Kid
from akid.training.kongfu import GradientDescentKongFu, KongFu, MomentumKongFu
from akid.training.kongfus import AdagradKongFu, AdamKongFu, RMSPropKongFu

MakeKid = Callable[..., Kid]


def events_of(kid: Kid) -> list[str]:
    """Let all hooks of a kid write down when they are called."""
    events: list[str] = []
    for name, hooks in vars(kid.hooks).items():
        hooks.append(lambda k, name=name: events.append(f"{name[3:]} {k.step}"))
    return events


def weights_of(kid: Kid) -> dict[str, torch.Tensor]:
    return {
        name: tensor.clone()
        for name, tensor in kid.brain.state_dict().items()
        if isinstance(tensor, torch.Tensor)
    }


def assert_equal_bits(one: Kid, other: Kid) -> None:
    other_weights = weights_of(other)
    for name, tensor in weights_of(one).items():
        assert torch.equal(tensor, other_weights[name]), name


# The loop


def test_events_come_in_the_documented_order(make_kid: MakeKid) -> None:
    """The training row comes before the validation of the same step, which precedes epoch's end."""
    kid = make_kid(val_log_step=3, train_log_step=2, save_chk_point=False)
    events = events_of(kid)
    kid.practice()

    assert [event.replace("_log_step", "") for event in events if "batch" not in event] == [
        "train_begin 0",
        "val 0",
        "train 2",
        "val 3",
        "epoch_end 3",
        "train 4",
        "train 6",
        "val 6",
        "epoch_end 6",
        "val 7",
        "train_end 7",
    ]
    assert [event for event in events if "batch" in event] == [f"batch_begin {n}" for n in range(7)]


def test_a_checkpoint_follows_each_validation(make_kid: MakeKid) -> None:
    """The hook is called when the file is there."""
    kid = make_kid(val_log_step=4)
    found: list[Path] = []
    kid.hooks.on_checkpoint.append(lambda k: found.append(k.checkpoint_path))
    kid.practice()

    assert [path.name for path in found] == [
        "checkpoint-0.pt",
        "checkpoint-4.pt",
        "checkpoint-7.pt",
    ]
    assert all(path.is_file() for path in found)


def test_validation_may_go_by_epochs(make_kid: MakeKid) -> None:
    """Every second epoch of three batches, and at the end."""
    kid = make_kid(
        max_epoch=5, log_by_step=False, log_by_epoch=True, num_epoch_per_log=2, val_log_step=1
    )
    kid.practice()

    assert [row["step"] for row in kid.rows if "val_loss" in row] == [0, 6, 12, 15]
    assert [row["epoch"] for row in kid.rows if "val_loss" in row] == [0, 2, 4, 5]


def test_a_step_is_validated_once(make_kid: MakeKid) -> None:
    """Step, epoch and end at the same place give one row."""
    kid = make_kid(max_epoch=2, log_by_epoch=True, val_log_step=3)
    kid.practice()

    assert [row["step"] for row in kid.rows if "val_loss" in row] == [0, 3, 6]


def test_rows_hold_what_is_documented(make_kid: MakeKid) -> None:
    """Plain numbers, by the documented names."""
    kid = make_kid(val_log_step=3, train_log_step=2)
    kid.practice()
    train, val = (row for row in kid.rows if row["step"] == 6)

    assert train.keys() == {
        "step", "epoch", "lr", "train_loss", "train_data_loss", "train_accuracy", "samples_per_s"
    }  # fmt: skip
    assert val.keys() == {"step", "epoch", "val_loss", "val_data_loss", "val_accuracy"}
    assert all(type(value) in {int, float} for row in kid.rows for value in row.values())


def test_the_report_tells_final_best_and_test(make_kid: MakeKid) -> None:
    """Steps, epochs and the number of rows are those of the practice."""
    kid = make_kid(max_epoch=4, val_log_step=2, train_log_step=5)
    report = kid.practice()

    assert report is kid.report
    assert report.final["step"] == report.steps == 12
    assert report.final.keys() >= {"train_loss", "val_loss", "val_accuracy"}
    assert report.best in kid.rows
    best = max(row["val_accuracy"] for row in kid.rows if "val_accuracy" in row)
    assert report.best["val_accuracy"] == best
    assert report.test.keys() == {"test_loss", "test_data_loss", "test_accuracy"}
    assert (report.epochs, report.rows) == (4, len(kid.rows))
    assert report.seconds > 0
    assert report.samples_per_s > 0


def test_the_test_pass_uses_the_best_weights_and_puts_the_last_back_defect_42(
    make_kid: MakeKid,
) -> None:
    """The metrics are those of the weights of the best validation."""
    kid = make_kid(max_epoch=4, val_log_step=1, best_metric="val_loss")
    kept: dict[int, dict[str, Any]] = {}
    kid.hooks.on_val_log_step.append(lambda k: kept.update({k.step: weights_of(k)}))
    kid.kongfu.set_lr(0.6)
    report = kid.practice()
    last = weights_of(kid)
    assert report.best["step"] != report.steps
    kid.brain.load_state_dict({**kid.brain.state_dict(), **kept[int(report.best["step"])]})

    assert kid.validate("test") == report.test
    assert all(torch.equal(tensor, kept[report.steps][name]) for name, tensor in last.items())


def test_without_a_test_split_there_is_no_test_pass(make_kid: MakeKid) -> None:
    """The report's test metrics are empty then."""
    assert make_kid(source={"has_test": False}).practice().test == {}


def test_metrics_are_averaged_over_samples(make_kid: MakeKid) -> None:
    """Seven samples in batches of three give the mean over the seven."""
    kid = make_kid()
    kid.setup()
    kid.brain.eval()
    batch = [torch.cat(parts) for parts in zip(*kid.sensor.epoch("val"), strict=True)]
    with torch.no_grad():
        kid.brain(batch)
        expected = {
            "val_loss": float(kid.brain.loss),
            "val_data_loss": float(kid.brain.data_loss),
            "val_accuracy": float(kid.brain.evals["accuracy"]),
        }

    assert kid.validate() == pytest.approx(expected, rel=1e-6)


def test_without_regularisers_there_is_one_loss(make_kid: MakeKid) -> None:
    """The data loss is then the loss and not said twice."""
    kid = make_kid(train_log_step=1)
    for name in ("ip1", "ip2"):
        kid.brain.blocks[name].regularizer = None
    kid.practice()

    assert not any("data_loss" in name for row in kid.rows for name in row)


def test_the_training_loss_is_the_brains(make_kid: MakeKid) -> None:
    """The row of the first step has data loss and penalty of the first batch."""
    kid, other = make_kid(max_steps=1, train_log_step=1), make_kid(max_steps=1)
    kid.practice()
    other.setup()
    other.brain.train()
    other.brain(other.sensor.next_batch())

    assert kid.rows[1]["train_loss"] == pytest.approx(other.brain.loss.item(), rel=1e-6)
    data_loss = other.brain.data_loss.item()
    assert kid.rows[1]["train_data_loss"] == pytest.approx(data_loss, rel=1e-6)


def test_skip_validation_works_defect_39(make_kid: MakeKid) -> None:
    """No evaluation at all; the report has the training's numbers, checkpoints are written."""
    kid = make_kid(skip_validation=True, train_log_step=2, val_log_step=3)
    report = kid.practice()

    assert report.final["train_loss"] == kid.rows[-1]["train_loss"]
    assert report.best == report.test == {}
    assert not any("val_loss" in row for row in kid.rows)
    assert kid.checkpoint_path is not None
    assert kid.checkpoint_path.name == "checkpoint-7.pt"


def test_practice_returns_a_report_when_the_last_step_is_no_log_step_defect_39(
    make_kid: MakeKid,
) -> None:
    """Without logs by step there is a validation at the end."""
    report = make_kid(log_by_step=False).practice()

    assert report.final["step"] == 7
    assert "val_loss" in report.final


def test_a_second_practice_goes_on(make_kid: MakeKid) -> None:
    """Raising max_steps gives what one practice would have given."""
    kid, other = make_kid(max_steps=9), make_kid(max_steps=5)
    kid.practice()
    other.practice()
    other.max_steps = 9
    assert other.practice().steps == 9

    assert_equal_bits(kid, other)


def test_a_kid_learns_digits(tmp_path: Path) -> None:
    """A few epochs on real scans are enough to read most of those it has not seen."""
    brain = Brain(name="Brain")
    brain.attach(
        InnerProductLayer(out_channel_num=64, name="ip1"),
        ReLULayer(name="relu1"),
        InnerProductLayer(out_channel_num=10, name="ip2"),
    )
    ends = [{"name": "ip2"}, {"name": "system_in", "idxs": [1]}]
    brain.attach(SoftmaxWithLossLayer(class_num=10, inputs=ends, name="loss"))
    sensor = FeedSensor(DigitsFeedSource(name="Source", scale=True), batch_size=20, name="Sensor")
    report = Kid(
        sensor, brain, MomentumKongFu(lr=0.1), max_epoch=10, log_dir=tmp_path, device="cpu"
    ).practice()

    assert report.test["test_accuracy"] > 0.93


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_kid_practises_and_resumes_on_a_gpu_bit_for_bit(make_kid: MakeKid) -> None:
    """What holds on the CPU holds there; the GPU is chosen by itself."""
    whole, first = make_kid(device=None), make_kid(device=None)
    whole.practice()
    first.hooks.on_batch_begin.append(lambda k: k.stop() if k.step == 4 else None)
    first.practice()
    resumed = make_kid(device=None, continue_from_chk_point=True)
    resumed.practice()

    assert whole.brain["ip1/weights"].is_cuda
    assert_equal_bits(whole, resumed)


# Stopping


def test_a_hook_stops_by_an_exception(make_kid: MakeKid) -> None:
    """Practice ends as usual; the other hooks of the event still run."""
    kid = make_kid(max_steps=100, train_log_step=2)

    def stop(kid: Kid) -> None:
        raise EarlyStopping("enough")

    seen: list[int] = []
    kid.hooks.on_train_log_step += [stop, lambda k: seen.append(k.step)]
    report = kid.practice()

    assert report.steps == report.final["step"] == 2
    assert seen == [2]
    assert checkpoint.read(kid.log_dir / "model" / "checkpoint-2.pt")


def test_a_hook_stops_before_a_batch(make_kid: MakeKid) -> None:
    """A stop in on_batch_begin leaves out that batch."""
    kid = make_kid(max_steps=100)
    kid.hooks.on_batch_begin.append(lambda k: k.stop() if k.step == 3 else None)

    assert kid.practice().steps == 3


def test_patience_ends_a_practice_that_gets_no_better_defect_42(make_kid: MakeKid) -> None:
    """Three validations after the best it stops, and the best weights are the ones tested."""
    kid = make_kid(max_steps=50, val_log_step=2, patience=3, kongfu=GradientDescentKongFu(lr=0.0))
    report = kid.practice()

    assert (report.best["step"], report.steps) == (0, 6)


def test_patience_is_not_renewed_by_a_resume(make_kid: MakeKid) -> None:
    """What was waited before counts; who has lost patience does not go on."""
    arguments: dict[str, Any] = {"max_steps": 50, "val_log_step": 2, "patience": 3}
    first = make_kid(**arguments, kongfu=GradientDescentKongFu(lr=0.0))
    first.hooks.on_batch_begin.append(lambda k: k.stop() if k.step == 2 else None)
    first.practice()
    steps = []
    for _ in range(2):
        resumed = make_kid(
            **arguments, kongfu=GradientDescentKongFu(lr=0.0), continue_from_chk_point=True
        )
        steps.append(resumed.practice().steps)

    assert steps == [6, 6]


def test_a_diverging_loss_names_step_and_block(make_kid: MakeKid) -> None:
    """The step and the first block that is not finite are in the message."""
    kid = make_kid(max_steps=100)

    def spoil(kid: Kid) -> None:
        if kid.step == 4:
            kid.brain["ip2/weights"].data.fill_(float("nan"))

    kid.hooks.on_batch_begin.append(spoil)

    with pytest.raises(DivergedError, match=r"got nan at step 4; .*weights of block 'ip2'.*clip"):
        kid.practice()
    assert kid.brain.keep_data


def test_weights_that_the_last_step_spoiled_are_noticed(make_kid: MakeKid) -> None:
    """The validation's loss must be finite as well."""
    kid = make_kid(max_steps=1, kongfu=GradientDescentKongFu(lr=1e38))

    with pytest.raises(DivergedError, match="finite validation loss, got nan at step 1"):
        kid.practice()


def test_an_error_in_a_hook_is_the_users_and_cleans_up_defect_40(make_kid: MakeKid) -> None:
    """It comes out unchanged, and the log is closed."""
    kid = make_kid()

    def fail(kid: Kid) -> None:
        raise ZeroDivisionError

    kid.hooks.on_batch_begin.append(fail)
    with pytest.raises(ZeroDivisionError):
        kid.practice()
    assert kid.brain.keep_data


def test_an_error_in_setup_is_not_replaced_defect_40(make_kid: MakeKid) -> None:
    """What is wrong is what is said."""
    with pytest.raises(SetupError, match="num_train=25"):
        make_kid(source={"num_val": 700}).practice()


# Seeds


def test_the_same_seed_gives_the_same_bits_whatever_ran_before(make_kid: MakeKid) -> None:
    """Nothing hangs on torch's global generator, and another seed differs."""
    first = make_kid(seed=1)
    first.practice()
    torch.manual_seed(12345)
    torch.rand(7)
    second, third = make_kid(seed=1), make_kid(seed=2)
    third.practice()
    state = torch.get_rng_state()
    second.practice()

    assert_equal_bits(first, second)
    assert not torch.equal(first.brain["ip1/weights"], third.brain["ip1/weights"])
    assert torch.equal(torch.get_rng_state(), state)


def test_kids_do_not_know_each_other(make_kid: MakeKid) -> None:
    """Two that practise by turns give what each would give alone."""
    alone, one, other = make_kid(seed=1), make_kid(seed=1), make_kid(seed=2)
    alone.practice()
    one.hooks.on_batch_begin.append(lambda k: other.practice() if k.step == 4 else None)
    one.practice()

    assert (one.step, other.step) == (7, 7)
    assert_equal_bits(alone, one)


def test_kids_practise_in_threads_as_if_alone(make_kid: MakeKid, tmp_path: Path) -> None:
    """Two at the same time give the bits of two one after the other."""
    kids = {
        (how, seed): make_kid(seed=seed, max_steps=30, log_dir=tmp_path / f"{how}{seed}")
        for how in ("alone", "beside")
        for seed in (1, 2)
    }
    for seed in (1, 2):
        kids["alone", seed].practice()
    with ThreadPoolExecutor() as pool:
        list(pool.map(Kid.practice, [kids["beside", seed] for seed in (1, 2)]))

    for seed in (1, 2):
        assert_equal_bits(kids["alone", seed], kids["beside", seed])
        log = (tmp_path / f"beside{seed}" / "training.log").read_text()
        assert log.count("step 30,") == 1


def test_the_seed_of_the_scope_around_is_taken(make_kid: MakeKid) -> None:
    """A kid without a seed takes the scope's, and 0 outside of any."""
    with seeding.seed_scope(5):
        inside = make_kid()
    outside, given = make_kid(), make_kid(seed=5)
    for kid in (inside, outside, given):
        kid.setup()

    assert (inside.seed, outside.seed) == (5, 0)
    assert_equal_bits(inside, given)


def test_logging_and_checkpoints_do_not_change_the_outcome(make_kid: MakeKid) -> None:
    """Validating, monitoring and writing draw no random number."""
    silent = make_kid(skip_validation=True, save_chk_point=False, log_to_file=False)
    busy = make_kid(val_log_step=1, train_log_step=1, do_batch_monitoring=True)
    silent.practice()
    busy.practice()

    assert_equal_bits(silent, busy)


# Checkpoints


@pytest.mark.parametrize("interrupted_at", [1, 2, 5, 8, 9])
def test_an_interrupted_run_goes_on_bit_for_bit_defect_41(
    make_kid: MakeKid, tmp_path: Path, interrupted_at: int
) -> None:
    """Weights, means, momentum, dropout, order and the best are as if undisturbed."""
    arguments: dict[str, Any] = {
        "max_steps": 11,
        "train_log_step": 1,
        "val_log_step": 2,
        "kongfu": None,
    }

    def kongfu() -> MomentumKongFu:
        return MomentumKongFu(lr_scheme={"name": "exp_decay", "decay_steps": 3, "base_lr": 0.1})

    whole = make_kid(**{**arguments, "kongfu": kongfu()}, log_dir=tmp_path / "whole")
    expected = whole.practice()
    broken = make_kid(**{**arguments, "kongfu": kongfu()})

    def break_off(kid: Kid) -> None:
        if kid.step == interrupted_at:
            raise KeyboardInterrupt

    broken.hooks.on_batch_begin.append(break_off)
    with pytest.raises(KeyboardInterrupt):
        broken.practice()
    torch.manual_seed(99)
    resumed = make_kid(**{**arguments, "kongfu": kongfu()}, continue_from_chk_point=True)
    report = resumed.practice()

    assert_equal_bits(whole, resumed)
    assert (report.steps, report.epochs) == (expected.steps, expected.epochs)
    assert (report.best, report.test) == (expected.best, expected.test)
    speed = {"samples_per_s"}
    assert {k: v for k, v in report.final.items() if k not in speed} == {
        k: v for k, v in expected.final.items() if k not in speed
    }
    first_row = resumed.rows[0]["step"]
    assert first_row == interrupted_at - interrupted_at % 2 + 1


def test_a_checkpoint_of_any_step_goes_on_bit_for_bit(make_kid: MakeKid, tmp_path: Path) -> None:
    """A hook may write one in the middle of an epoch."""
    whole = make_kid(max_steps=9, log_dir=tmp_path / "whole")
    whole.practice()
    broken = make_kid(max_steps=9)

    def write_and_break_off(kid: Kid) -> None:
        if kid.step == 5:
            kid.save_checkpoint()
            raise KeyboardInterrupt

    broken.hooks.on_batch_begin.append(write_and_break_off)
    with pytest.raises(KeyboardInterrupt):
        broken.practice()
    resumed = make_kid(max_steps=9)
    resumed.practice(continue_from_chk_point=True)

    assert_equal_bits(whole, resumed)


@given(
    interrupted_at=st.integers(1, 9),
    kongfu=st.sampled_from([AdamKongFu, MomentumKongFu, RMSPropKongFu, AdagradKongFu]),
    accumulate=st.integers(1, 3),
    precision=st.sampled_from(["float32", "bfloat16", "float16"]),
)
@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_everything_at_once_goes_on_bit_for_bit(
    make_kid: MakeKid,
    interrupted_at: int,
    kongfu: type[KongFu],
    accumulate: int,
    precision: str,
) -> None:
    """Averages, pieces, clipping, factors, a plateau, any precision and a rate set by a hook."""

    def demanding(**arguments: Any) -> Kid:
        improving = kongfu(
            lr_scheme={"name": "plateau", "base_lr": 0.05, "patience": 1, "min_delta": 0.05},
            lr_factors={"ip1": 0.5},
            clip_norm=0.5,
            accumulate=accumulate,
            moving_average_decay=0.9,
        )
        kid = make_kid(
            kongfu=improving,
            engine={"name": "single", "precision": precision},
            max_steps=10,
            val_log_step=1,
            patience=9,
            best_metric="val_loss",
            **arguments,
        )
        kid.hooks.on_batch_begin.append(lambda k: k.kongfu.set_lr(0.02) if k.step == 7 else None)
        return kid

    def break_off(kid: Kid) -> None:
        if kid.step == interrupted_at:
            raise KeyboardInterrupt

    with TemporaryDirectory() as folder:
        whole, first = demanding(save_chk_point=False), demanding(log_dir=folder)
        expected = whole.practice()
        first.hooks.on_batch_begin.append(break_off)
        with suppress(KeyboardInterrupt):  # patience may have ended it before
            first.practice()
        resumed = demanding(log_dir=folder, continue_from_chk_point=True)
        report = resumed.practice()

    assert_equal_bits(whole, resumed)
    assert (report.steps, report.best, report.test) == (
        expected.steps,
        expected.best,
        expected.test,
    )


def test_a_copy_practises_on_its_own(make_kid: MakeKid) -> None:
    """A deep copy of a kid that is set up gives the same and leaves the original as it was."""
    kid, other = make_kid(), make_kid()
    kid.setup()
    before = weights_of(kid)
    copied = copy.deepcopy(kid)
    copied.practice()
    other.practice()

    assert_equal_bits(copied, other)
    assert kid.step == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights_of(kid).items())


def test_a_finished_run_is_not_trained_again(make_kid: MakeKid) -> None:
    """Resuming it gives its report and records no row twice."""
    first, second = make_kid(), make_kid(continue_from_chk_point=True)
    expected = first.practice()
    report = second.practice()

    assert second.rows == []
    assert (report.final, report.best, report.test) == (
        expected.final,
        expected.best,
        expected.test,
    )


def test_averages_of_weights_are_validated_and_resumed(make_kid: MakeKid, tmp_path: Path) -> None:
    """The best weights of a resumed run are averages as well."""

    def averaging(**arguments: Any) -> Kid:
        kongfu = MomentumKongFu(lr=0.6, moving_average_decay=0.9)
        return make_kid(
            kongfu=kongfu, max_steps=8, val_log_step=2, best_metric="val_loss", **arguments
        )

    whole, first = averaging(log_dir=tmp_path / "whole"), averaging()
    expected = whole.practice()
    first.hooks.on_batch_begin.append(lambda k: k.stop() if k.step == 6 else None)
    first.practice()
    report = averaging(continue_from_chk_point=True).practice()

    assert (report.best, report.test) == (expected.best, expected.test)


def test_without_a_checkpoint_it_starts_afresh(make_kid: MakeKid) -> None:
    """The first run of a folder may ask to continue."""
    assert make_kid(continue_from_chk_point=True).practice().steps == 7


def test_to_continue_a_folder_must_be_given(make_kid: MakeKid) -> None:
    """The message says so."""
    with pytest.raises(SetupError, match="expected log_dir with continue_from_chk_point=True"):
        make_kid(log_dir=None, continue_from_chk_point=True).practice()


def test_another_brains_checkpoint_is_refused_defect_41(make_kid: MakeKid) -> None:
    """The names and shapes that differ are listed."""
    make_kid().practice()
    kid = make_kid(continue_from_chk_point=True)
    kid.brain.blocks["ip1"].out_channel_num = 5

    with pytest.raises(
        CheckpointError, match=re.escape("ip1.weights is (8, 4) in place of (5, 4)")
    ):
        kid.practice()


def test_a_checkpoint_holds_no_data_defect_41(make_kid: MakeKid) -> None:
    """Parameters, buffers and states, but neither batches nor activations."""
    kid = make_kid(max_steps=1)
    kid.practice()
    state = checkpoint.read(kid.log_dir / "model" / "checkpoint-1.pt")

    parts = {name.split(".")[0] for name in state}
    assert parts == {"brain", "sensor", "kongfu", "engine", "_extra_state"}
    assert sum(t.numel() for t in state.values() if isinstance(t, torch.Tensor)) == 90


def test_a_fresh_run_sets_an_earlier_ones_checkpoints_aside(
    make_kid: MakeKid, tmp_path: Path
) -> None:
    """They are not mixed up, and not lost."""
    make_kid(max_steps=9).practice()
    make_kid(max_steps=5).practice()
    steps = [path.name for path in (tmp_path / "log" / "model").glob("checkpoint-*")]

    assert sorted(steps) == ["checkpoint-0.pt", "checkpoint-5.pt"]
    assert (tmp_path / "log" / "model-1" / "checkpoint-9.pt").exists()


def test_a_lost_best_checkpoint_is_forgotten_with_a_warning(
    make_kid: MakeKid, caplog: pytest.LogCaptureFixture
) -> None:
    """Selection starts anew."""
    kid = make_kid(kongfu=GradientDescentKongFu(lr=0.0))
    kid.practice()
    for name in ("best", "checkpoint-0"):
        (kid.log_dir / "model" / f"{name}.pt").unlink()
    resumed = make_kid(
        kongfu=GradientDescentKongFu(lr=0.0), max_steps=9, continue_from_chk_point=True
    )
    report = resumed.practice()

    assert "no checkpoint of step 0, the best" in caplog.text
    assert report.best["step"] == 9


def test_nothing_is_written_unless_asked_for(make_kid: MakeKid, tmp_path: Path) -> None:
    """Without log and checkpoints no folder is made."""
    make_kid(save_chk_point=False, log_to_file=False).practice()

    assert list(tmp_path.iterdir()) == []


# The log


def test_the_log_is_written_for_the_time_of_practice_only(make_kid: MakeKid) -> None:
    """Whatever levels the program has set, the file has the rows; nothing stays attached."""
    handlers = [list(logging.getLogger(name).handlers) for name in (None, "akid")]
    kid = make_kid(name="Neo", train_log_step=5)
    kid.hooks.on_train_end.append(lambda k: k.log("by the user"))
    kid.practice()
    text = (kid.log_dir / "training.log").read_text()

    assert re.search(r"Neo: step 5, epoch 1, lr 0\.05, train_loss", text)
    assert "Neo: by the user" in text
    assert [list(logging.getLogger(name).handlers) for name in (None, "akid")] == handlers
    kid.log("afterwards")
    assert (kid.log_dir / "training.log").read_text() == text


def test_the_log_can_be_heard_by_logging(
    make_kid: MakeKid, caplog: pytest.LogCaptureFixture
) -> None:
    """Records carry the kid's name."""
    with caplog.at_level(logging.INFO, logger="akid"):
        make_kid(name="Neo", log_to_file=False).practice()

    assert "Neo: step 7" in caplog.text


def test_log_folders_do_not_collide(
    make_kid: MakeKid, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two kids that start at once have folders of their own."""
    monkeypatch.chdir(tmp_path)
    kids = [make_kid(log_dir=None, max_steps=1) for _ in range(2)]
    for kid in kids:
        kid.practice()

    assert kids[0].log_dir != kids[1].log_dir
    assert len(list((tmp_path / "log").iterdir())) == 2


def test_the_log_folder_may_be_set_after_setup(make_kid: MakeKid, tmp_path: Path) -> None:
    """Who runs many kids chooses their folders."""
    kid = make_kid(log_dir=None)
    kid.setup()
    kid.log_dir = tmp_path / "elsewhere"
    kid.practice()

    assert (tmp_path / "elsewhere" / "training.log").exists()


# Monitoring, arguments


def test_batch_monitoring_shows_the_first_batch_again_and_again(make_kid: MakeKid) -> None:
    """The same batch at the begin and with each training row, every block's data at hand."""
    kid = make_kid(do_batch_monitoring=True, train_log_step=3, max_steps=6)
    shapes, batches = [], []

    def look(kid: Kid) -> None:
        shapes.append(tuple(kid.brain.get_layer_by_name("ip1").data.shape))
        batches.append(kid.sensor.current_batch()[0])

    kid.hooks.on_batch_monitoring.append(look)
    kid.practice()

    assert shapes == [(10, 8)] * 3
    assert not torch.equal(batches[0], batches[1])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"max_steps": None}, "exactly one of max_steps and max_epoch"),
        ({"max_steps": 1, "max_epoch": 1}, "exactly one of max_steps and max_epoch"),
        ({"val_log_step": 0}, "val_log_step as an integer from 1, got val_log_step=0"),
        ({"train_log_step": 1.5}, "train_log_step as an integer from 1"),
        ({"max_steps": -1}, "max_steps as an integer from 0"),
        ({"engine": "many"}, r"Engine: expected a name among .*'single'.*got name='many'"),
    ],
)
def test_wrong_arguments_are_refused(
    make_kid: MakeKid, arguments: dict[str, Any], expected: str
) -> None:
    """The message names the argument and the value."""
    with pytest.raises(SetupError, match=expected):
        make_kid(**arguments)


def test_parts_in_the_wrong_order_are_refused(make_kid: MakeKid) -> None:
    """The message tells the order."""
    kid = make_kid()

    with pytest.raises(SetupError, match="sensor_in to be a Sensor, got a SmallBrain"):
        Kid(kid.brain, kid.sensor, kid.kongfu, max_steps=1)


def test_an_unknown_best_metric_is_refused_at_the_first_validation(make_kid: MakeKid) -> None:
    """The message lists the metrics."""
    with pytest.raises(SetupError, match=r"'val_accuracy'.*got best_metric='val_acc'"):
        make_kid(best_metric="val_acc").practice()


def test_the_kid_is_a_block(make_kid: MakeKid) -> None:
    """It processes a batch, as its brain does."""
    kid = make_kid()
    kid.setup()
    batch = kid.sensor.current_batch()

    assert torch.equal(kid.eval()(batch), kid.brain(batch))
