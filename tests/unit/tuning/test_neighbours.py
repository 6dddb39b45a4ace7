"""Neighbours: which modules beside an experiment belong to a trial."""

import subprocess
import sys
from pathlib import Path

import pytest

from akid.errors import ExperimentError
from akid.tuning.neighbours import Found, Neighbours
from akid.tuning.template import Template

NETS = ("nets/__init__.py", "nets/parts.py", "nets/wide.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two modules, a package that names its own, and one without a name."""
    files = {
        "losses.py": "import math\nimport rates\n",
        "rates.py": "RATE = 0.1  # slow\n",
        "nets/__init__.py": "from .wide import Wide\n",
        "nets/wide.py": "from . import parts\nfrom .. import nothing\n",
        "nets/parts.py": "import numpy\nimport rates\n",
        "nets/unused.py": "",
        "bare/inner.py": "",
        "math.py": "raise AssertionError",
        "akid/__init__.py": "raise AssertionError",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def found(folder: Path, *statements: str, net_paras: dict | None = None) -> Found:
    lines = "".join(f"    {line}\n" for line in statements)
    template = Template(f"def setup():\n{lines}    return 1\n", "exp.py")
    return Neighbours(folder, template).of(template.render(net_paras or {}, {}))


def names(folder: Path, *statements: str, **paras: dict) -> list[str]:
    return list(found(folder, *statements, **paras).modules.files)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import rates", ["rates.py"]),
        ("import losses as l, numpy", ["losses.py", "rates.py"]),
        ("from losses import loss", ["losses.py", "rates.py"]),
        ("import bare.inner", ["bare/inner.py"]),
        ("from bare import inner", ["bare/inner.py"]),
        ("from nets.parts import *", [*NETS, "rates.py"]),
        ("import nets.parts", [*NETS, "rates.py"]),
        ("if False: import rates", ["rates.py"]),
        ("import math, akid, torch", []),
        ("from akid import Brain", []),
        ("import bare, nowhere", []),
    ],
)
def test_what_an_import_reaches(folder, statement, expected) -> None:
    """Modules, packages with their own, what those import; nothing of Python's and akid's."""
    assert names(folder, statement) == expected


def test_what_is_read_is_what_travels(folder) -> None:
    """In order, with the folder; encodings are those of Python."""
    (folder / "rates.py").write_bytes("# coding: latin-1\r\nRATE = 'é'\r\n".encode("latin-1"))

    modules = found(folder, "import losses").modules

    assert modules.folder == str(folder)
    assert modules.files == {
        "losses.py": "import math\nimport rates\n",
        "rates.py": "# coding: latin-1\nRATE = 'é'\n",
    }


def test_a_statement_of_the_template_decides(folder) -> None:
    """A trial has the modules of what it renders to."""
    lines = ('#% if net_paras["wide"]', "import nets", "#% else", "import rates", "#% endif")

    assert names(folder, *lines, net_paras={"wide": False}) == ["rates.py"]
    assert names(folder, *lines, net_paras={"wide": True})[0] == "nets/__init__.py"


@pytest.mark.parametrize("begin", ["from bare import (", "if 1: from bare import ("])
def test_a_statement_inside_of_an_import_decides_too(folder, begin) -> None:
    """One set of neighbours serves all trials whose import statements are the same text."""
    lines = (begin, '#% if net_paras["inner"]', "    inner,", "#% endif", "    other)")
    template = Template(
        "".join(["def setup():\n", *(f"    {line}\n" for line in lines), "    return 1\n"]),
        "exp.py",
    )
    neighbours = Neighbours(folder, template)

    found = [list(neighbours.of(template.render({"inner": i}, {})).modules.files) for i in (1, 0)]

    assert found == [["bare/inner.py"], []]


def test_identity_is_what_counts_of_the_source(folder) -> None:
    """As of setup itself: comments and blank lines don't; without modules there is none."""
    first = found(folder, "import losses").identity
    (folder / "rates.py").write_text("\n\nRATE = 0.1\n# fast\n")
    commented = found(folder, "import losses").identity
    (folder / "rates.py").write_text("RATE = 0.2\n")
    changed = found(folder, "import losses").identity

    assert first == commented
    assert first[0] == changed[0]
    assert first[1] != changed[1]
    assert found(folder, "import numpy").identity == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"def broken(:\n", "line 1: expected Python, as setup imports it, got: invalid syntax"),
        (b"x = '\xff'\n", "expected Python, as setup imports it, got: "),
        (b"x = '\0'\n", "expected Python, as setup imports it, got: source code string"),
    ],
)
def test_a_module_that_is_no_python_is_told_before_the_start(folder, content, said) -> None:
    """With its file and line."""
    (folder / "rates.py").write_bytes(content)

    with pytest.raises(ExperimentError, match=r"rates\.py") as caught:
        found(folder, "import losses")
    assert said in str(caught.value)


def test_many_trials_share_what_is_found(folder) -> None:
    """Equal sets are one object, which is sent to the processes once."""
    template = Template(
        'def setup():\n    import losses\n    return {{ opt_paras["lr"] }}\n', "exp.py"
    )
    neighbours = Neighbours(folder, template)

    modules = {id(neighbours.of(template.render({}, {"lr": n / 7})).modules) for n in range(99)}

    assert len(modules) == 1


def test_nothing_is_imported(folder) -> None:
    """Looking runs no code of the user's."""
    (folder / "rates.py").write_text("raise SystemExit(9)")
    program = (
        "import sys; from pathlib import Path; from akid.tuning.neighbours import Neighbours;"
        "from akid.tuning.template import Template;"
        "t = Template('def setup():\\n    import losses\\n    return 1', 'a.py');"
        "print(len(Neighbours(Path(sys.argv[1]), t).of(t.render({}, {})).modules.files))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder.parent,
    )

    assert done.stdout.strip() == "2"
