"""Modules beside the experiment: parts of its trials, in the sweep, in the store and afterwards."""

import json
import subprocess
import sys

import pytest

SETTINGS = """
opt_paras_list = [{"own": True}, {"own": False}]
repeat_times = 2
"""
BODY = """
#% if opt_paras["own"]
from nets.rates import rate
#% else
rate = lambda: 0.2
#% endif
"""
RATES = """
import os
from pathlib import Path

CALLS = []

def rate():
    CALLS.append(os.getpid())
    assert len(CALLS) == 1, "the module of an earlier trial"
    return float((Path(__file__).parent / "rate.txt").read_text()) * FACTOR
"""
LOAD = "import sys; sys.path.insert(0, sys.argv[1]); from load import load; load()"


@pytest.fixture(scope="module")
def swept(cluster, shared_place):
    """Two combinations, of which one imports a module of a package; the shell stands elsewhere."""
    nets = shared_place.folder / "nets"
    nets.mkdir()
    (nets / "rate.txt").write_text("0.1")
    (nets / "factors.py").write_text("FACTOR = 1\n")
    (nets / "rates.py").write_text(f"from .factors import FACTOR\n{RATES}")
    file = shared_place.empty(SETTINGS, body=BODY, lr="rate()")
    file.write_text(file.read_text().replace("save_chk_point=False", "save_chk_point=True"))
    ran = shared_place.sweep(file, "--max-concurrent", 1, "--json")
    assert ran.code == 0
    return shared_place


def test_a_module_that_has_changed_runs_its_trials_again(swept) -> None:
    """And no others; a comment in it changes nothing."""
    file, factors = swept.folder / "experiment_file.py", swept.folder / "nets" / "factors.py"

    factors.write_text("# a comment\nFACTOR = 1\n")
    commented = swept.sweep(file, "--dry-run")
    factors.write_text("FACTOR = 2\n")
    planned = swept.sweep(file, "--dry-run")
    asked = swept.sweep(file, "--dry-run", "--rerun", "changed")
    ran = swept.sweep(file, "--json")

    assert commented.out.count("finished in run") == 4
    assert planned.out.count("changed source") == asked.out.count("changed source") == 2
    assert planned.out.count("finished in run") == 2
    assert ran.code == 0
    assert [record["reused"] for record in json.loads(ran.out)["trials"]] == [False, True] * 2


def test_a_run_is_trained_again_with_the_modules_that_it_had(swept, tmp_path, monkeypatch) -> None:
    """From any folder, whatever has become of the files; `diff` shows how they differ."""
    own = [run.info.run_id for run in swept.runs() if run.data.params["opt.own"] == "True"]
    (swept.folder / "nets" / "factors.py").unlink()
    monkeypatch.chdir(tmp_path)

    ran = [swept.command("replay", run_id) for run_id in own]
    told = swept.command("diff", own[0], own[1])

    assert [each.code for each in ran] == [0] * 4
    assert not any("DIFFERS" in each.out for each in ran)
    assert {"FACTOR = 1", "FACTOR = 2"} == {
        line[1:] for line in told.out.splitlines() if line[1:].startswith("FACTOR")
    }


def test_the_best_brain_loads_in_a_clean_folder(swept, tmp_path) -> None:
    """In another process, from what was exported alone."""
    folder = tmp_path / "best"
    assert swept.command("best", "experiment_file", "--export", folder).code == 0

    subprocess.run([sys.executable, "-c", LOAD, folder], cwd=tmp_path, check=True)


def test_the_workers_of_a_gang_have_the_modules_too(place, cluster) -> None:
    """What a kid is made of is found in each of its processes."""
    (place.folder / "blobs.py").write_text(
        "from akid import MomentumKongFu\n\nclass OwnKongFu(MomentumKongFu):\n    pass\n"
    )
    file = place.empty(
        body="from blobs import OwnKongFu",
        after='from akid.training import engine\nkid.kongfu = OwnKongFu(lr=0.1, name="own")\n'
        'kid.engine = engine.get({"name": "data_parallel", "num_gpu": 2})',
    )

    assert place.sweep(file).code == 0
    run = place.runs()[0]
    assert "class OwnKongFu" in (place.artifacts(run.info.run_id) / "trial.py").read_text()
