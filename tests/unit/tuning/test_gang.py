"""How many workers a trial needs is read from its rendered source."""

import pytest

from akid.cluster.resources import ClusterCapacity, Node, ResourceRequest, check_feasible
from akid.errors import ResourceError, TemplateError
from akid.tuning import gang

DICT = 'def setup():\n    return Kid(engine={"name": "data_parallel", "num_gpu": 3})\n'


def of(source: str, *, gpus: float = 0, given: bool = True, cpus: float = 1) -> ResourceRequest:
    request = ResourceRequest(cpus=cpus, gpus=gpus)
    return gang.request_of(source, request, gpus_are_given=given)


@pytest.mark.parametrize(
    ("source", "workers"),
    [
        (DICT, 3),
        (DICT.replace("num_gpu", "gpu_num"), 3),
        ('engine = "data_parallel"', 2),
        ('engine = {"name": "data_parallel"}', 2),
        ('engine = {"name": "single"}  # not data_parallel', 0),
        ('paras = {"engine": {"name": "data_parallel", "num_gpu": 4}}', 4),
        (DICT + DICT, 3),
    ],
)
def test_the_engines_literal_says_how_many(source: str, workers: int) -> None:
    """Under both names of the number; a comment is no engine."""
    assert of(source).workers == workers


@pytest.mark.parametrize(
    ("gpus", "given", "each"), [(3, True, 1), (0, True, 0), (1, False, 1), (0, False, 0)]
)
def test_each_worker_has_a_gpu_or_none_has(gpus: float, given: bool, each: float) -> None:
    """A number is of the whole trial; None, which comes as 1 where there are GPUs, is one each."""
    assert of(DICT, gpus=gpus, given=given) == ResourceRequest(cpus=1, gpus=each, workers=3)


def test_a_gang_may_take_any_number_between_two() -> None:
    """Where there is room for the least it is possible; two equal numbers are one."""
    elastic = of(DICT.replace("3", "(1, 4)"), gpus=1, given=False)

    assert elastic == ResourceRequest(cpus=1, gpus=1, workers=1, most_workers=4)
    assert str(elastic) == "1 to 4 x (1 CPU, 1 GPU)"
    assert ClusterCapacity(nodes=(Node(cpus=1, gpus=1),)).holds(elastic)
    assert of(DICT.replace("3", "[2, 2]")) == ResourceRequest(cpus=1, workers=2)


def test_options_of_the_engine_say_what_a_worker_takes() -> None:
    """It may keep to CPUs, and take a share of one."""
    source = DICT.replace("3", '3, "device": "cpu", "cpu_num_per_worker": 0.5')

    assert of(source, gpus=2) == ResourceRequest(cpus=0.5, gpus=0, workers=3)


@pytest.mark.parametrize(
    ("source", "gpus", "expected"),
    [
        (DICT, 2, "expected gpu_num_per_instance=3 .* got gpu_num_per_instance=2"),
        (DICT, 0.5, "got gpu_num_per_instance=0.5"),
        (DICT.replace("3", "n"), 0, "num_gpu of engine 'data_parallel' as a literal, .* num_gpu=n"),
        (DICT.replace("3", "0"), 0, "an integer from 1, or .* got num_gpu=0"),
        (DICT.replace("3", "(4, 1)"), 0, r"such as \(1, 4\), got num_gpu=\(4, 1\)"),
        (DICT.replace("3", "(1, 2, 3)"), 0, r"got num_gpu=\(1, 2, 3\)"),
        (DICT.replace("3", "(1, 4)"), 4, "expected gpu_num_per_instance=None with num_gpu"),
        (DICT + DICT.replace("3", "2"), 0, "always alike"),
    ],
)
def test_what_cannot_be_planned_is_refused(source: str, gpus: float, expected: str) -> None:
    """The message says what is in the source, and what to write."""
    with pytest.raises(TemplateError, match=expected):
        of(source, gpus=gpus)


def test_a_gang_may_lie_on_several_machines() -> None:
    """Each worker on one; three that need a GPU do not fit where there are two."""
    capacity = ClusterCapacity(nodes=(Node(cpus=2, gpus=1), Node(cpus=2, gpus=1)))
    request = ResourceRequest(gpus=1, workers=2)

    check_feasible([request], capacity)
    assert capacity.slots(request) == 1
    assert capacity.slots(ResourceRequest(workers=2)) == 2
    with pytest.raises(ResourceError, match=r"3 x \(1 CPU, 1 GPU\)"):
        check_feasible([ResourceRequest(gpus=1, workers=3)], capacity)
