"""The loss that is noted beside the gradients."""

import math
from numbers import Real

from torch import Tensor


class NotedLoss:
    """Gives each noted loss to its step, whether a loop notes it before the optimizer's step or after.

    Which of the two a loop does shows at the first note: before any step, or after one.
    """

    def __init__(self) -> None:
        self._value: float | Tensor = math.nan
        self._after: bool | None = None

    def told(self, value: float | Tensor, steps: int) -> bool:
        """Take a loss; return whether it belongs to the last of `steps` steps, and not to the next."""
        if self._after is None:
            self._after = steps > 0
        if not self._after:
            self._value = value
        return self._after

    def step(self) -> float | Tensor:
        """The loss of the step that is about to happen, NaN for none; the next step begins without."""
        value, self._value = self._value, math.nan
        return value


def loss_value(value: object) -> float | Tensor:
    """A loss as a float, or as a copy of its own where reading it would wait for an accelerator.

    Raises:
        TypeError: It is neither a number nor a tensor of one.
    """
    if isinstance(value, Tensor):
        if value.numel() != 1 or value.is_complex():
            raise TypeError(f"value must be a number or a tensor of one; got shape {tuple(value.shape)}")
        return float(value.detach()) if value.device.type == "cpu" else value.detach().clone()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"value must be a number or a tensor of one; got {value!r}")
    return float(value)
