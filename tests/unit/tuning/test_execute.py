"""Executing a rendered trial: its source becomes a module, its kid practises."""

import json
import random
import traceback

import numpy as np
import pytest
import torch

from akid.core.brain import Brain
from akid.errors import ExperimentError, ResourceError
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.sensing.datasets.digits import DigitsFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training.engine import EngineSpec
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu
from akid.tuning import execute


def build(engine: EngineSpec = "single") -> Kid:
    brain = Brain(name="Brain")
    brain.attach(InnerProductLayer(out_channel_num=10, name="ip1"))
    brain.attach(
        SoftmaxWithLossLayer(
            class_num=10,
            inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}],
            name="loss",
        )
    )
    source = DigitsFeedSource(name="Source", scale=True, num_train=40, num_val=20)
    sensor = FeedSensor(source_in=source, batch_size=20, name="Sensor")
    kongfu = MomentumKongFu(lr=0.1)
    return Kid(sensor, brain, kongfu, engine=engine, max_epoch=2, train_log_step=2)


def test_a_source_becomes_a_function_whose_traceback_shows_its_lines() -> None:
    """Though it never was a file."""
    setup = execute.load_setup("def setup():\n    return 1 / 0\n", name="trial 3")

    with pytest.raises(ZeroDivisionError) as raised:
        setup()

    text = "".join(traceback.format_exception(raised.value))
    assert 'File "<trial 3>", line 2, in setup\n    return 1 / 0' in text


def test_a_source_without_setup_is_refused() -> None:
    """The message says what it found instead."""
    with pytest.raises(ExperimentError, match=r"expected a function named setup .* got 5"):
        execute.load_setup("setup = 5", name="trial 3")


def test_what_is_no_kid_is_refused() -> None:
    """The message says what to write."""
    with pytest.raises(ExperimentError, match=r"got dict: \{\}.*return kid"):
        execute.practise(dict, seed=0, threads=1)


def test_a_kid_that_would_use_a_gpu_which_cannot_be_used_is_refused() -> None:
    """One that was told to compute on the CPU is not."""
    with pytest.raises(ResourceError, match=r"^the GPU is too old$"):
        execute.practise(build, seed=0, threads=1, gpu_fault="the GPU is too old")

    def on_the_cpu() -> Kid:
        return build(engine={"name": "single", "device": "cpu"})

    report = execute.practise(on_the_cpu, seed=0, threads=1, gpu_fault="the GPU is too old")
    assert report.steps == 4


def test_practice_tells_of_each_row(tmp_path) -> None:
    """Validation at the begin, two training rows, and validation at the end."""
    rows = []

    report = execute.practise(
        build, seed=3, threads=1, log_dir=tmp_path / "log", on_row=rows.append
    )

    assert [row["step"] for row in rows] == [0, 2, 4, 4]
    assert {**rows[-2], **rows[-1]} == report.final
    assert (tmp_path / "log" / "training.log").is_file()


def test_the_seed_decides_the_metrics(tmp_path) -> None:
    """Whatever the process drew before."""
    finals = []
    for number, seed in enumerate((3, 3, 4)):
        torch.manual_seed(number)
        report = execute.practise(build, seed=seed, threads=1, log_dir=tmp_path / str(number))
        finals.append({n: v for n, v in report.final.items() if n != "samples_per_s"})

    assert finals[0] == finals[1] != finals[2]


def test_global_generators_are_seeded_before_setup(tmp_path) -> None:
    """What `setup` draws by itself is the same in every process."""
    draws = []

    def setup() -> None:
        draws.append((random.random(), np.random.rand(), torch.rand(()).item()))  # noqa: NPY002

    for seed in (5, 5, 2**40):
        with pytest.raises(ExperimentError):
            execute.practise(setup, seed=seed, threads=1)

    assert draws[0] == draws[1] != draws[2]


def test_a_script_prints_its_metrics_as_json(tmp_path, monkeypatch, capsys) -> None:
    """One line with the final, the best and the test metrics."""
    monkeypatch.chdir(tmp_path)

    execute.run_script(build, seed=0, threads=1)

    assert json.loads(capsys.readouterr().out).keys() == {"final", "best", "test"}
