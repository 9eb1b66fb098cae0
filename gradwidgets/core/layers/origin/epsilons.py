"""Small numbers that are added, or taken as a bound, and are 0 in the precision of what they are added to."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.origin.causes import Cause
from gradwidgets.core.results.wording import number

_ADDS = ("add", "clamp", "clamp_min", "maximum")
# Of 0 they make 0.
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


def lost_epsilon(name: str, args: tuple, made: Sequence[Tensor]) -> str:
    """Of an operation's arguments, the number that is 0 in what it makes, in a clause; "" for none.

    Args:
        name: The operation's.
        args: Its arguments.
        made: What it gave.
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
    """Whether an operation makes 0 of what was left 0 for want of an eps."""
    return name in _KEEPS


def with_epsilon(cause: Cause, clause: str, kind: torch.dtype) -> Cause:
    """A cause that is what an eps was to prevent: the same with the eps that was lost, and a larger one as a cure."""
    name, enough = (
        str(kind).removeprefix("torch."),
        number(10.0 ** math.ceil(math.log10(torch.finfo(kind).smallest_normal))),
    )
    action = f"An eps that {name} holds, with room for what is divided by it: {enough} say; or do this part in float32."
    return Cause(f"{cause.clause}: {clause}", action, cause.masked)


def smallest(kind: torch.dtype) -> float:
    """The smallest number above 0 of a dtype of floating point."""
    return torch.finfo(kind).smallest_normal * torch.finfo(kind).eps
