"""A loss with the wrong sign: it is highest where the output says what the targets say, and falls without end."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from gradwidgets.core.layers.passes.passes import copied
from gradwidgets.core.layers.preflight.losses.value.wrong_signs import ENDLESS
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import abroad

_MOST = 100_000  # numbers of an output, which the loss is asked about several times
_SAMPLES = 4  # of each answer that are asked about alone
_LOGITS, _SHARES = (4.0, 8.0, 12.0), (1e-2, 1e-4, 1e-6)
_FAR = (2.0, 4.0, 8.0)  # standard deviations of the targets
_EVEN = 0.5  # how far it falls in a step, relative to the step before: less ends somewhere
_GROWS = 1.5  # the same where each step is twice as large
_LEVEL = 0.2  # how far it rises in the other direction, relative to the fall
_ALIKE = 1e-3  # of losses of samples with the same answer, relative
_ACTION = (
    "Flip its sign: a minus before a logarithm of a probability, none before an error. Nothing, if the optimizer is "
    "given maximize=True, or the model is to be made worse at it, as an adversary makes another."
)
Ask = Callable[[object], Tensor]


def against(loss: Tensor, output: Sequence[Tensor], targets: object, loss_fn: Ask | None) -> list[Finding]:
    """Report a negative loss of one output whose highest value is where the output says what the targets say.

    Args:
        loss: What it gave.
        output: The tensors of the model's output, which hold other numbers for as long as it takes.
        targets: What the loss was given.
        loss_fn: Computes the loss anew from the same output.
    """
    value = float(loss.detach())
    if loss_fn is None or not loss.requires_grad or not -math.inf < value < 0 or len(output) != 1:
        return []
    one = output[0]
    if not isinstance(targets, Tensor) or not one.requires_grad or not 1 < one.numel() <= _MOST or not one.ndim:
        return []
    if one.dtype not in (torch.float32, torch.float64) or not targets.numel() or not targets.ndim:
        return []
    asked = _Asked(one, targets, loss_fn)
    labels = _as_labels(one, targets)
    found = _by_labels(asked, value, labels) if labels is not None else _by_numbers(asked, value, targets)
    return [_told(value, *found)] if found else []


class _Asked:
    """A loss that is asked about other outputs."""

    def __init__(self, output: Tensor, targets: Tensor, loss_fn: Ask) -> None:
        self.output, self._targets, self._loss_fn = output, targets, loss_fn

    def __call__(self, other: Tensor) -> float:
        """Return the loss of another output; NaN if it refuses that."""
        old = self.output.detach().clone()
        try:
            self.output.data.copy_(other)
            with contextlib.suppress(Exception), abroad(), torch.random.fork_rng(devices=[]):
                return float(self._loss_fn(copied(self._targets)))
        finally:
            self.output.data.copy_(old)
        return math.nan


def _as_labels(output: Tensor, targets: Tensor) -> Tensor | None:
    """Return where the output should be high, as a mask; None if the targets are no labels, or all are the same."""
    if targets.numel() == output.numel() and bool(((targets == 0) | (targets == 1)).all()):
        on = targets.detach().reshape(output.shape) == 1
        return on if bool(on.any()) and not bool(on.all()) else None
    if targets.is_floating_point() or output.ndim < 2 or output.shape[1] < 2:
        return None
    if targets.shape != output.shape[:1] + output.shape[2:] or int(targets.min()) < 0:
        return None
    if int(targets.max()) >= output.shape[1] or int(targets.min()) == int(targets.max()):
        return None
    return torch.zeros_like(output, dtype=torch.bool).scatter_(1, targets.detach().long().unsqueeze(1), value=True)


def _answers(on: Tensor, output: Tensor) -> Iterator[Tensor]:
    """Yield outputs that say what a mask says, more and more surely."""
    if bool(((output >= 0) & (output <= 1)).all()):
        several = on.ndim > 1 and on.shape[1] > 1 and bool((on.sum(1) == 1).all())
        for off in _SHARES:
            low = off / (on.shape[1] - 1) if several else off
            yield torch.where(on, 1 - off, low).to(output)
    else:
        for far in _LOGITS:
            yield torch.where(on, far, -far).to(output)


def _by_labels(asked: _Asked, value: float, on: Tensor) -> tuple[float, float] | None:
    """Return the losses of right and of wrong answers, if the former are highest and the latter fall without end."""
    output = asked.output.detach()
    off = ~on if on.ndim < 2 or on.shape[1] < 2 or bool((on.sum(1) != 1).any()) else on.roll(1, 1)
    right = [asked(one) for one in _answers(on, output)]
    wrong = [asked(one) for one in _answers(off, output)]
    if not all(map(math.isfinite, (*right, *wrong))) or not max(right) >= right[0] > value > wrong[1]:
        return None
    falls = [before - after for before, after in pairwise(wrong)]
    if not (falls[0] > 0 and falls[1] >= _EVEN * falls[0] and abs(right[2] - right[1]) <= _LEVEL * falls[1]):
        return None
    return (right[-1], wrong[-1]) if _are_equal(asked, on, off, right[-1]) else None


def _are_equal(asked: _Asked, on: Tensor, off: Tensor, start: float) -> bool:
    """Whether samples with the same answer count the same: rewards and costs weigh them differently."""
    output = asked.output.detach()
    right, wrong = list(_answers(on, output))[1], list(_answers(off, output))[1]
    start = asked(right)
    first = on[0:1] if on.ndim > 1 else on[:1]
    same = [i for i in range(len(on)) if bool((on[i : i + 1] == first).all())][:_SAMPLES]
    falls = []
    for i in same:
        other = right.clone()
        other[i] = wrong[i]
        falls.append(start - asked(other))
    return len(falls) > 1 and min(falls) > 0 and max(falls) - min(falls) <= _ALIKE * max(falls) + 1e-6 * abs(start)


def _by_numbers(asked: _Asked, value: float, targets: Tensor) -> tuple[float, float] | None:
    """Return the losses at the targets and far from them, if they fall without end in any direction from there."""
    output = asked.output.detach()
    if targets.shape != output.shape or not targets.is_floating_point():
        return None
    want = targets.detach().to(output)
    top, size = asked(want), float(want.std()) + float((output - want).std())
    if not (math.isfinite(top) and size > 0 and top > value):
        return None
    draw, least = torch.Generator().manual_seed(0), top
    for _ in range(2):
        way = torch.randn(want.shape, generator=draw).to(want) * size
        for sign in (1, -1):
            first, second, third = (asked(want + sign * far * way) for far in _FAR)
            if not (top > first > second > third and second - third >= _GROWS * (first - second)):
                return None
            least = min(least, third)
    return top, least


def _told(value: float, top: float, low: float) -> Finding:
    top = top if abs(top) > 1e-6 * abs(low) else 0.0
    message = (
        f"the loss, {number(value, 3)}, is highest where the output says what the targets say, {number(top, 2)}, and "
        f"falls without end away from them, to {number(low, 3)} and further: each step makes the model worse"
    )
    evidence = {"loss": value, "right": top, "wrong": low, "threshold": 0.0}
    return Finding(ENDLESS, "warning", message, evidence, action=_ACTION)
