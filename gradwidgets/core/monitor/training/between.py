"""Writes to the weights by something other than the optimizer, between two of its steps."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.monitor.facts import RoundedFacts
from gradwidgets.core.monitor.owners import Owned

_PARAMETERS = 3  # that are watched
_NUMBERS = 64  # of each
_MOST = 1000  # steps that are named
_UNDONE = 0.05  # of a step that is left: nearly all of it was taken back
_SAME = 1e-3  # of a step: rounding alone may leave less, when a step is taken back


class Between:
    """Checks before a step, at a few numbers of some parameters, whether the weights are as the last step left them.

    Attributes:
        steps: Steps before which something else had written to the weights, ascending; the first thousand.
        broken: The first step that left a number that is not finite, where that can be read at once; 0 for none.
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.broken = self._step = 0
        self._rounded: dict[str, list[Tensor]] = {}
        self.forget()

    def forget(self) -> None:
        """Let go of the weights."""
        self._table: Sequence[Owned] | None = None
        self._places: list[tuple[Tensor, int]] = []
        self._parts: list[Tensor] = []
        self._ones: list[Tensor] = []
        self._readable: list[Tensor] = []
        self._print: tuple[float, ...] | None = None
        self._before: list[Tensor] | None = None
        self._after: list[Tensor] | None = None
        self._taught: list[tuple[int, Tensor]] = []

    def watch(self, owned: Sequence[Owned]) -> None:
        """Watch some of these parameters, unless they are watched already."""
        if owned is self._table and all(one.data_ptr() == place for one, place in self._places):
            return  # the old memory of weights that were moved is not kept alive
        self.forget()
        self._table = owned
        # A parameter that is spread over several processes could only be read by all of them together.
        some = [one for one in owned if one.plain and type(one.parameter.detach()) is Tensor]
        some = [one for one in some if one.parameter.requires_grad and one.parameter.is_contiguous()]
        some = [one for one in some if one.parameter.ndim > 1] or some
        for one in _spread_over(some):
            flat = one.parameter.detach().view(-1)  # it shares the parameter's count of writes
            self._places.append((one.parameter, one.parameter.data_ptr()))
            self._parts.append(flat[:: -(-flat.numel() // _NUMBERS)])
            self._ones.append(flat[flat.numel() // 2])
        self._readable = [one for one in self._ones if one.is_cpu]

    def begins(self, step: int) -> float | None:
        """Compare the weights with those that the last step left, as a step is about to come.

        Returns:
            How much of the last step is left, if it was sampled: 1 where nothing has written to the weights since, 0
            where they are as they were before it; NaN where the change has nothing to do with that step. None for a
            step that was not sampled.
        """
        self._step = step
        before, after, self._before, self._after = self._before, self._after, None, None
        written = self._print is not None and self._print != self._printed()
        # After a sampled step all of the numbers are compared: a single one may have no gradient.
        written = written or (after is not None and not all(map(torch.equal, after, self._parts)))
        if written and len(self.steps) < _MOST:
            self.steps.append(step)
        if before is None or after is None:
            return None
        return _left(before, after, self._parts) if written else 1.0

    def sampled(self) -> None:
        """Copy the numbers, as the step that is about to come is sampled."""
        self._before = [one.clone() for one in self._parts]
        self._taught = [
            (place, one.grad.reshape(-1)[:: -(-one.numel() // _NUMBERS)] != 0)
            for place, (one, _) in enumerate(self._places)
            if one.dtype.itemsize < 4 and one.grad is not None and one.grad.layout == torch.strided
        ]

    def ended(self) -> None:
        """Keep the numbers that a step has left."""
        self._print = self._printed()
        if self._before is not None:
            self._after = [one.clone() for one in self._parts]
            self._compare(self._before, self._after)
        if not self.broken and not all(map(math.isfinite, self._print)):
            self.broken = self._step

    def _compare(self, before: list[Tensor], after: list[Tensor]) -> None:
        """Count the numbers of half precision that a step has left as they were, though they have a gradient."""
        for place, taught in self._taught:
            counts = torch.stack(((taught & (before[place] == after[place])).sum(), taught.sum()))
            self._rounded.setdefault(str(before[place].dtype).removeprefix("torch."), []).append(counts)
        self._taught = []

    @property
    def rounded(self) -> RoundedFacts:
        """The "type" of half precision, how many numbers with a gradient were "looked at", and stayed the "same"."""
        for name, counts in self._rounded.items():
            counts[:] = [torch.stack([one.cpu() for one in counts]).sum(0)]
            same, looked_at = counts[0].tolist()
            return {"type": name, "same": same, "looked at": looked_at}
        return {}

    def _printed(self) -> tuple[float, ...]:
        # Writes through `.data` do not raise the version, so numbers are read too; elsewhere that waits for the device.
        return *[one._version for one in self._ones], *[one.item() for one in self._readable]


def _spread_over(some: list[Owned]) -> list[Owned]:
    """The first parameter, the last one, and one from the middle."""
    return [some[k] for k in sorted({0, len(some) // 2, len(some) - 1})][:_PARAMETERS] if some else []


def _left(before: list[Tensor], after: list[Tensor], now: list[Tensor]) -> float:
    """How much of a step is left, where the rest goes along the step; else NaN."""
    step = torch.cat([b.double() - a.double() for b, a in zip(after, before, strict=True)])
    left = torch.cat([b.double() - a.double() for b, a in zip(now, before, strict=True)])
    square = float(step @ step)
    if not square > 0 or not math.isfinite(square):
        return math.nan
    share = float(left @ step) / square
    off = float(torch.linalg.vector_norm(left - share * step)) / math.sqrt(square)
    # Where hardly anything of the step is left, the rest of other steps is as large.
    return share if off <= max(0.1 * abs(share), 10 * _SAME, _UNDONE if abs(share) < _UNDONE else 0.0) else math.nan
