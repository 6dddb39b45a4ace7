"""`akid.tune` as the documentation shows it, on real digits: records, MLflow and what is reused."""
# ruff: noqa: F821 (holes of the template)

import json
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

import akid

net_paras_list = []
net_paras_list.append(
    {
        "activation": [
            {"type": "relu"},
            {"type": "relu"},
            {"type": "relu"},
            {"type": "relu"},
        ],
        "bn": True,
    }
)
net_paras_list.append(
    {
        "activation": [
            {"type": "maxout", "group_size": 2},
            {"type": "maxout", "group_size": 2},
            {"type": "maxout", "group_size": 2},
            {"type": "maxout", "group_size": 5},
        ],
        "bn": True,
    }
)

opt_paras_list = []
opt_paras_list.append({"lr": 0.025})
opt_paras_list.append({"lr": 0.05})

ORDER = [(0.025, "relu"), (0.025, "maxout"), (0.05, "relu"), (0.05, "maxout")]


def setup(graph):
    from akid import (
        Brain,
        DigitsFeedSource,
        FeedSensor,
        InnerProductLayer,
        Kid,
        MomentumKongFu,
        SoftmaxWithLossLayer,
        cnn_block,
    )

    brain = Brain(name="Brain")
    brain.attach(
        cnn_block(
            ksize=[8, 8],
            init_para={"name": "uniform", "range": 0.005},
            wd={"type": "l2", "scale": 0.0005},
            out_channel_num=384,
            pool_size=[4, 4],
            pool_stride=[2, 2],
            activation={{net_paras["activation"][1]}},
            keep_prob=0.5,
            bn={{net_paras["bn"]}},
        )
    )
    brain.attach(InnerProductLayer(out_channel_num=10, name="ip1"))
    brain.attach(
        SoftmaxWithLossLayer(
            class_num=10,
            inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}],
            name="loss",
        )
    )
    source = DigitsFeedSource(name="Source", center=True, scale=True, num_train=200, num_val=60)
    return Kid(
        FeedSensor(source_in=source, batch_size=50, name="Sensor"),
        brain,
        MomentumKongFu(lr={{opt_paras["lr"]}}),
        max_epoch=2,
        train_log_step=2,
        log_by_step=False,
        log_by_epoch=True,
    )


def _tune(place, opts, **options):
    return akid.tune(
        setup,
        opts,
        net_paras_list,
        gpu_num_per_instance=0,
        tracking_uri=place.uri,
        folder=place.folder / "akid_runs",
        **options,
    )


@pytest.fixture(scope="module")
def tuned(shared_place, cluster) -> SimpleNamespace:
    """Return the documentation's example, tuned."""
    records = _tune(shared_place, opt_paras_list)
    return SimpleNamespace(records=records, runs=shared_place.runs("test_tune"))


def test_records_come_in_the_documented_order(tuned) -> None:
    """Repeats, then optimisation parameters, then networks, networks fastest."""
    records = tuned.records

    assert [(r.opt_paras["lr"], r.net_paras["activation"][1]["type"]) for r in records] == ORDER
    assert [(r.index, r.repeat, r.seed, r.status) for r in records] == [
        (index, 0, 0, "FINISHED") for index in range(4)
    ]
    for record in records:
        assert record.final["epoch"] == 2
        assert set(record.final) > {"train_loss", "val_loss", "val_accuracy", "lr"}
        assert record.best["val_accuracy"] >= record.final["val_accuracy"]
        assert set(record.test) == {"test_loss", "test_data_loss", "test_accuracy"}
        assert record.error is None


def test_each_trial_is_a_child_run_with_its_parameters(tuned, shared_place) -> None:
    """Parameters `net.*`, `opt.*`, `repeat`, `seed`; tags with key, origin and versions."""
    (parent,) = shared_place.runs("test_tune", kind="sweep")

    assert [run.info.run_id for run in tuned.runs] == [record.run_id for record in tuned.records]
    for run, record in zip(tuned.runs, tuned.records, strict=True):
        params, tags = run.data.params, run.data.tags
        assert run.info.status == "FINISHED"
        assert run.info.run_name == record.label
        assert float(params["opt.lr"]) == record.opt_paras["lr"]
        assert params["net.bn"] == "True"
        assert (params["repeat"], params["seed"]) == ("0", "0")
        assert any(
            name.startswith("net.activation") and record.net_paras["activation"][1]["type"] in text
            for name, text in params.items()
        )
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert tags["akid.key"] == record.key
        assert tags["akid.version.torch"]
        assert tags["akid.driver_host"] == tags["akid.worker_host"] == socket.gethostname()
        assert (tags["akid.threads"], tags["akid.cpus"], tags["akid.gpus"]) == ("1", "1", "0")
        assert tags["akid.command"]
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["trials/finished"] == 4


def test_metrics_are_logged_by_step(tuned, shared_place) -> None:
    """Four steps an epoch: training rows every two, validation at the begin and each epoch."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=shared_place.uri)
    for run, record in zip(tuned.runs, tuned.records, strict=True):
        steps = {
            name: [point.step for point in client.get_metric_history(run.info.run_id, name)]
            for name in ("train_loss", "val_accuracy", "epoch")
        }
        assert steps["train_loss"] == [2, 4, 6, 8]
        assert steps["val_accuracy"] == [0, 4, 8]
        assert run.data.metrics["val_accuracy"] == record.final["val_accuracy"]
        assert run.data.metrics["best/val_accuracy"] == record.best["val_accuracy"]
        assert run.data.metrics["test/accuracy"] == record.test["test_accuracy"]
        assert run.data.metrics["duration_s"] == record.duration_s


def test_artifacts_are_the_program_its_log_and_its_best_weights(tuned, shared_place) -> None:
    """The parent has the template and the ranking, which is its description, too."""
    (parent,) = shared_place.runs("test_tune", kind="sweep")
    names = {path.name for path in shared_place.artifacts(tuned.runs[0].info.run_id).iterdir()}

    assert names == {"trial.py", "training.log", "best.pt"}
    sweep = shared_place.artifacts(parent.info.run_id)
    assert "cnn_block(" in (sweep / "setup.py").read_text()
    described = parent.data.tags["mlflow.note.content"]
    assert described == (sweep / "results.md").read_text()
    assert described.startswith("| rank | ")
    assert described.splitlines()[2].startswith("| 1 | ")


@pytest.mark.parametrize("index", [1, 2])
def test_the_logged_program_gives_the_logged_metrics_exactly(
    tuned, shared_place, tmp_path, index
) -> None:
    """`python trial.py`, from an empty folder, in another process."""
    record = tuned.records[index]
    program = shared_place.artifacts(record.run_id) / "trial.py"

    printed = subprocess.run(
        [sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    metrics = json.loads(printed.splitlines()[-1])

    for kind in ("final", "best", "test"):
        wanted = dict(getattr(record, kind))
        for found in (metrics[kind], wanted):
            found.pop("samples_per_s", None)
            found.pop("step", None)
        assert metrics[kind] == wanted


def test_a_second_sweep_trains_nothing(tuned, shared_place) -> None:
    """Its records are those of the first, marked as reused."""
    again = _tune(shared_place, opt_paras_list)

    assert all(record.reused for record in again)
    for kind in ("index", "status", "final", "best", "test", "run_id", "duration_s"):
        for new, old in zip(again, tuned.records, strict=True):
            assert getattr(new, kind) == getattr(old, kind), kind
    assert len(shared_place.runs("test_tune")) == 4


def test_debug_trains_nothing(shared_place, tuned) -> None:
    """It says what is known already."""
    records = _tune(shared_place, [{"lr": 0.05}, {"lr": 0.1}], debug=True)

    assert [r.status for r in records] == ["FINISHED", "FINISHED", "SKIPPED", "SKIPPED"]
    assert len(shared_place.runs("test_tune")) == 4


def test_one_more_learning_rate_runs_only_its_trials(tuned, shared_place) -> None:
    """The others keep their runs though they stand elsewhere in the order."""
    records = _tune(shared_place, [{"lr": 0.1}, *opt_paras_list])

    assert [record.reused for record in records] == [False] * 2 + [True] * 4
    assert [r.run_id for r in records[2:]] == [r.run_id for r in tuned.records]
    assert [record.index for record in records] == list(range(6))
    assert len(shared_place.runs("test_tune")) == 6
