"""Divisors that change their sign: poles that no eps mends."""

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Watching

_BESIDE = 1e-3  # of the view: how far away on both sides
_ALIKE = 10.0  # times: the numbers on both sides are as large, give or take


def divisor_turns(function: LossFunction, point: Tensor, spans: Tensor) -> bool:
    """Whether a divisor goes through 0 at a point, from one sign to the other.

    Args:
        function: The loss.
        point: (P,), where it is singular.
        spans: The widths of the view, (P,).
    """
    for way in torch.eye(len(point), dtype=torch.float64) * spans * _BESIDE:
        logs = [_divisors(function, point + side * way) for side in (-1, 0, 1)]
        if len({len(log) for log in logs}) != 1:
            continue
        for left, here, right in zip(*logs, strict=True):
            if left.shape == right.shape == here.shape and bool(_through_zero(left, here, right).any()):
                return True
    return False


def _through_zero(left: Tensor, here: Tensor, right: Tensor) -> Tensor:
    near = here.abs() < 0.1 * torch.minimum(left.abs(), right.abs())
    return near & (left * right < 0) & (left.abs() < _ALIKE * right.abs()) & (right.abs() < _ALIKE * left.abs())


def _divisors(function: LossFunction, point: Tensor) -> list[Tensor]:
    watch = _Divisors()
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        return []
    return watch.divisors


class _Divisors(Watching):
    """Notes what is divided by on the way forward."""

    keeps = False

    def __init__(self) -> None:
        super().__init__()
        self.divisors: list[Tensor] = []

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        inverse = name == "reciprocal" or (name == "pow" and isinstance(args[1], int | float) and args[1] < 0)
        divisor = args[0] if inverse else args[1] if name == "div" else None
        if isinstance(divisor, Tensor) and divisor.is_floating_point():
            self.divisors.append(divisor.detach().double().clone())
        return func(*args, **kwargs)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Nothing: the way forward has them all."""
