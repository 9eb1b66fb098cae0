"""Adam with every setting of `torch.optim.Adam`, as one pure step."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.optimizers.checks import as_number, check_flag
from gradwidgets.core.optimizers.optimizer import Optimizer


class AdamState(NamedTuple):
    """What Adam remembers.

    Attributes:
        steps: How many were made.
        mean: Moving average of the gradients, of the point's shape.
        square: Moving average of their squares.
        largest: The largest of those so far; None without amsgrad.
    """

    steps: int
    mean: Tensor
    square: Tensor
    largest: Tensor | None


@dataclass(frozen=True)
class Adam(Optimizer):
    """The settings of `torch.optim.Adam` and the step they make.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        g ← g + weight_decay · p
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        w ← max(w, v) if amsgrad else v
        p ← p − lr · m / (1 − β₁ᵗ) / (√w / √(1 − β₂ᵗ) + eps)

    so that every parameter has a step of its own, of about lr as long as its gradients agree.

    Attributes:
        lr: Learning rate, ≥ 0.
        betas: (β₁, β₂), how much of the averages is kept at every step; each from 0 to below 1.
        eps: Keeps the divisor from 0, ≥ 0.
        weight_decay: ≥ 0; added to the gradient, and so divided as that is.
        amsgrad: Divide by the largest average of squares so far instead of by the present one.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (true or false
            for the last two), in words of the same kind.

    References:
        D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, 2015;
        S. J. Reddi, S. Kale and S. Kumar, On the convergence of Adam and beyond, 2018, for amsgrad.
    """

    autonomous: ClassVar[bool] = False  # the corrections depend on how many steps were made
    nonlinear: ClassVar[str] = "no fixed limit: Adam divides every step by the size of its gradients"

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False
    maximize: bool = False

    def __post_init__(self) -> None:
        for name, words in {
            "lr": "learning rate",
            "eps": "epsilon value",
            "weight_decay": "weight_decay value",
        }.items():
            object.__setattr__(self, name, as_number(words, getattr(self, name), low=0))
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise ValueError(f"Invalid betas: {self.betas}")
        betas = (as_number(f"beta parameter at index {i}", beta, low=0, below=1) for i, beta in enumerate(self.betas))
        object.__setattr__(self, "betas", tuple(betas))
        for name in ("amsgrad", "maximize"):
            check_flag(name, getattr(self, name))

    def init(self, point: Tensor) -> AdamState:
        """Return averages of nothing yet."""
        none = torch.zeros_like(point)
        return AdamState(0, none, none, none if self.amsgrad else None)

    def step(
        self, point: Tensor, gradient: Tensor, state: AdamState | None = None, out: Tensor | None = None
    ) -> tuple[Tensor, AdamState]:
        """One step, in `torch.optim.Adam`'s order of operations, see `Optimizer.step`."""
        state = self._after(point, gradient, state or self.init(point))
        divisor, lr = self._divisor(state), self._lr(state)
        return torch.addcdiv(point, state.mean, divisor, value=-lr, out=out), state

    def parts(self, point: Tensor, gradient: Tensor, state: AdamState) -> dict[str, Tensor]:
        """The step as old mean, gradient and weight decay, each divided as the whole is, see `Optimizer.parts`."""
        after, kept = self._after(point, gradient, state), self.betas[0]
        scale = -self._lr(after) / self._divisor(after)
        sign = -1.0 if self.maximize else 1.0
        found = {"gradient": (1 - kept) * sign * gradient * scale, "momentum": kept * state.mean * scale}
        if self.weight_decay:
            found["weight decay"] = (1 - kept) * self.weight_decay * point * scale
        return found

    def _after(self, point: Tensor, gradient: Tensor, state: AdamState) -> AdamState:
        direction = -gradient if self.maximize else gradient
        if self.weight_decay != 0:
            direction = torch.add(direction, point, alpha=self.weight_decay)
        first, second = self.betas
        mean = torch.lerp(state.mean, direction, 1 - first)
        square = torch.addcmul(state.square * second, direction, direction, value=1 - second)
        largest = torch.maximum(state.largest, square) if self.amsgrad else None
        return AdamState(state.steps + 1, mean, square, largest)

    def _lr(self, state: AdamState) -> float:
        return self.lr / (1 - self.betas[0] ** state.steps)

    def _divisor(self, state: AdamState) -> Tensor:
        square = state.largest if self.amsgrad else state.square
        return (square.sqrt() / (1 - self.betas[1] ** state.steps) ** 0.5).add_(self.eps)
