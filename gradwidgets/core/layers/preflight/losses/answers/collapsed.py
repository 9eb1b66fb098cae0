"""Embeddings that are nearly the same for all samples, under a loss of their distances."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.passes.passes import copied
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent
from gradwidgets.core.subject.home import abroad

COLLAPSED = "collapsed"
_FEWEST = 6  # samples
_SPREAD = 1 / 3  # of the embeddings' size, over samples: a loss of distances does not feel their mean
_LEVEL = 0.05  # relative difference from the loss of a single point
_FAR = (1.0, 10.0, -10.0)  # how far all embeddings are moved
_SAME = 1e-3  # relative difference up to which a loss does not change when the same is added to all embeddings
_ACTION = (
    "Smaller steps, or semi-hard negatives in place of the hardest for the first epochs; embeddings of length 1 "
    "(F.normalize), or a BatchNorm before them. Nothing, if it is the first step of a deep network and the loss falls."
)
Ask = Callable[[object], Tensor]


def collapsed(loss: Tensor, output: Sequence[Tensor], targets: object, loss_fn: Ask | None) -> list[Finding]:
    """Note embeddings that hardly differ, where the loss is that of a single point for all samples.

    Args:
        loss: What it gave.
        output: The tensors of the model's output, which hold other numbers for as long as it takes.
        targets: What the loss was given.
        loss_fn: Computes the loss anew from the same output.
    """
    value = float(loss.detach())
    if loss_fn is None or not 0 < value < math.inf or len(output) != 1 or not isinstance(targets, Tensor):
        return []
    one = output[0]
    if one.ndim != 2 or len(one) < _FEWEST or one.shape[1] < 2 or not one.is_floating_point():
        return []
    held = one.detach().clone()
    middle = held.mean(0, keepdim=True)
    share = float((held - middle).norm(dim=1).mean() / held.norm(dim=1).mean())
    if not 0 < share < _SPREAD:
        return []
    points = _asked(one, middle.expand_as(held), targets, loss_fn)
    if not abs(points - value) <= _LEVEL * value:
        return []
    way = torch.randn(middle.shape, generator=torch.Generator().manual_seed(0)).to(held) * held.abs().mean()
    moved = (_asked(one, held + far * way, targets, loss_fn) for far in _FAR)
    if not all(abs(other - value) <= _SAME * value for other in moved):  # it feels more than distances
        return []
    return [_told(value, points, share, len(held))]


def _asked(output: Tensor, other: Tensor, targets: Tensor, loss_fn: Ask) -> float:
    """Return the loss of another output; NaN if it refuses that."""
    old = output.detach().clone()
    try:
        output.data.copy_(other)
        with abroad(), torch.random.fork_rng(devices=[]):
            return float(loss_fn(copied(targets)))
    except Exception:  # errors of the loss mean nothing
        return math.nan
    finally:
        output.data.copy_(old)


def _told(value: float, points: float, share: float, count: int) -> Finding:
    at = " log 2," if math.isclose(points, math.log(2), rel_tol=1e-3) else ""
    message = (
        f"the embeddings of {count} samples have nearly collapsed to one point: the loss of their distances, "
        f"{number(value, 3)}, is as good as that of a single point for all,{at} {number(points, 3)}; they differ by "
        f"{percent(share)} of their size"
    )
    return Finding(COLLAPSED, "info", message, {"share": share, "loss": value, "of one point": points,
                                                "threshold": _SPREAD}, action=_ACTION)  # fmt: skip
