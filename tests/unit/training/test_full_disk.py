"""Training outlives a full disk; the writes are refused by the operating system itself."""

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from akid.errors import CheckpointError, DiskFullError
from akid.training import checkpoint
from akid.training.kid import Kid


@contextmanager
def full_disk(after_bytes: int = 2000) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_practice_goes_on_from_the_last_good_checkpoint(
    make_kid: Callable[..., Kid], tmp_path: Path
) -> None:
    """What was there stays whole, nothing torn is left, and the metrics are the same."""
    undisturbed = make_kid(seed=1, log_dir=tmp_path / "other", val_log_step=2).practice()
    kid = make_kid(seed=1, val_log_step=2, log_to_file=False)
    disk = full_disk()

    def fill(kid: Kid) -> None:
        if kid.step == 4:
            disk.__enter__()

    kid.hooks.on_batch_begin.append(fill)
    try:
        report = kid.practice()
        with pytest.raises(DiskFullError, match="File too large"):
            kid.save_checkpoint()
    finally:
        disk.__exit__(None, None, None)

    assert report.final["val_loss"] == undisturbed.final["val_loss"]
    assert report.test == undisturbed.test
    assert report.unsaved_steps == tuple(kid.unsaved_steps)
    assert report.unsaved_steps[-1] == report.steps
    assert not report.is_saved
    assert kid.checkpoint_path is not None
    assert checkpoint.read(kid.checkpoint_path)
    names = {path.name for path in kid.checkpoint_path.parent.iterdir()}
    assert all(not name.startswith(".") for name in names)


def test_other_refusals_stay_errors(make_kid: Callable[..., Kid], tmp_path: Path) -> None:
    """A path that is no folder has to be mended by its owner."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "model").write_text("")

    with pytest.raises(CheckpointError) as raised:
        make_kid(log_to_file=False).practice()

    assert not isinstance(raised.value, DiskFullError)
