"""RMSprop with every setting of `torch.optim.RMSprop`, as one pure step."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import eps, lr, maximize, momentum, setting, weight_decay


class RMSpropState(NamedTuple):
    """The state that RMSprop keeps.

    Attributes:
        square: Moving average of the squares of the gradients, of the point's shape.
        buffer: The momentum buffer, of divided gradients, without lr; None without momentum.
        mean: Moving average of the gradients; None unless centered.
    """

    square: Tensor
    buffer: Tensor | None
    mean: Tensor | None


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """The settings of `torch.optim.RMSprop` and the step they make.

    With g the gradient at point p (−g when `maximize`), each step does, in this order,

        g ← g + weight_decay · p
        v ← alpha · v + (1 − alpha) · g²
        m ← alpha · m + (1 − alpha) · g           (only if centered)
        d = g / (√(v − m²) + eps) if centered else g / (√v + eps)
        b ← momentum · b + d
        p ← p − lr · b

    so that every parameter has its own step size, about lr while its gradients agree. The averages begin at 0 and are
    not corrected for it: the first step is lr / √(1 − alpha) long, 10 lr with the default.

    Attributes:
        lr: Learning rate, ≥ 0.
        alpha: How much of the averages is kept at every step, ≥ 0; with more than 1 they are no averages, and the
            run ends in NaN.
        eps: Keeps the denominator away from 0, ≥ 0.
        weight_decay: ≥ 0; added to the gradient, and so divided like it.
        momentum: How much of the last step is kept, ≥ 0.
        centered: Whether gradients are divided by their spread about their mean instead of by their size.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last two), in words of the same kind.

    References:
        T. Tieleman and G. Hinton, Lecture 6.5: RMSprop, Neural networks for machine learning, 2012;
        A. Graves, Generating sequences with recurrent neural networks, 2013, for the centered one.
    """

    autonomous: ClassVar[bool] = True
    own_part: ClassVar[str] = "gradient / √v"
    nonlinear: ClassVar[str] = "no fixed limit: RMSprop divides every step by the size of its gradients"
    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay · p",
        "v = alpha · v + (1 − alpha) · g²",
        "b = momentum · b + g / (√v + eps)",
        "p = p − lr · b",
        "centered: √(v − m²) instead of √v, with",
        "m = alpha · m + (1 − alpha) · g",
    )

    lr: float = lr(1e-2)
    alpha: float = setting(
        0.99,
        "how much of the average of squares is kept at every step",
        "alpha value",
        range=(0, 1),
        scale="near 1",
    )
    eps: float = eps()
    weight_decay: float = weight_decay()
    momentum: float = momentum()
    centered: bool = setting(False, "divide by the spread of the gradients about their mean, instead of their size")
    maximize: bool = maximize()

    def init(self, point: Tensor) -> RMSpropState:
        """Return averages of zero."""
        none = torch.zeros_like(point)
        return RMSpropState(none, none if self.momentum > 0 else None, none if self.centered else None)

    def step(
        self, point: Tensor, gradient: Tensor, state: RMSpropState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, RMSpropState]:
        """Take one step, in `torch.optim.RMSprop`'s order of operations, see `Optimizer.step`."""
        before = state or self.init(point)
        _, direction = self._begin(point, gradient)
        square, mean = self._averages(direction, before)
        divisor = self._divisor(square, mean)
        if before.buffer is None:
            return torch.addcdiv(point, direction, divisor, value=-self.lr, out=out), RMSpropState(square, None, mean)
        buffer = (before.buffer * self.momentum).addcdiv_(direction, divisor)
        return torch.add(point, buffer, alpha=-self.lr, out=out), RMSpropState(square, buffer, mean)

    def parts(self, point: Tensor, gradient: Tensor, state: RMSpropState) -> dict[str, Tensor]:
        """The step as gradient and weight decay, divided, and the steps before, see `Optimizer.parts`."""
        averages = self._averages(self._begin(point, gradient)[1], state)
        found = self._shares(point, gradient, -self.lr / self._divisor(*averages))
        if state.buffer is not None:
            found["momentum"] = -self.lr * self.momentum * state.buffer
        return found

    def _averages(self, direction: Tensor, state: RMSpropState) -> tuple[Tensor, Tensor | None]:
        square = (state.square * self.alpha).addcmul_(direction, direction, value=1 - self.alpha)
        return square, None if state.mean is None else torch.lerp(state.mean, direction, 1 - self.alpha)

    def _divisor(self, square: Tensor, mean: Tensor | None) -> Tensor:
        spread = square.sqrt() if mean is None else torch.addcmul(square, mean, mean, value=-1).sqrt_()
        return spread.add_(self.eps)
