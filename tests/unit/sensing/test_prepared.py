import gc

import torch

from akid.sensing import prepared
from akid.sensing.prepared import Prepared, PreparedSplit


def make(value: float = 0.0) -> Prepared:
    return Prepared({"train": PreparedSplit([torch.full((4, 2), value), torch.arange(4)])})


def test_a_key_is_made_once_and_the_oldest_goes_first() -> None:
    """The last few are kept; what fell off is made anew."""
    first = prepared.shared("a", make)
    assert prepared.shared("a", make) is first
    prepared.shared("b", make)
    prepared.shared("a", make)
    prepared.shared("c", make)

    assert prepared.shared("a", make) is first


def test_a_converted_copy_is_shared_while_somebody_holds_it() -> None:
    """Two sensors on a device hold one copy, and none is left when both are gone."""
    split = make().splits["train"]
    cpu = torch.device("cpu")

    first, second = split.on(cpu, torch.float64), split.on(cpu, torch.float64)

    assert first is second
    assert split.on(cpu, torch.float32) is split
    assert [tensor.dtype for tensor in first.tensors] == [torch.float64, torch.int64]
    del first, second
    gc.collect()
    assert not split._copies


def test_the_fingerprint_follows_the_bytes() -> None:
    """One other number changes it."""
    assert make().fingerprint() == make().fingerprint() != make(1).fingerprint()
