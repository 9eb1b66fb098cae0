"""The best-fitting line under any smooth loss: Newton's method, or reweighted least squares where that fails."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from gradwidgets.core.regression.elementwise import Elementwise
from gradwidgets.core.regression.sample import Sample

STEPS = 200

# Relative to the largest slope: a gradient that counts as zero, and one small enough for a minimum.
TOLERANCE, FLAT = 1e-15, 1e-9

# Relative: losses closer than this are equal up to rounding, so the gradients are compared instead.
ROUNDING = 1e-14

# (weight, bias).
Line = tuple[float, float]


def elementwise_fit(sample: Sample, loss: Elementwise, near: Iterable[Line]) -> Line:
    """Find a local minimum of the mean loss over lines; the best line if the loss is convex.

    Args:
        sample: The data. With constant x, the equally good line nearest to (0, 0) is returned.
        loss: The loss.
        near: Lines to start from, each used only if those before it lead nowhere.

    Returns:
        (weight, bias).

    References:
        P. W. Holland and R. E. Welsch, Robust regression using iteratively reweighted least-squares, 1977.
    """
    x, y = sample.centred
    spread = math.sqrt(sample.covariances[0]) or 1.0
    problem = _Problem(torch.zeros_like(x) if sample.constant_x else x / spread, y, loss)
    ends: list[Line] = []
    for w, b in near:
        ends.append(problem.descended((w * spread, w * sample.x_mean + b - sample.y_mean)))
        if problem.is_flat(ends[-1]):
            break
    p, q = min(ends, key=problem.value)
    if sample.constant_x:
        return sample.through_mean(sample.y_mean + q)
    weight = p / spread
    return weight, sample.y_mean + q - weight * sample.x_mean


class _Problem:
    """The mean loss of r = p u + q − v, in scaled coordinates: mean(u) = 0, mean(u²) = 1 or u = 0."""

    def __init__(self, u: Tensor, v: Tensor, loss: Elementwise) -> None:
        self.u, self.v, self.loss = u, v, loss

    def residuals(self, at: Line) -> Tensor:
        return (self.u * at[0]).sub_(self.v).add_(at[1])

    def value(self, at: Line) -> float:
        return float(self.loss.values(self.residuals(at)).mean())

    def is_flat(self, at: Line) -> bool:
        slopes = self.loss.slopes(self.residuals(at))
        return _size(self._moments(slopes)) <= FLAT * float(slopes.abs().max())

    def descended(self, at: Line) -> Line:
        value = self.value(at)
        for _ in range(STEPS):
            residuals = self.residuals(at)
            slopes = self.loss.slopes(residuals)
            gradient = self._moments(slopes)
            if _size(gradient) <= TOLERANCE * float(slopes.abs().max()):
                break
            # Dividing slopes by residuals gives the curvature of the parabola that touches the loss there from above,
            # as it does for any loss that flattens on the way out.
            secants = torch.where(residuals == 0, 0.0, slopes / residuals)
            after = self._lower(at, value, gradient, (self.loss.curvatures(residuals), secants))
            if after is None:
                break
            at, value = after
        return at

    def _lower(self, at: Line, value: float, gradient: Line, weights: Sequence[Tensor]) -> tuple[Line, float] | None:
        """Return a line of lower loss and that loss; None if rounding leaves none."""
        for weight in weights:
            step = self._solved(gradient, weight)
            if step is None:
                continue
            for share in (1.0, 0.5, 0.1, 0.01):
                there = at[0] - share * step[0], at[1] - share * step[1]
                lower = self.value(there)
                if lower < value or (lower <= value + ROUNDING * abs(value) and self._size(there) < _size(gradient)):
                    return there, lower
        return None

    def _size(self, at: Line) -> float:
        return _size(self._moments(self.loss.slopes(self.residuals(at))))

    def _moments(self, terms: Tensor) -> Line:
        n = len(terms)
        return float(torch.dot(terms, self.u)) / n, float(terms.sum()) / n

    def _solved(self, gradient: Line, weight: Tensor) -> Line | None:
        """The step to the minimum of the parabola with these curvatures; None if it has none."""
        pq, qq = self._moments(weight)
        pp = self._moments(weight * self.u)[0]
        if not qq > 0:
            return None
        det = pp * qq - pq * pq
        if det > 1e-12 * pp * qq:
            return (qq * gradient[0] - pq * gradient[1]) / det, (pp * gradient[1] - pq * gradient[0]) / det
        return (0.0, gradient[1] / qq) if pp == 0 else None


def _size(gradient: Line) -> float:
    return max(map(abs, gradient))
