"""`akid.sweep plan`."""

import json
from pathlib import Path

import pytest

from akid.sweep import main

EXPERIMENT = """
opt_paras_list = [{'lr': 0.1}, {'lr': 0.2}]
gpu_num_per_instance = 0


def setup():
    return {{ opt_paras["lr"] }}
"""


def test_it_is_the_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the same options, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    Path("experiment.py").write_text(EXPERIMENT)
    options = ["experiment.py", "--set", "opt.lr=0.3,0.4,0.5", "--rerun", "changed"]

    assert main(["plan", *options]) == 0
    plan = capsys.readouterr().out
    assert main([*options, "--dry-run"]) == 0

    assert capsys.readouterr().out == plan
    assert "new; --rerun changed leaves it" in plan
    assert [file.name for file in tmp_path.iterdir()] == ["experiment.py"]


def test_it_is_json_for_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of the trials with what is done with them; standard output has nothing else."""
    monkeypatch.chdir(tmp_path)
    Path("experiment.py").write_text(EXPERIMENT)

    assert main(["plan", "experiment.py", "--json"]) == 0
    trials = json.loads(capsys.readouterr().out)

    assert [(t["index"], t["opt_paras"], t["action"]) for t in trials] == [
        (0, {"lr": 0.1}, "run"),
        (1, {"lr": 0.2}, "run"),
    ]
    assert [trials[0][name] for name in ("reason", "needs", "run_id", "net_paras")] == [
        "new",
        "1 CPU, 0 GPUs",
        None,
        {},
    ]
