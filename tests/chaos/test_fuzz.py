"""Any experiment file and any command line gives a documented exit code and no traceback."""

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import akid
from akid.sweep import COMMANDS, main

CODES = {0, 1, 2, 3, 130}
OURS = str(Path(akid.__file__).parent)

EXPERIMENT = """
net_paras_list = [{"width": 4}, {"width": 6}]
opt_paras_list = [{"lr": 0.1}, {"lr": 0.2}]
repeat_times = 2
gpu_num_per_instance = 0


def setup():
    from akid import Brain
    #% if net_paras["width"] > 4
    width = {{ net_paras["width"] }}
    #% else
    width = 4
    #% endif
    return Brain(name="Brain", lr={{ opt_paras["lr"] }})
"""
LINES = EXPERIMENT.splitlines()
ODD_LINES = (
    "raise ValueError('mine')",
    "raise SystemExit(7)",
    "raise BaseException('mine')",
    "import no_such_package_at_all",
    "x = 1 / 0",
    "setup = 3",
    "setup = None",
    "def setup(a, b, c, d): pass",
    "def setup(: pass",
    "class setup: pass",
    "setup = lambda: {{ net_paras }}",
    "    return {{ net_paras['nothing'] }}",
    "    return {{ 1 / 0 }}",
    "    return {{ net_paras.width.append(3) }}",
    "    {{ ''.__class__.__mro__ }}",
    "    #% for a in b",
    "    #% endfor",
    "    #% include 'x'",
    "    #% raise",
    "    {% if %}",
    "}}{{",
    "\tx = 1",
    "\ufeff",
    "\x00",
    "# -*- coding: nonsense -*-",
    "from akid import *",
    "opt_paras = 3",
)
SETTINGS = (
    "net_paras_list",
    "opt_paras_list",
    "repeat_times",
    "gpu_num_per_instance",
    "cpu_num_per_instance",
    "metric",
    "mode",
    "max_failures",
    "seed",
    "data_files",
    "repeat_time",
    "max_seconds",
)
odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["object()", "setup", "lambda: 0", "__import__('os')", "..."]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def experiment_files(draw: st.DrawFn) -> bytes:
    """Return a file that was one before somebody stumbled over the keyboard."""
    lines = list(LINES)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(lines)))
        kind = draw(st.sampled_from(["drop", "odd", "text", "setting", "double", "cut"]))
        here = slice(place, place + 1)
        if kind == "drop":
            lines[here] = []
        elif kind == "odd":
            lines.insert(place, draw(st.sampled_from(ODD_LINES)))
        elif kind == "text":
            lines.insert(place, draw(st.text(max_size=20)))
        elif kind == "setting":
            lines.insert(0, f"{draw(st.sampled_from(SETTINGS))} = {draw(odd_values)}")
        elif kind == "double":
            lines[here] = lines[here] * 2
        else:
            lines[here] = [line[: draw(st.integers(0, 30))] for line in lines[here]]
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    return content + draw(st.sampled_from([*[b""] * 12, b"\xff\xfe", b"\x00"]))


OPTIONS = (
    *("--dry-run", "--set", "--repeat", "--seed", "--rerun", "--address", "--gpus-per-trial"),
    *("--max-concurrent", "--num-cpus", "--num-gpus", "--work-dir", "--name", "--tracking-uri"),
    *("--json", "--csv", "--by", "--top", "--sample", "--help", "--nonsense", "-x", "--"),
)
VALUES = st.sampled_from(
    [
        *("opt.lr=0.1,0.2", "opt.lr", "opt.lr=", "=3", "net.width=[", "opt.lr=loguniform(1,2)"),
        *("3", "0", "-1", "0.5", "nan", "1e400", "inf", "1e9", "", " ", "all", "failed"),
        *("ray://host:1", "nonsense", "no/such/folder/file", "sqlite:///no/such/folder/a.db"),
        *("sqlite:////dev/null/a.db", "http://127.0.0.1:9", "ftp://x", "experiment.py", "."),
        *("\u0663", "a\nb", "%s", "{}", "~"),
    ]
)
command_lines = st.lists(st.sampled_from(OPTIONS) | VALUES, max_size=6)


def tried(n_examples: int) -> settings:
    """Return how often a property is tried; the folder is the same for all."""
    same = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=n_examples, deadline=None, suppress_health_check=same)


def run(arguments: list[str]) -> tuple[object, str]:
    """Run a command line in this process; return its exit code, and what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code: object = main(arguments)
        except SystemExit as ended:  # argparse ends so
            code = ended.code
    return code, out.getvalue()


def check(arguments: list[str]) -> None:
    code, printed = run(arguments)
    assert code in CODES, (arguments, printed)
    assert f'File "{OURS}' not in printed, (arguments, printed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")


@tried(150)
@given(content=experiment_files())
def test_any_experiment_file_is_planned_or_refused(content: bytes) -> None:
    """With a message, and without a word about where in akid."""
    Path("fuzzed.py").write_bytes(content)

    check(["plan", "fuzzed.py"])


@tried(150)
@given(arguments=command_lines)
def test_any_command_line_of_a_plan_is_understood_or_refused(arguments: list[str]) -> None:
    """Also where the values make no sense."""
    Path("experiment.py").write_text(EXPERIMENT, encoding="utf-8")

    check(["plan", "experiment.py", *arguments])


@tried(100)
@given(
    command=st.sampled_from(sorted(set(COMMANDS) - {"submit"})),
    arguments=st.lists(st.sampled_from(OPTIONS) | VALUES, max_size=4),
)
def test_any_command_is_understood_or_refused(command: str, arguments: list[str]) -> None:
    """Without a store, a cluster or an experiment."""
    check([command, *arguments])


@tried(100)
@given(arguments=st.lists(st.sampled_from(OPTIONS) | VALUES, max_size=4))
def test_training_what_is_not_there_is_refused(arguments: list[str]) -> None:
    """Whatever else is asked for."""
    code, printed = run(["no_such_file.py", *arguments])

    assert code == 2 or "--help" in arguments, (arguments, printed)
