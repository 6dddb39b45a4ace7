import pytest
import torch

from akid.core import seeding


@pytest.fixture
def step():
    """One step of plain gradient descent; gives the losses before and after it."""

    def run(brain, inputs, rate=1e-3):
        with seeding.seed_scope(0):
            brain.setup(inputs)
        brain.keep_data = False
        brain(inputs)
        before = brain.data_loss.item()
        brain.data_loss.backward()
        brain.add_regularization_gradients()
        filters = brain.get_filters()
        assert all(parameter.grad is not None for parameter in filters)
        with torch.no_grad():
            for parameter in filters:
                parameter.sub_(rate * parameter.grad)
            brain.on_para_update()
        brain(inputs)
        after = brain.data_loss.item()
        assert torch.tensor([before, after]).isfinite().all()
        return before, after

    return run


@pytest.fixture
def batch():
    """Images and labels of a given size."""

    def make(side_px, *, channels=3, count=4, class_num=10, device="cpu"):
        if device == "meta":
            count = 2
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(count, channels, side_px, side_px, generator=generator) - 0.5
        labels = torch.randint(class_num, (count,), generator=generator)
        return [images.to(device), labels.to(device)]

    return make


@pytest.fixture
def count(batch):
    """How many parameters a brain has for images of a size; nothing is computed or drawn."""

    def of(brain, side_px, *, channels=3):
        brain.setup(batch(side_px, channels=channels, device="meta"))
        return brain.num_parameters()

    return of
