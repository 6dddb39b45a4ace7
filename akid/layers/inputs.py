"""Inputs: what a layer checks of what it is given, once, when it is set up."""

from typing import Any

from torch import Tensor

from akid.errors import SetupError, ShapeError

LAYOUTS = {2: "(N, C)", 3: "(N, C, L)", 4: "(N, C, H, W)"}


def one_tensor(inputs: Any, *, who: str) -> Tensor:
    """Return the one tensor that a layer of one input is given.

    Raises:
        SetupError: If it is given anything else.
    """
    if isinstance(inputs, Tensor):
        return inputs
    raise SetupError(
        f"{who}: expected one tensor, got {_in_words(inputs)}."
        ' Name the wanted one in inputs=[{"name": block, "idxs": [index]}], or merge them before.'
    )


def tensor_of_rank(inputs: Any, *ranks: int, who: str) -> Tensor:
    """Return the one tensor that a layer is given, if it has one of these numbers of dimensions.

    Raises:
        SetupError: If it is no tensor.
        ShapeError: If it has another number of dimensions.
    """
    tensor = one_tensor(inputs, who=who)
    if tensor.dim() in ranks:
        return tensor
    wanted = " or ".join(LAYOUTS.get(rank, f"{rank} dimensions") for rank in ranks)
    raise ShapeError(
        f"{who}: expected an input of shape {wanted}, got shape {tuple(tensor.shape)}."
        " A ReshapeLayer before this block can bring it into that shape."
    )


def image(inputs: Any, *, who: str) -> Tensor:
    """Return the one tensor (N, C, H, W) that a layer is given.

    Raises:
        SetupError: If it is no tensor.
        ShapeError: If it has not four dimensions.
    """
    return tensor_of_rank(inputs, 4, who=who)


def channels_in_groups(inputs: Any, group_size: int, *, who: str) -> Tensor:
    """Return the one tensor (N, C, ...) that a layer is given, if C divides into such groups.

    Raises:
        SetupError: If it is no tensor, or the group's size is below 1.
        ShapeError: If the channels do not divide.
    """
    tensor = one_tensor(inputs, who=who)
    if group_size < 1:
        raise SetupError(f"{who}: expected group_size of 1 or more, got {group_size=!r}.")
    if tensor.dim() < 2 or tensor.shape[1] % group_size:
        raise ShapeError(
            f"{who}: expected an input of shape (N, C, ...) with C a multiple of {group_size=!r},"
            f" got shape {tuple(tensor.shape)}."
        )
    return tensor


def groups_of_channels(inputs: Any, group_size: int, *, who: str) -> Tensor:
    """Return the one tensor that a layer is given, or the first of a list with a group in each.

    Raises:
        SetupError: If it is neither, or the group's size is below 1.
        ShapeError: If the channels do not divide into groups, or a group has no channels.
    """
    if not isinstance(inputs, list | tuple):
        return channels_in_groups(inputs, group_size, who=who)
    if not inputs:
        raise SetupError(f"{who}: expected one tensor a group, got an empty list.")
    for group in inputs:
        channels_in_groups(group, 1, who=who)
    first: Tensor = inputs[0]
    return first


def several(inputs: Any, *names: str, who: str, optional: int = 0) -> list[Tensor]:
    """Return the tensors that a layer of several inputs is given.

    Args:
        inputs: What the layer is given.
        names: What each of them is, in order, for the message.
        who: The block's label, for the message.
        optional: How many of the last ones may be missing.

    Raises:
        SetupError: If it is no list of that many tensors.
    """
    fits = isinstance(inputs, list | tuple) and all(isinstance(item, Tensor) for item in inputs)
    if fits and len(names) - optional <= len(inputs) <= len(names):
        return list(inputs)
    needed = ", ".join(names[: len(names) - optional])
    may = "".join(f"[, {name}]" for name in names[len(names) - optional :])
    raise SetupError(
        f"{who}: expected a list of tensors [{needed}{may}], got {_in_words(inputs)}."
        ' Name them in inputs=[{"name": block, "idxs": [index]}, ...], in this order.'
    )


def same_shape(inputs: Any, *names: str, who: str, optional: int = 0) -> list[Tensor]:
    """Return the tensors of one shape that a layer of several inputs is given.

    Raises:
        SetupError: If it is no list of that many tensors.
        ShapeError: If their shapes differ.
    """
    tensors = several(inputs, *names, who=who, optional=optional)
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len(set(shapes)) > 1:
        got = ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=False))
        raise ShapeError(f"{who}: expected inputs of one shape, got {got}.")
    return tensors


def _in_words(inputs: Any) -> str:
    if isinstance(inputs, Tensor):
        return f"one tensor of shape {tuple(inputs.shape)}"
    if isinstance(inputs, list | tuple):
        return f"{type(inputs).__name__} of {len(inputs)}"
    return f"inputs={inputs!r}"
