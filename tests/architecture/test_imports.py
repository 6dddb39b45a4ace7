"""The arrows between the rooms, and which file may load which vendor."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "akid"
VENDORS = {
    "ray": {
        "cluster/connection.py",
        "cluster/inventory.py",
        "cluster/jobs.py",
        "cluster/own_gpus.py",
        "cluster/storage.py",
        "tuning/attempt.py",
        "tuning/board.py",
        "tuning/gpu_probe.py",
        "tuning/halving.py",  # Tune's ASHA
        "tuning/memory_kill.py",
        "tuning/ray_orders.py",
        "tuning/run.py",
        "tuning/stage.py",
        "tuning/train_runs.py",
        "tuning/trial_group.py",
        "tuning/worker.py",
        "training/ray_performance.py",
        "training/ray_bytes.py",
        "training/ray_engine.py",
        "training/ray_group.py",
        "training/ray_worker.py",
    },
    "mlflow": {"tuning/mlflow_reader.py", "tuning/mlflow_store.py", "tuning/mlflow_tracker.py"},
    "jinja2": {"cluster/deploy/render.py", "tuning/template.py"},
    "optuna": {"tuning/suggestion.py"},
    "pynvml": {"cluster/nvml.py"},
    "pyarrow": {"cluster/object_folder.py"},
    "fsspec": {"cluster/object_folder.py"},
    "matplotlib": {"observing/figures.py"},
}
DRIVER_MODULES = ("akid", "akid.sweep", "akid.tuning.sweep", "akid.tuning.tune", "akid.tuning.plan")


def imported_packages(file: Path) -> set[str]:
    """Return the top-level packages that a file imports anywhere, also inside of functions."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def test_imports_only_go_down() -> None:
    """The contracts of pyproject.toml hold, TYPE_CHECKING and in-function imports counted."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(lint), "--no-cache"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_is_loaded_by_few_files(vendor: str) -> None:
    """Only the files that stand for a vendor import it."""
    users = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if vendor in imported_packages(file)
    }

    assert users <= VENDORS[vendor]


@pytest.mark.parametrize("module", DRIVER_MODULES)
def test_the_driver_plans_without_torch_ray_and_mlflow(module: str) -> None:
    """Importing what plans a sweep loads none of the heavy packages."""
    code = (
        f"import sys, {module}; "
        "heavy = {'torch', 'ray', 'mlflow', 'matplotlib', 'optuna'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_no_room_has_a_drawer_for_leftovers() -> None:
    """No file is called utils, common, helpers, misc, base or manager, but for akid.common."""
    drawers = {"utils", "common", "helpers", "misc", "base", "manager"}
    found = {str(f.relative_to(PACKAGE)) for f in PACKAGE.rglob("*.py") if f.stem in drawers}

    assert found <= {"common.py"}
