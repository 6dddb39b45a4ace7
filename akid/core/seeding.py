"""Seeds: every random stream of a run is derived from one number and a path of names.

There is no global seed. A `Kid` (or a caller) opens a *seed scope*; whatever is drawn inside it
comes from `derive(seed, *path)`, so that two layers of one shape differ, two repeats differ, and
the same seed gives the same bits. Outside of any scope the streams hang on torch's own generator,
as in any torch program.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import torch

_SEED_BITS: Final = 63
_seed: ContextVar[int | None] = ContextVar("akid_seed", default=None)
_path: ContextVar[tuple[str, ...]] = ContextVar("akid_path", default=())


def derive(seed: int, *path: str | int) -> int:
    """Return the seed of the stream that `path` names below `seed`.

    Args:
        seed: Any integer.
        path: Names and numbers from the outside in, for example `"Brain", "conv1", "weights"`.

    Returns:
        An integer in [0, 2**63), the same on every machine and in every Python process.

    >>> derive(0, "shuffle", 3) == derive(0, "shuffle", 3) != derive(0, "shuffle", 4)
    True
    """
    text = "\x1f".join([str(int(seed)), *(f"{type(part).__name__}:{part}" for part in path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - _SEED_BITS)


@contextmanager
def seed_scope(seed: int | None) -> Iterator[None]:
    """Derive what is drawn inside the `with` block from `seed`; None changes nothing."""
    if seed is None:
        yield
        return
    token = _seed.set(int(seed))
    try:
        yield
    finally:
        _seed.reset(token)


@contextmanager
def path_scope(name: str) -> Iterator[None]:
    """Add `name` to the path under which streams are derived; each block's setup opens one."""
    token = _path.set((*_path.get(), name))
    try:
        yield
    finally:
        _path.reset(token)


def current_seed() -> int | None:
    """Return the seed of the innermost scope, or None outside of any."""
    return _seed.get()


def stream_seed(*path: str | int) -> int:
    """Return the seed of the stream that `path` names in the current scopes.

    Outside of any seed scope it is drawn from torch's generator, so `torch.manual_seed` governs it.
    """
    seed = _seed.get()
    if seed is None:
        return int(torch.randint(2**_SEED_BITS - 1, (), device="cpu"))
    return derive(seed, *_path.get(), *path)


def generator(*path: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator on `device` for the stream of `path` in the current scopes.

    On the meta device nothing is drawn; there it is a generator of the CPU.
    """
    device = "cpu" if torch.device(device).type == "meta" else device
    return torch.Generator(device=device).manual_seed(stream_seed(*path))
