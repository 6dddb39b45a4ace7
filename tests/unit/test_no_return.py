"""What the first akid got wrong as a whole; each must not return."""

import ast
import re
import subprocess
import sys
import tomllib
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch

import akid
from akid.core.brain import Brain
from akid.layers.activation import ReLULayer
from akid.layers.inner_product import InnerProductLayer
from akid.layers.loss import SoftmaxWithLossLayer
from akid.sensing.datasets.synthetic import SyntheticFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu

PACKAGE = Path(akid.__file__).parent
SOURCES = {file: file.read_text(encoding="utf-8") for file in sorted(PACKAGE.rglob("*.py"))}
TREES = {file: ast.parse(text) for file, text in SOURCES.items()}
STANDARD = sys.stdlib_module_names
NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "pynvml": "nvidia-ml-py"}
OPTIONAL = {"onnx", "onnxscript", "onnxruntime", "tensorboard", "graphviz", "pytest"}


def make_kid() -> Kid:
    brain = Brain(name="Brain")
    brain.attach(
        InnerProductLayer(out_channel_num=3, name="ip1"),
        SoftmaxWithLossLayer(
            class_num=3, inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}]
        ),
    )
    source = SyntheticFeedSource([4, 4, 1], num_classes=3, num_train=20, num_val=4, num_test=4)
    sensor = FeedSensor(source, batch_size=10)
    return Kid(sensor, brain, MomentumKongFu(), max_steps=2, save_chk_point=False)


def test_the_programs_arguments_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a kid parsed the command line of whatever program made it."""
    monkeypatch.setattr(sys, "argv", ["program", "--an-option-of-its-own", "-x"])
    kid = make_kid()
    kid.setup()
    kid.practice()

    readers = {file.name for file, text in SOURCES.items() if re.search(r"parse_args\(", text)}
    assert readers <= {"sweep.py", "deploy.py"}


def test_equal_names_are_the_same_name() -> None:
    """A block was found only by the very string object that it was named with."""
    brain = Brain(name="Brain")
    brain.attach(ReLULayer(name="relu1"))

    assert brain.get_layer_by_name("".join(["relu", str(1)])) is brain.blocks["relu1"]


def test_no_source_compares_identity_with_a_literal() -> None:
    """`x is "square"` is true or not by chance; Python warns of it while it compiles."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for file, text in SOURCES.items():
            compile(text, str(file), "exec")


def test_a_mistake_never_ends_the_process() -> None:
    """In 24 places the process was ended, often with the status of success."""
    ending = re.compile(r"\b(sys\.exit|os\._exit|exit|quit)\(")
    enders = {
        str(file.relative_to(PACKAGE)) for file, text in SOURCES.items() if ending.search(text)
    }

    assert {name for name in enders if not name.startswith(("sweep", "tuning", "cluster"))} == set()


def test_the_package_keeps_its_name() -> None:
    """Star imports made it akid.core.brains, and `from akid import sugar` failed."""
    stars = [
        file.name
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    code = "from akid import sugar; import akid; assert akid.__name__ == 'akid'; sugar.cnn_block"
    environment = {"PATH": "", "OMP_NUM_THREADS": "1", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert stars == []
    assert done.returncode == 0, done.stderr


def test_what_akid_needs_is_declared() -> None:
    """The documented command installed nothing; now pip reads what is needed from one place."""
    lock = (PACKAGE.parent / "requirements.lock").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==", lock.lower().replace("_", "-"), re.MULTILINE))
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {re.split(r"[^\w.-]", item)[0] for item in project["project"]["dependencies"]}
    extras = {name.replace("-", "_") for name in project["project"]["optional-dependencies"]}
    imported = {
        name.split(".")[0]
        for tree in TREES.values()
        for node in ast.walk(tree)
        for name in _names(node)
    }
    foreign = {NAMES.get(name, name) for name in imported - STANDARD - {"akid"} - OPTIONAL}

    assert wanted <= pinned
    assert foreign - extras <= wanted


def test_a_misspelt_option_is_named() -> None:
    """An unknown flag crashed the message that was to name it."""
    with pytest.raises(TypeError, match="'do_sumary'"):
        ReLULayer(do_sumary=True)
    with pytest.raises(TypeError, match="'do_sumary'"):
        Brain(do_sumary=True)


def test_whatever_is_defined_is_named_elsewhere() -> None:
    """Many methods had no caller left; what Ray and Python call by name is the exception."""
    called_by_others = re.compile(
        r"__\w+__|test_\w+|on_\w+|visit_\w+|stop_all|choose_trial_to_run|cleanup"
        r"|get_filename|get_source"
    )
    root, suffixes = PACKAGE.parent, {".py", ".md", ".toml"}
    rooms = ("akid", "tests", "experiments", "benchmarks", "docs")
    files = [f for room in rooms for f in (root / room).rglob("*") if f.suffix in suffixes]
    words = Counter(
        word for file in files for word in re.findall(r"\w+", file.read_text(encoding="utf-8"))
    )
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = Counter(
        node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, kinds)
    )

    alone = {name for name, count in defined.items() if words[name] <= count}
    assert {name for name in alone if not called_by_others.fullmatch(name)} == set()


def test_a_call_of_a_kid_leaves_the_number_of_threads() -> None:
    """Settings of the whole process were changed as a side effect."""
    before = torch.get_num_threads(), torch.get_default_dtype()
    make_kid().setup()

    assert (torch.get_num_threads(), torch.get_default_dtype()) == before


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
