"""Small constants against a division by 0 that are themselves 0 in the precision of the tensor.

Likewise bounds just inside (−1, 1) that are ±1 in that precision, as 1 − 1e−6 is 1 in bfloat16.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.layers.origin.causes import Cause
from gradwidgets.core.results.wording import number

_ADDS = ("add", "clamp", "clamp_min", "maximum")
_BOUNDS = ("clamp", "clamp_max", "clamp_min")
_BOUND = "the bound of"
# Operations that return ±1 or 0 for an input of ±1.
_NEAR_ONE = ("neg", "sub", "rsub")
# Operations that return 0 for an input of 0.
_KEEPS = (
    "add",
    "maximum",
    "sqrt",
    "mul",
    "expand",
    "view",
    "unsqueeze",
    "squeeze",
    "clone",
    "cast",
    "pow",
    "abs",
    "sum",
)


def lost_epsilon(name: str, args: tuple[Any, ...], made: Sequence[Tensor]) -> str:
    """Return a clause on an argument that is 0 in the dtype of the result; "" if there is none.

    Args:
        name: The operation's name.
        args: The operation's arguments.
        made: The operation's results.
    """
    if not made or not made[0].is_floating_point():
        return ""
    kind = made[0].dtype
    numbers = [abs(one) for one in args[1:] if isinstance(one, float) and one] if name in _ADDS else []
    if name == "cast" and args[0].numel() == 1 and args[0].is_floating_point():
        numbers = [abs(float(args[0]))] if args[0].any() else []
    small = next((one for one in numbers if one <= smallest(kind) / 2), 0.0)
    if not small:
        return _lost_bound(args, kind) if name in _BOUNDS else ""
    name = str(kind).removeprefix("torch.")
    return f"the eps of {number(small)} is 0 in {name}, whose smallest number above 0 is {number(smallest(kind))}"


def _lost_bound(args: tuple[Any, ...], kind: torch.dtype) -> str:
    """Return a clause on a clamp's bound just inside (−1, 1) that is ±1 in a dtype; "" if there is none."""
    bounds = [one for one in args[1:] if isinstance(one, float) and 0.5 < abs(one) < 1]
    lost = next((one for one in bounds if float(torch.tensor(one, dtype=kind).abs()) == 1), 0.0)
    if not lost:
        return ""
    sign, below = "−" * (lost < 0), number(1 - torch.finfo(kind).eps / 2, 4)
    inside = f"{sign}1 {'+' if lost < 0 else '−'} {number(1 - abs(lost), 2)}"
    return (
        f"{_BOUND} {inside} is {sign}1 in {str(kind).removeprefix('torch.')}, whose largest number below 1 is {below}"
    )


def shows(clause: str, values: Tensor) -> bool:
    """Whether numbers are 0 because an eps was lost, or 0 or ±1 because a bound was."""
    return bool((values == 0).any()) or (clause.startswith(_BOUND) and bool((values.abs() == 1).any()))


def keeps(name: str, clause: str) -> bool:
    """Whether an operation returns 0 for an input that is 0 because an eps was lost; for a bound, 0 or ±1 for ±1."""
    return name in _KEEPS or (name in _NEAR_ONE and clause.startswith(_BOUND))


def with_epsilon(cause: Cause, clause: str, kind: torch.dtype) -> Cause:
    """Add to a cause, which an eps should have prevented, that the eps was lost, and recommend a larger one."""
    name = str(kind).removeprefix("torch.")
    if clause.startswith(_BOUND):
        inside = number(torch.finfo(kind).eps, 2)
        action = f"Do this part in float32, x.float() before the clamp; in {name}, clamp at 1 − {inside}."
        return Cause(f"{cause.clause}: {clause}", action, cause.masked)
    enough = number(10.0 ** math.ceil(math.log10(torch.finfo(kind).smallest_normal)))
    action = f"An eps that {name} holds, with room for what is divided by it: {enough}; or do this part in float32."
    return Cause(f"{cause.clause}: {clause}", action, cause.masked)


def smallest(kind: torch.dtype) -> float:
    """Return the smallest number above 0 of a floating-point dtype."""
    return torch.finfo(kind).smallest_normal * torch.finfo(kind).eps
