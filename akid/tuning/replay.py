"""Replay: a recorded trial trained again in a fresh process, and whether it gave the same."""

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from akid.tuning.plan import KnownRun
from akid.tuning.tracking import WHEN

_CHILD: Final = "import sys; from akid.tuning.program import practise_again as p; p(*sys.argv[1:])"
_RESULT: Final = "metrics.json"
_STANDARD_ERROR: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A metric as it was recorded and as it came out again.

    Attributes:
        name: The metric, as the store calls it.
        recorded: Its recorded value; None where it has none.
        replayed: Its value now; None where it has none.
    """

    name: str
    recorded: float | None
    replayed: float | None

    @property
    def is_timing(self) -> bool:
        """Whether it says how long something took, which is never the same."""
        return self.name.endswith("_s")

    @property
    def is_equal(self) -> bool:
        """Whether both are the same to the last digit; NaN is the same as NaN."""
        if self.recorded is None or self.replayed is None:
            return False
        both_are_nan = math.isnan(self.recorded) and math.isnan(self.replayed)
        return both_are_nan or self.recorded == self.replayed


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """What a replay gave.

    Attributes:
        verdicts: A verdict for each metric that either has; empty if it failed.
        error: The last line of what was raised; None if it finished.
    """

    verdicts: tuple[Verdict, ...] = ()
    error: str | None = None

    def repeats(self, known: KnownRun) -> bool:
        """Whether it came to the same as the recorded run: the same metrics, or the same error."""
        if self.error is not None:
            lines = (known.error or "").strip().splitlines()
            return bool(lines) and self.error.endswith(lines[-1].strip())
        compared = [verdict for verdict in self.verdicts if not verdict.is_timing]
        return bool(compared) and all(verdict.is_equal for verdict in compared)


def replay(known: KnownRun, program: Path, folder: Path) -> Replay:
    """Practise a recorded trial's script in a fresh process.

    The process works in this one's folder; what it prints goes to standard error.

    Args:
        known: What was recorded.
        program: The trial's script.
        folder: Where its log and checkpoints go.
    """
    result = folder / _RESULT
    arguments = [str(program), str(folder), str(result)]
    done = subprocess.run(  # noqa: S603 (the script is the trial, which the caller asks for)
        [sys.executable, "-c", _CHILD, *arguments], stdout=_STANDARD_ERROR, check=False
    )
    if not result.is_file():
        return Replay(error=f"the process ended with exit code {done.returncode}")
    came_to = json.loads(result.read_text(encoding="utf-8"))
    if "error" in came_to:
        return Replay(error=came_to["error"])
    return Replay(verdicts=verdicts(known, came_to))


def verdicts(known: KnownRun, came_to: Mapping[str, Mapping[str, Any]]) -> tuple[Verdict, ...]:
    """Return a verdict for each metric of a recorded run and of what it came to now.

    Args:
        known: What was recorded.
        came_to: Metrics below "final", "best" and "test".
    """
    final = {name: value for name, value in came_to["final"].items() if name not in WHEN}
    pairs = (
        ("best/", known.best, came_to["best"]),
        ("", known.test, came_to["test"]),
        ("", known.final, final),
    )
    return tuple(
        Verdict(
            name=f"{prefix}{name}",
            recorded=recorded.get(name),
            replayed=_as_stored(replayed[name]) if name in replayed else None,
        )
        for prefix, recorded, replayed in pairs
        for name in dict.fromkeys([*recorded, *replayed])
    )


def _as_stored(value: float) -> float:
    """Return a number as MLflow's database keeps it: infinity is its largest number."""
    number = float(value)
    return math.copysign(sys.float_info.max, number) if math.isinf(number) else number
