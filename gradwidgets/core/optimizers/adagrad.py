"""Adagrad with every setting of `torch.optim.Adagrad`, as one pure step."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import eps, lr, maximize, setting, weight_decay


class AdagradState(NamedTuple):
    """The state that Adagrad keeps.

    Attributes:
        steps: The number of steps taken.
        total: Sum of the squares of the gradients, of the point's shape.
    """

    steps: int
    total: Tensor


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """The settings of `torch.optim.Adagrad` and the step they make.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        g ← g + weight_decay · p
        s ← s + g²                    (s = initial_accumulator_value before the first step)
        p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps)

    so that every parameter has its own step size, which only shrinks: about lr / √t while gradients stay the same.

    Attributes:
        lr: Learning rate, ≥ 0.
        lr_decay: How fast lr falls, ≥ 0.
        weight_decay: ≥ 0; added to the gradient, and so divided like it.
        initial_accumulator_value: The sum of squares before the first step, ≥ 0.
        eps: Keeps the denominator away from 0, ≥ 0.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last), in words of the same kind.

    References:
        J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods for online learning and stochastic
        optimization, 2011.
    """

    autonomous: ClassVar[bool] = False  # lr depends on the number of steps
    own_part: ClassVar[str] = "gradient / √s"
    nonlinear: ClassVar[str] = "no fixed limit: Adagrad divides every step by the size of all gradients so far"
    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay · p",
        "s = s + g²",
        "p = p − lr′ · g / (√s + eps)",
        "lr′ = lr / (1 + (t − 1) · lr_decay)",
        "at first s = initial_accumulator_value",
    )
    visible_lr: ClassVar[float] = 1.0

    lr: float = lr(1e-2)
    lr_decay: float = setting(
        0.0,
        "how fast lr falls: after t steps it is lr / (1 + t · lr_decay)",
        "lr_decay value",
        stops=(1e-3, 10),
        scale="0 and log",
    )
    weight_decay: float = weight_decay()
    initial_accumulator_value: float = setting(
        0.0,
        "the sum of squares before the first step: larger makes the first steps shorter",
        "initial_accumulator_value value",
        stops=(1e-2, 1e3),
        scale="0 and log",
    )
    eps: float = eps(1e-10)
    maximize: bool = maximize()

    def init(self, point: Tensor) -> AdagradState:
        """Return the initial sum."""
        return AdagradState(0, torch.full_like(point, self.initial_accumulator_value))

    def step(
        self, point: Tensor, gradient: Tensor, state: AdagradState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, AdagradState]:
        """Take one step, in `torch.optim.Adagrad`'s order of operations, see `Optimizer.step`."""
        _, direction = self._begin(point, gradient)
        state = self._after(direction, state or self.init(point))
        return torch.addcdiv(point, direction, self._divisor(state), value=-self._lr(state), out=out), state

    def parts(self, point: Tensor, gradient: Tensor, state: AdagradState) -> dict[str, Tensor]:
        """The step as gradient and weight decay, divided like the whole, see `Optimizer.parts`."""
        after = self._after(self._begin(point, gradient)[1], state)
        return self._shares(point, gradient, -self._lr(after) / self._divisor(after))

    def _after(self, direction: Tensor, state: AdagradState) -> AdagradState:
        return AdagradState(state.steps + 1, torch.addcmul(state.total, direction, direction, value=1))

    def _lr(self, state: AdagradState) -> float:
        return self.lr / (1 + (state.steps - 1) * self.lr_decay)

    def _divisor(self, state: AdagradState) -> Tensor:
        return state.total.sqrt().add_(self.eps)
