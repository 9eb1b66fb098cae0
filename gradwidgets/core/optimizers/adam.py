"""Adam with every setting of `torch.optim.Adam`, as one pure step."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import (
    amsgrad,
    betas,
    decoupled_weight_decay,
    eps,
    lr,
    maximize,
    weight_decay,
)


class AdamState(NamedTuple):
    """The state that Adam and AdamW keep.

    Attributes:
        steps: The number of steps taken.
        mean: Moving average of the gradients, of the point's shape.
        square: Moving average of their squares.
        largest: The largest of those so far; None without amsgrad.
    """

    steps: int
    mean: Tensor
    square: Tensor
    largest: Tensor | None


class AdamRule(Optimizer):
    """What Adam and AdamW do; they differ in their weight decay.

    Attributes:
        betas: See `Adam`.
        eps: See `Adam`.
        amsgrad: See `Adam`.
    """

    autonomous: ClassVar[bool] = False  # the bias corrections depend on the number of steps
    own_part: ClassVar[str] = "gradient / √v"

    betas: tuple[float, float]
    eps: float
    amsgrad: bool

    def init(self, point: Tensor) -> AdamState:
        """Return averages of zero."""
        none = torch.zeros_like(point)
        return AdamState(0, none, none, none if self.amsgrad else None)

    def step(
        self, point: Tensor, gradient: Tensor, state: AdamState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, AdamState]:
        """Take one step, in torch's order of operations, see `Optimizer.step`."""
        decayed, state = self._after(point, gradient, state or self.init(point))
        return torch.addcdiv(decayed, state.mean, self._divisor(state), value=-self._lr(state), out=out), state

    def parts(self, point: Tensor, gradient: Tensor, state: AdamState) -> dict[str, Tensor]:
        """The step as old mean, gradient and weight decay, divided like the whole, see `Optimizer.parts`."""
        (_, after), kept = self._after(point, gradient, state), self.betas[0]
        scale = -self._lr(after) / self._divisor(after)
        return {**self._shares(point, gradient, (1 - kept) * scale), "momentum": kept * state.mean * scale}

    def _after(self, point: Tensor, gradient: Tensor, state: AdamState) -> tuple[Tensor, AdamState]:
        point, direction = self._begin(point, gradient)
        first, second = self.betas
        mean = torch.lerp(state.mean, direction, 1 - first)
        square = (state.square * second).addcmul_(direction, direction, value=1 - second)
        largest = None if state.largest is None else torch.maximum(state.largest, square)
        return point, AdamState(state.steps + 1, mean, square, largest)

    def _lr(self, state: AdamState) -> float:
        return self.lr / (1 - self.betas[0] ** state.steps)

    def _divisor(self, state: AdamState) -> Tensor:
        square = state.square if state.largest is None else state.largest
        return (square.sqrt() / (1 - self.betas[1] ** state.steps) ** 0.5).add_(self.eps)


@dataclass(frozen=True)
class Adam(AdamRule):
    """The settings of `torch.optim.Adam` and the step they make.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        g ← g + weight_decay · p
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        w ← max(w, v) if amsgrad else v
        p ← p − lr · m / (1 − β₁ᵗ) / (√w / √(1 − β₂ᵗ) + eps)

    so that every parameter has its own step size, about lr while its gradients agree.

    Attributes:
        lr: Learning rate, ≥ 0.
        betas: (β₁, β₂), how much of the averages is kept at every step; each from 0 to below 1.
        eps: Keeps the denominator away from 0, ≥ 0.
        weight_decay: ≥ 0; added to the gradient, and so divided like it.
        amsgrad: Divide by the largest average of squares so far instead of by the current one.
        maximize: Climb instead of descend.
        decoupled_weight_decay: Whether weight decay shrinks the parameters instead, as in `AdamW`.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last three), in words of the same kind.

    References:
        D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, 2015;
        S. J. Reddi, S. Kale and S. Kumar, On the convergence of Adam and beyond, 2018, for amsgrad.
    """

    nonlinear: ClassVar[str] = "no fixed limit: Adam divides every step by the size of its gradients"
    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay · p",
        "m = β₁ · m + (1 − β₁) · g",
        "v = β₂ · v + (1 − β₂) · g²",
        "p = p − lr · m′ / (√v′ + eps)",
        "m′ = m / (1 − β₁^t), v′ = v / (1 − β₂^t)",
    )

    lr: float = lr()
    betas: tuple[float, float] = betas()
    eps: float = eps()
    weight_decay: float = weight_decay()
    amsgrad: bool = amsgrad()
    maximize: bool = maximize()
    decoupled_weight_decay: bool = decoupled_weight_decay()
