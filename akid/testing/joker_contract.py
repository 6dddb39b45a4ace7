"""The contract for jokers: inherit it in pytest, say how the joker is made, and run.

>>> from akid.sensing.jokers.flip import FlipJoker
>>> class TestFlip(JokerContract):
...     def make_joker(self):
...         return FlipJoker(flip_left_right=True)
>>> TestFlip().test_images_keep_their_number_and_have_the_expected_size()
"""
# Shape legend: N = images, C = channels, H = height, W = width.

import copy
import pickle
from typing import ClassVar

import torch
from torch import Tensor

from akid.errors import SetupError
from akid.sensing.datasets.synthetic import SyntheticFeedSource
from akid.sensing.integrated_sensor import IntegratedSensor
from akid.sensing.joker import BatchJoker, Joker
from akid.testing.other_process import call_elsewhere
from akid.testing.signals import copied, same_bits, shapes


class JokerContract:
    """What akid asks of a joker; each method is a test.

    Attributes:
        is_random: Whether the joker draws something; False for one that treats all images alike.
    """

    is_random: ClassVar[bool] = True

    def make_joker(self) -> Joker | BatchJoker:
        """Return a new joker, each time of the same description."""
        raise NotImplementedError(f"{type(self).__name__} must implement make_joker().")

    def make_images(self) -> Tensor:
        """Return images with values in [0, 1): the same each time.

        Shape:
            output: `(N, C, H, W)` with N of at least 2.
        """
        generator = torch.Generator().manual_seed(0)
        return torch.rand(6, 3, 12, 10, generator=generator)

    def make_labels(self) -> Tensor:
        """Return the images' labels, which a joker of whole batches is given.

        Shape:
            output: `(N,)` int64.
        """
        return torch.arange(len(self.make_images())) % 3

    def expected_size(self) -> tuple[int, int]:
        """Return height and width of the output; the input's unless overridden."""
        height_px, width_px = self.make_images().shape[2:]
        return height_px, width_px

    def test_images_keep_their_number_and_have_the_expected_size(self) -> None:
        """As many images of as many channels, of `expected_size`, all values finite."""
        for num in (1, len(self.make_images())):
            images = self._play(self._batch(num), 0)[0]
            expected = (num, self.make_images().shape[1], *self.expected_size())
            assert tuple(images.shape) == expected, (
                f"{self._who}: expected images of shape {expected}, got {tuple(images.shape)}."
            )
            assert bool(images.isfinite().all()), f"{self._who}: gave NaN or infinity."

    def test_images_keep_their_type(self) -> None:
        """Float images come out as they went in, in single and in double precision."""
        for dtype in (torch.float32, torch.float64):
            images, *labels = self._batch()
            got = self._play([images.to(dtype), *labels], 0)[0].dtype
            assert got == dtype, f"{self._who}: expected images of {dtype}, got {got}."

    def test_leaves_what_it_is_given_alone(self) -> None:
        """The given images and labels are not written into."""
        batch = self._batch()
        before = copied(batch)
        self._play(batch, 0)
        assert same_bits(before, batch), f"{self._who}: wrote into the batch that it was given."

    def test_the_same_generator_gives_the_same_bits(self) -> None:
        """What is drawn comes from the given generator alone, so that a run can be resumed."""
        first = self._play(self._batch(), 1)
        torch.rand(1)
        assert same_bits(first, self._play(self._batch(), 1)), (
            f"{self._who}: expected the same images from generators of the same seed, got others."
            " Draw everything from the generator that play is given, and keep no state."
        )

    def test_draws_for_each_image_if_it_is_random(self) -> None:
        """Copies of one image come out differently, and so does a batch under another seed."""
        num = 64
        images, *labels = self._batch(1)
        batch = [images.repeat(num, 1, 1, 1), *(label.repeat(num) for label in labels)]
        batch[0][num // 2 :] = images.flip(0)
        played = self._play(batch, 0)[0]
        differs = bool((played != played[:1]).any()) or self._mixes
        assert differs == self.is_random, (
            f"{self._who}: is_random={self.is_random}, but {num} copies of an image came out"
            f" {'different' if differs else 'all alike'}."
        )
        others = self._play(self._batch(), 2)
        seeds_differ = any(not same_bits(others, self._play(self._batch(), s)) for s in range(3, 9))
        assert seeds_differ == self.is_random, (
            f"{self._who}: is_random={self.is_random}, but other seeds give"
            f" {'other' if seeds_differ else 'the same'} images."
        )

    def test_draws_from_the_generator_that_it_is_given_alone(self) -> None:
        """With a generator, torch's own is left as it was."""
        before = torch.get_rng_state()
        self._play(self._batch(), 0)
        assert torch.equal(before, torch.get_rng_state()), (
            f"{self._who}: drew from torch's own generator, though it was given one."
        )

    def test_called_as_a_block_it_follows_the_seed_of_torch(self) -> None:
        """Without a generator the draws are torch's own."""
        inputs = self._batch() if self._is_of_batches else self._batch()[0]
        results = []
        for _ in range(2):
            torch.manual_seed(3)
            results.append(copied(self.make_joker()(inputs)))
        assert same_bits(*results), f"{self._who}: expected torch.manual_seed to govern it."

    def test_refuses_what_is_no_batch_of_images(self) -> None:
        """Called with one image, it raises a SetupError that names it."""
        if self._is_of_batches:
            return
        joker = self.make_joker()
        joker.name = "refusing"
        told = _refusal(joker, self.make_images()[0])
        assert told is not None, f"{self._who}: expected a SetupError for an image of 3 axes."
        assert "refusing" in told, f"{self._who}: expected the joker's name in {told!r}."

    def test_a_sensor_plays_it_and_resumes_it(self) -> None:
        """A sensor that loads the state of another one gives the next batch of that one."""
        one, other = self._sensor(), self._sensor()
        one.next_batch()
        other.load_state_dict(one.state_dict())
        expected = one.next_batch()
        assert same_bits(expected, other.next_batch()), (
            f"{self._who}: expected the resumed sensor's batch to be the undisturbed one's."
        )
        assert shapes(expected)[0][2:] == self.expected_size()

    def test_copies_and_other_processes_play_the_same(self) -> None:
        """Copied, pickled, and sent to another process it gives the same images."""
        joker = self.make_joker()
        expected = self._play(self._batch(), 0)
        for twin in (copy.deepcopy(joker), pickle.loads(pickle.dumps(joker))):  # noqa: S301
            assert same_bits(expected, _played(twin, self._batch(), 0))
        elsewhere = call_elsewhere(_played, joker, self._batch(), 0)
        for here, there in zip(expected, elsewhere, strict=True):
            torch.testing.assert_close(there, here)

    def test_plays_on_an_accelerator(self) -> None:
        """On each accelerator of this machine the images stay there."""
        for device in ["cuda"] if torch.cuda.is_available() else []:
            played = _played(self.make_joker(), [x.to(device) for x in self._batch()], 0)
            assert {x.device.type for x in played} == {device}

    @property
    def _who(self) -> str:
        return self.make_joker().label

    @property
    def _is_of_batches(self) -> bool:
        return isinstance(self.make_joker(), BatchJoker)

    @property
    def _mixes(self) -> bool:
        """Whether images may come out alike because each is mixed with its likes."""
        return self._is_of_batches and self.is_random

    def _batch(self, num: int | None = None) -> list[Tensor]:
        images = self.make_images()[:num]
        return [images, self.make_labels()[:num]] if self._is_of_batches else [images]

    def _play(self, batch: list[Tensor], seed: int) -> list[Tensor]:
        return _played(self.make_joker(), batch, seed)

    def _sensor(self) -> IntegratedSensor:
        _, channels, height_px, width_px = self.make_images().shape
        source = SyntheticFeedSource(
            [height_px, width_px, channels], num_classes=3, num_train=32, num_val=8, num_test=8
        )
        sensor = IntegratedSensor(source, batch_size=8, name="sensor")
        sensor.attach(self.make_joker())
        sensor.attach(self.make_joker(), to_val=True)
        sensor.setup()
        return sensor


def _refusal(joker: Joker | BatchJoker, inputs: Tensor) -> str | None:
    try:
        joker(inputs)
    except SetupError as error:
        return str(error)
    return None


def _played(joker: Joker | BatchJoker, batch: list[Tensor], seed: int) -> list[Tensor]:
    generator = torch.Generator(batch[0].device).manual_seed(seed)
    if isinstance(joker, BatchJoker):
        return joker.play(batch, generator)
    return [joker.play(batch[0], generator), *batch[1:]]
