"""RAdam with every setting of `torch.optim.RAdam`, as one pure step."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.setting import betas, decoupled_weight_decay, eps, lr, maximize, weight_decay
from gradwidgets.core.optimizers.sgd import SGD


class RAdamState(NamedTuple):
    """The state that RAdam keeps.

    Attributes:
        steps: The number of steps taken.
        mean: Moving average of the gradients, of the point's shape.
        square: Moving average of their squares.
    """

    steps: int
    mean: Tensor
    square: Tensor


@dataclass(frozen=True)
class RAdam(Optimizer):
    """The settings of `torch.optim.RAdam` and the step they make: Adam's, once its divisor can be trusted.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        g ← g + weight_decay · p      (or p ← p · (1 − lr · weight_decay) if decoupled)
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        m̂ = m / (1 − β₁ᵗ)
        ρ∞ = 2 / (1 − β₂) − 1, ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)
        p ← p − lr · m̂                                            as long as ρ ≤ 5, then
        p ← p − lr · m̂ · √(1 − β₂ᵗ) / (√v + eps) · r
        r = √((ρ − 4) (ρ − 2) ρ∞ / ((ρ∞ − 4) (ρ∞ − 2) ρ))

    so that the first steps are those of momentum, in proportion to the gradient, and then Adam fades in.

    Attributes:
        lr: Learning rate, ≥ 0.
        betas: (β₁, β₂), how much of the averages is kept at every step; each from 0 to below 1. With β₂ of 2/3 or
            less ρ never exceeds 5.
        eps: Keeps the denominator away from 0, ≥ 0.
        weight_decay: ≥ 0; added to the gradient, and so divided like it.
        decoupled_weight_decay: Whether weight decay shrinks the parameters instead, as in `AdamW`.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last two), in words of the same kind.

    References:
        L. Liu, H. Jiang, P. He et al., On the variance of the adaptive learning rate and beyond, 2020.
    """

    autonomous: ClassVar[bool] = False  # the bias corrections depend on the number of steps
    own_part: ClassVar[str] = "gradient / √v"
    nonlinear: ClassVar[str] = "no fixed limit: RAdam divides all but its first steps by the size of its gradients"
    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay · p",
        "m = β₁ · m + (1 − β₁) · g",
        "v = β₂ · v + (1 − β₂) · g²",
        "p = p − lr · m′ while ρ ≤ 5, then",
        "p = p − lr · r · m′ / √v′",
        "m′ = m / (1 − β₁^t)",
        "√v′ = (√v + eps) / √(1 − β₂^t)",
        "ρ = ρ∞ − 2t · β₂^t / (1 − β₂^t)",
        "ρ∞ = 2 / (1 − β₂) − 1",
        "r = √(a(ρ) / a(ρ∞))",
        "a(ρ) = (ρ − 4)(ρ − 2) / ρ",
    )

    lr: float = lr()
    betas: tuple[float, float] = betas()
    eps: float = eps()
    weight_decay: float = weight_decay()
    decoupled_weight_decay: bool = decoupled_weight_decay()
    maximize: bool = maximize()

    def init(self, point: Tensor) -> RAdamState:
        """Return averages of zero."""
        none = torch.zeros_like(point)
        return RAdamState(0, none, none)

    def step(
        self, point: Tensor, gradient: Tensor, state: RAdamState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, RAdamState]:
        """Take one step, in `torch.optim.RAdam`'s order of operations, see `Optimizer.step`."""
        point, direction = self._begin(point, gradient)
        state = self._after(direction, state or self.init(point))
        update = (state.mean / (1 - self.betas[0] ** state.steps)).mul_(self.lr)
        rectified = self._rectified(state.steps)
        if rectified is not None:
            update.mul_(self._adaptive(state)).mul_(rectified)
        return torch.add(point, update, alpha=-1.0, out=out), state

    def parts(self, point: Tensor, gradient: Tensor, state: RAdamState) -> dict[str, Tensor]:
        """The step as old mean, gradient and weight decay, divided like the whole, see `Optimizer.parts`."""
        after, kept = self._after(self._begin(point, gradient)[1], state), self.betas[0]
        rectified = self._rectified(after.steps)
        scale = torch.full_like(point, -self.lr / (1 - kept**after.steps))
        if rectified is not None:
            scale *= self._adaptive(after) * rectified
        return {**self._shares(point, gradient, (1 - kept) * scale), "momentum": kept * state.mean * scale}

    def at_first(self) -> Optimizer:
        """SGD: the first steps are not divided yet."""
        return SGD(self.lr, weight_decay=self.weight_decay, maximize=self.maximize)

    def _after(self, direction: Tensor, state: RAdamState) -> RAdamState:
        first, second = self.betas
        mean = torch.lerp(state.mean, direction, 1 - first)
        square = (state.square * second).addcmul_(direction, direction, value=1 - second)
        return RAdamState(state.steps + 1, mean, square)

    def _adaptive(self, state: RAdamState) -> Tensor:
        return (1 - self.betas[1] ** state.steps) ** 0.5 / state.square.sqrt().add_(self.eps)

    def _rectified(self, step: int) -> float | None:
        """How far the divisor can be trusted, r, once it can be."""
        kept = self.betas[1]
        longest = 2 / (1 - kept) - 1
        length = longest - 2 * step * (kept**step) / (1 - kept**step)
        if length <= 5.0:
            return None
        return float(((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5)
