"""Elementwise losses of the residuals r = weight·x + bias − y: the values ℓ(r) and their derivatives.

torch's four losses are one function with three numbers, `Clip`, so any mix of them is computed as rows of one
tensor. Any other function of the residual is an `Elementwise`, differentiated by autograd.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Clip(NamedTuple):
    """A loss of the clipped residual: quadratic within a threshold, linear beyond it.

        c(r) = clamp(r / divisor, −bound, bound)
        ℓ(r) = factor · c · (r − divisor · c / 2)
        ℓ′(r) = factor · c

    Attributes:
        divisor: > 0; for the smallest normal number, ℓ is factor · bound · |r|.
        bound: > 0; if infinite, ℓ is quadratic everywhere.
        factor: > 0.
    """

    divisor: float
    bound: float
    factor: float

    @property
    def threshold(self) -> float:
        """The size of a residual beyond which it counts linearly."""
        return self.divisor * self.bound

    def values(self, residuals: Tensor) -> Tensor:
        """ℓ(r), in the residuals' shape; the residuals are overwritten."""
        clipped = (residuals / self.divisor).clamp_(-self.bound, self.bound)
        return residuals.sub_(clipped, alpha=self.divisor / 2).mul_(clipped).mul_(self.factor)

    def slopes(self, residuals: Tensor) -> Tensor:
        """ℓ′(r), of the residuals' shape."""
        return (residuals / self.divisor).clamp_(-self.bound, self.bound).mul_(self.factor)

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
        """Return weight · ℓ′(r), computed by autograd, in the residuals' shape."""
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


# A loss of residuals with its settings filled in.
OfResiduals = Clip | Elementwise
