"""Activation modules: which they are, and when their units are dead or saturated."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from torch import Tensor, nn

T = TypeVar("T")

# The number of values of a unit that must be zero for the unit to count as dead, rather than zero by chance.
FEWEST_VALUES = 8
# An activation counts as saturated where its slope is below this share of its largest slope.
FLAT = 0.05

_KNOWN = tuple(
    one
    for one in vars(nn.modules.activation).values()
    if isinstance(one, type)
    and issubclass(one, nn.Module)
    and one.__module__ == nn.modules.activation.__name__
    and one is not nn.MultiheadAttention
)
# Their outputs are shares that sum to 1: a zero among them does not make a unit dead.
_SHARES = (nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax)

# Tells from the output where the slope is below `FLAT` of its largest.
SATURATED: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.Sigmoid: lambda y: y * (1 - y) < FLAT / 4,
    nn.Tanh: lambda y: 1 - y.square() < FLAT,
    nn.Softsign: lambda y: (1 - y.abs()).square() < FLAT,
    nn.Hardsigmoid: lambda y: (y <= 0) | (y >= 1),
}

_CLAMPS = nn.Hardtanh, nn.ReLU6

_CONVOLUTIONS = {
    1: (nn.Conv1d, nn.ConvTranspose1d),
    2: (nn.Conv2d, nn.ConvTranspose2d),
    3: (nn.Conv3d, nn.ConvTranspose3d),
}


def _once_per_class(function: Callable[[type], T]) -> Callable[[type], T]:
    """Cache a function of a class: `lru_cache`, for which type checkers would not take a class as hashable."""
    return lru_cache(maxsize=512)(function)


@_once_per_class
def is_activation(kind: type) -> bool:
    """Whether a class is one of torch's activation modules, or a subclass of one."""
    return issubclass(kind, _KNOWN)


@_once_per_class
def has_units(kind: type) -> bool:
    """Whether a class is an activation whose outputs belong to units that can be dead."""
    return is_activation(kind) and not issubclass(kind, _SHARES)


def saturation(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Return a function that marks a module's saturated outputs; None for a module that does not saturate."""
    kind = type(module)
    return _at_bounds(*bounds_of(module)) if kind in _CLAMPS else SATURATED.get(kind)


def bounds_of(module: nn.Module) -> tuple[float, ...]:
    """Return the lowest and the highest output of an activation whose slope is 0 at both; () for other modules."""
    if isinstance(module, nn.Hardtanh) and type(module) in _CLAMPS:
        return float(module.min_val), float(module.max_val)
    return (0.0, 1.0) if type(module) is nn.Hardsigmoid else ()


@lru_cache(maxsize=512)
def _at_bounds(low: float, high: float) -> Callable[[Tensor], Tensor]:
    """Return a function that marks outputs at a bound; outputs at 0, as those of a ReLU, are not saturated."""
    return (lambda y: y >= high) if low == 0 else lambda y: (y <= low) | (y >= high)


@_once_per_class
def axis_after(kind: type) -> int:
    """Return the axis of the units in the output of this class of layers."""
    for dimensions, kinds in _CONVOLUTIONS.items():
        if issubclass(kind, kinds):
            return -1 - dimensions
    return 1 if issubclass(kind, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)) else -1


def axis_of_units(shape: Sequence[int], axis: int) -> int:
    """Return `axis` if an output of this shape has it, and otherwise its last axis."""
    return axis if -len(shape) <= axis < len(shape) else -1


def alive_units(outputs: Tensor, axis: int) -> Tensor:
    """Count the units that have at least one output that is not exactly 0.

    Args:
        outputs: The outputs of K calls of the activation, (K, …).
        axis: The axis of the units in one output.

    Returns:
        The numbers of units, (K, 1).
    """
    units = axis % (outputs.ndim - 1) + 1
    others = [i for i in range(1, outputs.ndim) if i != units]
    # The two extremes take a third of the time of torch.any.
    nonzero = (outputs.amax(others) != 0) | (outputs.amin(others) != 0) if others else outputs != 0
    return nonzero.sum(1, keepdim=True)
