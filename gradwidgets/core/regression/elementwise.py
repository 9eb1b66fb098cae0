"""What a loss makes of each residual r = weight·x + bias − y: the value ℓ(r) and its derivatives.

torch's four losses are one function with three numbers, `Clip`, so that any mix of them is computed as rows of one
tensor. Any other function of the residual is an `Elementwise`, and autograd knows its derivatives.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Clip(NamedTuple):
    """A residual that is clipped: square within a threshold, straight beyond it.

        c(r) = clamp(r / divisor, −bound, bound)
        ℓ(r) = factor · c · (r − divisor · c / 2)
        ℓ′(r) = factor · c

    Attributes:
        divisor: > 0; where it is as small as numbers get, ℓ is factor · bound · |r|.
        bound: > 0, or infinite: square everywhere.
        factor: > 0.
    """

    divisor: float
    bound: float
    factor: float

    @property
    def threshold(self) -> float:
        """The size of a residual from which it counts linearly."""
        return self.divisor * self.bound

    def values(self, residuals: Tensor) -> Tensor:
        """ℓ(r), of the residuals' shape; the residuals are overwritten."""
        clipped = (residuals / self.divisor).clamp_(-self.bound, self.bound)
        return residuals.sub_(clipped, alpha=self.divisor / 2).mul_(clipped).mul_(self.factor)

    def curvatures(self, residuals: Tensor) -> Tensor:
        """ℓ″(r), of the residuals' shape."""
        return (residuals.abs() < self.threshold).to(residuals) * (self.factor / self.divisor)


@dataclass(frozen=True)
class Elementwise:
    """Any smooth function of a residual.

    Attributes:
        function: Residuals, of any shape, to their losses, of the same shape.
    """

    function: Callable[[Tensor], Tensor]
    threshold: float = math.nan  # there is none

    def values(self, residuals: Tensor) -> Tensor:
        """ℓ(r), of the residuals' shape."""
        with torch.no_grad():
            return self.function(residuals)

    def slopes(self, residuals: Tensor, weight: float = 1.0) -> Tensor:
        """Return weight · ℓ′(r), as autograd finds it, of the residuals' shape."""
        return self.values_and_slopes(residuals, weight)[1]

    def values_and_slopes(self, residuals: Tensor, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """ℓ(r) and weight · ℓ′(r), of the residuals' shape."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = residuals.detach().clone().requires_grad_()
            losses = self.function(leaf)
            (slopes,) = torch.autograd.grad(losses, leaf, torch.full_like(losses, weight))
        return losses.detach(), slopes

    def curvatures(self, residuals: Tensor) -> Tensor:
        """ℓ″(r), of the residuals' shape."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = residuals.detach().clone().requires_grad_()
            (slopes,) = torch.autograd.grad(self.function(leaf).sum(), leaf, create_graph=True)
            return torch.autograd.grad(slopes.sum(), leaf)[0]


# What the arithmetic works with; its settings have their values.
OfResiduals = Clip | Elementwise
