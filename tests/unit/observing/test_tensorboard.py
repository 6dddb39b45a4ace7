import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from akid.errors import SetupError
from akid.observing.observer import Observer
from akid.observing.summaries import Record
from akid.observing.tensorboard import EventFile, _increasing


def events(path: Path) -> Iterator[Any]:
    """Read the records of an event file: length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content, at = path.read_bytes(), 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        yield Event.FromString(content[at + 12 : at + 12 + length])
        at += 12 + length + 4


def test_all_that_is_recorded_is_in_the_event_file(make_kid) -> None:
    """Scalars and histograms, by tag and step."""
    kid = make_kid()
    observer = Observer(kid)
    observer.record(tensorboard=True)

    kid.practice()

    (path,) = Path(kid.log_dir).glob("events.out.tfevents.*")
    values = [(event.step, value) for event in events(path) for value in event.summary.value]
    losses = {step: value.simple_value for step, value in values if value.tag == "Training_Loss"}
    assert losses.keys() == {2, 4, 6}
    assert losses[6] == pytest.approx(kid.report.final["train_loss"])
    spread = next(value.histo for step, value in values if value.tag == "brain/conv1/weights")
    assert spread.num == 36
    assert sum(spread.bucket) == pytest.approx(36)


def test_limits_increase_also_for_a_constant() -> None:
    """TensorBoard refuses equal ones."""
    limits = _increasing((0.5, 0.5, 0.5, 0.6))

    assert limits == sorted(set(limits))
    assert limits[0] == 0.5


def test_a_missing_package_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only when a record comes."""
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    file = EventFile(lambda: tmp_path)

    with pytest.raises(SetupError, match="Install it"):
        file(Record(step=1, scalars={"a": 1.0}, histograms={}))
