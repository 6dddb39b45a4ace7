"""Suggestion: Optuna's TPE says which combinations to try next (`pip install optuna`).

Optuna's own ask and tell are used, not Ray Tune's wrapper: the wrapper can't be told of earlier
results where a space is conditional, and knows a trial by one attempt at it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, final

from akid.errors import ExperimentError
from akid.tuning.grid import Paras
from akid.tuning.space import Distribution, fill

if TYPE_CHECKING:
    from optuna.trial import Trial as OptunaTrial


_KNOWN: Final = (
    "uniform",
    "quniform",
    "loguniform",
    "randint",
    "qrandint",
    "lograndint",
    "choice",
)


@final
class Suggester:
    """Suggests combinations of the parameter lists, and learns from what they came to.

    Args:
        net_paras_list: The network parameters, which may have distributions in them.
        opt_paras_list: The optimisation parameters, alike.
        seed: What chance depends on; equal seeds and results give equal suggestions.
        startup: So many suggestions are random.

    Raises:
        ExperimentError: If Optuna is not installed.
    """

    def __init__(
        self,
        net_paras_list: Sequence[Paras],
        opt_paras_list: Sequence[Paras],
        *,
        seed: int,
        startup: int,
    ) -> None:
        try:
            import optuna
        except ImportError as error:
            raise ExperimentError(
                "search: expected Optuna for 'tpe', got none installed: pip install optuna."
            ) from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._lists = {"net": net_paras_list, "opt": opt_paras_list}
        self._fail = optuna.trial.TrialState.FAIL
        self._study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=startup, constant_liar=True
            )
        )
        self._asked: list[OptunaTrial] = []

    def ask(self, count: int) -> list[tuple[Paras, Paras]]:
        """Return the next suggestions: network and optimisation parameters of each."""
        self._asked = [self._study.ask() for _ in range(count)]
        return [(self._one(trial, "net"), self._one(trial, "opt")) for trial in self._asked]

    def tell(self, costs: Sequence[float | None]) -> None:
        """Say what the last suggestions came to.

        Args:
            costs: For each what is to be small, or None where there is no result.
        """
        for trial, cost in zip(self._asked, costs, strict=True):
            self._study.tell(trial, cost, state=self._fail if cost is None else None)

    def _one(self, trial: "OptunaTrial", which: str) -> Paras:
        paras_list = self._lists[which]
        index = 0
        if len(paras_list) > 1:
            index = trial.suggest_categorical(f"{which}_paras_list", range(len(paras_list)))

        def pick(path: str, law: Distribution) -> Any:
            return _suggested(trial, f"{path} ~ {law!r}", law)

        paras: Paras = fill(paras_list[index], f"{which}[{index}]", pick)
        return paras


def _suggested(trial: "OptunaTrial", name: str, law: Distribution) -> Any:
    """Return the value that is suggested for a law (Ray Tune's `OptunaSearch` maps them alike)."""
    if law.name == "choice":
        (categories,) = law.arguments
        return categories[trial.suggest_categorical(name, range(len(categories)))]
    if law.name not in _KNOWN:
        raise ExperimentError(
            f"search: expected one of {', '.join(_KNOWN)} for 'tpe', got {law!r}."
        )
    is_log = "log" in law.name
    low, high, *step = law.arguments
    if "int" in law.name:
        last = high if step else high - 1
        if is_log or not step:
            return trial.suggest_int(name, low, last, log=is_log)
        return trial.suggest_int(name, low, last, step=step[0])
    if is_log or not step:
        return trial.suggest_float(name, low, high, log=is_log)
    return trial.suggest_float(name, low, high, step=step[0])
