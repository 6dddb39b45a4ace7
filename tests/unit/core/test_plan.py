from hypothesis import given, settings
from hypothesis import strategies as st

from akid.core.plan import Feed, feed_of, num_inputs, steps_of
from akid.core.wiring import Wire


def test_one_tensor_is_taken_by_itself_and_several_as_a_list() -> None:
    """A pick reads one of a list that lies in a slot."""
    values = ["x", ["p", "q"]]

    assert feed_of([(0, None)]).take(values) == "x"
    assert feed_of([(1, 1)]).take(values) == "q"
    assert feed_of([(1, 1), (0, None)]).take(values) == ["q", "x"]


def test_inputs_are_counted_by_the_highest_that_is_read() -> None:
    """The first block reads the first input if it names none."""
    labels = [Wire(name="system_in", idxs=(2,))]

    assert num_inputs([None, None]) == 1
    assert num_inputs([None, labels]) == 3
    assert num_inputs([[Wire(name="a", idxs=(0,), feedback=True)]]) == 0


feeds = st.integers(1, 6).flatmap(
    lambda count: st.tuples(*(st.lists(st.integers(0, k), min_size=1) for k in range(count)))
)


@settings(deadline=None)
@given(feeds)
def test_every_slot_is_freed_once_after_its_last_use(reads) -> None:
    """Nothing is freed before it is read for the last time, and the result never."""
    result = Feed(len(reads), None, None)
    steps = steps_of([feed_of([(slot, None) for slot in slots]) for slots in reads], 1, result)

    freed: list[int] = []
    for position, (slots, step) in enumerate(zip(reads, steps, strict=True)):
        assert not set(slots) & set(freed)
        freed += step[-1]
        assert all(slot <= position + 1 for slot in step[-1])
    assert sorted(freed) == list(range(len(reads)))
