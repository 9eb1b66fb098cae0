"""Adamax with every setting of `torch.optim.Adamax`, as one pure step."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import betas, eps, lr, maximize, weight_decay


class AdamaxState(NamedTuple):
    """The state that Adamax keeps.

    Attributes:
        steps: The number of steps taken.
        mean: Moving average of the gradients, of the point's shape.
        largest: The largest gradient so far, where those of long ago count less.
    """

    steps: int
    mean: Tensor
    largest: Tensor


@dataclass(frozen=True)
class Adamax(Optimizer):
    """The settings of `torch.optim.Adamax` and the step they make: Adam's, divided by a largest gradient.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        g ← g + weight_decay · p
        m ← β₁ · m + (1 − β₁) · g
        u ← max(β₂ · u, |g| + eps)
        p ← p − lr / (1 − β₁ᵗ) · m / u

    so that no step is longer than about lr.

    Attributes:
        lr: Learning rate, ≥ 0.
        betas: (β₁, β₂), how much of average and largest gradient is kept at every step; each from 0 to below 1.
        eps: Keeps the denominator away from 0, ≥ 0.
        weight_decay: ≥ 0; added to the gradient, and so divided like it.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last), in words of the same kind.

    References:
        D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, 2015, section 7.1.
    """

    autonomous: ClassVar[bool] = False  # the bias correction depends on the number of steps
    own_part: ClassVar[str] = "gradient / u"
    nonlinear: ClassVar[str] = "no fixed limit: Adamax divides every step by the size of its largest gradients"
    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay · p",
        "m = β₁ · m + (1 − β₁) · g",
        "u = max(β₂ · u, |g| + eps)",
        "p = p − lr · m′ / u, m′ = m / (1 − β₁^t)",
    )

    lr: float = lr(2e-3)
    betas: tuple[float, float] = betas()
    eps: float = eps()
    weight_decay: float = weight_decay()
    maximize: bool = maximize()

    def init(self, point: Tensor) -> AdamaxState:
        """Return averages of zero."""
        none = torch.zeros_like(point)
        return AdamaxState(0, none, none)

    def step(
        self, point: Tensor, gradient: Tensor, state: AdamaxState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, AdamaxState]:
        """Take one step, in `torch.optim.Adamax`'s order of operations, see `Optimizer.step`."""
        state = self._after(point, gradient, state or self.init(point))
        return torch.addcdiv(point, state.mean, state.largest, value=-self._lr(state), out=out), state

    def parts(self, point: Tensor, gradient: Tensor, state: AdamaxState) -> dict[str, Tensor]:
        """The step as old mean, gradient and weight decay, divided like the whole, see `Optimizer.parts`."""
        after, kept = self._after(point, gradient, state), self.betas[0]
        scale = -self._lr(after) / after.largest
        return {**self._shares(point, gradient, (1 - kept) * scale), "momentum": kept * state.mean * scale}

    def _after(self, point: Tensor, gradient: Tensor, state: AdamaxState) -> AdamaxState:
        _, direction = self._begin(point, gradient)
        mean = torch.lerp(state.mean, direction, 1 - self.betas[0])
        largest = torch.maximum(state.largest * self.betas[1], direction.abs().add_(self.eps))
        return AdamaxState(state.steps + 1, mean, largest)

    def _lr(self, state: AdamaxState) -> float:
        return self.lr / (1 - self.betas[0] ** state.steps)
