import copy
import pickle

import pytest
import torch
from torch import nn

from akid.core.block import Block
from akid.core.system import SequentialSystem
from akid.errors import SetupError


class Linear(Block):
    NAME = "ip"

    def __init__(self, out=3, **kwargs):
        super().__init__(**kwargs)
        self.out = out

    def _setup(self, inputs):
        self.weights = nn.Parameter(torch.randn(self.out, inputs.shape[1]))

    def forward(self, x):
        return x @ self.weights.T


class Double(Block):
    def forward(self, x):
        return 2 * x


class First(Block):
    def forward(self, inputs):
        return inputs[0]


class Mode(Block):
    """Gives 1 while it trains, 0 otherwise."""

    def forward(self, x):
        return x * float(self.training)


def sequence(*blocks: Block, **kwargs) -> SequentialSystem:
    system = SequentialSystem(**kwargs)
    system.attach(*blocks)
    return system


def test_blocks_run_in_a_row() -> None:
    """Each block takes what the one before it gives."""
    assert sequence(Double(), Double(), Double())(torch.ones(2)).tolist() == [8, 8]


def test_nameless_blocks_are_numbered_by_their_kind() -> None:
    """NAME, or else the class's name, counts; names that are taken are skipped."""
    system = sequence(Linear(), Double(), Linear(name="ip2"), Linear())

    assert list(system.blocks) == ["ip1", "double1", "ip2", "ip3"]
    assert system.get_last_layer_name() == "ip3"
    assert len(system) == 4


def test_default_names_of_two_systems_do_not_know_each_other() -> None:
    """Facts 4.3.16 and 4.3.19: no global counter, and no class crashes for want of a NAME."""
    assert list(sequence(Double()).blocks) == list(sequence(Double()).blocks) == ["double1"]


def test_lists_of_blocks_are_taken_one_by_one() -> None:
    """attach flattens nested lists, as cnn_block gives them."""
    assert len(sequence([Double(), [Double(), (Double(),)]], Double())) == 4


@pytest.mark.parametrize("name", ["a", "system_in"])
def test_a_taken_name_is_refused(name: str) -> None:
    """Facts 4.3.19: two blocks of one name are an error that lists the names."""
    with pytest.raises(SetupError, match=r"expected a name that is free.*'a', 'system_in'"):
        sequence(Double(name="a"), Double(name=name))


def test_a_name_that_torch_uses_is_refused() -> None:
    """A container of torch has attributes of its own."""
    with pytest.raises(SetupError, match="got name='keys'"):
        sequence(Double(name="keys"))


def test_only_blocks_can_be_attached() -> None:
    """A torch module has no setup; the message says what to do."""
    with pytest.raises(SetupError, match=r"got ReLU\(\) of type ReLU. Wrap"):
        sequence(nn.ReLU())  # type: ignore[arg-type]


def test_attach_after_setup_is_refused() -> None:
    """What is wired stays wired."""
    system = sequence(Double())
    system(torch.ones(1))

    with pytest.raises(SetupError, match="expected attach before setup, got 'Double'"):
        system.attach(Double())


def test_an_empty_system_says_so() -> None:
    """Both a call and a look-up of the last name need blocks."""
    for use in (lambda s: s(torch.ones(1)), lambda s: s.get_last_layer_name()):
        with pytest.raises(SetupError, match="expected blocks, got none"):
            use(SequentialSystem(name="s"))


def test_a_row_takes_no_wires() -> None:
    """`inputs` would be ignored in a row, so they are refused."""
    system = sequence(Double(inputs=[{"name": "system_in"}]))

    with pytest.raises(SetupError, match="Use a GraphSystem"):
        system(torch.ones(1))


def test_unknown_blocks_are_named_with_the_known_ones() -> None:
    """Look-up hints at what may have been meant."""
    system = sequence(Double(name="conv1"), Double(name="ip1"))

    assert system.get_layer_by_name("conv1") is system.blocks["conv1"]
    with pytest.raises(SetupError, match=r"got 'conv2'; known: 'conv1', 'ip1'. Did you mean"):
        system.get_layer_by_name("conv2")


def test_nested_systems_run_and_are_found_by_path() -> None:
    """ "outer/inner" names a block of a nested system."""
    system = sequence(sequence(Double(name="in"), name="sub"), Double())

    assert system(torch.ones(1)).item() == 4
    assert system.get_layer_by_name("sub/in").name == "in"
    with pytest.raises(SetupError, match="expected 'double1' to be a system"):
        system.get_layer_by_name("double1/x")


def test_nested_systems_have_parameters_of_their_own_path() -> None:
    """The state of a system names every parameter by its place."""
    system = sequence(sequence(Linear(), name="sub"), Linear())
    system(torch.ones(2, 5))

    assert list(system.state_dict()) == ["blocks.sub.blocks.ip1.weights", "blocks.ip1.weights"]


def test_setup_runs_each_block_once_on_two_samples() -> None:
    """Shapes are inferred in evaluation mode from at most two samples, once whatever the depth."""
    seen = []

    class Spy(Block):
        def forward(self, x):
            seen.append((x.shape[0], self.training, torch.is_grad_enabled()))
            return x

    system = sequence(sequence(sequence(Spy())))
    system.setup(torch.ones(64, 3))

    assert seen == [(2, False, False)]
    assert system.training


def test_setup_restores_every_mode() -> None:
    """A block that was put in evaluation mode stays there."""
    frozen = Mode()
    frozen.eval()
    system = sequence(Mode(), frozen)
    system.setup(torch.ones(1))

    assert [block.training for block in system] == [True, False]


def test_data_are_kept_after_a_call() -> None:
    """`get_layer_by_name(...).data` is what the block gave, of all samples."""
    system = sequence(Double(name="a"), Double(name="b"))
    system(torch.ones(5))

    assert system.get_layer_by_name("a").data.tolist() == [2] * 5


def test_data_are_not_kept_when_asked() -> None:
    """keep_data holds for nested systems too, whenever they were attached."""
    system = sequence(sequence(Double(), name="sub"))
    system.keep_data = False
    system.attach(sequence(Double(), name="later"))
    system(torch.ones(5))

    for name in ("sub", "sub/double1", "later/double1"):
        with pytest.raises(SetupError, match="keep_data = True"):
            _ = system.get_layer_by_name(name).data


def test_an_error_of_a_block_tells_where_it_is() -> None:
    """A foreign error in setup is kept, with the path and the shapes as notes."""
    system = sequence(sequence(Linear(name="ip"), name="sub"), name="top")

    with pytest.raises(IndexError) as caught:
        system(torch.ones(3))

    assert caught.value.__notes__ == [
        "... while sub set up its block 'ip' (Linear) with inputs (2,) of torch.float32.",
        (
            "... while top set up its block 'sub' (SequentialSystem) with inputs (2,)"
            " of torch.float32."
        ),
    ]


def test_copies_are_independent() -> None:
    """deepcopy and pickle work, also after a call, and share no weights."""
    system, x = sequence(Linear(), sequence(Linear())), torch.rand(4, 5)
    expected = system(x)

    for twin in (copy.deepcopy(system), pickle.loads(pickle.dumps(system))):
        assert torch.equal(twin(x), expected)
        twin.get_layer_by_name("ip1").weights.data.zero_()
        assert torch.equal(system(x), expected)


def test_a_loop_over_a_system_gives_its_blocks() -> None:
    """Systems are iterable, in order."""
    assert [block.name for block in sequence(Double(), Linear())] == ["double1", "ip1"]


def test_a_twin_shares_the_weights_and_nothing_else() -> None:
    """A run of the twin leaves no data in the system, whose weights it sees."""
    system = sequence(Linear(name="ip"))
    system.setup(torch.ones(2, 5))

    twin = system.twin()
    twin(torch.ones(4, 5))

    assert twin.get_layer_by_name("ip").weights is system.get_layer_by_name("ip").weights
    with pytest.raises(SetupError, match="expected kept data"):
        _ = system.get_layer_by_name("ip").data


def test_example_inputs_have_the_form_of_those_of_setup() -> None:
    """One tensor stays one; in a list, what is no batch keeps its shape."""
    one, several = sequence(Double()), sequence(First())
    one.setup(torch.ones(8, 3))
    several.setup([torch.ones(8, 3), torch.ones(8, dtype=torch.int64), torch.ones(5)])

    assert one.example_inputs(sample_num=4).shape == (4, 3)
    examples = several.example_inputs()
    assert [tuple(x.shape) for x in examples] == [(1, 3), (1,), (5,)]
    assert examples[1].dtype == torch.int64
    with pytest.raises(SetupError, match="expected a setup with tensors"):
        SequentialSystem().example_inputs()
