"""Dead and saturated units of activations that are called as functions: read from autograd's graph.

An elementwise operation's way back, given ones, gives its slope everywhere; where that is 0 for a whole unit, the unit
is dead, and where it is a small part of its largest, the output is saturated.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradwidgets.core.layers.causes.softmax_rows import ATTENTION, SOFTMAX, sure
from gradwidgets.core.layers.passes.activation_units import FEWEST_VALUES, FLAT, alive_units
from gradwidgets.core.layers.passes.calls import Call
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.result import Result

# Their largest slopes, for those that are bounded; NaN for those that cannot be saturated.
_SLOPES = {
    "relu": math.nan, "threshold": math.nan, "clamp_min": math.nan, "hardswish": math.nan, "softshrink": math.nan,
    "hardshrink": math.nan, "sigmoid": 0.25, "tanh": 1.0, "hardtanh": 1.0, "hardsigmoid": 1 / 6, "softsign": 1.0,
    "clamp": 1.0,
}  # fmt: skip
_NONE = math.nan
# Flat below 0 for all of what they give there: 0.
_RECTIFIERS = ("relu", "softshrink", "hardshrink", "hardswish")
_GATE = 3.0  # a hardsigmoid is flat below minus this and above this, and gives 0 and 1 there
# They gate by rights.
_GATED = (nn.RNNBase, nn.RNNCellBase)


@dataclass(frozen=True, eq=False, repr=False)
class FunctionStats(Result):
    """An activation that is called as a function, or one call of a module that is called several times.

    Attributes:
        name: torch's name for it, "relu" say.
        place: The module that calls it.
        dead_fraction: Share of its units whose slope is 0 for the whole batch; NaN for too few samples to tell.
        saturated_fraction: Share of its outputs where the slope is under 5 % of its largest; NaN for one that does not
            saturate. For a softmax, the share of its rows in which one entry has it all. Of what is 0 below as a ReLU
            is, only the outputs at the upper bound count.
        rests_at: What its dead units give; NaN where they do not all give the same, or that cannot be told.
        before: The nearest layers that it takes from.
        within: Whether it is one of the functions of a layer that runs no other.
        outside: For a clamp, the share of what comes in that lies at its bounds or beyond; NaN for others.
        spread: For a softmax, the standard deviation of its scores within a row, the mean over rows; NaN for others.
        scale: By what number those scores are multiplied, times the root of the width of queries and keys: 1 is usual.
            NaN where that cannot be told.
        call: For one of several calls of a module, which it is, in words; "" for a function.
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

    @property
    def at(self) -> str:
        """The layer at which it stands: the one that it is part of, or else that it takes from."""
        return self.before[0] if self.before and not self.within else self.place

    @property
    def is_stuck(self) -> bool:
        """Whether its dead units are at a bound that is not 0, or not all at the same one."""
        return self.dead_fraction > 0 and self.rests_at != 0

    def __str__(self) -> str:
        """Where it is, in words."""
        return f"{self.call or self.name} {'after' if self.before and not self.within else 'in'} {self.at}"


def slopes_of(nodes: dict[Node, Call | None]) -> dict[Node, tuple[str, Tensor]]:
    """What each activation is called, and five numbers.

    They are the share of dead units, the share of saturated outputs, what the dead units give, and how much lies beyond
    a clamp's bounds or how far a softmax's scores spread, and how these are scaled.

    Args:
        nodes: Operations and the calls that recorded them; to be called before the way back frees what they keep.
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
    try:
        meta = node._input_metadata[0]
        slope = node(torch.ones((), dtype=meta.dtype, device=meta.device).expand(meta.shape))
    except (AttributeError, RuntimeError, IndexError, TypeError):
        return None
    slope = slope[0] if isinstance(slope, tuple) else slope
    if slope is None or not slope.ndim or not slope.numel() or slope.layout is not torch.strided:
        return None
    slope, bounds = slope.detach(), _bounds(node)
    units, dead, flat, rest, out = slope.ndim - (3 if slope.ndim > 3 else 1), _NONE, _NONE, _NONE, _NONE
    if slope.ndim > 1 and slope.numel() // slope.shape[units] >= FEWEST_VALUES:
        dead = 1 - alive_units(slope[None], units)[0, 0] / slope.shape[units]
        rest = _rest(node, bounds, _never(slope, units))
    if not math.isnan(largest) and not (bounds and math.inf in map(abs, bounds.at)):
        is_flat = slope.abs() < FLAT * largest
        out = (slope == 0).float().mean() if bounds and bounds.rectifies else _NONE
        if bounds and bounds.at[0] == 0 and bounds.rectifies:
            is_flat &= node._saved_self.detach() >= bounds.at[1]
        flat = is_flat.float().mean()
    return torch.stack(
        [torch.as_tensor(one, dtype=torch.float32, device=slope.device) for one in (dead, flat, rest, out, _NONE)]
    )


class _Bounds(NamedTuple):
    """Where a function becomes flat below and above, what it gives there, and whether it is a ReLU in between."""

    at: tuple[float, float]
    gives: tuple[float, float]
    rectifies: bool = True


def _bounds(node: Node) -> _Bounds | None:
    """Of a function that keeps what it is given; None for others, and for bounds that are tensors."""
    name = plain_name(node.name().split("::")[-1])
    if name == "hardsigmoid":
        return _Bounds((-_GATE, _GATE), (0.0, 1.0), rectifies=False)
    keys = {"hardtanh": ("_saved_min_val", "_saved_max_val"), "clamp": ("_saved_min", "_saved_max")}
    keys["clamp_min"] = ("_saved_min", "")
    try:
        found = [getattr(node, key) if key else None for key in (*keys[name], "_saved_self")][:2]
    except (AttributeError, KeyError, RuntimeError):
        return None
    if any(isinstance(one, Tensor) for one in found):
        return None
    low, high = (
        (-math.inf if found[0] is None else float(found[0])),
        (math.inf if found[1] is None else float(found[1])),
    )
    return _Bounds((low, high), (low, high))


def _never(slope: Tensor, units: int) -> Tensor:
    """Where the units are whose slope is 0 everywhere, a mask that fits."""
    others = [axis for axis in range(slope.ndim) if axis != units]
    mask = slope == 0
    for axis in others:
        mask = mask.all(axis, keepdim=True)
    return mask


def _rest(node: Node, bounds: _Bounds | None, dead: Tensor) -> float | Tensor:
    """What dead units give; NaN where they differ, or that cannot be told."""
    name = plain_name(node.name().split("::")[-1])
    if name in _RECTIFIERS:
        return 0.0
    if bounds is None:
        return _NONE
    inputs = node._saved_self.detach()
    below, above = ((inputs <= bounds.at[0]) | ~dead).all(), ((inputs >= bounds.at[1]) | ~dead).all()
    low, high = (inputs.new_tensor(one, dtype=torch.float32) for one in bounds.gives)
    return torch.where(below, low, torch.where(above, high, _NONE))
