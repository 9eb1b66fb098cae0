"""NAdam with every setting of `torch.optim.NAdam`, as one pure step."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.optimizers.scalars import float32, over
from gradwidgets.core.optimizers.setting import (
    betas,
    decoupled_weight_decay,
    eps,
    lr,
    maximize,
    setting,
    weight_decay,
)


class NAdamState(NamedTuple):
    """The state that NAdam keeps.

    Attributes:
        steps: The number of steps taken.
        product: The product of all μ so far, in float32 as torch keeps it.
        mean: Moving average of the gradients, of the point's shape.
        square: Moving average of their squares.
    """

    steps: int
    product: float
    mean: Tensor
    square: Tensor


@dataclass(frozen=True)
class NAdam(Optimizer):
    """The settings of `torch.optim.NAdam` and the step they make: Adam's with Nesterov momentum.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        g ← g + weight_decay · p      (or p ← p · (1 − lr · weight_decay) if decoupled)
        μₜ = β₁ · (1 − ½ · 0.96^(t · momentum_decay)), Π = μ₁ · … · μₜ
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        d = √(v / (1 − β₂ᵗ)) + eps
        p ← p − lr · (1 − μₜ) / (1 − Π) · g / d
        p ← p − lr · μₜ₊₁ / (1 − Π · μₜ₊₁) · m / d

    Attributes:
        lr: Learning rate, ≥ 0.
        betas: (β₁, β₂), how much of the averages is kept at every step; each from 0 to below 1.
        eps: Keeps the denominator away from 0, ≥ 0.
        weight_decay: ≥ 0; added to the gradient, and so divided like it.
        momentum_decay: ≥ 0; how soon μ grows from half of β₁ to β₁.
        decoupled_weight_decay: Whether weight decay shrinks the parameters instead, as in `AdamW`.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last two), in words of the same kind.

    References:
        T. Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """

    autonomous: ClassVar[bool] = False  # the bias corrections depend on the number of steps
    own_part: ClassVar[str] = "gradient / √v"
    nonlinear: ClassVar[str] = "no fixed limit: NAdam divides every step by the size of its gradients"
    formula: ClassVar[tuple[str, ...]] = (
        "g = g + weight_decay · p",
        "m = β₁ · m + (1 − β₁) · g",
        "v = β₂ · v + (1 − β₂) · g²",
        "p = p − lr · (g′ + m′) / d",
        "d = √(v / (1 − β₂^t)) + eps",
        "g′ = g · (1 − μ) / (1 − Π)",
        "m′ = m · μ⁺ / (1 − Π · μ⁺)",
        "μ = β₁ · (1 − ½ · 0.96^(t · ψ))",
        "Π = Π · μ, μ⁺ is the next μ",
        "ψ = momentum_decay",
    )

    lr: float = lr(2e-3)
    betas: tuple[float, float] = betas()
    eps: float = eps()
    weight_decay: float = weight_decay()
    momentum_decay: float = setting(
        4e-3,
        "how soon momentum counts in full: at first it counts half",
        "momentum_decay value",
        stops=(1e-3, 1),
        scale="0 and log",
    )
    decoupled_weight_decay: bool = decoupled_weight_decay()
    maximize: bool = maximize()

    def init(self, point: Tensor) -> NAdamState:
        """Return averages of zero."""
        none = torch.zeros_like(point)
        return NAdamState(0, 1.0, none, none)

    def step(
        self, point: Tensor, gradient: Tensor, state: NAdamState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, NAdamState]:
        """Take one step, in `torch.optim.NAdam`'s order of operations, see `Optimizer.step`."""
        point, direction = self._begin(point, gradient)
        state = self._after(direction, state or self.init(point))
        divisor, (by_gradient, by_mean) = self._divisor(state), self._weights(state)
        between = torch.addcdiv(point, direction, divisor, value=by_gradient)
        return torch.addcdiv(between, state.mean, divisor, value=by_mean, out=out), state

    def parts(self, point: Tensor, gradient: Tensor, state: NAdamState) -> dict[str, Tensor]:
        """The step as old mean, gradient and weight decay, divided like the whole, see `Optimizer.parts`."""
        after, kept = self._after(self._begin(point, gradient)[1], state), self.betas[0]
        by_gradient, by_mean = self._weights(after)
        divisor = self._divisor(after)
        own = self._shares(point, gradient, (by_gradient + (1 - kept) * by_mean) / divisor)
        return {**own, "momentum": kept * by_mean * state.mean / divisor}

    def _after(self, direction: Tensor, state: NAdamState) -> NAdamState:
        first, second = self.betas
        product = float32(state.product * float32(self._momentum(state.steps + 1)))
        mean = torch.lerp(state.mean, direction, 1 - first)
        square = (state.square * second).addcmul_(direction, direction, value=1 - second)
        return NAdamState(state.steps + 1, product, mean, square)

    def _momentum(self, step: int) -> float:
        return self.betas[0] * (1.0 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def _weights(self, state: NAdamState) -> tuple[float, float]:
        """What gradient and mean are multiplied by, before they are divided."""
        now, following = self._momentum(state.steps), self._momentum(state.steps + 1)
        return (
            over(-self.lr * (1.0 - now), 1.0 - state.product),
            over(-self.lr * following, 1.0 - state.product * following),
        )

    def _divisor(self, state: NAdamState) -> Tensor:
        return (state.square / (1 - self.betas[1] ** state.steps)).sqrt_().add_(self.eps)
