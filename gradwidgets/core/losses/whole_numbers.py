"""Whether an int among a loss's parameters may be any number."""

from collections.abc import Sequence

import torch

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction


def may_be_broken(functions: Sequence[LossFunction], name: str, at: tuple[float, ...]) -> bool:
    """Whether an int parameter may be fractional too: not if the loss counts or indexes with it.

    Args:
        functions: The loss functions; those without a parameter of this name are ignored.
        name: The parameter's name.
        at: The point where they are tried, one number per axis.
    """
    point = torch.tensor([at], dtype=torch.float64)
    for function in functions:
        number = function.fixed.get(name)
        if not isinstance(number, (int, float)):
            continue
        try:
            as_it_is = function.values(point).loss
            moved = function.with_fixed({**function.fixed, name: number + 0.25}).values(point).loss
            broken = function.with_fixed({**function.fixed, name: float(number)}).values(point).loss
        except LossError:
            return False
        if not torch.allclose(as_it_is, broken, equal_nan=True) or not bool(moved.isfinite().all()):
            return False
    return True
