"""Losses of lines from their residuals r = weight·x + bias − y, many lines at once, one per row.

The elementwise operations and the sums are those that autograd computes for torch's own losses, in the same
order, so a line's gradient matches theirs bit for bit. That matters: at a kink of the L1 loss a difference in
the last bit sends two descents different ways. `gradwidgets.core.regression.long_sample` does not keep to this.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gradwidgets.core.regression.elementwise import Clip, Elementwise, OfResiduals
from gradwidgets.core.regression.long_sample import BLOCK, LongSample
from gradwidgets.core.regression.sample import Sample

# Rows whose slopes torch's own kernel computes one by one, because its order of operations is not documented.
ROWS_BY_KERNEL = 16

MEAN = 1  # torch's number for reduction="mean"

_UNTOUCHED = Clip(1.0, math.inf, 1.0)


class RowGradients:
    """The gradients of B lines, each under its own loss, written into a given tensor, for the inner loop of a descent.

    Args:
        sample: The data.
        losses: One loss per row, B in all.
        dtype: The dtype of the computation, float32 or float64.
    """

    def __init__(self, sample: Sample, losses: Sequence[OfResiduals], dtype: torch.dtype) -> None:
        x, y = sample.x.to(dtype), sample.y.to(dtype)
        # Half a block each, as slope and slope · x are summed at once.
        rows = max(1, BLOCK // (2 * sample.n))
        self._parts = [
            (slice(k, k + rows), Rows(x, y, losses[k : k + rows], by_kernel=len(losses) <= ROWS_BY_KERNEL))
            for k in range(0, len(losses), rows)
        ]

    def __call__(self, weight: Tensor, bias: Tensor, out: Tensor) -> None:
        """Write the gradients at (weight, bias), both of shape (B, 1), into `out`, shape (2, B)."""
        if len(self._parts) == 1:
            self._parts[0][1](weight, bias, out)
            return
        for rows, part in self._parts:
            part(weight[rows], bias[rows], out[:, rows])


class Rows:
    """The gradients of a few lines, one per row, each under its own loss.

    Args:
        x: The inputs, (n,).
        y: The targets, (n,).
        losses: One loss per row.
        by_kernel: Whether slopes whose rounding torch's own kernel alone knows are left to it, row by row.

    Attributes:
        data: x and y of each row, (2, rows, n); others may be written into it.
    """

    def __init__(self, x: Tensor, y: Tensor, losses: Sequence[OfResiduals], *, by_kernel: bool) -> None:
        shape = len(losses), len(x)
        # Rows left to autograd; until then they are computed with the others, as plain residuals.
        self.elementwise = [(_rows_of(loss, losses), loss) for loss in set(losses) if isinstance(loss, Elementwise)]
        clips = [loss if isinstance(loss, Clip) else _UNTOUCHED for loss in losses]
        self.data = torch.stack([x, y])[:, None].expand(2, *shape).contiguous()
        self.x, self.y = self.data
        divisors, bounds, factors = zip(*clips, strict=True)
        norms = [factor / len(x) for factor in factors]
        if len(set(clips)) == 1:
            self.divisor, self.high, self.norm = divisors[0], bounds[0], norms[0]
        else:
            self.divisor, self.high, self.norm = (
                x.new_tensor(column)[:, None].expand(shape).contiguous() for column in (divisors, bounds, norms)
            )
        self.low = -self.high
        self.divides, self.clips = set(divisors) != {1.0}, set(bounds) != {math.inf}
        # [0] holds slope · x, [1] the residual that turns into the slope: one sum then gives both gradients.
        self.terms = x.new_empty(2, *shape)
        self.slope_x, self.slope = self.terms
        self.by_kernel = [
            (self.slope[row], self.y[row], divisor, torch.empty_like(y))
            for row, divisor in enumerate(divisors)
            if by_kernel and _rounds(divisor)
        ]
        self.one = x.new_tensor(1.0) if self.by_kernel else None
        self.mean = 1 / len(x)

    def __call__(self, weight: Tensor, bias: Tensor, out: Tensor) -> None:
        """See `RowGradients`."""
        slope = self.slope
        torch.mul(weight, self.x, out=slope)
        slope.add_(bias)
        for row, y, beta, kept in self.by_kernel:
            torch.ops.aten.smooth_l1_loss_backward.grad_input(self.one, row, y, MEAN, beta, grad_input=kept)
        slope.sub_(self.y)
        apart = [(rows, loss.slopes(slope[rows], self.mean)) for rows, loss in self.elementwise]
        if self.divides:
            slope.div_(self.divisor)
        if self.clips:
            slope.clamp_(self.low, self.high)
        slope.mul_(self.norm)
        for row, _, _, kept in self.by_kernel:
            row.copy_(kept)
        for rows, slopes in apart:
            slope[rows] = slopes
        torch.mul(slope, self.x, out=self.slope_x)
        torch.sum(self.terms, -1, out=out)


def _rows_of(loss: OfResiduals, losses: Sequence[OfResiduals]) -> slice | list[int]:
    rows = [row for row, one in enumerate(losses) if one == loss]
    together = rows[-1] - rows[0] == len(rows) - 1
    return slice(rows[0], rows[-1] + 1) if together else rows


def _rounds(divisor: float) -> bool:
    # Division by a power of two is exact in whatever order; otherwise torch's vectorised SmoothL1 divides
    # first in the body of a row and last in its tail, and only it knows where the tail begins.
    return math.frexp(divisor)[0] != 0.5


def values_and_gradients(sample: Sample, loss: OfResiduals, points: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and gradient of one loss at many lines.

    Args:
        sample: The data.
        loss: The loss.
        points: (weight, bias), shape (K, 2).

    Returns:
        Values (K,) and gradients (K, 2), in the points' dtype.
    """
    values, gradients = points.new_empty(len(points)), torch.empty_like(points)
    if sample.n > BLOCK:
        long = LongSample(sample, [loss] * len(points))
        long(points[:, :1], points[:, 1:], gradients.T)
        for _ in long.values_in_slices(loss, points, values):
            pass
        return values, gradients
    for _ in values_in_slices(sample, loss, points, values):
        pass
    rows = max(1, BLOCK // (2 * sample.n))
    for k in range(0, len(points), rows):
        weight, bias = points[k : k + rows].T.unsqueeze(-1)
        part = RowGradients(sample, [loss] * len(weight), points.dtype)
        part(weight, bias, gradients[k : k + rows].T)
    return values, gradients


def values_in_slices(sample: Sample, loss: OfResiduals, points: Tensor, out: Tensor) -> Iterator[float]:
    """The losses alone, of many lines, pausing between slices of a millisecond or so.

    Args:
        sample: The data, at most `BLOCK`.
        loss: The loss.
        points: (weight, bias), shape (K, 2).
        out: Receives the values, shape (K,).

    Yields:
        The fraction done, after each slice.
    """
    x, y = sample.x.to(points), sample.y.to(points)
    rows = max(1, BLOCK // sample.n)
    for k in range(0, len(points), rows):
        weight, bias = points[k : k + rows].T.unsqueeze(-1)
        residual = (weight * x).add_(bias).sub_(y)
        out[k : k + rows] = loss.values(residual).mean(-1)
        yield min(1.0, (k + rows) / len(points))
