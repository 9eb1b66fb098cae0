"""Maps of a fitted line's losses without visiting every data point for every grid point.

For one weight w, the residual at bias b is b − t with t = y − w x. The sum of any of the losses over the
data is then a polynomial in b between the places t and t ± threshold, with coefficients that are sums of 1,
t, t², x and x t over the points below b. So each weight needs the t only once, sorted into the bins between
the biases (± threshold): n + W operations per row instead of n · W, exact up to rounding. The mean squared
residual needs no data at all: it is a quadratic form about the least-squares fit. All this holds for clipped losses;
for any other, every grid point visits every data point.
"""

import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gradwidgets.core.regression.elementwise import Clip, Elementwise, OfResiduals
from gradwidgets.core.regression.line_fits import LEAST
from gradwidgets.core.regression.long_sample import BLOCK
from gradwidgets.core.regression.regression import Regression
from gradwidgets.core.regression.residuals import values_and_gradients
from gradwidgets.core.regression.sample import Sample
from gradwidgets.core.results.slices import SLICE, Slices, part_of

# (loss, ∂/∂horizontal, ∂/∂vertical), each (H, W).
Map = tuple[Tensor, Tensor, Tensor]

# Number of entries in the table that maps t to its bin.
TABLE = 2**12


def regression_surfaces(lines: Sequence[Regression], names: Sequence[str], x: Tensor, y: Tensor) -> Slices[list[Map]]:
    """The maps of several losses of the same data.

    Args:
        lines: Regressions on one sample.
        names: Which parameter is horizontal and which vertical.
        x: Values of the first, ascending, (W,).
        y: Values of the second, ascending, (H,).

    Yields:
        The fraction of rows done.

    Returns:
        One map for each of `lines`, float64.
    """
    upright = names[0] == "bias"
    biases, weights = (x, y) if upright else (y, x)
    # Columns of equal weight, rows of equal bias: the order in which the sums are computed.
    shape = len(biases), len(weights)
    maps = [(x.new_empty(shape), x.new_empty(shape), x.new_empty(shape)) for _ in lines]
    sample, losses = lines[0].sample, [line.of_residuals() for line in lines]
    thresholds = {_threshold(loss) for loss in losses if isinstance(loss, Clip)} - {math.inf}
    bins = _Bins(sample, biases, sorted(thresholds)) if thresholds else None
    size = bins.weights_at_once if bins else max(1, BLOCK // len(biases))
    if any(isinstance(loss, Elementwise) for loss in losses):
        size = min(size, max(1, 8 * BLOCK // (len(biases) * sample.n)))
    deadline = time.perf_counter() + SLICE
    for k in range(0, len(weights), size):
        weight = weights[k : k + size]
        moments = (yield from part_of(bins.moments(weight), k / len(weights), size / len(weights))) if bins else []
        for whole, piece in zip(maps, _pieces(sample, losses, biases, weight, bins, moments), strict=True):
            for target, values in zip(whole, piece, strict=True):
                target[:, k : k + size] = values
        if time.perf_counter() > deadline:
            yield min((k + size) / len(weights), 1.0)
            deadline = time.perf_counter() + SLICE
    if upright:
        return [
            (loss.T.contiguous(), by_bias.T.contiguous(), by_weight.T.contiguous()) for loss, by_weight, by_bias in maps
        ]
    return maps


def _pieces(
    s: Sample,
    losses: Sequence[OfResiduals],
    biases: Tensor,
    weight: Tensor,
    bins: "_Bins | None",
    moments: list[Tensor],
) -> Iterator[Map]:
    """(loss, ∂/∂weight, ∂/∂bias) of each line, (biases, weights)."""
    # The mean residual.
    d = biases[:, None] + (weight * s.x_mean - s.y_mean)
    sums = bins.sums(moments) if bins else {}
    huber: dict[float, Map] = {}
    for loss in losses:
        if isinstance(loss, Elementwise):
            yield _elementwise(s, loss, biases, weight)
            continue
        threshold = _threshold(loss)
        if math.isinf(threshold):
            yield _mean_squared(s, weight, d)
            continue
        if threshold not in huber:
            huber[threshold] = _clipped(s, threshold, d, *sums[threshold])
        # A clipped loss is Huber's up to a factor, and L1 is linear from 0 on.
        scale = loss.factor / loss.divisor if threshold else loss.factor * loss.bound
        value, by_weight, by_bias = huber[threshold]
        yield (value, by_weight, by_bias) if scale == 1 else (value * scale, by_weight * scale, by_bias * scale)


def _threshold(loss: Clip) -> float:
    return loss.threshold if loss.threshold > LEAST else 0.0


def _elementwise(s: Sample, loss: Elementwise, biases: Tensor, weight: Tensor) -> Map:
    points = torch.cartesian_prod(biases, weight).flip(-1)
    values, gradients = values_and_gradients(s, loss, points)
    shape = len(biases), len(weight)
    return values.view(shape), gradients[:, 0].view(shape), gradients[:, 1].view(shape)


def _mean_squared(s: Sample, weight: Tensor, d: Tensor) -> Map:
    xx, off = s.covariances[0], weight - s.slope
    return d * d + (xx * off * off + s.residual_variance), 2 * (xx * off + s.x_mean * d), 2 * d


def _clipped(
    s: Sample, threshold: float, d: Tensor, outside: list[Tensor], inside: list[Tensor], clipped_n: Tensor
) -> Map:
    # Residuals are r = d − t with t measured from its mean. `outside` holds the sums over what is clipped at +threshold
    # minus those at −threshold; `clipped_n` is the number of both.
    n, t, x = outside
    slope, slope_x, loss = n, x, d * n - t
    if threshold:
        n, t, x, tt, xt = inside
        # Cancellation may carry the sums of r and r² beyond what |r| < threshold allows.
        room = n * threshold
        r = torch.clamp(d * n - t, -room, room)
        rr = torch.clamp(d * (d * n - 2 * t) + tt, torch.zeros_like(room), room.mul_(threshold))
        loss = threshold * (loss - (threshold / 2) * clipped_n) + rr / 2
        slope = threshold * slope + r
        slope_x = threshold * slope_x + (d * x - xt)
    return loss / s.n, (slope_x + s.x_mean * slope) / s.n, slope / s.n


class _Bins:
    """Sums over the data whose t is low, inside or high, for every bias and threshold.

    Low is t < bias − threshold and high is t ≥ bias + threshold. With threshold 0, inside is t = bias alone:
    the residual 0, whose slope is 0.
    """

    def __init__(self, sample: Sample, biases: Tensor, thresholds: Sequence[float]) -> None:
        self.sample = sample
        after = torch.nextafter(biases, torch.full_like(biases, torch.inf))
        pairs = [torch.stack([biases - t, biases + t] if t else [biases, after]) for t in thresholds]
        self.edges, places = torch.unique(torch.stack(pairs), return_inverse=True)
        self.places = dict(zip(thresholds, places, strict=True))
        self.count = len(self.edges) + 1
        self.weights_at_once = max(1, BLOCK // max(self.count, sample.n))
        self._make_table()

    def _make_table(self) -> None:
        # A uniform grid over the edges: `skip` counts the edges in cells before each, `most` how many share
        # one. The cell of a number never falls as the number grows, rounding included, so the search is
        # exact.
        low, high = float(self.edges[0]), float(self.edges[-1])
        self.low, self.per_width = low, (TABLE - 1) / (high - low)
        edges_in_cell = torch.bincount(self._cell(self.edges), minlength=TABLE)
        self.skip = edges_in_cell.cumsum(0) - edges_in_cell
        self.most = int(edges_in_cell.max())
        self.padded = torch.cat([self.edges, self.edges.new_full((self.most,), torch.inf)])

    def _cell(self, t: Tensor) -> Tensor:
        return (t - self.low).mul_(self.per_width).clamp_(0, TABLE - 1).long()

    def _bin(self, t: Tensor) -> Tensor:
        """The number of edges ≤ t, of shape (values,)."""
        if self.most > 4:
            return torch.bucketize(t, self.edges, right=True)
        at = self.skip.index_select(0, self._cell(t))
        for _ in range(self.most):
            at += t >= self.padded.index_select(0, at)
        return at

    def moments(self, weights: Tensor) -> Slices[list[Tensor]]:
        """Five sums in each bin, of 1, t, x, t² and x t about the means, each of shape (bins, weights)."""
        rows, size = len(weights), self.count * len(weights)
        moments = [weights.new_zeros(size) for _ in range(5)]
        s, weight = self.sample, weights[:, None]
        t_mean, column = s.y_mean - weight * s.x_mean, torch.arange(rows)[:, None]
        deadline = time.perf_counter() + SLICE
        for i in range(0, s.n, BLOCK):
            part = slice(i, i + BLOCK)
            t = s.y[part] - weight * s.x[part]
            bins = self._bin(t.view(-1))
            if rows > 1:
                bins = bins.view(rows, -1).mul_(rows).add_(column).view(-1)
            t = t.sub_(t_mean).view(-1)
            x = s.centred[0][part].expand(rows, -1).reshape(-1)
            moments[0] += torch.bincount(bins, minlength=size)
            for moment, terms in zip(moments[1:], (t, x, t * t, x * t), strict=True):
                moment += torch.bincount(bins, terms, minlength=size)
            if time.perf_counter() > deadline:
                yield i / s.n
                deadline = time.perf_counter() + SLICE
        return [moment.view(self.count, rows) for moment in moments]

    def sums(self, moments: list[Tensor]) -> dict[float, tuple[list[Tensor], list[Tensor], Tensor]]:
        """Threshold → what `_clipped` needs, all of shape (biases, weights)."""
        below = [moment.cumsum(0) for moment in moments]
        result = {}
        for threshold, (first, second) in self.places.items():
            used = below if threshold else below[:3]
            low = [sums.index_select(0, first) for sums in used]
            upto = [sums.index_select(0, second) for sums in used]
            outside = [a + b - sums[-1] for a, b, sums in zip(low, upto, below[:3], strict=False)]
            inside = [b - a for a, b in zip(low, upto, strict=True)] if threshold else []
            result[threshold] = outside, inside, low[0] - upto[0] + self.sample.n
        return result
