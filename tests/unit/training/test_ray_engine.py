"""What the data-parallel engine refuses before it starts anything."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from akid.errors import SetupError
from akid.models.brains import LeNet
from akid.sensing.datasets.digits import DigitsFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training import engine
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu
from akid.training.ray_engine import DataParallelEngine
from akid.training.schedule import LearningRateScheme


@pytest.mark.parametrize("name", ["num_gpu", "gpu_num"])
def test_the_number_has_two_names(name: str) -> None:
    """Both of the documented ones work; two workers are the default."""
    assert engine.get({"name": "data_parallel", name: 3}).span == (3, 3)
    assert engine.get("data_parallel").span == (2, 2)
    assert engine.get({"name": "data_parallel", name: (1, 4)}).span == (1, 4)


def test_the_documented_kid_of_two_gpus_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rate that a hook is to set, and nothing started or written yet."""
    monkeypatch.chdir(tmp_path)
    kid = Kid(
        FeedSensor(DigitsFeedSource()),
        LeNet(),
        MomentumKongFu(lr_scheme={"name": LearningRateScheme.placeholder}),
        engine={"name": "data_parallel", "num_gpu": 2},
        log_dir="log",
        max_epoch=200,
    )

    assert isinstance(kid.engine, DataParallelEngine)
    assert (kid.engine.span, kid.engine.wants_gpus, kid.max_epoch) == ((2, 2), True, 200)
    assert not Path("log").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_gpu": 2, "gpu_num": 2}, "expected num_gpu or gpu_num, got both"),
        ({"num_gpu": 0}, "num_gpu as an integer from 1, or .* got num_gpu=0"),
        ({"num_gpu": 1.5}, "num_gpu as an integer from 1, or .* got num_gpu=1.5"),
        ({"num_gpu": (4, 1)}, r"such as \(1, 4\), got num_gpu=\(4, 1\)"),
        ({"num_gpu": (0, 1)}, r"got num_gpu=\(0, 1\)"),
        ({"max_restarts": -1}, "max_restarts as an integer from 0"),
        ({"cpu_num_per_worker": 0}, "cpu_num_per_worker above 0"),
        ({"start_limit_s": 0}, "start_limit_s above 0, got start_limit_s=0"),
        ({"workers": 2}, r"expected options .* got \['workers'\]"),
    ],
)
def test_illegal_options_are_refused(options: dict[str, Any], expected: str) -> None:
    """The message names the option and the value."""
    with pytest.raises(SetupError, match=expected):
        engine.get({"name": "data_parallel", **options})


def test_workers_with_gpus_are_refused_by_a_kid_for_the_cpu() -> None:
    """They would compute on the GPUs all the same; the message says where to write the device."""
    group: Any = SimpleNamespace(num_workers=2, have_gpus=True)

    with pytest.raises(SetupError, match=r"without GPUs .* engine=.*\"device\": \"cpu\""):
        DataParallelEngine(device="cpu")._checked(group)
    assert DataParallelEngine()._checked(group) is group
