"""Small constants against a division by 0 that are themselves 0 in the precision of the tensor."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.layers.origin.causes import Cause
from gradwidgets.core.results.wording import number

_ADDS = ("add", "clamp", "clamp_min", "maximum")
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
        return ""
    name = str(kind).removeprefix("torch.")
    return f"the eps of {number(small)} is 0 in {name}, whose smallest number above 0 is {number(smallest(kind))}"


def keeps(name: str) -> bool:
    """Whether an operation returns 0 for an input that is 0 because its eps was lost."""
    return name in _KEEPS


def with_epsilon(cause: Cause, clause: str, kind: torch.dtype) -> Cause:
    """Add to a cause, which an eps should have prevented, that the eps was lost, and recommend a larger one."""
    name = str(kind).removeprefix("torch.")
    enough = number(10.0 ** math.ceil(math.log10(torch.finfo(kind).smallest_normal)))
    action = f"An eps that {name} holds, with room for what is divided by it: {enough} say; or do this part in float32."
    return Cause(f"{cause.clause}: {clause}", action, cause.masked)


def smallest(kind: torch.dtype) -> float:
    """Return the smallest number above 0 of a floating-point dtype."""
    return torch.finfo(kind).smallest_normal * torch.finfo(kind).eps
