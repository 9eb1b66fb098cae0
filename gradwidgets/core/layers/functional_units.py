"""Dead and saturated units of activations that are called as functions: read from autograd's graph.

An elementwise operation's way back, given ones, gives its slope everywhere; where that is 0 for a whole unit, the unit
is dead, and where it is a small part of its largest, the output is saturated.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradwidgets.core.layers.calls import Call
from gradwidgets.core.layers.units import FEWEST_VALUES, FLAT, alive_units
from gradwidgets.core.results import Result
from gradwidgets.core.watching import plain_name

# Their largest slopes, for those that are bounded; NaN for those that cannot be saturated.
_SLOPES = {
    "relu": math.nan, "threshold": math.nan, "clamp_min": math.nan, "hardswish": math.nan, "softshrink": math.nan,
    "hardshrink": math.nan, "sigmoid": 0.25, "tanh": 1.0, "hardtanh": 1.0, "hardsigmoid": 1 / 6, "softsign": 1.0,
    "clamp": 1.0,
}  # fmt: skip
_NONE = math.nan
SOFTMAX = ("softmax", "safe_softmax")
_SURE = 0.99  # of a softmax's row, for one entry
# They gate by rights.
_GATED = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)


@dataclass(frozen=True, eq=False, repr=False)
class FunctionStats(Result):
    """An activation that is called as a function.

    Attributes:
        name: torch's name for it, "relu" say.
        place: The module that calls it.
        dead_fraction: Share of its units whose slope is 0 for the whole batch; NaN for too few samples to tell.
        saturated_fraction: Share of its outputs where the slope is under 5 % of its largest; NaN for one that does not
            saturate. For a softmax, the share of its rows in which one entry has it all.
        before: The nearest layers that it takes from.
    """

    name: str
    place: str
    dead_fraction: float
    saturated_fraction: float
    before: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Where it is, in words."""
        return f"{self.name} after {self.before[0]}" if self.before else f"{self.name} in {self.place}"


def slopes_of(nodes: dict[Node, Call | None]) -> dict[Node, Tensor]:
    """Shares of dead units and of saturated outputs, (2,), of each operation that is an activation.

    Args:
        nodes: Operations and the calls that recorded them; to be called before the way back frees what they keep.
    """
    found = {}
    for node, call in nodes.items():
        name = plain_name(node.name().split("::")[-1])
        if call is None or isinstance(call.module, _GATED):
            continue
        shares = _shares(node, _SLOPES[name]) if name in _SLOPES else _sure(node) if name in SOFTMAX else None
        if shares is not None:
            found[node] = shares
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
    slope = slope.detach()
    units, dead, flat = slope.ndim - (3 if slope.ndim > 3 else 1), _NONE, _NONE
    if slope.ndim > 1 and slope.numel() // slope.shape[units] >= FEWEST_VALUES:
        dead = 1 - alive_units(slope[None], units)[0, 0] / slope.shape[units]
    if not math.isnan(largest):
        flat = (slope.abs() < FLAT * largest).float().mean()
    return torch.stack([torch.as_tensor(one, dtype=torch.float32, device=slope.device) for one in (dead, flat)])


def _sure(node: Node) -> Tensor | None:
    """Of a softmax, the share of rows in which nearly all is on one entry."""
    try:
        rows, axis = node._saved_result.detach(), node._saved_dim
    except (AttributeError, RuntimeError):
        return None
    axis = axis - 2**64 if axis >= 2**63 else axis  # torch gives a negative axis as an unsigned number
    if not rows.ndim or not rows.numel() or rows.shape[axis] < 2 or rows.layout is not torch.strided:
        return None
    return torch.stack((rows.new_tensor(_NONE), (rows.amax(axis) > _SURE).float().mean())).float()
