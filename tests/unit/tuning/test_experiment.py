"""The experiment file: what is read, what is refused, and what the command line changes."""

import re
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akid.errors import ExperimentError, GridError, TemplateError
from akid.tuning.experiment import Experiment, from_function, load
from akid.tuning.template import Template

GOOD = '''
"""Digits."""

from pathlib import Path

WIDTHS = [8, 16]
net_paras_list = [{"width": width} for width in WIDTHS]
opt_paras_list = [{"lr": 0.1}, {"lr": 0.2}]
repeat_times = 3


def setup(graph):
    from akid_that_is_not_there import Kid

    return Kid({{ net_paras["width"] }}, {{ opt_paras["lr"] }})
'''


def written(folder: Path, text: str, name: str = "experiment.py") -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_an_experiment_file_gives_setup_lists_and_settings(tmp_path: Path) -> None:
    """The folder names the experiment; what `setup` imports need not be there."""
    (tmp_path / "digits").mkdir()

    found = load(written(tmp_path / "digits", GOOD))

    assert found.name == "digits"
    assert found.extent == "3 repeats x 2 opts x 2 nets"
    assert found.n_instances == 12
    assert found.net_paras_list == ({"width": 8}, {"width": 16})
    assert (found.gpu_num_per_instance, found.cpu_num_per_instance, found.seed) == (None, 1, 0)
    assert [cell.index for cell in found.cells()] == list(range(12))
    assert found.template.source.startswith("def setup(graph):\n")


def test_another_file_name_names_the_experiment(tmp_path: Path) -> None:
    """A file that is not called experiment.py gives its own name."""
    assert load(written(tmp_path, GOOD, "mnist.py")).name == "mnist"


def test_modules_beside_the_file_are_found_from_any_folder(tmp_path: Path) -> None:
    """As Python finds those beside a script; none stays in the process."""
    (tmp_path / "akid_test_lists.py").write_text("RATES = [{'lr': 0.5}]")
    text = "from akid_test_lists import RATES as opt_paras_list\ndef setup():\n    return 1\n"

    read = load(written(tmp_path, text))

    assert list(read.opt_paras_list) == [{"lr": 0.5}]
    assert read.folder == tmp_path
    assert "akid_test_lists" not in sys.modules


def test_missing_lists_are_one_empty_item(tmp_path: Path) -> None:
    """To repeat one experiment, both lists are left out."""
    found = load(written(tmp_path, "repeat_times = 2\ndef setup():\n    return 1\n"))

    assert found.net_paras_list == found.opt_paras_list == ({},)
    assert found.n_instances == 2


def test_messages_give_the_lines_of_the_file(tmp_path: Path) -> None:
    """A hole's fault is shown with its number in the file, not in the function."""
    found = load(written(tmp_path, GOOD))

    with pytest.raises(
        TemplateError, match=r"experiment.py, line 15: net_paras has no key 'width'"
    ):
        found.template.render({}, {})


def test_the_last_endif_belongs_to_setup(tmp_path: Path) -> None:
    """Comment lines after the last statement are a part of the template."""
    text = """
    def setup():
        #% if net_paras["a"]
        return 1
        #% else
        return 2
        #% endif

    # a comment of the file
    net_paras_list = [{"a": 1}]
    """

    assert load(written(tmp_path, text)).template.source.endswith("#% endif\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def setup(:", "line 1: expected Python, got: "),
        ("x = yield 3", "line 1: expected Python, got: 'yield' outside function"),
        ("def setup():\n    {% if a %}\n", "Statements of the template are comment lines: #% if"),
        ("def build():\n    return 1", "named setup, at the top level of the file"),
        ("def build():\n    return 1", "Functions found: build."),
        ("setup = 3", "Functions found: none."),
        ("async def setup():\n    return 1", "expected one function that is named setup"),
        ("x = 1\n\nx / 0\ndef setup():\n    return 1", "line 3: the file fails"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        (
            "class Mute(Exception):\n    def __str__(self):\n        return 3\n\nraise Mute",
            "line 5: the file fails before setup is used: Mute: <exception str() failed>",
        ),
        ("opt_paras_list = [{'lr': {{ 1 }}}]", "Holes are filled only inside of setup"),
        ("opt_paras_list = [{'lr': uniform(0, 1)}]", "is meant: from akid import uniform."),
        (
            "def setup():\n    a = '{{ net_paras['a'] }}'",
            "inside of a string the quotes are of the other kind",
        ),
        ("repeat_time = 3\ndef setup():\n    return 1", "Did you mean repeat_times?"),
        ("net_para_list = []\ndef setup():\n    return 1", "Did you mean net_paras_list?"),
        (
            "repeat_times = 0\ndef setup():\n    return 1",
            "an int of at least 1, got repeat_times=0",
        ),
        ("repeat_times = True\ndef setup():\n    return 1", "got repeat_times=True"),
        ("seed = 'a'\ndef setup():\n    return 1", "got seed='a'"),
        ("metric = 3\ndef setup():\n    return 1", "got metric=3"),
        ("mode = 'up'\ndef setup():\n    return 1", "expected 'max', 'min' or None, got mode='up'"),
        ("net_paras_list = []\ndef setup():\n    return 1", "expected at least one item"),
        ("opt_paras_list = [3]\ndef setup():\n    return 1", "opt_paras_list[0]: expected a dict"),
        ("gpu_num_per_instance = 1.5\ndef setup():\n    return 1", "whole number of GPUs"),
        ("gpu_num_per_instance = [1, -1]\ndef setup():\n    return 1", "instance[1]: expected 0"),
        ("cpu_num_per_instance = 0\ndef setup():\n    return 1", "got cpu_num_per_instance=0"),
        ("data_files = 'a.npz'\ndef setup():\n    return 1", "expected a list of paths"),
        ("data_files = ['no.npz']\ndef setup():\n    return 1", "got names of none: no.npz"),
        ("def setup():\n    pass", "setup returns nothing"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, message: str) -> None:
    """Every fault is an ExperimentError that names the file or the setting, and the value."""
    with pytest.raises(ExperimentError, match=re.escape(message)):
        load(written(tmp_path, text))


def test_the_text_of_a_file_is_kept_as_it_was_read(tmp_path: Path) -> None:
    """In its own encoding; whoever edits the file later changes nothing."""
    file = written(tmp_path, "")
    file.write_bytes(b"# -*- coding: latin-1 -*-\n# caf\xe9\ndef setup():\n    return 1\n")

    experiment = load(file)
    file.unlink()

    assert experiment.text.splitlines()[1] == "# café"
    assert experiment.with_overrides(seed=3).text == experiment.text


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    """One run of the command is enough to see everything that can be seen."""
    text = "repeat_times = 0\nopt_paras_list = []\nmax_failure = 2\ndef setup():\n    pass\n"

    with pytest.raises(ExperimentError) as caught:
        load(written(tmp_path, text))

    for part in ("repeat_times=0", "opt_paras_list=[]", "max_failures?", "setup returns nothing"):
        assert part in str(caught.value)


def test_faults_of_one_kind_keep_their_class(tmp_path: Path) -> None:
    """A file with nothing but wrong lists is a GridError."""
    with pytest.raises(GridError):
        load(written(tmp_path, "opt_paras_list = []\ndef setup():\n    return 1\n"))


def test_a_file_that_is_not_there_lists_what_is(tmp_path: Path) -> None:
    """A misspelt path shows the Python files of the folder."""
    written(tmp_path, GOOD)

    with pytest.raises(ExperimentError, match=r"no such file. In that folder: .*experiment.py"):
        load(tmp_path / "experimant.py")


def test_a_folder_is_refused_with_the_file_inside(tmp_path: Path) -> None:
    """A folder in the place of its experiment.py is told."""
    written(tmp_path, GOOD)

    with pytest.raises(ExperimentError, match=r"got a folder. Did you mean .*experiment.py\?"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x = 1\x00", b"# coding: nonsense\n"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no Python source end in a message of ours."""
    path = tmp_path / "experiment.py"
    path.write_bytes(content)

    with pytest.raises(ExperimentError, match="expected Python"):
        load(path)


def test_data_files_are_a_part_of_what_a_trial_is(tmp_path: Path) -> None:
    """Another content gives another fingerprint; paths are relative to the experiment's folder."""
    (tmp_path / "a.bin").write_bytes(b"one")
    path = written(tmp_path, "data_files = ['a.bin']\ndef setup():\n    return 1\n")
    first = load(path).data_fingerprint
    again = load(path).data_fingerprint
    (tmp_path / "a.bin").write_bytes(b"two")

    assert first == again != load(path).data_fingerprint


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD)),
            st.integers(0, 20),
            st.sampled_from(
                ["", "{{", "}}", "#%", "(", "'", "\n", "return ", "x = ", "é", "\x00", "-"]
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_file_is_read_or_refused(edits: list[tuple[int, int, str]]) -> None:
    """Whatever a slip of the editor makes of a file, no error but ours comes out."""
    text = GOOD
    for place, length, put in edits:
        text = text[:place] + put + text[place + length :]
    with TemporaryDirectory() as folder, suppress(ExperimentError):
        found = load(written(Path(folder), text))
        for cell in found.cells():
            found.template.check(found.template.render(cell.net_paras, cell.opt_paras))


def setup(graph: object) -> object:
    return {{opt_paras["lr"]}}  # type: ignore[name-defined]  # noqa: F821


def test_a_function_and_its_lists_make_an_experiment() -> None:
    """What is left out or None has its default; the file names the experiment."""
    found = from_function(setup, [{"lr": 0.1}], None, repeat_times=2, metric=None)

    assert (found.name, found.path, found.n_instances) == ("test_experiment", None, 2)


def test_an_unknown_argument_is_refused() -> None:
    """A misspelt argument gets the right one suggested."""
    with pytest.raises(ExperimentError, match=r"Did you mean repeat_times\?"):
        from_function(setup, repeat_time=3)


def test_values_can_be_changed_from_the_command_line(tmp_path: Path) -> None:
    """`--set`, `--repeat`, `--gpus-per-trial`, `--name` and `--seed` give another experiment."""
    base = load(written(tmp_path, GOOD))

    changed = base.with_overrides(
        settings=["opt.lr=1,2,3", "net.width=4"],
        repeat_times=2,
        gpu_num_per_instance=0,
        resources_per_instance={"slot": 1},
        accelerator_type="A100",
        label_selector={"region": "eu"},
        name="other",
        seed=7,
    )

    assert changed.opt_paras_list == ({"lr": 1}, {"lr": 2}, {"lr": 3})
    assert changed.net_paras_list == ({"width": 4},)
    assert (changed.repeat_times, changed.gpu_num_per_instance) == (2, 0)
    assert str(changed.demand) == "an A100, 1 slot, region=eu"
    assert (changed.name, changed.seed) == ("other", 7)
    assert base.with_overrides() == base


def test_an_empty_name_is_refused() -> None:
    """A tracking store needs a name."""
    with pytest.raises(ExperimentError, match="got name=' '"):
        Experiment(name=" ", template=Template("def setup():\n    return 1", "x.py"))
