"""Jumps of an angle from π to −π, which is the same direction."""

import math

import torch
from torch import Tensor

from gradwidgets.core.loss_function import LossFunction
from gradwidgets.core.watching import Watching

_BESIDE = 1e-4  # of the view: how far away on both sides
CUT = (
    "It is the cut of atan2, where π and −π are one direction: take 1 − cos of the difference of angles, or compare "
    "sine and cosine themselves."
)


def crosses_cut(function: LossFunction, point: Tensor, spans: Tensor, height: float) -> bool:
    """Whether a loss jumps where an angle that atan2 gives leaps by more than π.

    Args:
        function: The loss.
        point: (P,), where the loss jumps.
        spans: The widths of the view, (P,).
        height: By how much.
    """
    for way in torch.eye(len(point), dtype=torch.float64) * spans * _BESIDE:
        logs = [_Angles(), _Angles()]
        try:
            losses = function.values(torch.stack([point - way, point + way])).loss
            for side, log in zip((-1, 1), logs, strict=True):
                function.run_at(point + side * way, torch.float64, log)
        except Exception:
            continue
        # Another jump may cross the cut.
        if float(losses.diff().abs()) > height / 2 and _leaps(*(log.angles for log in logs)):
            return True
    return False


def _leaps(left: list[Tensor], right: list[Tensor]) -> bool:
    alike = [one.shape for one in left] == [one.shape for one in right]
    return alike and any(bool(((a - b).abs() > math.pi).any()) for a, b in zip(left, right, strict=True))


class _Angles(Watching):
    """Notes what atan2 gives on the way forward."""

    keeps = False

    def __init__(self) -> None:
        super().__init__()
        self.angles: list[Tensor] = []

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        """Run an operation, and keep an angle that it gives."""
        result = func(*args, **kwargs)
        if name == "atan2":
            self.angles.append(result.detach().double().clone())
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Nothing: the way forward has them all."""
