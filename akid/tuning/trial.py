"""Trial: one run of the sweep, everything that decides its result, and how it is called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from akid.cluster.instance_numbers import AUTO
from akid.cluster.modules import Modules
from akid.cluster.resources import ResourceRequest
from akid.errors import ExperimentError, TemplateError
from akid.tuning import gang
from akid.tuning.experiment import Experiment
from akid.tuning.grid import Cell, Paras
from akid.tuning.identity import digest
from akid.tuning.label import Labeller, flatten
from akid.tuning.literal import literal, long_text
from akid.tuning.neighbours import Neighbours
from akid.tuning.template import Rendered

_SHOWN_FAULTS: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One run of the sweep.

    Attributes:
        index: Its place in the documented order, from 0.
        repeat: Which repeat of its combination it is, from 0.
        opt_index: Which of the sweep's optimisation parameters it has.
        net_index: Which of the sweep's network parameters it has.
        net_paras: The network parameters.
        opt_paras: The optimisation parameters.
        seed: The experiment's seed plus the repeat.
        source: A module's text; calling its `setup()` without arguments returns the kid.
        modules: The modules beside the experiment that the source imports.
        source_key: A hash of the source and the modules, without comments, blank lines and trailing
            blanks.
        key: What it is, as 20 hex digits: a hash of source, modules, seed and data.
        cell_key: Where it stands, as 20 hex digits: a hash of the parameters and the repeat.
        request: What it needs.
        label: What it differs in, for people; unique in the sweep.
        slug: The label as a file's name, with the index in front.
    """

    index: int
    repeat: int
    opt_index: int
    net_index: int
    net_paras: Paras
    opt_paras: Paras
    seed: int
    source: str
    modules: Modules
    source_key: str
    key: str
    cell_key: str
    request: ResourceRequest
    label: str
    slug: str

    @property
    def gpus(self) -> float:
        """GPUs it needs; of a gang, for each worker."""
        return self.request.gpus

    @property
    def cpus(self) -> float:
        """CPUs it needs; of a gang, for each worker."""
        return self.request.cpus

    @property
    def workers(self) -> int:
        """How many workers practise it together; 0 for a trial in a process of its own."""
        return self.request.workers

    @property
    def threads(self) -> int:
        """Threads it computes with; of a gang, in each worker."""
        return self.request.threads

    @property
    def columns(self) -> dict[str, Any]:
        """The parameters by their dotted names, for example `net.activation.type`."""
        return dict([*flatten("net", self.net_paras), *flatten("opt", self.opt_paras)])


def make_trials(experiment: Experiment, requests: Sequence[ResourceRequest]) -> list[Trial]:
    """Render, check and name every trial of an experiment.

    Args:
        experiment: The experiment.
        requests: What each trial needs, in the order of the cells.

    Raises:
        ExperimentError: If there is not one request for each trial, or a module beside the
            experiment that one imports can't be read.
        TemplateError: If a trial can't be rendered or is no Python; equal faults are told once.
    """
    if len(requests) != experiment.n_instances:
        raise ExperimentError(
            f"plan: expected one request for each of {experiment.n_instances} trials,"
            f" got {len(requests)}."
        )
    maker = _Maker(experiment)
    trials = [maker.make(c, r) for c, r in zip(experiment.cells(), requests, strict=True)]
    if maker.faults:
        raise TemplateError(_told_once(maker.faults, experiment.n_instances))
    return [trial for trial in trials if trial is not None]


def script(trial: Trial) -> str:
    """Return a program that trains this trial by itself and prints its metrics as JSON."""
    title = f"Trial {trial.index}: {trial.label}. Train it again with: python trial.py"
    return (
        f"{literal(title)}\n\nSEED = {trial.seed}\nTHREADS = {trial.threads}\n\n\n"
        f"{trial.source.rstrip()}\n\n\n{_carried(trial.modules)}"
        'if __name__ == "__main__":\n'
        "    from akid.tuning.execute import run_script\n\n"
        "    run_script(setup, seed=SEED, threads=THREADS)\n"
    )


def _carried(modules: Modules) -> str:
    """Return the part of a script that brings its modules along."""
    if not modules.files:
        return ""
    files = "".join(
        f"    {literal(name)}: {long_text(text)},\n" for name, text in modules.files.items()
    )
    return (
        "# The modules that setup imports.\n"
        f"FILES = {{\n{files}}}\n\n"
        "from akid.cluster.modules import Modules\n\n"
        f"Modules(folder={literal(modules.folder)}, files=FILES).install()\n\n\n"
    )


class _Maker:
    """Make the trials of one experiment; each combination is rendered once for all repeats."""

    def __init__(self, experiment: Experiment) -> None:
        self.faults: dict[str, list[str]] = {}
        self._experiment = experiment
        self._labeller = Labeller(
            experiment.grid.nets, experiment.grid.opts, experiment.repeat_times
        )
        self._rendered: dict[tuple[int, int], Rendered | None] = {}
        self._labels: set[str] = set()
        self._neighbours = Neighbours(experiment.folder, experiment.template)

    def make(self, cell: Cell, request: ResourceRequest) -> Trial | None:
        label = self._label(cell)
        rendered = self._render(cell, label)
        if rendered is None:
            return None
        seed = self._experiment.seed + cell.repeat
        data = self._experiment.data_fingerprint
        paras = literal(cell.net_paras), literal(cell.opt_paras)
        found = self._neighbours.of(rendered)
        return Trial(
            index=cell.index,
            repeat=cell.repeat,
            opt_index=cell.opt_index,
            net_index=cell.net_index,
            net_paras=cell.net_paras,
            opt_paras=cell.opt_paras,
            seed=seed,
            source=rendered.source,
            modules=found.modules,
            source_key=digest(rendered.identity, *found.identity),
            key=digest(rendered.identity, str(seed), data, *found.identity),
            cell_key=digest(*paras, str(cell.repeat)),
            request=self._gang(rendered, request, label),
            label=label,
            slug=self._labeller.slug(cell.index, label),
        )

    def _render(self, cell: Cell, label: str) -> Rendered | None:
        """Return the rendering, or None and remember what is wrong."""
        place = cell.opt_index, cell.net_index
        if place in self._rendered:
            return self._rendered[place]
        rendered = None
        try:
            rendered = self._experiment.template.render(cell.net_paras, cell.opt_paras)
            self._experiment.template.check(rendered)
        except TemplateError as error:
            self.faults.setdefault(str(error), []).append(label)
            rendered = None
        self._rendered[place] = rendered
        return rendered

    def _gang(self, rendered: Rendered, request: ResourceRequest, label: str) -> ResourceRequest:
        """Return what the trial needs, or remember what is wrong with its engine."""
        are_given = self._experiment.gpu_num_per_instance not in (None, AUTO)
        try:
            return gang.request_of(rendered.source, request, gpus_are_given=are_given)
        except TemplateError as error:
            self.faults.setdefault(str(error), []).append(label)
            return request

    def _label(self, cell: Cell) -> str:
        label = self._labeller.label(
            net_index=cell.net_index, opt_index=cell.opt_index, repeat=cell.repeat
        )
        if label in self._labels:
            label = f"{label} [{cell.index}]"
        self._labels.add(label)
        return label


def _told_once(faults: Mapping[str, Sequence[str]], n_cells: int) -> str:
    """Return the faults as one message: equal ones once, and only the first of very many."""
    told = []
    for fault, found in list(faults.items())[:_SHOWN_FAULTS]:
        where = f"\n    in {len(found)} of the combinations, first in {found[0]}"
        told.append(fault if n_cells == 1 else fault + where)
    if len(faults) > _SHOWN_FAULTS:
        told.append(f"... and {len(faults) - _SHOWN_FAULTS} other faults.")
    return "\n".join(told)
