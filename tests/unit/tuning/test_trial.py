"""Trials: keys, seeds, names and the script of each."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.cluster.resources import ResourceRequest
from akid.errors import ExperimentError, TemplateError
from akid.tuning.experiment import Experiment
from akid.tuning.grid import Paras
from akid.tuning.template import Template
from akid.tuning.trial import Trial, make_trials, script

SOURCE = """def setup():
    # a comment
    return [{{ net_paras["act"] }}, {{ opt_paras["lr"] }}]
"""
NETS = ({"act": "relu", "unused": 1}, {"act": "maxout", "unused": 2})
OPTS = ({"lr": 0.1}, {"lr": 0.2})

paras_lists = st.lists(
    st.dictionaries(
        st.text("abc. é", min_size=1, max_size=3),
        st.integers(0, 2) | st.text(max_size=3) | st.lists(st.integers(0, 9), max_size=9),
        max_size=4,
    ),
    min_size=1,
    max_size=4,
)


def experiment(source: str = SOURCE, **changes: object) -> Experiment:
    settings: dict[str, object] = {
        "net_paras_list": NETS,
        "opt_paras_list": OPTS,
        "repeat_times": 2,
        **changes,
    }
    return Experiment(name="test", template=Template(source, "test.py"), **settings)  # type: ignore[arg-type]


def trials(source: str = SOURCE, **changes: object) -> list[Trial]:
    made = experiment(source, **changes)
    return make_trials(made, [ResourceRequest(cpus=2)] * made.n_instances)


def test_a_repeat_has_a_seed_of_its_own() -> None:
    """Deficiency of the first akid (13): every repeat had the same initial weights."""
    assert [trial.seed for trial in trials(seed=5)] == [5, 5, 5, 5, 6, 6, 6, 6]


def test_every_trial_has_files_of_its_own() -> None:
    """Deficiency of the first akid (10): later trials overwrote the files of earlier ones."""
    slugs = [trial.slug for trial in trials()]

    assert slugs[:2] == ["0-act=relu_unused=1_lr=0.1_r0", "1-act=maxout_unused=2_lr=0.1_r0"]
    assert len(set(slugs)) == len(slugs)


def test_keys_are_stable_and_different() -> None:
    """The same experiment gives the same keys; two trials of it have two."""
    keys = [trial.key for trial in trials()]

    assert keys == [trial.key for trial in trials()]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch("[0-9a-f]{20}", key) for key in keys)


def test_a_comment_does_not_change_a_key() -> None:
    """Rewording a comment does not train a sweep again."""
    changed = SOURCE.replace("# a comment", "# another\n\n")

    assert [t.key for t in trials()] == [t.key for t in trials(changed)]


def test_a_parameter_that_setup_does_not_use_does_not_change_a_key() -> None:
    """The key is what runs, the cell's key is what was asked for."""
    other = trials(net_paras_list=({"act": "relu"}, {"act": "maxout"}))

    assert [t.key for t in trials()] == [t.key for t in other]
    assert all(a.cell_key != b.cell_key for a, b in zip(trials(), other, strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"source": SOURCE.replace("return", "x = 1\n    return")},
        {"seed": 9},
        {"opt_paras_list": ({"lr": 0.3}, {"lr": 0.4})},
    ],
)
def test_what_decides_the_result_changes_the_key(changes: dict[str, object]) -> None:
    """Another program, seed or value is another trial."""
    assert not {t.key for t in trials()} & {t.key for t in trials(**changes)}  # type: ignore[arg-type]


def test_data_change_the_key_and_not_the_source_key(tmp_path: Path) -> None:
    """Another content of a data file is another trial of the same program."""
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    first = trials(data_files=(str(file),))[0]
    file.write_bytes(b"two")
    second = trials(data_files=(str(file),))[0]

    assert first.key != second.key
    assert first.source_key == second.source_key


@given(paras_lists, paras_lists, st.integers(1, 3))
def test_labels_and_slugs_are_unique(nets: list[Paras], opts: list[Paras], repeats: int) -> None:
    """Whatever differs, two trials are never called alike, and a slug is a safe file's name."""
    made = trials(
        "def setup():\n    return 1", net_paras_list=nets, opt_paras_list=opts, repeat_times=repeats
    )

    assert len({t.label for t in made}) == len(made)
    assert len({t.slug for t in made}) == len(made)
    assert all(re.fullmatch(r"[A-Za-z0-9._=+-]{1,80}", t.slug) for t in made)


def test_resources_reach_the_trial() -> None:
    """A trial computes with as many threads as it has CPUs."""
    first = trials()[0]

    assert (first.cpus, first.gpus, first.threads) == (2.0, 0.0, 2)


def test_equal_faults_are_told_once() -> None:
    """A key that one network lacks is one message, however many trials it stops."""
    with pytest.raises(TemplateError) as caught:
        trials(net_paras_list=({"act": "relu"}, {"activation": "maxout"}))

    assert str(caught.value).count("has no key 'act'") == 1
    assert "in 2 of the combinations" in str(caught.value)


def test_very_many_faults_are_counted() -> None:
    """The first ten different faults are shown."""
    source = 'def setup():\n    return {{ net_paras["x"][net_paras["i"]] }}'
    nets = tuple({"x": {}, "i": i} for i in range(15))

    with pytest.raises(TemplateError, match="and 5 other faults"):
        trials(source, net_paras_list=nets)


def test_every_trial_needs_a_request() -> None:
    """Another number of requests than trials is refused."""
    with pytest.raises(ExperimentError, match="one request for each of 8 trials, got 1"):
        make_trials(experiment(), [ResourceRequest()])


def test_a_script_is_a_program() -> None:
    """The text holds the seed, the threads and the rendered setup, and can be imported alone."""
    text = script(trials()[7])
    namespace: dict[str, object] = {"__name__": "imported"}

    exec(text, namespace)

    assert namespace["setup"]() == ["maxout", 0.2]  # type: ignore[operator]
    assert (namespace["SEED"], namespace["THREADS"]) == (1, 2)
    assert namespace["__doc__"].startswith("Trial 7: act=maxout unused=2 lr=0.2 #1")  # type: ignore[union-attr]
    assert "run_script(setup, seed=SEED, threads=THREADS)" in text


def with_rates(folder: Path, rate: float) -> Experiment:
    """Return an experiment in a folder of its own, whose setup imports a module there."""
    (folder / "rates.py").write_text(f'NOTE = \'\\\\ """\'\nRATE = {rate}\n')
    file = folder / "exp.py"
    file.write_text("")
    template = Template("def setup():\n    from rates import RATE\n    return RATE\n", str(file))
    return Experiment(name="test", template=template)


def test_a_module_beside_the_experiment_is_a_part_of_its_trials(tmp_path: Path) -> None:
    """Another content is another program; which trials import none stay what they were."""
    first, second = (
        make_trials(with_rates(tmp_path, rate), [ResourceRequest()])[0] for rate in (0.1, 0.2)
    )

    assert first.source == second.source
    assert first.source_key != second.source_key
    assert first.key != second.key
    assert first.modules.folder == str(tmp_path)
    assert trials()[0].key == "2709317a341cfe35b09d"


def test_a_script_brings_its_modules_along(tmp_path: Path) -> None:
    """So it runs from any folder, without the files."""
    (trial,) = make_trials(with_rates(tmp_path, 0.25), [ResourceRequest()])
    (tmp_path / "rates.py").unlink()
    program = f"{script(trial).partition('if __name__')[0]}print(setup())\n"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "0.25\n"


def test_planning_needs_neither_torch_nor_ray() -> None:
    """The rooms that plan start fast."""
    program = (
        "import sys, akid.tuning.plan, akid.tuning.table, akid.cluster.gpus;"
        "print([m for m in ('torch', 'ray', 'mlflow', 'rich', 'pynvml') if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
