"""How far an optimizer's step moves the weights."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.monitor.numbers import norms_of, read
from gradwidgets.core.monitor.owners import Owned, values_of

_MOST = 65_536  # elements of a parameter that are copied


def plain_lr(optimizer: torch.optim.Optimizer) -> float | None:
    """The learning rate of an optimizer that is plain gradient descent with one rate; None for any other."""
    if type(optimizer).__name__ != "SGD" or not type(optimizer).__module__.startswith("torch.optim"):
        return None
    groups = optimizer.param_groups
    if any(group["momentum"] or group["weight_decay"] or group["maximize"] for group in groups):
        return None
    rates = {group["lr"] for group in groups if isinstance(group["lr"], (int, float))}
    return float(rates.pop()) if len(rates) == 1 and len(groups) == 1 else None


class Updates:
    """Copies of weights from before a step, to measure how far the step moves them.

    Of a larger parameter at most 65,536 elements are copied, evenly spaced: the ratio is then an estimate, and the copy
    stays small compared with any model.
    """

    def __init__(self) -> None:
        self._before: list[tuple[Owned, Tensor]] = []

    def before(self, owned: Sequence[Owned]) -> None:
        """Copy the weights."""
        self._before = [(one, _part(one.parameter).clone()) for one in owned]

    @property
    def waiting(self) -> bool:
        """Whether there are copies from before a step that is not over."""
        return bool(self._before)

    def after(self, layers: int) -> list[float]:
        """The norm of the change divided by the norm before, for each layer; NaN for layers without copies."""
        held, self._before = self._before, []
        changes = [_part(one.parameter) - before for one, before in held]
        values = read(norms_of([*changes, *(before for _, before in held)]))
        moved, size = [math.nan] * layers, [0.0] * layers
        for (one, before), change, weight in zip(held, values[: len(held)], values[len(held) :], strict=True):
            whole = math.sqrt(one.size / before.numel())
            known = moved[one.column]
            moved[one.column] = whole * change if known != known else math.hypot(known, whole * change)
            size[one.column] = math.hypot(size[one.column], whole * weight)
        return [
            change / weight if weight else (math.inf if change > 0 else math.nan)
            for change, weight in zip(moved, size, strict=True)
        ]

    def forget(self) -> None:
        """Drop the copies."""
        self._before = []


def _part(parameter: Tensor) -> Tensor:
    values = values_of(parameter.detach())
    values = values.float() if values.dtype.itemsize < 4 else values
    if values.numel() <= _MOST:
        return values
    return values.reshape(-1)[:: -(-values.numel() // _MOST)]
