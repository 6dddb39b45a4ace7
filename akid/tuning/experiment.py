"""Experiment: what one sweep is about, from an experiment file or from the arguments of `tune`."""

import ast
import tokenize
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any, Final

from akid.cluster.demand import Demand
from akid.cluster.instance_numbers import GpuNumbers
from akid.cluster.modules import Modules
from akid.errors import ExperimentError
from akid.tuning import space
from akid.tuning.error_text import text_of
from akid.tuning.grid import Cell, Paras, override, parse_setting, plain_parameter_list
from akid.tuning.identity import STATEMENT
from akid.tuning.limits import TIMES, Limits
from akid.tuning.number_text import amount
from akid.tuning.sampling import Grid, listed, sampled
from akid.tuning.settings import (
    SETTINGS,
    fingerprint,
    looks_like_a_setting,
    misplaced,
    raise_all,
    setting_faults,
    unknown_setting,
)
from akid.tuning.template import Template

FILE_NAME: Final = "experiment.py"
_STATEMENT_HINT: Final = (
    'Statements of the template are comment lines: #% if net_paras["bn"], #% else, #% endif;'
    ' holes stay as they are: {{ net_paras["bn"] }};'
    " inside of a string the quotes are of the other kind."
)


@dataclass(frozen=True, kw_only=True)
class Experiment(Limits):
    """What one sweep is about, with the limits of its trials (see `Limits`).

    Attributes:
        name: How it is called in the tracking store.
        path: The file it was read from, or None.
        text: What stood in the file when it was read; empty without one.
        template: The source of `setup`.
        net_paras_list: The network parameters, one dict for each network.
        opt_paras_list: The optimisation parameters, one dict for each way to optimise.
        repeat_times: How often each combination is trained, each time with another seed.
        sample: How many combinations are tried, chosen and drawn at random; None for each once.
        search: What suggests combinations (see `akid.tuning.searching`), or None.
        suggested: The network and optimisation parameters that were suggested, or None.
        scheduler: What stops trials that fall behind (see `akid.tuning.early_stopping`), or None.
        gpu_num_per_instance: GPUs of each trial: a number, a list with one number per trial,
            "auto" (the smallest share that was measured to suffice), or None.
        cpu_num_per_instance: CPUs, and by that threads, of each trial, or of each of its workers.
        resources_per_instance: What each takes besides, by the names that the cluster's nodes were
            started with, such as `{"slot": 1}`.
        accelerator_type: The model of GPU that its node has, by Ray's name, such as "A100".
        label_selector: What its node's labels are, such as `{"region": "eu", "disk": "!slow"}`.
        metric: What the results are ranked by; None takes the validation accuracy or loss.
        mode: "max" or "min"; None follows from the metric's name.
        seed: The seed of the first repeat.
        data_files: Files whose content is a part of what a trial is.
        data_fingerprint: Their hash; empty without files.

    Raises:
        ExperimentError: If a setting is not usable; all faults at once.
    """

    name: str
    template: Template
    path: Path | None = None
    text: str = ""
    net_paras_list: Sequence[Paras] = ({},)
    opt_paras_list: Sequence[Paras] = ({},)
    repeat_times: int = 1
    sample: int | None = None
    search: Mapping[str, Any] | None = None
    suggested: Sequence[tuple[Paras, Paras]] | None = None
    scheduler: Mapping[str, Any] | None = None
    gpu_num_per_instance: GpuNumbers = None
    cpu_num_per_instance: float = 1
    resources_per_instance: Mapping[str, float] | None = None
    accelerator_type: str | None = None
    label_selector: Mapping[str, str] | None = None
    metric: str | None = None
    mode: str | None = None
    seed: int = 0
    data_files: Sequence[str] = ()
    data_fingerprint: str = ""

    def __post_init__(self) -> None:
        faults = setting_faults({name: getattr(self, name) for name in SETTINGS})
        if not isinstance(self.name, str) or not self.name.strip():
            faults.append(
                ExperimentError(f"name: expected a name that is not empty, got name={self.name!r}.")
            )
        raise_all(faults)
        for name in ("net_paras_list", "opt_paras_list"):
            object.__setattr__(self, name, plain_parameter_list(name, getattr(self, name))[0])
        for name in ("repeat_times", "seed"):
            object.__setattr__(self, name, int(getattr(self, name)))
        files = tuple(str(file) for file in self.data_files)
        object.__setattr__(self, "data_files", files)
        folder = self.path.parent if self.path else Path()
        object.__setattr__(self, "data_fingerprint", fingerprint(files, folder))

    @cached_property
    def grid(self) -> Grid:
        """The combinations that are tried, with drawn values in the place of distributions."""
        if self.suggested is not None:
            return listed(self.suggested, len(self.net_paras_list) * len(self.opt_paras_list))
        return sampled(self.net_paras_list, self.opt_paras_list, seed=self.seed, sample=self.sample)

    @property
    def folder(self) -> Path:
        """Where its file lies; the working folder where `setup` was defined in no file."""
        file = self.path or Path(self.template.name)
        return file.resolve().parent if file.is_file() else Path.cwd()

    @property
    def demand(self) -> Demand:
        """What a trial, or each of its workers, needs besides CPUs and GPUs."""
        return Demand.of(self.resources_per_instance, self.accelerator_type, self.label_selector)

    @property
    def n_instances(self) -> int:
        """How many trials the sweep has."""
        return self.repeat_times * len(self.grid.combinations)

    @property
    def extent(self) -> str:
        """What the trials are made of, in words: `3 repeats x 2 opts x 4 nets`."""
        repeats = amount(self.repeat_times, "repeat")
        if self.suggested is not None:
            return f"{repeats} x {len(self.suggested)} of {self.sample} suggestions"
        return f"{repeats} x {self.grid.extent}"

    def cells(self) -> Iterator[Cell]:
        """Yield the cells of the sweep in the documented order."""
        return self.grid.cells(self.repeat_times)

    def with_overrides(
        self,
        *,
        settings: Sequence[str] = (),
        repeat_times: int | None = None,
        sample: int | None = None,
        search: Mapping[str, Any] | None = None,
        scheduler: Mapping[str, Any] | None = None,
        gpu_num_per_instance: GpuNumbers = None,
        resources_per_instance: Mapping[str, float] | None = None,
        accelerator_type: str | None = None,
        label_selector: Mapping[str, str] | None = None,
        name: str | None = None,
        seed: int | None = None,
    ) -> "Experiment":
        """Return the experiment as the command line changed it; None leaves a value as it is.

        Args:
            settings: What `--set` was given, for example `"opt.lr=0.1,0.2"`.
            repeat_times: `--repeat`.
            sample: `--sample`.
            search: `--search`.
            scheduler: `--scheduler`.
            gpu_num_per_instance: `--gpus-per-trial`.
            resources_per_instance: `--resources-per-trial`.
            accelerator_type: `--accelerator-type`.
            label_selector: `--label-selector`.
            name: `--name`.
            seed: `--seed`.

        Raises:
            ExperimentError: If a setting can't be read or names an unknown key.
        """
        lists = {"net": self.net_paras_list, "opt": self.opt_paras_list}
        for setting in settings:
            which, path, values = parse_setting(setting)
            lists[which] = override(lists[which], path, values, name=f"--set {which}")
        changes: dict[str, Any] = {
            "repeat_times": repeat_times,
            "sample": sample,
            "search": search,
            "scheduler": scheduler,
            "gpu_num_per_instance": gpu_num_per_instance,
            "resources_per_instance": resources_per_instance,
            "accelerator_type": accelerator_type,
            "label_selector": label_selector,
            "name": name,
            "seed": seed,
        }
        return replace(
            self,
            net_paras_list=lists["net"],
            opt_paras_list=lists["opt"],
            **{key: value for key, value in changes.items() if value is not None},
        )


def from_function(
    setup: Callable[..., Any],
    opt_paras_list: Sequence[Paras] | None = None,
    net_paras_list: Sequence[Paras] | None = None,
    *,
    name: str | None = None,
    **settings: Any,
) -> Experiment:
    """Return the experiment of a function `setup`; what is None or left out has its default.

    The name is that of the file in which `setup` stands, as `load` would give it.

    Raises:
        ExperimentError: If the function or a setting is not usable.
    """
    unknown = sorted(set(settings) - set(SETTINGS))
    raise_all([ExperimentError(unknown_setting(key)) for key in unknown])
    template = Template.from_function(setup)
    file = Path(template.name)
    given = {"opt_paras_list": opt_paras_list, "net_paras_list": net_paras_list, **settings}
    return Experiment(
        name=name or (_name_of(file) if file.suffix == ".py" else "tune"),
        template=template,
        **{key: value for key, value in given.items() if value is not None or key in TIMES},
    )


def load(path: str | Path) -> Experiment:
    """Read an experiment file: a Python module with `setup`, the two lists and other settings.

    The module is executed without a call of `setup`, so what `setup` imports need not be there.

    Raises:
        ExperimentError: If there is no such file, it is no Python, fails, has no `setup`, or has a
            setting that is misspelt or not usable; all faults that can be seen are told at once.
    """
    path = Path(path)
    source = _read(path)
    tree, code = _parse(source, path)
    namespace = _execute(code, path)
    faults = [ExperimentError(f"{path}: {fault}") for fault in _name_faults(tree, namespace)]
    given: dict[str, Any] = {name: namespace[name] for name in SETTINGS if name in namespace}
    faults += [type(fault)(f"{path}: {fault}") for fault in setting_faults(given)]
    try:
        template = _template(tree, source, path)
    except ExperimentError as error:
        raise_all([error, *faults])
        raise
    raise_all(faults)
    return Experiment(
        name=_name_of(path), path=path.resolve(), text=source, template=template, **given
    )


def _read(path: Path) -> str:
    if path.is_dir():
        inside = path / FILE_NAME
        hint = f"Did you mean {inside}?" if inside.is_file() else "Give the file inside of it."
        raise ExperimentError(f"{path}: expected an experiment file, got a folder. {hint}")
    if not path.exists():
        near = sorted(str(p) for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        listed = ", ".join(near[:10]) or "no Python file"
        raise ExperimentError(
            f"{path}: expected an experiment file, got nothing: there is no such file."
            f" In that folder: {listed}."
        )
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ExperimentError(
            f"{path}: expected Python source in UTF-8, got a file that can't be read: {error}."
        ) from error


def _parse(source: str, path: Path) -> tuple[ast.Module, CodeType]:
    try:
        tree = ast.parse(source, filename=str(path))
        return tree, compile(tree, str(path), "exec")
    except SyntaxError as error:
        if error.lineno is None:  # the file as a whole, as with a null byte
            raise ExperimentError(f"{path}: expected Python source, got: {error.msg}.") from error
        line = (error.text or "").rstrip("\n")
        raise ExperimentError(
            f"{path}, line {error.lineno}: expected Python, got: {error.msg}.\n"
            f"    {error.lineno} | {line}\n{_STATEMENT_HINT}"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExperimentError(f"{path}: expected Python source, got: {error}.") from error


def _execute(code: CodeType, path: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "akid_experiment", "__file__": str(path)}
    try:
        with Modules(folder=str(path.resolve().parent)).at_hand():
            exec(code, namespace)  # noqa: S102  the experiment is the user's own program
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        line = frames[-1].lineno if frames else None
        text = f"\n    {line} | {frames[-1].line}" if frames else ""
        raise ExperimentError(
            f"{path}, line {line}: the file fails before setup is used:"
            f" {text_of(error)}.{text}\n{_failure_hint(error)}"
        ) from error
    return namespace


def _failure_hint(error: BaseException) -> str:
    if isinstance(error, NameError) and error.name in space.FUNCTIONS:
        return f"If the distribution is meant: from akid import {error.name}."
    return "Holes are filled only inside of setup."


def _template(tree: ast.Module, source: str, path: Path) -> Template:
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    found = [node for node in functions if node.name == "setup"]
    if not found:
        listed = ", ".join(node.name for node in functions) or "none"
        raise ExperimentError(
            f"{path}: expected a function that is named setup, at the top level of the file; it"
            f" builds and returns the kid. Functions found: {listed}."
        )
    node = found[-1]
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = source.splitlines(keepends=True)
    last = _last_line(lines, node.end_lineno or node.lineno)
    return Template("".join(lines[first - 1 : last]), str(path), first_line=first)


def _last_line(lines: Sequence[str], last: int) -> int:
    """Return the function's last line with the comments below it, which may be its `#% endif`."""
    for number, line in enumerate(lines[last:], start=last + 1):
        text = line.strip()
        if text and not text.startswith("#"):
            break
        if text and (line[0].isspace() or text.startswith(STATEMENT)):
            last = number
    return last


def _name_faults(tree: ast.Module, namespace: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the module's own names: misspelt settings, and misplaced ones."""
    own = _own_names(tree, namespace)
    used = {
        node.id
        for statement in tree.body
        if getattr(statement, "name", "") != "setup"  # which sees nothing of the module
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    misspelt = [name for name in own if looks_like_a_setting(name)]
    unused = [name for name in own if name not in used and name not in misspelt]
    faults = [fault for name in unused if (fault := misplaced(name)) is not None]
    return [*map(unknown_setting, misspelt), *faults]


def _own_names(tree: ast.Module, namespace: Mapping[str, Any]) -> list[str]:
    """Return the names that the module assigns and that are no settings."""
    assigned = {
        node.id
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    names = (n for n in assigned if n in namespace and not n.startswith("_"))
    return sorted(n for n in names if n not in SETTINGS)


def _name_of(path: Path) -> str:
    return path.resolve().parent.name if path.name == FILE_NAME else path.stem
