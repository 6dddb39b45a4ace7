"""Settings: what an experiment may say besides `setup`, and what is wrong with it."""

import hashlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from akid.cluster.demand import demand_faults
from akid.cluster.instance_numbers import number_faults
from akid.errors import ExperimentError, GridError
from akid.tuning.early_stopping import read_scheduler
from akid.tuning.grid import plain_parameter_list
from akid.tuning.limits import LIMITS, limit_faults
from akid.tuning.searching import read_search

SETTINGS: Final = (
    "net_paras_list",
    "opt_paras_list",
    "repeat_times",
    "sample",
    "search",
    "scheduler",
    "gpu_num_per_instance",
    "cpu_num_per_instance",
    "resources_per_instance",
    "accelerator_type",
    "label_selector",
    "metric",
    "mode",
    *LIMITS,
    "seed",
    "data_files",
)
_CLOSE_ENOUGH: Final = 0.8  # of difflib's ratio

_SAID_OTHERWISE: Final[Mapping[str, str]] = {
    "repeat": "repeat_times",
    "repeats": "repeat_times",
    "gpus_per_trial": "gpu_num_per_instance",
    "cpus_per_trial": "cpu_num_per_instance",
    "resources_per_trial": "resources_per_instance",
    "net_paras": "net_paras_list",
    "opt_paras": "opt_paras_list",
}
"""Settings by the names that others than an experiment file have for them."""

_SAID_ELSEWHERE: Final[Mapping[str, str]] = {
    "name": "it is called as its file, or by the option --name",
    "folder": "it is the option --work-dir of the command",
    "debug": "it is the option --dry-run of the command",
    "set": "change the lists, or use the option --set",
    **{
        option: f"it is the option --{option.replace('_', '-')} of the command"
        for option in [
            "work_dir",
            "rerun",
            "max_concurrent",
            "tracking_uri",
            "address",
            "num_cpus",
            "num_gpus",
            "json",
            "csv",
            "dry_run",
        ]
    },
    **dict.fromkeys(
        ("epoch", "epochs", "max_epoch", "max_epochs", "max_steps", "patience", "best_metric"),
        "it is said to the kid, inside of setup",
    ),
}
"""What is no setting of an experiment file, and where it is said."""


def looks_like_a_setting(name: str) -> bool:
    """Whether a name is so close to a setting's that it is one misspelt.

    >>> looks_like_a_setting("repeat_time"), looks_like_a_setting("widths")
    (True, False)
    """
    return bool(get_close_matches(name, SETTINGS, n=1, cutoff=_CLOSE_ENOUGH))


def unknown_setting(name: str) -> str:
    """Return the message about a name that is no setting."""
    close = get_close_matches(name, SETTINGS, n=1, cutoff=_CLOSE_ENOUGH)
    hint = f" Did you mean {close[0]}? Otherwise write it as _{name}." if close else ""
    return f"expected one of the settings {', '.join(SETTINGS)}, got {name}.{hint}"


def misplaced(name: str) -> str | None:
    """Return the message about a name of the module's that is meant for something; else None.

    It is for names that the module does not use itself: nothing would come of them.

    >>> misplaced("repeats")
    'repeats is no setting of an experiment file. Did you mean repeat_times?'
    >>> print(misplaced("max_concurent"))  # doctest: +ELLIPSIS
    max_concurent is no setting of an experiment file: it is the option --max-concurrent of ...
    >>> misplaced("widths") is None
    True
    """
    known = [*_SAID_OTHERWISE, *_SAID_ELSEWHERE]
    close = get_close_matches(name, known, n=1, cutoff=_CLOSE_ENOUGH)
    if not close:
        return None
    head = f"{name} is no setting of an experiment file"
    if close[0] in _SAID_OTHERWISE:
        return f"{head}. Did you mean {_SAID_OTHERWISE[close[0]]}?"
    return f"{head}: {_SAID_ELSEWHERE[close[0]]}. If it is your own, write it as _{name}."


def setting_faults(given: Mapping[str, Any]) -> list[ExperimentError]:
    """Return what is wrong with the settings that are there."""
    faults: list[ExperimentError] = []
    for name in ("net_paras_list", "opt_paras_list"):
        if name in given:
            faults += [GridError(fault) for fault in plain_parameter_list(name, given[name])[1]]
    gpus, cpus = given.get("gpu_num_per_instance"), given.get("cpu_num_per_instance", 1)
    faults += [GridError(fault) for fault in number_faults(gpus, cpus)]
    faults += [ExperimentError(fault) for fault in demand_faults(given)]
    for name, least in (("repeat_times", 1), ("seed", 0)):
        value = given.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            text = f"{name}: expected an int of at least {least}, got {name}={value!r}."
            faults.append(ExperimentError(text))
    sample = given.get("sample")
    if sample is not None and (
        isinstance(sample, bool) or not isinstance(sample, int) or sample < 1
    ):
        text = f"sample: expected an int of at least 1 or None, got sample={sample!r}."
        faults.append(ExperimentError(text))
    for read, name in ((read_scheduler, "scheduler"), (read_search, "search")):
        try:
            read(given.get(name))
        except ExperimentError as error:
            faults.append(error)
    limits = [ExperimentError(fault) for fault in limit_faults(given)]
    return [*faults, *limits, *_word_faults(given)]


def _word_faults(given: Mapping[str, Any]) -> list[ExperimentError]:
    metric, mode, files = given.get("metric"), given.get("mode"), given.get("data_files", ())
    faults = []
    if metric is not None and (not isinstance(metric, str) or not metric):
        faults.append(f"metric: expected a metric's name or None, got metric={metric!r}.")
    if mode not in (None, "min", "max"):
        faults.append(f"mode: expected 'max', 'min' or None, got mode={mode!r}.")
    if not isinstance(files, list | tuple) or not all(isinstance(f, str | Path) for f in files):
        faults.append(f"data_files: expected a list of paths, got data_files={files!r}.")
    return [ExperimentError(fault) for fault in faults]


def fingerprint(files: Sequence[str], folder: Path) -> str:
    """Return one hash of the files' names and contents; paths are relative to `folder`."""
    if not files:
        return ""
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise ExperimentError(
            f"data_files: expected files (relative to {folder.resolve()}), got names of none:"
            f" {', '.join(missing)}."
        )
    whole = hashlib.sha256()
    for file in files:
        with (folder / file).open("rb") as stream:
            whole.update(f"{file}\x1f{hashlib.file_digest(stream, 'sha256').hexdigest()}".encode())
    return whole.hexdigest()


def raise_all(faults: Sequence[ExperimentError]) -> None:
    """Raise one error for all faults, of their common class."""
    if not faults:
        return
    classes = {type(fault) for fault in faults}
    error = classes.pop() if len(classes) == 1 else ExperimentError
    raise error("\n".join(str(fault) for fault in faults))
