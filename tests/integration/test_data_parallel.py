"""Engine "data_parallel": the single engine's results by several workers of Ray Train."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch

from akid.core.brain import Brain
from akid.errors import ResourceError, SetupError
from akid.layers.activation import ReLULayer
from akid.layers.batch_normalization import BatchNormalizationLayer
from akid.layers.dropout import DropoutLayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.sensing.datasets.digits import DigitsFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training import ray_group
from akid.training.checkpoint import CheckpointFolder
from akid.training.contact import WorkerLostError
from akid.training.early_sums import LARGE
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu
from akid.training.ray_group import WorkerGroup
from akid.training.ray_worker import GroupWorker
from akid.tuning.failure import Failure, classify

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module", autouse=True)
def _no_caches(cluster: None) -> Iterator[None]:
    """Remove the folders that torch's compilers keep for themselves."""
    yield
    for cache in Path(tempfile.gettempdir()).glob("torchinductor_*"):
        shutil.rmtree(cache)


class Net(Brain):
    """Layers for digits, and `extra` before the last one; some gradients are large."""

    def __init__(self, *extra) -> None:
        super().__init__(name="Net")
        self.attach(InnerProductLayer(out_channel_num=LARGE // 64, name="ip1"), *extra)
        self.attach(InnerProductLayer(out_channel_num=10, name="ip2"))
        inputs = [{"name": "ip2"}, {"name": "system_in", "idxs": [1]}]
        self.attach(SoftmaxWithLossLayer(class_num=10, inputs=inputs, name="loss"))


class Fragile(BatchNormalizationLayer):
    """Ends the second worker in its third step, the first time."""

    flag = ""

    def forward(self, inputs):
        from torch import distributed

        if self.training and distributed.is_initialized() and distributed.get_rank() == 1:
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 4 and not Path(self.flag).exists():
                Path(self.flag).touch()
                os._exit(1)
        return super().forward(inputs)


class Witness(ReLULayer):
    """Notes how many workers there are."""

    folder = ""

    def forward(self, inputs):
        from torch import distributed

        if distributed.is_initialized():
            Path(self.folder, f"{distributed.get_world_size()}-workers").touch()
        return super().forward(inputs)


class Scribe(ReLULayer):
    """Notes for each checkpoint that a worker writes which worker it is."""

    folder = ""

    def forward(self, inputs):
        from torch import distributed

        if distributed.is_initialized() and not hasattr(CheckpointFolder.write, "is_noted"):
            rank, write = distributed.get_rank(), CheckpointFolder.write

            def noted(folder, state, *, step, is_best):
                Path(self.folder, f"{step}-by-{rank}").touch()
                return write(folder, state, step=step, is_best=is_best)

            noted.is_noted = True
            CheckpointFolder.write = noted
        return super().forward(inputs)


class Wrong(DropoutLayer):
    """Has a bug that shows in the second worker alone."""

    def forward(self, inputs):
        from torch import distributed

        if self.training and distributed.is_initialized() and distributed.get_rank() == 1:
            raise LookupError("a bug of the user's")
        return super().forward(inputs)


def make(
    folder: Path, num_workers: int | tuple[int, int] | None, *extra, batch: int = 35, **options
) -> Kid:
    """Return a kid whose epochs end with a batch of one sample."""
    source = DigitsFeedSource(name="Source", scale=True, num_train=141, num_val=101)
    sensor = FeedSensor(source, batch_size=batch, name="Sensor")
    engine = "single"
    own = options.pop("engine", {})
    if num_workers is not None:
        own = {"device": "cpu", "cpu_num_per_worker": 0.25, **own}
        engine = {"name": "data_parallel", "num_gpu": num_workers, **own}
    options = {"max_steps": 10, "train_log_step": 5, "val_log_step": 5, **options}
    return Kid(
        sensor, Net(*extra), MomentumKongFu(lr=0.1), engine=engine, log_dir=folder, **options
    )


def distance(one: Kid, other: Kid) -> float:
    """Return the greatest difference between two kids' parameters."""
    pairs = zip(one.brain.parameters(), other.brain.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def comparable(row: dict) -> dict:
    return {key: value for key, value in row.items() if key != "samples_per_s"}


@pytest.fixture(scope="module")
def pair(cluster: None) -> Iterator[WorkerGroup]:
    """Return two workers that stay between tests."""
    with ray_group.gathered(2, {"CPU": 0.25}) as group:
        yield group


def test_two_workers_do_what_one_does_and_hooks_hear_of_it(
    tmp_path: Path, pair: WorkerGroup
) -> None:
    """Weights, rows, hooks and report are the single engine's; it resumes what two have written."""
    single, double = make(tmp_path / "single", None), make(tmp_path / "double", 2)
    heard = []
    double.hooks.on_val_log_step.append(lambda kid: heard.append(distance(kid, double)))
    double.hooks.on_checkpoint.append(lambda kid: heard.append(kid.checkpoint_path.is_file()))

    expected = single.practice()
    with pair.at_hand():
        report = double.practice()

    assert distance(single, double) < 1e-6
    assert len(double.rows) == len(single.rows) == report.rows
    for row, same in zip(double.rows, single.rows, strict=True):
        assert comparable(row) == pytest.approx(comparable(same), abs=1e-6)
    assert report.test == pytest.approx(expected.test, abs=1e-6)
    assert double.validate() == pytest.approx(single.validate(), abs=1e-6)
    assert heard == [0.0, True] * 3
    assert not list(tmp_path.glob("double/.ray*"))

    on = make(tmp_path / "double", None, max_steps=15)
    single.max_steps = 15
    on.practice(continue_from_chk_point=True)
    single.practice()
    assert distance(single, on) < 1e-6


def test_checkpoints_are_written_by_the_first_worker_alone(
    tmp_path: Path, pair: WorkerGroup
) -> None:
    """Each once, and so is the log."""
    scribe = Scribe(name="scribe")
    scribe.folder = str(tmp_path)
    kid = make(tmp_path / "run", 2, scribe)

    with pair.at_hand():
        kid.practice()
    pair.dismiss()  # its workers write in another way now

    assert sorted(file.name for file in tmp_path.glob("*-by-*")) == ["0-by-0", "10-by-0", "5-by-0"]
    log = (tmp_path / "run" / "training.log").read_text(encoding="utf-8")
    assert log.count("steps\n") == 1


def test_three_workers_resume_and_a_hook_steers_them(tmp_path: Path) -> None:
    """Ten steps after another engine's five; a batch of one sample leaves two with nothing."""
    first = make(tmp_path / "run", None, max_steps=5)
    first.practice()
    whole = make(tmp_path / "whole", None, max_steps=15)
    triple = make(tmp_path / "run", 3, max_steps=100)
    for kid in (whole, triple):
        kid.hooks.on_train_log_step.append(slow_down_and_stop)

    whole.practice()
    report = triple.practice(continue_from_chk_point=True)

    assert report.steps == triple.step == 15
    assert distance(whole, triple) < 1e-6
    assert triple.kongfu.lr == 0.05


def slow_down_and_stop(kid: Kid) -> None:
    if kid.step == 10:
        kid.kongfu.lr_value = 0.05
    if kid.step == 15:
        kid.stop()


def test_an_error_of_a_worker_is_raised_as_it_is(tmp_path: Path, pair: WorkerGroup) -> None:
    """The caller gets the user's own exception, with a note that says where."""
    kid = make(tmp_path, 2, Wrong(keep_prob=0.5, name="wrong"))

    with pair.at_hand(), pytest.raises(LookupError, match="a bug of the user's") as caught:
        kid.practice()

    assert "worker 1 of 2" in caught.value.__notes__[0]


def test_a_worker_that_dies_is_replaced_from_the_last_checkpoint(
    tmp_path: Path, pair: WorkerGroup
) -> None:
    """The practice ends complete, each row once; the batch statistics are those of all workers."""
    fragile = Fragile(name="fragile")
    fragile.flag = str(tmp_path / "flag")
    kid = make(tmp_path / "run", 2, fragile, batch=50, val_log_step=3, engine={"max_restarts": 1})

    with pair.at_hand():
        report = kid.practice()

    assert Path(fragile.flag).exists()
    assert report.steps == 10
    steps = [row["step"] for row in kid.rows if "val_loss" in row]
    assert steps == [0, 3, 6, 9, 10]
    assert torch.isfinite(kid.brain["fragile/running_mean"]).all()


def test_without_a_checkpoint_all_is_practised_again(tmp_path: Path, pair: WorkerGroup) -> None:
    """From the weights and the step that the practice began with, each row once."""
    kids = []
    for name in ("undisturbed", "broken"):
        fragile = Fragile(name="fragile")
        fragile.flag = str(tmp_path / "flag")
        Path(fragile.flag).unlink(missing_ok=True)
        if name == "undisturbed":
            Path(fragile.flag).touch()
        engine = {"max_restarts": 1}
        options = {"val_log_step": 3, "save_chk_point": False, "engine": engine}
        kids.append(make(tmp_path / name, 2, fragile, batch=50, **options))
        with pair.at_hand():
            kids[-1].practice()

    undisturbed, broken = kids
    assert distance(undisturbed, broken) == 0
    assert [row["step"] for row in broken.rows] == [row["step"] for row in undisturbed.rows]


def test_as_many_workers_practise_as_there_is_room_for(tmp_path: Path, pair: WorkerGroup) -> None:
    """Beside the pair and what others hold there is room for two of four; they do what one does."""
    witness = Witness(name="witness")
    witness.folder = str(tmp_path)
    single = make(tmp_path / "single", None, witness)
    elastic = make(tmp_path / "elastic", (1, 4), witness)
    held = ray.util.placement_group([{"CPU": 2 - 0.25 * (pair.num_workers + 2)}])
    ray.get(held.ready())

    single.practice()
    elastic.practice()
    ray.util.remove_placement_group(held)

    assert [file.name for file in tmp_path.glob("*-workers")] == ["2-workers"]
    assert distance(single, elastic) < 1e-6


def test_another_number_of_workers_than_is_at_hand_is_refused(
    tmp_path: Path, pair: WorkerGroup
) -> None:
    """The message has both numbers."""
    with pair.at_hand(), pytest.raises(SetupError, match=r"expected num_gpu=2.*got num_gpu=3"):
        make(tmp_path, 3).practice()


def test_workers_that_cannot_be_gathered_in_time_are_given_up(
    tmp_path: Path, pair: WorkerGroup
) -> None:
    """The message says what was waited for, how long, and what is free."""
    kid = make(tmp_path, 2, engine={"cpu_num_per_worker": 0.9, "start_limit_s": 0.5})

    with pytest.raises(ResourceError, match=r"room for 2 workers of 0.9 CPU each within 0.5 s"):
        kid.practice()


def test_workers_that_do_not_start_in_time_are_lost(tmp_path: Path) -> None:
    """That is no error of the user's program: a sweep tries the trial again."""

    class SleepyWorker(GroupWorker):
        def __init__(self) -> None:
            time.sleep(60)

    placement = ray.util.placement_group([{"CPU": 0.1}])
    group = WorkerGroup(placement, {"CPU": 0.1}, start_limit_s=0.5, worker_class=SleepyWorker)
    kid = make(tmp_path, 1)

    with group.at_hand(), pytest.raises(WorkerLostError, match=r"start within 0.5 s") as raised:
        kid.practice()
    ray.util.remove_placement_group(placement)

    assert classify(raised.value) is Failure.LOST


def test_what_the_cluster_never_has_is_refused(tmp_path: Path) -> None:
    """More workers than CPUs is an error at once."""
    with pytest.raises(ResourceError, match=r"CPU = 2.25 for num_gpu=9, got one with CPU = 2"):
        make(tmp_path, 9).practice()
