"""Reading runs back from a real store, and what is said when they are not there."""

import shutil

import pytest

from akid.errors import TrackingError
from akid.tuning.mlflow_reader import MlflowReader

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{package}")
    for package in ("mlflow", "sqlalchemy")
]


@pytest.fixture(scope="module")
def client(tmp_path_factory, empty_store):
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("store")
    shutil.copy(empty_store, folder / "mlflow.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    place = client.create_experiment("digits", (folder / "files").as_uri())
    other = client.create_experiment("letters", (folder / "files").as_uri())
    add(client, place, "act='a b' #0", params={"net.act": "'a b'", "opt.lr": "0.1"})
    add(client, place, "act='a b' #0", params={"net.act": "'1'", "opt.lr": "-1e-05"})
    add(client, place, "shared")
    add(client, other, "shared")
    add(client, place, "a sweep", kind="sweep")
    return client


def add(client, place, label, *, kind="trial", params=None) -> str:
    tags = {"akid.kind": kind, "akid.key": label, "akid.seed": "3", "akid.index": "2"}
    run_id = client.create_run(place, run_name=label, tags=tags).info.run_id
    for name, text in {"repeat": "1", **(params or {})}.items():
        client.log_param(run_id, name, text)
    client.log_metric(run_id, "best/val_accuracy", 0.1 + 0.2)
    client.log_metric(run_id, "val_loss1/accuracy", 0.5)
    return run_id


@pytest.fixture
def reader(client) -> MlflowReader:
    return MlflowReader(client.tracking_uri)


def test_trials_come_with_their_values(reader) -> None:
    """Newest first, numbers as numbers, strings as strings; a sweep is no trial."""
    _, second, first = reader.trials("digits")

    assert (first.columns, second.columns) == (
        {"net.act": "a b", "opt.lr": 0.1},
        {"net.act": "1", "opt.lr": -1e-05},
    )
    assert (first.experiment, first.label, first.index, first.repeat) == (
        *("digits", "act='a b' #0"),
        *(2, 1),
    )
    assert (first.known.best, first.known.final) == (
        {"val_accuracy": 0.1 + 0.2},
        {"val_loss1/accuracy": 0.5},
    )


def test_a_run_is_found_by_id_begin_and_name(reader) -> None:
    """Of several of one name the newest is meant."""
    newest = reader.trials("digits")[1]

    assert reader.find(newest.run_id) == newest
    assert reader.find("act='a b' #0") == newest
    assert reader.find("shared", experiment="letters").experiment == "letters"


def test_what_fits_no_run_or_several_is_refused(client, reader) -> None:
    """With what there is."""
    ids = [run.run_id for run in reader.trials("digits")]
    with pytest.raises(TrackingError, match="which fits 2"):
        reader.find("shared")
    with pytest.raises(TrackingError, match="which no run in"):
        reader.find("act='a_b' #0")
    with pytest.raises(TrackingError, match="Known experiments: digits, letters"):
        reader.find(ids[0], experiment="digit")
    with pytest.raises(TrackingError, match="no trial of akid's"):
        reader.find(_sweep_id(client))


def _sweep_id(client) -> str:
    (run,) = client.search_runs(["1"], "tags.`akid.kind` = 'sweep'")
    return run.info.run_id


def test_a_file_that_is_missing_is_told_of_with_those_that_are_there(
    client, reader, tmp_path
) -> None:
    """And one that is there is copied."""
    run_id = reader.trials("letters")[0].run_id
    with pytest.raises(TrackingError, match="got no file at all"):
        reader.fetch(run_id, "trial.py", tmp_path)
    client.log_text(run_id, "text", "trial.py")

    assert reader.fetch(run_id, "trial.py", tmp_path / "new").read_text() == "text"
    with pytest.raises(TrackingError, match=r"the file best\.pt .* got trial\.py"):
        reader.fetch(run_id, "best.pt", tmp_path)


def test_a_store_or_an_experiment_that_is_missing_is_an_error(reader, tmp_path) -> None:
    """Nothing is made."""
    with pytest.raises(TrackingError, match=r"^tracking store: .*there is none"):
        MlflowReader(f"sqlite:///{tmp_path}/mlflow.db")
    assert not list(tmp_path.iterdir())
    with pytest.raises(TrackingError, match="expected at least one run"):
        reader.trials("Default")
