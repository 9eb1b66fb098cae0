"""Dead and saturated units of activations that are called as functions, read from autograd's graph.

The backward of an elementwise operation, applied to ones, returns its slope everywhere. Where the slope is 0 for a
whole unit, the unit is dead; where it is a small share of the largest slope, the output is saturated.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradwidgets.core.layers.causes.softmax_rows import ATTENTION, SOFTMAX, sure
from gradwidgets.core.layers.passes.activation_units import FEWEST_VALUES, FLAT, alive_units
from gradwidgets.core.layers.passes.calls import Call
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.result import Result

# The functions' largest slopes; NaN for functions that do not saturate.
_SLOPES = {
    "relu": math.nan, "threshold": math.nan, "clamp_min": math.nan, "hardswish": math.nan, "softshrink": math.nan,
    "hardshrink": math.nan, "sigmoid": 0.25, "tanh": 1.0, "hardtanh": 1.0, "hardsigmoid": 1 / 6, "softsign": 1.0,
    "clamp": 1.0,
}  # fmt: skip
_NONE = math.nan
# Functions whose output is 0 wherever their slope is.
_RECTIFIERS = ("relu", "softshrink", "hardshrink", "hardswish")
_GATE = 3.0  # a hardsigmoid is constant below −3 and above 3
# Their gates are saturated on purpose.
_GATED = (nn.RNNBase, nn.RNNCellBase)


@dataclass(frozen=True, eq=False, repr=False)
class FunctionStats(Result):
    """An activation that is called as a function, or one call of a module that is called several times.

    Attributes:
        name: torch's name of the function, "relu" for example.
        place: The module that calls the function.
        dead_fraction: Share of the units whose slope is 0 for the whole batch; NaN for too few samples to tell.
        saturated_fraction: Share of the outputs where the slope is below 5 % of its largest; NaN for a function that
            does not saturate. For a softmax, the share of the rows in which one entry is almost 1. For a clamp whose
            lower bound is 0, as a ReLU's, only the outputs at the upper bound count.
        rests_at: The output of the dead units; NaN where they differ, or where it is not known.
        before: The nearest layers whose outputs come in.
        within: Whether the function is called by a layer that runs no other module.
        outside: For a clamp, the share of the inputs at its bounds or beyond; NaN for others.
        spread: For a softmax, the standard deviation of the scores within a row, mean over rows; NaN for others.
        scale: For attention, the factor of the scores times the root of the width of queries and keys, which is
            usually 1; NaN where it is not known.
        largest: For attention to nine keys and more, the largest entry of a row, mean over rows; NaN for others.
        call: For one of several calls of a module, the call in words; "" for a function.
    """

    name: str
    place: str
    dead_fraction: float
    saturated_fraction: float
    rests_at: float = math.nan
    before: tuple[str, ...] = ()
    within: bool = False
    outside: float = math.nan
    spread: float = math.nan
    scale: float = math.nan
    call: str = ""
    largest: float = math.nan

    @property
    def at(self) -> str:
        """The layer to name in a message: the layer that calls it, or the nearest one before it."""
        return self.before[0] if self.before and not self.within else self.place

    @property
    def is_stuck(self) -> bool:
        """Whether the dead units are at a bound other than 0, or at different bounds."""
        return self.dead_fraction > 0 and self.rests_at != 0

    def __str__(self) -> str:
        """Return the function and where it is called, in words."""
        return f"{self.call or self.name} {'after' if self.before and not self.within else 'in'} {self.at}"


def slopes_of(nodes: dict[Node, Call | None]) -> dict[Node, tuple[str, Tensor]]:
    """Measure activations that are called as functions; to be called before the backward pass frees saved tensors.

    Args:
        nodes: Operations with the calls that recorded them.

    Returns:
        For each activation its name and five numbers: the share of dead units, the share of saturated outputs, the
        output of the dead units, the share of the inputs beyond a clamp's bounds or the spread of a softmax's scores,
        and the scale of these scores.
    """
    found = {}
    for node, call in nodes.items():
        name = plain_name(node.name().split("::")[-1])
        if call is None or isinstance(call.module, _GATED):
            continue
        attends = name.startswith(ATTENTION)
        known = name in _SLOPES and not isinstance(call.module, nn.MultiheadAttention)
        shares = _shares(node, _SLOPES[name]) if known else sure(node) if attends or name in SOFTMAX else None
        if shares is not None:
            found[node] = ATTENTION if attends else name, shares
    return found


def _shares(node: Node, largest: float) -> Tensor | None:
    backward: Any = node  # a node can be called, which its class does not declare
    try:
        meta = node._input_metadata[0]
        slope = backward(torch.ones((), dtype=meta.dtype, device=meta.device).expand(meta.shape))
    except (AttributeError, RuntimeError, IndexError, TypeError):
        return None
    slope = slope[0] if isinstance(slope, tuple) else slope
    if slope is None or not slope.ndim or not slope.numel() or slope.layout is not torch.strided:
        return None
    slope, bounds = slope.detach(), _bounds(node)
    units = slope.ndim - (3 if slope.ndim > 3 else 1)
    dead: float | Tensor = _NONE
    flat: float | Tensor = _NONE
    rest: float | Tensor = _NONE
    out: float | Tensor = _NONE
    if slope.ndim > 1 and slope.numel() // slope.shape[units] >= FEWEST_VALUES:
        dead = 1 - alive_units(slope[None], units)[0, 0] / slope.shape[units]
        rest = _dead_output(node, bounds, _dead_units(slope, units))
    if not math.isnan(largest) and not (bounds and math.inf in map(abs, bounds.at)):
        is_flat = slope.abs() < FLAT * largest
        out = (slope == 0).float().mean() if bounds and bounds.rectifies else _NONE
        if bounds and bounds.at[0] == 0 and bounds.rectifies:
            is_flat &= saved(node, "self").detach() >= bounds.at[1]
        flat = is_flat.float().mean()
    return torch.stack(
        [torch.as_tensor(one, dtype=torch.float32, device=slope.device) for one in (dead, flat, rest, out, _NONE)]
    )


class _Bounds(NamedTuple):
    """The inputs below and above which a function is constant, its outputs there, and whether it is x in between."""

    at: tuple[float, float]
    gives: tuple[float, float]
    rectifies: bool = True


def _bounds(node: Node) -> _Bounds | None:
    """Return the bounds of a function that saves its input; None for others, and for bounds that are tensors."""
    name = plain_name(node.name().split("::")[-1])
    if name == "hardsigmoid":
        return _Bounds((-_GATE, _GATE), (0.0, 1.0), rectifies=False)
    keys = {"hardtanh": ("min_val", "max_val"), "clamp": ("min", "max"), "clamp_min": ("min", "")}
    try:
        found = [saved(node, key) if key else None for key in (*keys[name], "self")][:2]
    except (AttributeError, KeyError, RuntimeError):
        return None
    if any(isinstance(one, Tensor) for one in found):
        return None
    low, high = (
        (-math.inf if found[0] is None else float(found[0])),
        (math.inf if found[1] is None else float(found[1])),
    )
    return _Bounds((low, high), (low, high))


def _dead_units(slope: Tensor, units: int) -> Tensor:
    """Return a mask of the units whose slope is 0 everywhere, which broadcasts over the slope."""
    others = [axis for axis in range(slope.ndim) if axis != units]
    mask = slope == 0
    for axis in others:
        mask = mask.all(axis, keepdim=True)
    return mask


def _dead_output(node: Node, bounds: _Bounds | None, dead: Tensor) -> float | Tensor:
    """Return the output of the dead units; NaN where they differ, or where it is not known."""
    name = plain_name(node.name().split("::")[-1])
    if name in _RECTIFIERS:
        return 0.0
    if bounds is None:
        return _NONE
    inputs = saved(node, "self").detach()
    below, above = ((inputs <= bounds.at[0]) | ~dead).all(), ((inputs >= bounds.at[1]) | ~dead).all()
    low, high = (inputs.new_tensor(one, dtype=torch.float32) for one in bounds.gives)
    return torch.where(below, low, torch.where(above, high, _NONE))
