import copy
import pickle

import torch

from akid.core.judge import Judge


class Mean(Judge):
    def forward(self, x):
        self.loss = x.mean()
        return self.loss


def test_a_judge_keeps_the_loss_of_its_last_call() -> None:
    """The graph is attached, so it can be differentiated."""
    judge, x = Mean(), torch.ones(2, requires_grad=True)

    judge(x)
    judge.loss.backward()

    assert x.grad.tolist() == [0.5, 0.5]
    assert judge.evals == {}


def test_a_set_up_judge_has_no_loss_yet() -> None:
    """Neither setup nor a probe leaves the sample's loss; forget drops the last one."""
    judge = Mean()
    assert judge.probe(torch.ones(2)).item() == 1
    assert judge.loss is None

    judge(torch.ones(2))
    judge.forget()

    assert judge.loss is None


def test_a_loss_is_no_state() -> None:
    """Copies and pickles have none, the judge keeps its own, and state_dict is empty."""
    judge = Mean(name="loss")
    loss = judge(torch.ones(2, requires_grad=True))

    for twin in (copy.deepcopy(judge), pickle.loads(pickle.dumps(judge))):
        assert twin.loss is None
        assert twin.name == "loss"
    assert judge.loss is loss
    assert judge.state_dict() == {}
