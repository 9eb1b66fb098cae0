"""A loss anywhere in view: its values in float64, and points at which to evaluate it."""

import math

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.results.slices import Slices

# Of a cell: how far a point is off its middle, so that no symmetry of a loss meets the points.
_OFF = 0.2 * (math.sqrt(2) - 1)


class View:
    """A loss over one or two axes, in float64.

    Args:
        function: The loss; its `method` must be known.
        bounds: The axes' lower and upper ends, (P, 2).

    Attributes:
        function: The loss in float64 whatever its data; the loss itself if it cannot be computed so.
        itself: The loss as it was given.
        names: The axes' names.
        low: Their lower ends, (P,).
        high: Their upper ends, (P,).
        spans: Their widths, (P,).
        slow: Whether every point is costly, see `LossFunction.slow`.
    """

    def __init__(self, function: LossFunction, bounds: Tensor) -> None:
        self.function, self.itself = function.reference(), function
        self.names = function.parameters
        self.low, self.high = bounds[:, 0], bounds[:, 1]
        self.spans = self.high - self.low
        self.slow = function.slow

    @property
    def dims(self) -> int:
        """The number of axes, P."""
        return len(self.names)

    def at(self, points: Tensor, gradient: bool = True) -> Slices[tuple[Tensor, Tensor]]:
        """Loss (N,) and gradient (N, P) at points, (N, P); NaN where the loss refuses them."""
        try:
            values = yield from self.function.valuing(points, gradient=gradient)
        except LossError:
            values = None
            if self.function is not self.itself:
                self.function = self.itself
                return (yield from self.at(points, gradient))
        if values is None:
            with torch.inference_mode(False):
                nothing = torch.full((len(points), self.dims), math.nan, dtype=torch.float64)
            return nothing[:, 0].clone(), nothing
        return values.loss.double(), values.gradient.double()

    def within(self, points: Tensor) -> Tensor:
        """Points moved to the nearest ones in view."""
        return torch.minimum(torch.maximum(points, self.low), self.high)

    def lattice(self, count: int) -> Tensor:
        """A lattice of `count` points along each axis, evenly spaced and off special numbers, (N, P)."""
        shares = (torch.arange(count, dtype=torch.float64) + 0.5 + _OFF) / count
        return self.low + torch.cartesian_prod(*[shares] * self.dims).reshape(-1, self.dims) * self.spans

    def mesh(self, count: int) -> Tensor:
        """A grid of `count` points along each axis, the ends included, (count, …, P)."""
        shares = torch.linspace(0, 1, count, dtype=torch.float64)
        points = self.low + torch.cartesian_prod(*[shares] * self.dims).reshape(-1, self.dims) * self.spans
        return self.within(points).reshape(*[count] * self.dims, self.dims)

    def special(self) -> Tensor:
        """Points at which losses are often special: ends, middle, 0, ±½, ±1, ±2, and the numbers in `fixed`; (N, P)."""
        numbers = self.function.fixed.values()
        constants = [value for value in numbers if type(value) is int or type(value) is float]
        sides = []
        for low, high in zip(self.low.tolist(), self.high.tolist(), strict=True):
            values = {0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, low, high, (low + high) / 2, *map(float, constants[:8])}
            sides.append(torch.tensor(sorted(v for v in values if low <= v <= high), dtype=torch.float64))
        return torch.cartesian_prod(*sides).reshape(-1, self.dims)


def finite(loss: Tensor, gradient: Tensor) -> Tensor:
    """Where loss, (…), and gradient, (…, P), are finite."""
    return loss.isfinite() & gradient.isfinite().all(-1)
