"""The command line, as far as it starts nothing."""

import os
import subprocess
import sys

import pytest

from akid import sweep

EXPERIMENT = """
opt_paras_list = [{"lr": 0.1}, {"lr": 0.2}]


def setup():
    return {{ opt_paras["lr"] }}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return an experiment file; the working folder is its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "pair.py").write_text(EXPERIMENT)
    return tmp_path / "pair.py"


def test_a_plan_is_printed_as_the_arguments_change_it(file, capsys) -> None:
    """`--set`, `--repeat`, `--seed`, `--name` and `--gpus-per-trial`."""
    changes = ["--set", "opt.lr=0.3,0.4,0.5", "--repeat", "2", "--seed", "7", "--name", "other"]

    assert sweep.main([str(file), "--dry-run", *changes, "--gpus-per-trial", "0"]) == 0
    out = capsys.readouterr().out
    assert "other: 6 trials (2 repeats x 3 opts x 1 net), 6 to run" in out
    assert "0.4" in out
    assert sorted(path.name for path in file.parent.iterdir()) == ["pair.py"]


def test_a_wrong_experiment_is_exit_code_2(file, capsys) -> None:
    """On standard error, by the command's name."""
    assert sweep.main(["missing.py"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.partition(":")[0]) == ("", "akid.sweep")


def test_a_misspelt_command_is_told_what_is_known(file, capsys) -> None:
    """A file that is there is trained, whatever it is called."""
    assert sweep.main(["shwo", "abc"]) == 2
    assert "got 'shwo'. Did you mean show?" in capsys.readouterr().err
    (file.parent / "plam").write_text(EXPERIMENT)
    assert sweep.main(["plam", "--dry-run"]) == 0
    assert "Did you mean" not in capsys.readouterr().err


def test_impossible_resources_are_exit_code_3(file, capsys) -> None:
    """Nothing is started to find that out."""
    arguments = ["--dry-run", "--num-gpus", "1", "--gpus-per-trial", "2"]

    assert sweep.main([str(file), *arguments]) == 3
    assert "2 GPUs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--max-concurrent", "0"],
        ["--rerun", "some"],
        ["--repeat", "many"],
        [],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments) -> None:
    """As argparse has it."""
    file = ["pair.py"] if arguments else []
    with pytest.raises(SystemExit) as ended:
        sweep.main([*file, *arguments])

    assert ended.value.code == 2


def test_neither_help_nor_a_plan_loads_what_trains(file) -> None:
    """So both are quick."""
    program = (
        "import sys\nfrom akid.sweep import main\n"
        "main(['pair.py', '--dry-run'])\n"
        "print(*({'torch', 'ray', 'mlflow', 'pandas'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=file.parent, capture_output=True, text=True, check=True
    )

    assert done.stderr.split() == []


def test_a_reader_that_has_read_enough_is_no_fault() -> None:
    """As in `akid.sweep gpus | head`."""
    command = [sys.executable, "-m", "akid.sweep", "gpus"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ["--csv", "none/x.csv"],
            2,
            "--csv: expected a file that can be written, got 'none/",
        ),
        (["--csv", "."], 2, "that is a folder"),
        (["--work-dir", "pair.py"], 3, "work dir: expected a folder that can be written"),
        (["--work-dir", "/dev/null/runs"], 3, "Not a directory: '/dev/null/runs"),
    ],
)
def test_where_results_can_not_go_is_refused_before_anything_starts(
    file, capsys, arguments, code, told
) -> None:
    """Neither a store nor a cluster is made."""
    assert sweep.main([str(file), "--gpus-per-trial", "0", *arguments]) == code
    out, err = capsys.readouterr()
    assert told in err
    assert not out
    assert [path.name for path in file.parent.iterdir()] == ["pair.py"]


def test_a_terminal_without_a_letter_gets_an_escape(file) -> None:
    """A table ended with an error there."""
    file.write_text(EXPERIMENT.replace("0.1", "'größer'"), encoding="utf-8")
    command = [sys.executable, "-m", "akid.sweep", "plan", file.name]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    out = subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    assert rb"gr\xf6\xdfer" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["pair.py", "--repeats", "3"],
            "unrecognized arguments: --repeats 3. Did you mean --repeat?",
        ),
        (["pair.py", "--sed", "1"], "Did you mean --seed?"),
        (["plan", "pair.py", "--gpu-per-trial=1"], "Did you mean --gpus-per-trial?"),
        (["compare", "pair.py", "--tpo", "1"], "Did you mean --top?"),
        (["pair.py", "--zzz"], "unrecognized arguments: --zzz.\n"),
        (
            ["submit", "pair.py", "--address", "a", "--work-dir", "b", "--repeat", "3"],
            "Options of akid.sweep follow after --, for example: -- --repeat 3",
        ),
        (["pair.py", "--repeat", "0"], "argument --repeat: expected a whole number of at least 1"),
        (["pair.py", "--max-concurrent", "many"], "at least 1, got 'many'"),
        (["pair.py", "--gpus-per-trial", "abc"], "a whole number, or auto (measured), got 'abc'"),
        (["pair.py", "--resources-per-trial", "a=b"], "expected NAME=NUMBER, got 'a=b'"),
    ],
)
def test_a_wrong_option_is_told_with_what_is_meant(file, arguments, told, capsys) -> None:
    """By the names that the user knows."""
    with pytest.raises(SystemExit) as ended:
        sweep.main(arguments)

    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "are_told"),
    [([], True), (["submit"], True), (["show"], False), (["gpus"], False), (["deploy"], False)],
)
def test_the_exit_codes_of_a_sweep_stand_where_they_hold(command, are_told, capsys) -> None:
    """Not below the help of what trains nothing."""
    with pytest.raises(SystemExit):
        sweep.main([*command, "--help"])

    assert ("Exit codes" in capsys.readouterr().out) == are_told


def test_a_file_that_hides_a_package_is_told(file) -> None:
    """It would be loaded in the package's place, and fail in words that nobody understands."""
    (file.parent / "jinja2.py").write_text(EXPERIMENT)

    done = subprocess.run(
        [sys.executable, "-m", "akid.sweep", "plan", "pair.py"],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("akid.sweep: expected a folder without files")
    assert "got jinja2.py here" in done.stderr
