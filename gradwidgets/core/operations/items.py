"""Which item of the data makes an operation's result not finite: its name, its index and its value."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_data import data_tensors, first_index
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.results.wording import number

_MOST_AXES = 4  # a tensor with more axes is not searched for slices of zeros
_NUDGE = 0.01  # of a number in `fixed`, at least this: enough to leave a special value, too little to change much


@dataclass(frozen=True)
class Item:
    """An item of the data that is to blame.

    Attributes:
        words: The item and its value, as "y[1] is 0".
        mask: Whether it belongs to a mask, a tensor of zeros and ones.
        whole: Whether it is a slice whose elements are all 0, or all the same.
        zero: Whether it is 0 or constant; False for another value.
    """

    words: str
    mask: bool = False
    whole: bool = False
    zero: bool = True


def item_of(function: LossFunction, operand: Tensor, bad: Tensor, sources: frozenset[int], free: bool) -> Item | None:
    """The item of the data because of which an operation cannot take its operand; None if there is none.

    Args:
        function: The loss.
        operand: The input of the operation.
        bad: The elements of `operand` that the operation cannot take, as a mask of its shape.
        sources: The addresses of the data from which `operand` is computed.
        free: Whether `operand` does not depend on the parameters.
    """
    named = [(name, tensor.detach()) for name, tensor in data_tensors(function) if tensor.numel()]
    for name, tensor in named:
        if _is_alike(tensor == 0, bad):
            return Item(f"{name}{first_index(tensor == 0) or ''} is 0", _is_mask(tensor))
    named = [(name, tensor) for name, tensor in named if tensor.data_ptr() in sources]
    return next((one for name, tensor in named for one in _items_in(name, tensor, bad, free)), None)


def _items_in(name: str, tensor: Tensor, bad: Tensor, free: bool) -> Iterator[Item]:
    for kind, what in ((tensor == 0, "0"), (_constant(tensor), "the same")):
        for dims, zero in _slices(kind):
            if _is_alike(zero, bad):
                where = _index(zero, dims, tensor.ndim)
                yield Item(f"{name}{where} is {what} all {'along' if where else 'over'}", _is_mask(tensor), True)
    if free and tensor.numel() == bad.numel() and _squeezed(tensor).shape == _squeezed(bad).shape:
        index = first_index(bad.reshape(tensor.shape))
        yield Item(f"{name}{index or ''} is {number(float(tensor[tuple(index)]))}", _is_mask(tensor), zero=False)


def _constant(tensor: Tensor) -> Tensor:
    """Where a tensor equals the first element along its last axis."""
    return tensor == tensor[..., :1] if tensor.ndim and tensor.shape[-1] > 1 else torch.zeros_like(tensor).bool()


def _slices(kind: Tensor) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """For each choice of axes, the axes and where a mask is true all along them; the smaller slices first."""
    axes = range(kind.ndim) if kind.ndim <= _MOST_AXES else ()
    for count in range(1, len(axes) + 1):
        for dims in itertools.combinations(reversed(axes), count):
            whole = kind.all(dims)
            if bool(whole.any()):
                yield dims, whole


def _index(whole: Tensor, dims: tuple[int, ...], ndim: int) -> str:
    """The index of the first slice, as text; "" for the whole tensor."""
    left, index = iter(first_index(whole)), []
    for axis in range(ndim):
        index.append(":" if axis in dims else str(next(left)))
    while index and index[-1] == ":":
        index.pop()
    return f"[{', '.join(index)}]" if index else ""


def _is_alike(one: Tensor, other: Tensor) -> bool:
    one, other = _squeezed(one), _squeezed(other)
    return one.shape == other.shape and bool(other.any()) and bool((one == other).all())


def _squeezed(tensor: Tensor) -> Tensor:
    """The tensor without axes of length 1."""
    return tensor.squeeze()


def _is_mask(tensor: Tensor) -> bool:
    return bool(((tensor == 0) | (tensor == 1)).all())


def number_to_blame(function: LossFunction, point: Tensor) -> str:
    """A number in `fixed` that alone makes the loss not finite at a point, (P,), as "rho is 1"; "" if there is none."""
    for name, value in function.fixed.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        other = function.with_fixed({**function.fixed, name: value + _NUDGE * max(abs(value), 1.0)})
        try:
            values = other.values(point[None])
        except Exception:
            continue
        if bool(values.loss.isfinite().all()):
            return f"{name} is {number(value)}"
    return ""
