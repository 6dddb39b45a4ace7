"""Commands that look at what a sweep left in its store: compare, show, diff, replay, best."""

import json
import subprocess
import sys

import pytest
from mlflow import MlflowClient

SETTINGS = """
repeat_times = 2
opt_paras_list = [{"lr": 0.1, "fails": False}, {"lr": 0.5, "fails": False}]
net_paras_list = [{"act": "0.1"}]
opt_paras_list += [{"lr": 0.5, "fails": True}]
"""
FAILS = """
if {{ opt_paras["fails"] }}:
    raise ValueError("as told")
"""
LOAD = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
from load import load
kid = runpy.run_path(sys.argv[1] + "/trial.py")["setup"]()
kid.setup()
kid.brain.load_state_dict(load(kid.sensor.current_batch()).state_dict())
assert not load().training
print(kid.validate()["val_loss"])
"""
LIGHT = """
import sys
from akid.sweep import main
code = main(sys.argv[1:])
assert not {"torch", "ray"} & set(sys.modules), "heavy"
sys.exit(code)
"""


@pytest.fixture(scope="module")
def swept(cluster, shared_place):
    """Three combinations, two repeats each, of which one combination fails."""
    file = shared_place.empty(SETTINGS, body=FAILS, lr='{{ opt_paras["lr"] }}')
    file.write_text(file.read_text().replace("save_chk_point=False", "save_chk_point=True"))
    assert shared_place.sweep(file).code == 1
    client = MlflowClient(tracking_uri=shared_place.uri)
    client.set_tag(shared_place.runs()[0].info.run_id, "akid.version.torch", "0.0.1")
    return shared_place


def test_combinations_are_compared(swept) -> None:
    """By the file or the name, with what failed, grouped, and a warning for mixed versions."""
    file = swept.folder / "experiment_file.py"

    ran = swept.command("compare", file, "--json", "--metric", "val_loss")
    shown = swept.command("compare", "experiment_file", "--by", "opt.fails", "--top", 1)
    assert (ran.code, shown.code) == (0, 0)
    assert swept.command("compare", file, "--csv").out.count("\n") == 4
    assert swept.command("compare", file, "--md").out.startswith("| rank | group |")

    found = json.loads(ran.out, parse_constant=pytest.fail)
    assert [group["statuses"] for group in found["groups"]] == [
        *({"FINISHED": 2}, {"FINISHED": 2}),
        {"FAILED": 2},
    ]
    assert {group["columns"]["net.act"] for group in found["groups"]} == {"0.1"}
    runs = {run.info.run_id: run for run in swept.runs()}
    for group in found["groups"][:2]:
        losses = [runs[run_id].data.metrics["best/val_loss"] for run_id in group["run_ids"]]
        assert group["mean"] == pytest.approx(sum(losses) / 2)
        assert group["best"] == min(losses)
    assert "mix versions: torch 0.0.1 (1 run) and" in ran.err
    assert found["warnings"][0].startswith("these runs mix versions: torch 0.0.1 (1 run)")
    assert "opt.fails" not in shown.out
    assert "fails=False" in shown.out
    assert "and 1 more" in shown.out


def test_a_look_loads_neither_torch_nor_ray(swept) -> None:
    """So that it is there at once."""
    run_id = swept.runs()[0].info.run_id
    for command in (["compare", "experiment_file"], ["show", run_id, "--against", run_id]):
        subprocess.run(
            [sys.executable, "-c", LIGHT, *command, "--tracking-uri", swept.uri],
            check=True,
            capture_output=True,
        )


def test_runs_are_shown_and_told_apart(swept) -> None:
    """By name and by the begin of the id."""
    first, other = swept.runs()[0], swept.runs()[1]
    failed = swept.runs()[2]

    shown = swept.command("show", first.info.run_id[:12])
    told = swept.command("diff", first.info.run_name, other.info.run_id)
    error = swept.command("show", failed.info.run_name, "--experiment", "experiment_file")

    assert (shown.code, told.code, error.code) == (0, 0, 0)
    assert repr(first.data.metrics["best/val_loss"]) in shown.out
    assert "def setup():" in shown.out
    assert "akid.version.torch 0.0.1" in " ".join(shown.out.split())
    assert "-    kid = Kid(sensor, brain, MomentumKongFu(lr=0.1)" in told.out
    assert "+    kid = Kid(sensor, brain, MomentumKongFu(lr=0.5)" in told.out
    assert "akid.version.torch 0.0.1" in " ".join(told.out.split())
    assert "ValueError: as told" in error.out


def test_a_run_repeats_to_the_last_digit(swept) -> None:
    """Rebuilt from the store alone; what is not as it was then is told first."""
    run = swept.runs()[0]

    ran = swept.command("replay", run.info.run_id, "--work-dir", swept.folder / "again")

    assert ran.code == 0
    assert "torch: 0.0.1 then" in ran.err
    assert "DIFFERS" not in ran.out
    assert repr(run.data.metrics["best/val_loss"]) in ran.out
    (folder,) = (swept.folder / "again").iterdir()
    assert {"trial.py", "training.log", "model", "metrics.json"} <= {
        file.name for file in folder.iterdir()
    }


def test_a_replay_that_comes_to_something_else_says_so(swept) -> None:
    """With exit code 1; one that fails as the recorded run did repeats it."""
    run, failed = swept.runs()[1], swept.runs()[2]
    now = run.data.metrics["best/val_loss"]
    MlflowClient(tracking_uri=swept.uri).log_metric(run.info.run_id, "best/val_loss", now + 1e-15)

    ran = swept.command("replay", run.info.run_id)
    same = swept.command("replay", failed.info.run_id)

    assert ran.code == 1
    assert ran.out.count("DIFFERS") == 1
    assert same.code == 0
    assert "the replay failed, as recorded: ValueError: as told" in same.out


def test_the_best_brain_leaves_with_its_weights(swept, tmp_path) -> None:
    """In another process, from the folder alone, it has the loss that was recorded."""
    folder = tmp_path / "best"
    runs = [run for run in swept.runs() if run.info.status == "FINISHED"]
    best = min(runs, key=lambda run: run.data.metrics["best/val_loss"])
    arguments = ("best", "experiment_file", "--metric", "val_loss", "--export")

    ran = swept.command(*arguments, folder)
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, folder],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.code == 0
    assert best.info.run_id in ran.out
    assert float(loaded.stdout) == best.data.metrics["best/val_loss"]
    assert json.loads((folder / "run.json").read_text())["run_id"] == best.info.run_id
    again = swept.command(*arguments, folder)
    assert (again.code, "not empty" in again.err) == (2, True)
    (swept.artifacts(best.info.run_id) / "best.pt").unlink()
    missing = swept.command(*arguments, tmp_path / "other")
    assert missing.code == 2
    assert "expected best.pt and trial.py in the tracking store, got" in missing.err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "0123456789abcdef"], "which no run in"),
        (["diff", "no such name", "0"], "'no such name'"),
        (["replay", "nothing", "--experiment", "nowhere"], "Known experiments: experiment_file"),
        (["compare", "nowhere"], "got 'nowhere'"),
        (["compare", "experiment_file", "--metric", "val_los"], "expected one of"),
        (["compare", "experiment_file", "--by", "opt.rl"], "Did you mean opt.lr"),
        (["best", "Default"], "expected at least one run"),
        (["best", "experiment_file", "--metric", "val_los"], "expected one of"),
    ],
)
def test_what_is_not_there_is_told_of(swept, arguments, said) -> None:
    """With exit code 2 and without a traceback."""
    ran = swept.command(*arguments)

    assert ran.code == 2
    assert said in ran.err
