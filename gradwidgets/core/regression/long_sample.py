"""Losses of lines for samples too long to hold all residuals at once.

The mean squared residual is a quadratic form of five moments; the other losses go through the data in blocks
that stay in cache, with four sums per block. Sums are in float64 and not in autograd's order: equal up to
rounding.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gradwidgets.core.regression.elementwise import Clip, Elementwise, OfResiduals
from gradwidgets.core.regression.sample import Sample

# Values held at a time. From 2¹⁵ on, torch splits an operation among threads, and then waits for the slowest
# even if its core is busy drawing; and x, y and two scratch rows of this length fit into a core's cache.
BLOCK = 2**15 - 1


class LongSample:
    """Gradients and values of B lines, each under its own loss; called like `residuals.RowGradients`.

    Args:
        sample: The data.
        losses: One loss per row, B in all.
    """

    def __init__(self, sample: Sample, losses: Sequence[OfResiduals]) -> None:
        self.sample, self.losses = sample, losses
        self.blocks = list(zip(sample.x.split(BLOCK), sample.y.split(BLOCK), strict=True))
        self.scratch = sample.x.new_empty(3, min(BLOCK, sample.n))
        # Values are computed with the gradients, and cached for whoever asks for them after the descent.
        self.known: dict[tuple[OfResiduals, float, float], float] = {}

    def __call__(self, weight: Tensor, bias: Tensor, out: Tensor) -> None:
        """Write the gradients at (weight, bias), both of shape (B, 1), into `out`, shape (2, B)."""
        lines = zip(self.losses, weight.squeeze(-1).tolist(), bias.squeeze(-1).tolist(), strict=True)
        out.copy_(out.new_tensor([self._gradient(*line) for line in lines]).T)

    def values_in_slices(self, loss: OfResiduals, points: Tensor, out: Tensor) -> Iterator[float]:
        """The losses of lines under one loss.

        Args:
            loss: The loss.
            points: (weight, bias), shape (K, 2).
            out: Receives the values, shape (K,).

        Yields:
            The fraction done, after each line.
        """
        for k, (weight, bias) in enumerate(points.tolist()):
            if (loss, weight, bias) not in self.known:
                self._gradient(loss, weight, bias)
            out[k] = self.known.get((loss, weight, bias), math.nan)
            yield (k + 1) / len(points)

    def _gradient(self, loss: OfResiduals, weight: float, bias: float) -> tuple[float, float]:
        if not (math.isfinite(weight) and math.isfinite(bias)):
            return math.nan, math.nan
        if isinstance(loss, Elementwise):
            value, by_weight, by_bias = self._elementwise(loss, weight, bias)
        else:
            value, by_weight, by_bias = (self._squared if math.isinf(loss.bound) else self._clipped)(loss, weight, bias)
        self.known[loss, weight, bias] = value
        return by_weight, by_bias

    def _elementwise(self, loss: Elementwise, weight: float, bias: float) -> tuple[float, float, float]:
        value = by_weight = by_bias = 0.0
        for x, y in self.blocks:
            residuals = (weight * x).add_(bias).sub_(y)
            values, slopes = loss.values_and_slopes(residuals)
            value += float(values.sum())
            by_weight += float(slopes.mul(x).sum())
            by_bias += float(slopes.sum())
        n = self.sample.n
        return value / n, by_weight / n, by_bias / n

    def _squared(self, clip: Clip, weight: float, bias: float) -> tuple[float, float, float]:
        s = self.sample
        xx, off = s.covariances[0], weight - s.slope
        mean = weight * s.x_mean + bias - s.y_mean
        return s.residual_variance + xx * off * off + mean * mean, 2 * (xx * off + s.x_mean * mean), 2 * mean

    def _clipped(self, clip: Clip, weight: float, bias: float) -> tuple[float, float, float]:
        divisor, bound, _ = clip
        kinked = divisor < torch.finfo(torch.float64).eps
        slope = slope_x = slope_r = slope_slope = 0.0
        for x, y in self.blocks:
            r, c, product = self.scratch[:, : len(x)]
            torch.mul(x, weight, out=r)
            r.add_(bias).sub_(y)
            if kinked:
                torch.sign(r, out=c)
            elif divisor == 1:
                torch.clamp(r, -bound, bound, out=c)
            else:
                torch.div(r, divisor, out=c).clamp_(-bound, bound)
            # Not torch.dot, which uses threads at any length.
            slope += float(c.sum())
            slope_x += float(torch.mul(c, x, out=product).sum())
            slope_r += float(torch.mul(c, r, out=product).sum())
            slope_slope += 0.0 if kinked else float(torch.mul(c, c, out=product).sum())
        n = self.sample.n
        return (slope_r - divisor / 2 * slope_slope) / n, slope_x / n, slope / n
