"""The noise scale and its confidence interval, from the norms of gradients."""

import math
from dataclasses import dataclass

from torch import Tensor

_NORMAL = 1.959964  # the normal distribution's 97.5 % point


@dataclass(frozen=True)
class Ratio:
    """Estimates of tr Σ and |G|², and the interval of their ratio.

    Attributes:
        trace: tr Σ of the groups' gradients, unbiased.
        squared_norm: |G|², unbiased; can be negative.
        error: The standard error of `squared_norm`.
        low: The lower end of the 95 % interval of trace / squared_norm.
        high: The upper end; infinite if |G|² cannot be distinguished from 0.
        certain: Whether |G|² can be distinguished from 0.
    """

    trace: float
    squared_norm: float
    error: float
    low: float
    high: float
    certain: bool


def ratio(squares: Tensor, products: Tensor) -> Ratio:
    """Estimate tr Σ and |G|² separately from groups' gradients g, and their ratio's interval by Fieller's theorem.

    Within a batch of r groups with sum S = Σg, |G|² is the mean of all products of two different groups' gradients,
    (|S|² − Σ|g|²) / r(r−1), and tr Σ is Σ|g|²/r minus that; both are averaged over the batches. Their covariance is
    the jackknife's, leaving out one group at a time (Arvesen 1969). Fieller's interval (1954) is finite exactly if |G|²
    differs from 0 at the same level.

    Args:
        squares: |g|², (batches, r), r at least 3.
        products: g · S, the same shape.
    """
    batches, r = squares.shape
    total, mass = products.sum(1, keepdim=True), squares.sum(1, keepdim=True)
    norm = (total - mass) / (r * (r - 1))
    trace = mass / r - norm
    # Without group j: |S − g|² = |S|² − 2 g·S + |g|².
    norm_less = (total - 2 * products + squares - (mass - squares)) / ((r - 1) * (r - 2))
    trace_less = (mass - squares) / (r - 1) - norm_less

    def spread(one: Tensor, other: Tensor) -> float:
        one, other = one - one.mean(1, keepdim=True), other - other.mean(1, keepdim=True)
        return float((one * other).sum()) * (r - 1) / r / batches**2

    t, d = float(trace.mean()), float(norm.mean())
    tt, td, dd = spread(trace_less, trace_less), spread(trace_less, norm_less), spread(norm_less, norm_less)
    q = student(batches * (r - 1))
    error = math.sqrt(dd)
    # The ratios B for which t − B·d is within q standard errors of 0.
    a, b, c = d * d - q * q * dd, t * d - q * q * td, t * t - q * q * tt
    if d <= 0 or a <= 0:
        return Ratio(t, d, error, max(t, 0) / (max(d, 0) + q * error) if d + error > 0 else 0.0, math.inf, False)
    root = math.sqrt(max(b * b - a * c, 0.0))
    return Ratio(t, d, error, max((b - root) / a, 0.0), (b + root) / a, True)


def student(freedom: int) -> float:
    """Student's 97.5 % point, by the expansion about the normal one (Abramowitz and Stegun 26.7.5).

    Args:
        freedom: Degrees of freedom, at least 2.
    """
    z = _NORMAL
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
