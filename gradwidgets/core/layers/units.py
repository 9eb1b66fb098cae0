"""Activations, their units, and when a unit is dead or saturated."""

from collections.abc import Callable
from functools import lru_cache

from torch import Tensor, nn

# A unit that is zero for this many values or more is dead rather than unlucky.
FEWEST_VALUES = 8
# Share of its largest slope below which an activation counts as saturated.
FLAT = 0.05

_KNOWN = tuple(
    one
    for one in vars(nn.modules.activation).values()
    if isinstance(one, type)
    and issubclass(one, nn.Module)
    and one.__module__ == nn.modules.activation.__name__
    and one is not nn.MultiheadAttention
)
# What they give are shares of one whole: a zero among them says nothing about a unit.
_SHARES = (nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax)

# Where the output says that the slope is under `FLAT` of its largest.
SATURATED: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.Sigmoid: lambda y: y * (1 - y) < FLAT / 4,
    nn.Tanh: lambda y: 1 - y.square() < FLAT,
    nn.Softsign: lambda y: (1 - y.abs()).square() < FLAT,
    nn.Hardsigmoid: lambda y: (y <= 0) | (y >= 1),
}

_CONVOLUTIONS = {
    1: (nn.Conv1d, nn.ConvTranspose1d),
    2: (nn.Conv2d, nn.ConvTranspose2d),
    3: (nn.Conv3d, nn.ConvTranspose3d),
}


@lru_cache(maxsize=512)
def is_activation(kind: type[nn.Module]) -> bool:
    """Whether it is one of torch's activation modules, or made from one."""
    return issubclass(kind, _KNOWN)


@lru_cache(maxsize=512)
def has_units(kind: type[nn.Module]) -> bool:
    """Whether its outputs belong to units that can be dead."""
    return is_activation(kind) and not issubclass(kind, _SHARES)


@lru_cache(maxsize=512)
def saturation(kind: type[nn.Module]) -> Callable[[Tensor], Tensor] | None:
    """Tells saturated outputs of this kind from others; None for one that does not saturate."""
    return SATURATED.get(kind)


@lru_cache(maxsize=512)
def axis_after(kind: type[nn.Module]) -> int:
    """The axis of units in what this kind of layer gives."""
    for dimensions, kinds in _CONVOLUTIONS.items():
        if issubclass(kind, kinds):
            return -1 - dimensions
    return 1 if issubclass(kind, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)) else -1


def alive_units(output: Tensor, axis: int) -> tuple[Tensor, int]:
    """Which units have at least one output that is not exactly 0, (units,), and how many values each unit has.

    Args:
        output: What the activation gave.
        axis: Where the units are; the last axis where there is no such axis.
    """
    if not -output.ndim <= axis < output.ndim:
        axis = -1
    values = output.numel() // output.shape[axis]
    if output.ndim == 2:
        return output.any(dim=1 + axis if axis < 0 else 1 - axis), values
    others = [i for i in range(output.ndim) if i != axis % output.ndim]
    return (output.any(dim=others) if others else output != 0), values
