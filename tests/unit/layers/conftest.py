"""What every layer must stand, whatever it computes."""

import copy
import pickle

import pytest
import torch
import torch._dynamo.guards

from akid.core import seeding


def _outputs(value):
    return value if isinstance(value, list | tuple) else [value]


def _assert_same(left, right):
    for one, other in zip(_outputs(left), _outputs(right), strict=True):
        torch.testing.assert_close(one, other)


@pytest.fixture(scope="session", autouse=True)
def _unhurried_guards():
    """Skip that torch, for its log, measures each guard with the processor's caches emptied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch._dynamo.guards, "profile_guard_manager", lambda *_: 0.0)
        yield


@pytest.fixture
def check_layer():
    """Return a check of the contract that torch's tools and a sweep's workers rely on."""

    def check(make, inputs, *, autocast=True, is_one_graph=True):
        with seeding.seed_scope(1):
            layer, twin, other = make(), make(), make()
            layer.setup(inputs)
            twin.setup(inputs)
        with seeding.seed_scope(2):
            other.setup(inputs)
        assert all(
            torch.equal(a, b) for a, b in zip(layer.parameters(), twin.parameters(), strict=True)
        )
        for fresh in (copy.deepcopy(make()), pickle.loads(pickle.dumps(make()))):
            fresh.setup(inputs)
        layer.eval()
        expected = layer(inputs)
        other.load_state_dict(layer.state_dict())
        for same in (twin, other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            _assert_same(same.eval()(inputs), expected)
        compiled = torch.compile(layer, backend="eager", fullgraph=is_one_graph)
        _assert_same(compiled(inputs), expected)
        if autocast:
            with torch.autocast("cpu", torch.bfloat16):
                assert all(torch.isfinite(x.float()).all() for x in _outputs(layer(inputs)))
        layer.train()
        total = sum(x.float().sum() for x in _outputs(layer(inputs)))
        if total.requires_grad:
            total.backward()
        return layer

    return check
