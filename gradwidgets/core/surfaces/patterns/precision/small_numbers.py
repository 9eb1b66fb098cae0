"""Numbers in a formula that a precision rounds to 0 or 1: an eps, or a bound beside 1, without effect."""

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching

_ADDING = frozenset(("add", "sub", "rsub", "clamp", "clamp_min", "clamp_max", "maximum"))


def rounded_to_zero(function: LossFunction, point: Tensor, dtype: torch.dtype) -> float:
    """A number above 0 that a loss adds, or clamps to, and that is 0 in a precision; 0 if there is none."""
    return _rounded_to(0.0, function, point, dtype)


def rounded_to_one(function: LossFunction, point: Tensor, dtype: torch.dtype) -> float:
    """A number beside 1 that a loss adds, or clamps to, and that is 1 in a precision; 0 if there is none."""
    return _rounded_to(1.0, function, point, dtype)


def _rounded_to(whole: float, function: LossFunction, point: Tensor, dtype: torch.dtype) -> float:
    watch = _Numbers(whole, dtype)
    try:
        function.run_at(point, dtype, watch)
    except Exception:
        return 0.0
    return watch.found


class _Numbers(Watching):
    def __init__(self, whole: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.found, self._whole, self._dtype = 0.0, whole, dtype

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        result = func(*args, **kwargs)
        if name in _ADDING and not self.node and isinstance(result, Tensor) and result.dtype == self._dtype:
            numbers = [part for part in args if isinstance(part, float) and part > 0 and part != self._whole]
            lost = [one for one in numbers if float(torch.tensor(one, dtype=self._dtype)) == self._whole]
            self.found = self.found or next(iter(lost), 0.0)
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: an eps is used in the forward pass."""


def smallest_eps(dtype: torch.dtype) -> float:
    """The smallest power of ten whose reciprocal and square a dtype can hold, as a quotient and its slope need them."""
    least = torch.finfo(dtype)
    powers = (10.0**-k for k in range(1, 200))
    return min(one for one in powers if one**2 >= least.tiny * least.eps and 1 / one <= least.max)
