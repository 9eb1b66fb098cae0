"""Best-fitting lines for losses without a closed formula: Huber by Newton's method, L1 by pivoting."""

import math

import torch
from torch import Tensor

from gradwidgets.core.sample import Sample

# Of the largest possible gradient, delta. The sums themselves are good to about 1e-16 of it.
TOLERANCE = 1e-14


def robust_fit(sample: Sample, delta: float) -> tuple[float, float]:
    """`huber_fit`, or `least_absolute_fit` if delta is 0; the last few are remembered with the sample."""
    if delta not in sample.fits:
        if len(sample.fits) >= 8:
            sample.fits.clear()
        sample.fits[delta] = huber_fit(sample, delta) if delta else least_absolute_fit(sample)
    return sample.fits[delta]


def huber_fit(sample: Sample, delta: float) -> tuple[float, float]:
    """The line of least mean Huber loss.

    The loss is convex and quadratic between kinks of its slope, so that Newton's method lands exactly once it knows
    which residuals are within delta; an exact line search along its direction gets it there from anywhere.

    Args:
        sample: The data.
        delta: > 0, in the unit of y.

    Returns:
        (weight, bias); with constant x, the best line nearest to (0, 0).

    References:
        K. Madsen and H. B. Nielsen, Finite algorithms for robust linear regression, BIT 30, 1990.
    """
    x, y = sample.centred
    spread = math.sqrt(sample.covariances[0])
    u = torch.zeros_like(x) if sample.constant_x else x / spread
    if sample.constant_x:
        slope, level = 0.0, 0.0
    else:
        slope, level = sample.covariances[1] / spread, 0.0
    problem = _Huber(u, y, delta, flat=sample.constant_x)
    slope, level = problem.minimize(slope, level)
    if sample.constant_x:
        return sample.through_mean(sample.y_mean + level)
    weight = slope / spread
    return weight, sample.y_mean + level - weight * sample.x_mean


class _Huber:
    """Mean Huber loss of r = p u + q − v, in scaled coordinates: mean(u) = 0, mean(u²) = 1."""

    def __init__(self, u: Tensor, v: Tensor, delta: float, *, flat: bool) -> None:
        self.u, self.v, self.delta, self.flat = u, v, delta, flat

    def minimize(self, p: float, q: float) -> tuple[float, float]:
        best, at = math.inf, (p, q)
        for _ in range(200):
            r = self.u * p + (q - self.v)
            slope = r.clamp(-self.delta, self.delta)
            gp, gq = self._mean(slope * self.u), self._mean(slope)
            size = max(abs(gp), abs(gq))
            if size < best:
                best, at = size, (p, q)
            if size <= TOLERANCE * self.delta:
                break
            dp, dq = self._newton(r, gp, gq)
            t = self._line_search(r, self.u * dp + dq)
            if t == 0.0:
                break
            p, q = p + t * dp, q + t * dq
        return at

    def _mean(self, terms: Tensor) -> float:
        return float(terms.sum()) / len(terms)

    def _newton(self, r: Tensor, gp: float, gq: float) -> tuple[float, float]:
        inside = (r.abs() < self.delta).to(r.dtype)
        ui = self.u * inside
        pp, pq, qq = self._mean(ui * self.u), self._mean(ui), self._mean(inside)
        if self.flat:
            return 0.0, -gq / (qq or 1.0)
        det = pp * qq - pq * pq
        if det <= 1e-12 * max(pp * qq, 1e-300):
            # Too few residuals inside to say how far: go downhill, the line search finds the length.
            ridge = 1.0 / len(r)
            pp, qq = pp + ridge, qq + ridge
            det = pp * qq - pq * pq
        return -(qq * gp - pq * gq) / det, -(pp * gq - pq * gp) / det

    def _line_search(self, r: Tensor, q: Tensor) -> float:
        # The derivative along the line rises piecewise linearly: double until it is no longer negative, then
        # close in on its zero. The full Newton step is usually it.
        def slope(t: float) -> float:
            return self._mean((r + t * q).clamp_(-self.delta, self.delta) * q)

        low, high, at_low = 0.0, 1.0, slope(0.0)
        if at_low >= 0:
            return 0.0
        at_high = slope(high)
        if abs(at_high) <= 1e-12 * abs(at_low):
            return 1.0
        while at_high < 0 and high < 1e18:
            low, at_low = high, at_high
            high *= 2
            at_high = slope(high)
        for _ in range(100):
            t = low + (high - low) * (at_low / (at_low - at_high)) if at_high > at_low else (low + high) / 2
            if not low < t < high:
                break
            at = slope(t)
            if at == 0:
                return t
            if at < 0:
                low, at_low = t, at
                at_high /= 2
            else:
                high, at_high = t, at
                at_low /= 2
            if high - low <= 1e-15 * high:
                break
        return t if low < t < high else low or high


def least_absolute_fit(sample: Sample) -> tuple[float, float]:
    """The line of least mean absolute residual, exactly: it goes through two of the points.

    From a line through one point, the best slope is a weighted median of the slopes to all others; the point
    that gives it becomes the next pivot. A line that no point on it can improve is a minimum, the loss being
    convex and linear between kinks.

    Args:
        sample: The data.

    Returns:
        (weight, bias); of several equally good lines, one. With constant x, the one through the (lower) median
        of y that is nearest to (0, 0).

    References:
        G. O. Wesolowsky, A new descent algorithm for the least absolute value regression problem, 1981.
    """
    if sample.constant_x:
        return sample.through_mean(float(sample.y.median()))
    x, y = sample.centred
    weight, bias = sample.least_squares
    pivots = [int((weight * x - y).abs().argmin())]
    best, line, tried = math.inf, (0.0, 0.0), set()
    while pivots:
        pivot = pivots.pop()
        tried.add(pivot)
        slope, other = _best_slope(x, y, pivot)
        level = float(y[pivot]) - slope * float(x[pivot])
        residuals = slope * x + (level - y)
        total = float(residuals.abs().sum())
        if total < best - 1e-14 * abs(best) if math.isfinite(best) else True:
            best, line, tried = total, (slope, level), {pivot}
            scale = float(y.abs().max()) + abs(slope) * float(x.abs().max())
            on_line = torch.nonzero(residuals.abs() <= 1e-14 * scale).ravel().tolist()
            pivots = [k for k in {*on_line[:64], other} if k not in tried]
        else:
            pivots = [k for k in pivots if k not in tried]
    weight = line[0]
    return weight, sample.y_mean + line[1] - weight * sample.x_mean


def _best_slope(x: Tensor, y: Tensor, pivot: int) -> tuple[float, int]:
    """The slope of the best line through one point, and the other point on it."""
    dx, dy = x - x[pivot], y - y[pivot]
    others = torch.nonzero(dx).ravel()
    dx, dy = dx[others], dy[others]
    slopes, order = (dy / dx).sort()
    weights = dx.abs()[order].cumsum(0)
    middle = min(int(torch.searchsorted(weights, weights[-1] / 2)), len(order) - 1)
    return float(slopes[middle]), int(others[order[middle]])
