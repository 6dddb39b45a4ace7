"""Which processor a machine has."""

import pytest

from akid.cluster import processor as module
from akid.cluster.processor import described, processor

INTEL = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu avx avx2 avx512f\n\n"
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd sve\n\n"


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (INTEL + INTEL.replace("1", "2"), "Intel(R) Xeon(R), AVX-512"),
        (ARM, "SVE"),
        ("model name : Old\nflags : sse2\n", "Old"),
        ("", ""),
    ],
)
def test_model_and_widest_vectors_are_told(cpuinfo: str, expected: str) -> None:
    """Of the first one, which stands for all of a machine."""
    assert described(cpuinfo) == expected


def test_every_machine_has_one(tmp_path, monkeypatch) -> None:
    """Also where no file describes it."""
    monkeypatch.setattr(module, "_CPUINFO", tmp_path / "none")
    assert processor()
    monkeypatch.undo()
    assert processor()
