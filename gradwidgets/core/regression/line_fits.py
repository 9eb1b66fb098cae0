"""Best-fitting lines: Huber's by Newton's method, L1's by pivoting, any other loss's from near those."""

import math
from collections.abc import Iterator
from typing import overload

import torch
from torch import Tensor

from gradwidgets.core.regression.elementwise import Elementwise, OfResiduals
from gradwidgets.core.regression.elementwise_fit import elementwise_fit
from gradwidgets.core.regression.sample import Sample

# Relative to delta, the largest possible gradient: anything smaller counts as zero, as does the data's rounding.
TOLERANCE = 1e-14

NEWTON_STEPS = 25

# The threshold of L1's `Clip`.
LEAST = float(torch.finfo(torch.float64).tiny)

# Beyond this many points, sorting the slopes at every pivot takes too long.
LONG = 2**15


# (weight, bias).
Line = tuple[float, float]


def best_fit(sample: Sample, loss: OfResiduals) -> Line:
    """The line of least mean loss, (weight, bias); the last few are cached on the sample.

    A clipped loss is Huber's up to a factor, with its threshold as delta: least squares if that is infinite, and L1 if
    it is 0 or next to it.
    """
    key = loss if isinstance(loss, Elementwise) else loss.threshold
    if key not in sample.fits:
        if len(sample.fits) >= 8:
            sample.fits.clear()
        sample.fits[key] = _fitted(sample, loss)
    return sample.fits[key]


def _fitted(sample: Sample, loss: OfResiduals) -> Line:
    if isinstance(loss, Elementwise):
        return elementwise_fit(sample, loss, _start_lines(sample))
    if math.isinf(loss.threshold):
        return sample.least_squares
    return huber_fit(sample, loss.threshold) if loss.threshold > LEAST else least_absolute_fit(sample)


def _start_lines(sample: Sample) -> Iterator[Line]:
    yield sample.least_squares
    yield least_absolute_fit(sample)


def huber_fit(sample: Sample, delta: float) -> tuple[float, float]:
    """The line of least mean Huber loss.

    The loss is convex, and quadratic between the points where a residual crosses delta. Newton's method is exact
    once it knows which residuals are within delta; if too few are, the best slope is bracketed instead, each
    slope with its own best level.

    Args:
        sample: The data.
        delta: > 0, in the unit of y.

    Returns:
        (weight, bias); of several equally good lines, one. With constant x, the one nearest to (0, 0).

    References:
        K. Madsen and H. B. Nielsen, Finite algorithms for robust linear regression, BIT 30, 1990.
    """
    x, y = sample.centred
    if sample.constant_x:
        return sample.through_mean(sample.y_mean + _level(y, delta))
    spread = math.sqrt(sample.covariances[0])
    problem = _Huber(x / spread, y, delta)
    at, size = problem.newton(sample.slope * spread, 0.0)
    if size > problem.tolerance:
        at = min(at, problem.bracket(at[0]), key=problem.size)
    weight = at[0] / spread
    return weight, sample.y_mean + at[1] - weight * sample.x_mean


def _level(v: Tensor, delta: float) -> float:
    """The q of least Σ huber(q − v): where the sum of clamp(q − v, ±delta), piecewise linear in q, is 0."""
    n = len(v)
    kinks, order = torch.cat([v - delta, v + delta]).sort()
    rises = torch.where(order < n, 1.0, -1.0).to(v).cumsum(0)
    sums = torch.cat([v.new_zeros(1), (rises[:-1] * kinks.diff()).cumsum(0)]) - n * delta
    k = min(max(int(torch.searchsorted(sums, 0.0)), 1), 2 * n - 1)
    q, rise = float(kinks[k]), float(rises[k - 1])
    for _ in range(2):  # the second pass removes the rounding of the long sums
        q -= float((q - v).clamp_(-delta, delta).sum()) / rise if rise else 0.0
    return q


class _Huber:
    """Mean Huber loss of r = p u + q − v, in scaled coordinates: mean(u) = 0, mean(u²) = 1."""

    def __init__(self, u: Tensor, v: Tensor, delta: float) -> None:
        self.u, self.v, self.delta = u, v, delta
        self.tolerance = TOLERANCE * delta + 1e-16 * float(v.abs().max())

    def gradient(self, p: float, q: float) -> tuple[float, float]:
        slope = self._residual(p, q).clamp_(-self.delta, self.delta)
        n = len(slope)
        return float(torch.dot(slope, self.u)) / n, float(slope.sum()) / n

    def size(self, at: tuple[float, float]) -> float:
        return max(map(abs, self.gradient(*at)))

    def newton(self, p: float, q: float) -> tuple[tuple[float, float], float]:
        """Return the point of least gradient found in a few steps, and the size of that gradient."""
        best, at = math.inf, (p, q)
        for _ in range(NEWTON_STEPS):
            gp, gq = self.gradient(p, q)
            size = max(abs(gp), abs(gq))
            if size < best:
                best, at = size, (p, q)
            if size <= self.tolerance:
                break
            inside = (self._residual(p, q).abs_() < self.delta).to(self.u)
            ui = self.u * inside
            n = len(ui)
            pp, pq, qq = float(torch.dot(ui, self.u)) / n, float(ui.sum()) / n, float(inside.sum()) / n
            det = pp * qq - pq * pq
            if det <= 1e-9 * pp * qq or det == 0:
                break
            p, q = p - (qq * gp - pq * gq) / det, q - (pp * gq - pq * gp) / det
        return at, best

    def bracket(self, p: float) -> tuple[float, float]:
        """Find the best slope by regula falsi: the gradient along p, at each p's best q, is monotone."""
        low = high = p
        at_low = at_high = self._along(p)
        reach = max(abs(p), float(self.v.abs().max()), self.delta) * 1e-3
        while at_low > 0:
            low, reach = low - reach, 2 * reach
            at_low = self._along(low)
        while at_high < 0:
            high, reach = high + reach, 2 * reach
            at_high = self._along(high)
        for k in range(200):
            share = at_low / (at_low - at_high) if at_low < at_high and k % 3 < 2 else 0.5
            p = low + share * (high - low)
            at = self._along(p)
            if abs(at) <= self.tolerance / 10 or not low < p < high:
                break
            # Halving the value kept on the other side keeps one end from getting stuck (the Illinois rule).
            if at < 0:
                low, at_low, at_high = p, at, at_high / 2
            else:
                high, at_high, at_low = p, at, at_low / 2
        return p, _level(self.v - p * self.u, self.delta)

    def _along(self, p: float) -> float:
        return self.gradient(p, _level(self.v - p * self.u, self.delta))[0]

    def _residual(self, p: float, q: float) -> Tensor:
        return (self.u * p).sub_(self.v).add_(q)


def least_absolute_fit(sample: Sample) -> tuple[float, float]:
    """The line of least mean absolute residual, exactly: it goes through two of the points.

    From a line through one point, the best slope is a weighted median of the slopes to all other points; the point
    that gives it becomes the next pivot. A line that cannot be improved by pivoting about any point on it is a
    minimum, since the loss is convex and linear between kinks.

    Args:
        sample: The data.

    Returns:
        (weight, bias); of several equally good lines, one. With constant x, the one through the (lower)
        median of y that is nearest to (0, 0).

    References:
        G. O. Wesolowsky, A new descent algorithm for the least absolute value regression problem, 1981.
    """
    if sample.constant_x:
        return sample.through_mean(float(sample.y.median()))
    x, y = sample.centred
    weight, bias = _least_absolute(x, y)
    return weight, sample.y_mean + bias - weight * sample.x_mean


def _least_absolute(x: Tensor, y: Tensor) -> Line:
    if len(x) > LONG:
        return _pivot_among_few(x, y)
    xx = float(torch.dot(x, x))
    return pivoted(x, y, (float(torch.dot(x, y)) / xx if xx else 0.0, 0.0))


@overload
def pivoted(x: Tensor, y: Tensor, line: Line) -> Line: ...


@overload
def pivoted(x: Tensor, y: Tensor, line: Line, pull: Line) -> Line | None: ...


def pivoted(x: Tensor, y: Tensor, line: Line, pull: Line = (0.0, 0.0)) -> Line | None:
    """Go from `line` to the line of least Σ |weight · x + bias − y| + pull · (weight, bias); None if there is none."""
    pivot = int((line[0] * x + (line[1] - y)).abs_().argmin())
    best, steep, high = math.inf, float(x.abs().max()), float(y.abs().max())
    while True:
        slope, _ = _best_slope(x, y, pivot, pull[0] - pull[1] * float(x[pivot]))
        if math.isinf(slope):
            return None
        level = float(y[pivot]) - slope * float(x[pivot])
        residuals = slope * x + (level - y)
        total = float(residuals.abs().sum()) + pull[0] * slope + pull[1] * level
        if total >= best:  # only rounding is left to gain
            return line
        best, line = total, (slope, level)
        on_line = residuals.abs() <= 1e-14 * (high + abs(slope) * steep)
        residuals[on_line] = 0
        sides = residuals.sign_()
        weight_pull = pull[0] + float(torch.dot(sides, x))
        bias_pull = pull[1] + float(sides.sum())
        better = _pivot_that_helps(x, torch.nonzero(on_line).ravel(), weight_pull, bias_pull)
        if better is None:
            return line
        pivot = better


def _pivot_that_helps(x: Tensor, on_line: Tensor, weight_pull: float, bias_pull: float) -> int | None:
    """The point on the line about which turning it gains most; None if no turn gains: the line is a minimum.

    Turning about (x_k, ·) costs Σ |x_j − x_k| over the points on the line and gains |weight_pull − bias_pull x_k| from
    all others. The loss is linear between such turns, so no other direction of descent has to be considered.
    """
    ascending, order = x[on_line].sort()
    count = torch.arange(1, len(ascending) + 1, dtype=x.dtype)
    below, total = ascending.cumsum(0), ascending.sum()
    cost = (2 * count - len(ascending)) * ascending - 2 * below + total
    gain = (weight_pull - bias_pull * ascending).abs_() - cost
    k = int(gain.argmax())
    rounding = 1e-13 * len(x) * float(x.abs().max())
    return int(on_line[order[k]]) if float(gain[k]) > rounding else None


def _best_slope(x: Tensor, y: Tensor, pivot: int, pull: float) -> tuple[float, int]:
    """The slope of the best line through one point, and the other point on it: a weighted median of slopes.

    Infinite if the pull is stronger than all the points together.
    """
    dx, dy = x - x[pivot], y - y[pivot]
    others = torch.nonzero(dx).ravel()
    dx, dy = dx[others], dy[others]
    slopes, order = (dy / dx).sort()
    weights = dx.abs_()[order].cumsum(0)
    if abs(pull) > float(weights[-1]):
        return math.inf, pivot
    middle = min(int(torch.searchsorted(weights, (weights[-1] - pull) / 2)), len(order) - 1)
    return float(slopes[middle]), int(others[order[middle]])


def _pivot_among_few(x: Tensor, y: Tensor) -> Line:
    """`pivoted` for long samples: points far from a good guess stay on their side, and only contribute a pull.

    The guess is the line fitted to a subset; near are the 3 % of all points closest to it. If a far point changes
    sides in the end, more points are treated as near.

    References:
        S. Portnoy and R. Koenker, The Gaussian hare and the Laplacian tortoise, Statistical Science 12, 1997.
    """
    some = slice(None, None, max(4, len(x) // 2**16))
    line = _least_absolute(x[some], y[some])
    share = 0.03
    while share < 1:
        r = line[0] * x + (line[1] - y)
        margin = float(r[some].abs().quantile(share))
        far = (r.abs() > margin).to(x) * r.sign()
        near = torch.nonzero(far == 0).ravel()
        if float(x[near].min()) == float(x[near].max()):
            share *= 4
            continue
        found = pivoted(x[near], y[near], line, (float((far * x).sum()), float(far.sum())))
        if found is not None:
            line = found
            if bool(((line[0] * x + (line[1] - y)) * far >= 0).all()):
                return line
        share *= 4
    return pivoted(x, y, line)
