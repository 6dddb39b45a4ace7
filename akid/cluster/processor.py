"""Processor: which one this machine has, as far as a program's last digits hang on it."""

import platform
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")
# Widest first: torch and its libraries choose their kernels by these, and kernels round alike only
# where they are the same (PyTorch documentation, "Reproducibility").
_VECTORS: Final = {"amx_tile": "AMX", "avx512f": "AVX-512", "avx2": "AVX2", "sve": "SVE"}


def processor() -> str:
    """Return the processor's model and its widest vector instructions, e.g. "AMD EPYC, AVX2"."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return described(text) or platform.processor() or platform.machine()


def described(cpuinfo: str) -> str:
    r"""Return what Linux's description of the processors says of the first; empty if nothing.

    >>> described("model name : Xeon\nflags : sse2 avx2\n\nmodel name : Xeon\n")
    'Xeon, AVX2'
    """
    first = cpuinfo.partition("\n\n")[0]
    fields = dict(_field(line) for line in first.splitlines())
    flags = {*fields.get("flags", "").split(), *fields.get("Features", "").split()}
    vectors = [name for flag, name in _VECTORS.items() if flag in flags]
    return ", ".join([text for text in (fields.get("model name", ""), *vectors[:1]) if text])


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()
