"""What is wrong with a command or an experiment is told at once, in akid's words."""

import pytest

SETUP = """
def setup():
    rate = {{ opt_paras["lr"] }}
    return rate
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("net_paras_list = [{}]", ["expected a function that is named setup"]),
        ("opt_paras_list = []" + SETUP, ["opt_paras_list", "[]"]),
        ("opt_paras_list = [0.1]" + SETUP, ["opt_paras_list", "0.1"]),
        ("opt_paras_list = {'lr': 1}" + SETUP, ["opt_paras_list"]),
        (
            "opt_paras_list = [{'rate': 0.1}]" + SETUP,
            ["'lr'", 'rate = {{ opt_paras["lr"] }}', "line 3"],
        ),
        (
            "opt_paras_list = [{'lr': 0.1}]\ngpu_num_per_instance = [1, 1]" + SETUP,
            ["gpu_num_per_instance", "a list of 1", "got a list of 2"],
        ),
        (
            "opt_paras_list = [{'lr': 1}]\ndef setup():\n    x{{ opt_paras['lr'] }} y = 1\n",
            ["experiment_file.py, line 3"],
        ),
        (
            "opt_paras_list = [{'lr': 1}]\ndef setup():\n    return {{ opt_paras['lr'] }}.at",
            ["experiment_file.py", "return 1.at", "A hole is filled with a Python literal"],
        ),
        ("opt_paras_lst = [{'lr': 0.1}]" + SETUP, ["opt_paras_lst", "Did you mean opt_paras_list"]),
    ],
)
def test_a_wrong_experiment_is_refused(place, text, told) -> None:
    """Exit code 2, the fault in words, and no traceback."""
    ran = place.sweep(place.write(text))

    assert ran.code == 2
    assert all(part in ran.err for part in told), told
    assert "Traceback" not in ran.err
    assert not ran.out


def test_a_missing_file_is_refused(place) -> None:
    """The Python files beside it are listed."""
    place.write(SETUP, "near.py")

    ran = place.sweep(place.folder / "far.py")

    assert ran.code == 2
    assert "there is no such file" in ran.err
    assert "near.py" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "opt.rate=1"], "Known keys: lr"),
        (["--set", "lr"], "--set"),
        (["--name", " "], "name"),
        (["--gpus-per-trial", "-1"], "gpu_num_per_instance"),
    ],
)
def test_a_wrong_argument_is_refused(place, arguments, told) -> None:
    """Exit code 2 with the argument's name."""
    ran = place.sweep(place.empty("opt_paras_list = [{'lr': 0.1}]"), *arguments)

    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert told in ran.err


def test_a_file_of_another_encoding_is_trained_and_kept(place, cluster) -> None:
    """A CSV that the disk does not take is said below the table: nothing is lost by it."""
    file = place.empty()
    file.write_bytes(b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + file.read_bytes())

    ran = place.sweep(file, "--csv", "/dev/full")

    assert (ran.code, "Traceback" in ran.err) == (3, False)
    assert "trials: 1 FINISHED" in ran.out
    assert "got '/dev/full': [Errno 28]" in ran.err
    (sweep,) = place.runs(kind="sweep")
    kept = place.artifacts(sweep.info.run_id) / "experiment.py"
    assert "# café" in kept.read_text(encoding="utf-8")


def test_more_gpus_than_there_are_is_refused(bare_place, cluster) -> None:
    """Exit code 3 before anything is started, with the need and the machines."""
    ran = bare_place.sweep(bare_place.empty(), "--gpus-per-trial", 3)

    assert ran.code == 3
    assert "3 GPUs" in ran.err
    assert "2 GPUs" in ran.err
    assert not (bare_place.folder / "mlflow.db").exists()


def test_a_plan_changes_nothing(bare_place, cluster) -> None:
    """`--dry-run` lists the trials and makes neither a store nor a folder."""
    file = bare_place.empty(
        "opt_paras_list = [{'lr': 0.1}, {'lr': 0.2}]", lr="{{ opt_paras['lr'] }}"
    )

    ran = bare_place.sweep(file, "--dry-run", "--repeat", 2)

    assert ran.code == 0
    assert "4 trials (2 repeats x 2 opts x 1 net), 4 to run" in ran.out
    assert [path.name for path in bare_place.folder.iterdir()] == [file.name]


@pytest.mark.usefixtures("cluster")
def test_a_misspelt_metric_ends_the_sweep_with_its_table(place) -> None:
    """With the first validation; what was begun goes on in the next sweep, rightly spelt."""
    settings = 'metric = "val_los"\nopt_paras_list = [{"lr": 0.1}, {"lr": 0.2}]\n'
    forever = "kid.max_epoch = 100_000\nkid.hooks.on_batch_begin.append(lambda kid: sleep(0.05))"
    body = "from time import sleep"

    ran = place.sweep(
        place.empty(settings, body=body, after=forever, lr='{{ opt_paras["lr"] }}'),
        "--max-concurrent",
        1,
    )

    assert ran.code == 2
    assert "ranked by val_accuracy (larger is better); trials: 1 KILLED, 1 SKIPPED" in ran.out
    assert "val_data_loss, val_loss, got metric='val_los'. Did you mean val_loss?" in ran.err
    assert "The sweep ends here." in ran.err
