"""How long the command line takes where nothing is trained: --help, --dry-run, a finished sweep.

Beside each stands the start of a bare Python and of one that imports torch, in the same run.

Run: python benchmarks/command_line.py [--report benchmarks/reports]
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

DIGITS = Path(__file__).parents[1] / "experiments" / "digits_lenet" / "experiment.py"
LARGE_GRID = """
net_paras_list += [{**net_paras_list[0], "number": n} for n in range(98)]
opt_paras_list = [{"lr": 0.001 * n} for n in range(1, 101)]
repeat_times = 1
"""


def seconds(*command: str, folder: Path, times: int = 3) -> float:
    """Return the median duration of a command that has to succeed."""
    found = []
    for _ in range(times):
        started_s = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        found.append(time.perf_counter() - started_s)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    python = sys.executable
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = folder / "large.py"
        large.write_text(DIGITS.read_text() + LARGE_GRID)
        sweep = (python, "-m", "akid.sweep")
        rows = [
            ("a bare Python", seconds(python, "-c", "pass", folder=folder), ""),
            ("Python, import torch", seconds(python, "-c", "import torch", folder=folder), ""),
            ("--help", seconds(*sweep, "--help", folder=folder), "0.4"),
            (
                "--dry-run, digits, no store yet",
                seconds(*sweep, str(DIGITS), "--dry-run", folder=folder),
                "2",
            ),
            (
                "--dry-run, 10,000 cells, no store yet",
                seconds(*sweep, str(large), "--dry-run", folder=folder),
                "5",
            ),
            ("the first sweep", seconds(*sweep, str(DIGITS), folder=folder, times=1), "60"),
            ("--dry-run, all known", seconds(*sweep, str(DIGITS), "--dry-run", folder=folder), "2"),
            ("the sweep again, all known", seconds(*sweep, str(DIGITS), folder=folder), "5"),
        ]
    day = datetime.now(tz=UTC).date().isoformat()
    table = "\n".join(f"| {what} | {s:.2f} | {goal} |" for what, s, goal in rows)
    text = f"""# The command line, {day}

{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; medians of three.

| what | s | at most |
|---|---:|---:|
{table}
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-command-line.md").write_text(text)


if __name__ == "__main__":
    main()
