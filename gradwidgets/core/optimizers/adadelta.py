"""Adadelta with every setting of `torch.optim.Adadelta`, as one pure step."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import eps, lr, maximize, setting, weight_decay


class AdadeltaState(NamedTuple):
    """The state that Adadelta keeps.

    Attributes:
        square: Moving average of the squares of the gradients, of the point's shape.
        moved: Moving average of the squares of the steps, before lr.
    """

    square: Tensor
    moved: Tensor


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """The settings of `torch.optim.Adadelta` and the step they make.

    With g the gradient at point p (−g when `maximize`), each step does, in this order,

        g ← g + weight_decay · p
        v ← rho · v + (1 − rho) · g²
        d ← √(a + eps) / √(v + eps) · g
        a ← rho · a + (1 − rho) · d²
        p ← p − lr · d

    so that a step is in the unit of the parameter, whatever that of the loss is, and as long as those before it. The
    first one is about √eps long, and those after it grow.

    Attributes:
        lr: Learning rate, ≥ 0.
        rho: How much of the averages is kept at every step, from 0 to 1.
        eps: Starts the motion, and keeps the denominator away from 0, ≥ 0; with 0 nothing ever moves.
        weight_decay: ≥ 0; added to the gradient, and so divided like it.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last), in words of the same kind.

    References:
        M. D. Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    autonomous: ClassVar[bool] = True
    own_part: ClassVar[str] = "gradient · √a / √v"
    nonlinear: ClassVar[str] = "no fixed limit: Adadelta scales every step by the sizes of its steps and gradients"
    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay · p",
        "v = rho · v + (1 − rho) · g²",
        "d = g · √(a + eps) / √(v + eps)",
        "a = rho · a + (1 − rho) · d²",
        "p = p − lr · d",
    )
    visible_lr: ClassVar[float] = 10.0

    lr: float = lr(1.0)
    rho: float = setting(
        0.9,
        "how much of the averages is kept at every step: of the squares of gradients, and of steps",
        "rho value",
        below=math.nextafter(1.0, 2.0),
        range=(0, 1),
        scale="near 1",
    )
    eps: float = eps(1e-6)
    weight_decay: float = weight_decay()
    maximize: bool = maximize()

    def init(self, point: Tensor) -> AdadeltaState:
        """Return averages of zero."""
        none = torch.zeros_like(point)
        return AdadeltaState(none, none)

    def step(
        self, point: Tensor, gradient: Tensor, state: AdadeltaState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, AdadeltaState]:
        """Take one step, in `torch.optim.Adadelta`'s order of operations, see `Optimizer.step`."""
        before = state or self.init(point)
        _, direction = self._begin(point, gradient)
        square, scale = self._scale(direction, before)
        delta = scale.mul_(direction)
        moved = (before.moved * self.rho).addcmul_(delta, delta, value=1 - self.rho)
        return torch.add(point, delta, alpha=-self.lr, out=out), AdadeltaState(square, moved)

    def parts(self, point: Tensor, gradient: Tensor, state: AdadeltaState) -> dict[str, Tensor]:
        """The step as gradient and weight decay, scaled like the whole, see `Optimizer.parts`."""
        return self._shares(point, gradient, -self.lr * self._scale(self._begin(point, gradient)[1], state)[1])

    def _scale(self, direction: Tensor, state: AdadeltaState) -> tuple[Tensor, Tensor]:
        """The new average of squares, and what the direction is multiplied by, before lr."""
        square = (state.square * self.rho).addcmul_(direction, direction, value=1 - self.rho)
        return square, (state.moved + self.eps).sqrt_().div_((square + self.eps).sqrt_())
