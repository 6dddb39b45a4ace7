import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from akid.core import seeding

parts = st.one_of(st.text(max_size=8), st.integers(0, 999))


@settings(deadline=None)
@given(st.integers(), st.lists(parts, max_size=4), st.lists(parts, max_size=4))
def test_streams_differ_exactly_when_their_paths_differ(seed, path, other) -> None:
    """A seed and a path name one stream, always the same."""
    one = seeding.derive(seed, *path)

    assert one == seeding.derive(seed, *path)
    assert 0 <= one < 2**63
    assert (one == seeding.derive(seed, *other)) == (path == other)


def test_derive_never_changes() -> None:
    """The numbers are part of what makes runs repeatable: they are fixed for ever."""
    assert seeding.derive(0, "a", 1) == 2606532630648084042


def test_a_number_and_its_text_are_two_paths() -> None:
    """1 and "1" name different streams."""
    assert seeding.derive(0, 1) != seeding.derive(0, "1")


def test_scopes_nest_and_end() -> None:
    """The innermost seed holds, and is gone after its block, also after an error."""
    with seeding.seed_scope(1):
        with pytest.raises(KeyError), seeding.seed_scope(2), seeding.path_scope("x"):
            raise KeyError
        with seeding.seed_scope(None):
            assert seeding.current_seed() == 1
        assert seeding.stream_seed("w") == seeding.derive(1, "w")
    assert seeding.current_seed() is None


def test_a_path_is_part_of_the_stream() -> None:
    """Blocks of one shape draw different weights; the same path draws the same."""

    def draw(path: str) -> torch.Tensor:
        with seeding.seed_scope(0), seeding.path_scope(path):
            return torch.rand(4, generator=seeding.generator("weights"))

    assert torch.equal(draw("conv1"), draw("conv1"))
    assert not torch.equal(draw("conv1"), draw("conv2"))


def test_outside_of_scopes_torch_governs() -> None:
    """Without a seed scope, torch.manual_seed makes streams repeat, and two streams differ."""
    torch.manual_seed(3)
    first, second = seeding.stream_seed("w"), seeding.stream_seed("w")
    torch.manual_seed(3)

    assert first == seeding.stream_seed("w") != second


def test_drawing_from_a_stream_leaves_the_global_generators() -> None:
    """Facts 4.3.17: no initialiser reseeds anybody else's generator."""
    state = torch.get_rng_state()

    with seeding.seed_scope(5):
        torch.rand(3, generator=seeding.generator("weights"))

    assert torch.equal(state, torch.get_rng_state())
