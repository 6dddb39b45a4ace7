"""What a trial needs, and what it needs where its memory did not suffice."""

import pytest

from akid.cluster.resources import ClusterCapacity, Node
from akid.testing.tracker_contract import make_trial
from akid.tuning.needs import Needs


@pytest.mark.parametrize("together", [False, True])
def test_a_trial_alone_gets_the_largest_machine(together: bool) -> None:
    """Otherwise it gets what it was planned with; gangs are told whether machines may be mixed."""
    trial = make_trial(0)
    needs = Needs([trial], ClusterCapacity(nodes=(Node(cpus=2), Node(cpus=8))), together=together)

    planned, alone = needs.of(0, alone=False), needs.of(0, alone=True)

    assert (planned.cpus, alone.cpus) == (trial.request.cpus, 8)
    assert planned.together is alone.together is together
