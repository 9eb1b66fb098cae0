"""Comparisons whose answer at a point differs from the answers on both sides of it."""

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching

_COMPARISONS = frozenset(("gt", "lt", "ge", "le", "eq", "ne", "isclose"))


def only_there(function: LossFunction, point: Tensor, step: Tensor) -> bool:
    """Whether a comparison's answer at a point, (P,), differs from its answers a step, (P,), to either side."""
    logs = [_Answers(), _Answers(), _Answers()]
    try:
        for side, log in zip((-1, 0, 1), logs, strict=True):
            function.run_at(point + side * step, torch.float64, log)
    except Exception:
        return False
    before, here, after = (log.answers for log in logs)
    alike = [[one.shape for one in log] for log in (before, here, after)]
    if alike[0] != alike[1] or alike[1] != alike[2]:
        return False
    return any(bool(((b != a) & (c != a)).any()) for b, a, c in zip(before, here, after, strict=True))


class _Answers(Watching):
    """Notes the answers of comparisons in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Tensor] = []

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        result = func(*args, **kwargs)
        if not self.node and name in _COMPARISONS and isinstance(result, Tensor):
            self.answers.append(result.clone())
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: comparisons are made in the forward pass."""
