"""Gradients and losses of lines on mini-batches, a new one at every call."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gradwidgets.core.regression.elementwise import Clip, Elementwise, OfResiduals
from gradwidgets.core.regression.long_sample import BLOCK
from gradwidgets.core.regression.residuals import ROWS_BY_KERNEL, Rows
from gradwidgets.core.regression.sample import Sample


class BatchGradients:
    """The gradients of L · S lines, called like `residuals.RowGradients`: loss by loss, S lines for each.

    Each of the S lines has its own batch, the same one under every loss; or all have the same. A single line's gradient
    is bit for bit what autograd gives for torch's own loss on the batch.

    Args:
        sample: The data.
        losses: The L losses.
        lines: S, the number of lines under each loss.
        batches: The positions in the data, batch after batch, each of shape (S, b) or (1, b).
        dtype: The dtype of the computation, float32 or float64.
        calls: How many calls are recorded; by default none.

    Attributes:
        values: The losses on the batch of every call so far, (calls, L · S).
        done: The number of calls so far.
    """

    def __init__(
        self,
        sample: Sample,
        losses: Sequence[OfResiduals],
        lines: int,
        batches: Iterator[Tensor],
        dtype: torch.dtype,
        calls: int = 0,
    ) -> None:
        self._data = torch.stack([sample.x, sample.y]).to(dtype)
        self._losses, self._lines, self._batches = losses, lines, batches
        self._parts: dict[int, list[_Part]] = {}
        self.values, self.done = self._data.new_empty(calls, len(losses) * lines), 0

    def __call__(self, weight: Tensor, bias: Tensor, out: Tensor) -> None:
        """Write the gradients at (weight, bias) on the next batch into `out`, and its losses into the record."""
        chosen = next(self._batches)
        data = self._data.index_select(1, chosen.reshape(-1)).view(2, *chosen.shape)
        size = chosen.shape[1]
        if size not in self._parts:
            self._parts[size] = self._split(size)
        values = self.values[self.done] if len(self.values) else None
        self.done += 1
        for part in self._parts[size]:
            part(data, weight, bias, out, values)

    def _split(self, size: int) -> list["_Part"]:
        count, lines = len(self._losses), self._lines
        by_kernel, empty = count * lines <= ROWS_BY_KERNEL, self._data.new_zeros(size)
        if count * lines * size <= BLOCK // 2:
            return [_Part(empty, self._losses, 0, slice(0, lines), by_kernel)]
        rows = max(1, BLOCK // (2 * size))
        return [
            _Part(empty, [loss], i * lines, slice(k, min(k + rows, lines)), by_kernel)
            for i, loss in enumerate(self._losses)
            for k in range(0, lines, rows)
        ]


class _Part:
    """Some lines under some losses: as many as stay in a core's cache."""

    def __init__(self, empty: Tensor, losses: Sequence[OfResiduals], first: int, lines: slice, by_kernel: bool) -> None:
        count, size = lines.stop - lines.start, len(empty)
        repeated = [loss for loss in losses for _ in range(count)]
        self.lines = lines
        self.rows = slice(first + lines.start, first + lines.start + len(repeated))
        self.gradients = Rows(empty, empty, repeated, by_kernel=by_kernel)
        self.data = self.gradients.data.view(2, len(losses), count, size)
        self.losses = _MeanLosses(repeated, empty)

    def __call__(self, data: Tensor, weight: Tensor, bias: Tensor, out: Tensor, values: Tensor | None) -> None:
        own = data if data.shape[1] == 1 else data[:, self.lines]
        self.data.copy_(own.unsqueeze(1))
        weight, bias, rows = weight[self.rows], bias[self.rows], self.gradients
        if values is not None:
            residuals = torch.mul(weight, rows.x).add_(bias).sub_(rows.y)
            values[self.rows] = self.losses(residuals)
        rows(weight, bias, out[:, self.rows])


class _MeanLosses:
    """The mean losses of rows of residuals, each under its own loss."""

    def __init__(self, losses: Sequence[OfResiduals], empty: Tensor) -> None:
        self.own = [
            ([i for i, one in enumerate(losses) if one == loss], loss)
            for loss in dict.fromkeys(losses)
            if isinstance(loss, Elementwise)
        ]
        clips = [loss if isinstance(loss, Clip) else Clip(1.0, 1.0, 1.0) for loss in losses]
        self.divisor, bound, self.factor = (empty.new_tensor(column)[:, None] for column in zip(*clips, strict=True))
        self.low, self.high, self.half = -bound, bound, self.divisor / 2

    def __call__(self, residuals: Tensor) -> Tensor:
        own = [(rows, loss.values(residuals[rows])) for rows, loss in self.own]
        clipped = torch.div(residuals, self.divisor).clamp_(self.low, self.high)
        values = residuals.sub_(clipped * self.half).mul_(clipped).mul_(self.factor)
        for rows, found in own:
            values[rows] = found
        return values.mean(-1)
