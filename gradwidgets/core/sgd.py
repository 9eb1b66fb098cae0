"""Stochastic gradient descent with every setting of `torch.optim.SGD`, as one pure step."""

import math
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor


@dataclass(frozen=True)
class SGD:
    """The settings of `torch.optim.SGD` and the step they make.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        d ← g + weight_decay · p
        b ← d at t = 1, then momentum · b + (1 − dampening) · d      (only if momentum ≠ 0)
        u ← d + momentum · b if nesterov else b                       (d if momentum = 0)
        p ← p − lr · u

    so that the first step is not dampened, and weight decay pulls to the origin even when maximizing.

    Attributes:
        lr: Learning rate, ≥ 0.
        momentum: ≥ 0. Values of 1 and more are allowed, as in torch; they never come to rest by themselves.
        dampening: Share of the gradient kept out of the buffer; any finite number, as in torch.
        weight_decay: ≥ 0.
        nesterov: Needs momentum > 0 and dampening = 0.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (true or false
            for the last two), in words of the same kind.
    """

    lr: float = 1e-3
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    maximize: bool = False

    def __post_init__(self) -> None:
        numbers = {
            "lr": ("learning rate", 0.0),
            "momentum": ("momentum value", 0.0),
            "weight_decay": ("weight_decay value", 0.0),
            "dampening": ("dampening value", -math.inf),
        }
        for name, (words, smallest) in numbers.items():
            value = getattr(self, name)
            if not _is_finite_number(value) or value < smallest:
                raise ValueError(f"Invalid {words}: {value}")
            object.__setattr__(self, name, float(value))
        for name in ("nesterov", "maximize"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"Invalid {name} value: {getattr(self, name)}")
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def step(self, point: Tensor, gradient: Tensor, buffer: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """One step, in `torch.optim.SGD`'s order of operations.

        Args:
            point: Where the optimizer stands, shape (..., 2).
            gradient: The objective's gradient there, same shape.
            buffer: What the last step returned; None at the first step.

        Returns:
            The next point and the next momentum buffer (None if momentum is 0). Nothing is changed in place.
        """
        direction = -gradient if self.maximize else gradient
        if self.weight_decay != 0:
            direction = torch.add(direction, point, alpha=self.weight_decay)
        if self.momentum != 0:
            if buffer is None:
                buffer = direction.clone()
            else:
                buffer = torch.add(buffer * self.momentum, direction, alpha=1 - self.dampening)
            direction = torch.add(direction, buffer, alpha=self.momentum) if self.nesterov else buffer
        return torch.add(point, direction, alpha=-self.lr), buffer


def _is_finite_number(value: object) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False
