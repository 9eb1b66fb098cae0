"""Activations, their units, and when a unit is dead or saturated."""

from collections.abc import Callable, Sequence
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

_CLAMPS = nn.Hardtanh, nn.ReLU6

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


def saturation(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Tells a module's saturated outputs from others; None for one that does not saturate."""
    kind = type(module)
    return _at(*bounds_of(module)) if kind in _CLAMPS else SATURATED.get(kind)


def bounds_of(module: nn.Module) -> tuple[float, ...]:
    """The lowest and the highest output of an activation that has no slope at either; () for others."""
    if type(module) in _CLAMPS:
        return float(module.min_val), float(module.max_val)
    return (0.0, 1.0) if type(module) is nn.Hardsigmoid else ()


@lru_cache(maxsize=512)
def _at(low: float, high: float) -> Callable[[Tensor], Tensor]:
    """Tells outputs at a bound; at 0, as a ReLU's, they are not saturated."""
    return (lambda y: y >= high) if low == 0 else lambda y: (y <= low) | (y >= high)


@lru_cache(maxsize=512)
def axis_after(kind: type[nn.Module]) -> int:
    """The axis of units in what this kind of layer gives."""
    for dimensions, kinds in _CONVOLUTIONS.items():
        if issubclass(kind, kinds):
            return -1 - dimensions
    return 1 if issubclass(kind, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)) else -1


def axis_of_units(shape: Sequence[int], axis: int) -> int:
    """An axis of an output of this shape, its last where it has no such axis."""
    return axis if -len(shape) <= axis < len(shape) else -1


def alive_units(outputs: Tensor, axis: int) -> Tensor:
    """How many units have at least one output that is not exactly 0.

    Args:
        outputs: What the activation gave at each of K calls, (K, …).
        axis: Where the units are in what follows.

    Returns:
        The numbers of units, (K, 1).
    """
    units = axis % (outputs.ndim - 1) + 1
    others = [i for i in range(1, outputs.ndim) if i != units]
    # For both extremes a third of the time that torch.any takes.
    nonzero = (outputs.amax(others) != 0) | (outputs.amin(others) != 0) if others else outputs != 0
    return nonzero.sum(1, keepdim=True)
