"""A disk that is really full: a file system of a few megabytes, which the trials fill up."""

import os
import subprocess
import sys

import pytest

FILL = """
def fill(kid):
    if kid.step != 4:
        return
    import contextlib
    import os

    print("before the disk is full")
    with contextlib.suppress(OSError), open(os.path.join(kid.log_dir, "filler"), "wb") as file:
        while True:
            os.write(file.fileno(), bytes(4096))
    print("on a full disk " * 1000)

fills = {{ opt_paras["fills"] }}
if fills:
    kid.hooks.on_batch_begin.append(fill)
"""


def test_trials_outlive_a_full_disk(place) -> None:
    """What they print and log, their checkpoints, rows and programs are refused; all finish."""
    cells = [{"fills": number} for number in range(4)]
    file = place.empty(
        f"opt_paras_list = {cells}\nstall_seconds = 600\nmax_failures = 0", after=FILL
    )
    short, long = "max_epoch=1, save_chk_point=False", "max_epoch=10, val_log_step=2"
    file.write_text(file.read_text().replace(short, long))
    (small := place.folder / "small").mkdir()
    words = ["-m", "akid.sweep", file, "--tracking-uri", place.uri, "--work-dir", small]
    command = [sys.executable, *map(str, words), "--num-cpus", "1", "--num-gpus", "0"]
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"'
    inside = ["unshare", "--mount", "bash", "-c", mount, "bash", str(small)]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")

    ran = subprocess.run(
        [*inside, *command],
        cwd=place.folder,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    sys.stdout.write(ran.stdout + ran.stderr)
    assert ran.returncode == 0
    assert "Traceback" not in ran.stderr
    assert "No space left on device" in ran.stderr
    runs = place.runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    calm, *full = (run.data.metrics for run in runs)
    for metrics in full:
        assert metrics["val_loss"] == calm["val_loss"]
        assert metrics["best/val_loss"] == calm["best/val_loss"]
    for note in (
        "its program is not kept",
        "its rows reach the store only",
        "training goes on without a checkpoint",
    ):
        assert f"fills=2: {note}" in ran.stderr
