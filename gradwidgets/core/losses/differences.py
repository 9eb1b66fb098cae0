"""Central differences of a loss, and where a gradient disagrees with them."""

import contextlib
import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.results.slices import SLICE, Slices, part_of

MISMATCH = 1e-3  # of the larger slope: a gap at least this large is not rounding
_SHIFTS = (-8, -1, 1, 8)
_EPS = torch.finfo(torch.float64).eps
_ROUNDED_AT = [k for k in range(-8, 9) if k]  # of a tiny step: there a loss is linear up to its rounding
_TINY = 1e-3  # of the differences' step
_ROUNDING_FACTOR = 8.0  # residual from the line, times this: the possible rounding of a difference
_NARROW = 64  # points in the first batch, if each is a call; later batches are as large as a slice has time for
_WIDE = 2**11  # otherwise
_WIDEST = 2**14


@dataclass(frozen=True, eq=False)
class Differences:
    """A gradient compared with central differences in float64, at N points for each of P parameters; all (N, P).

    Attributes:
        slope: The slope from the differences; NaN where a loss that they need is not finite.
        own: The gradient that was passed in.
        gap: The distance between the two.
        doubtful: Where the differences do not agree among themselves: a kink or a jump within reach.
        jump: The change of the slope within that reach.
        noise: The part of the slope that may be the losses' rounding.
        allowed: The gap that all this explains.
    """

    slope: Tensor
    own: Tensor
    gap: Tensor
    doubtful: Tensor
    jump: Tensor
    noise: Tensor
    allowed: Tensor

    @property
    def wrong(self) -> Tensor:
        """Where the gap is larger than allowed."""
        return (self.gap > self.allowed) & ~self.doubtful

    def relative(self, least: Tensor | float = 1e-300) -> Tensor:
        """The gap relative to the larger slope, or to `least` where both are smaller; 0 where there is none."""
        size = torch.maximum(self.slope.abs(), self.own.abs())
        return torch.nan_to_num(self.gap / torch.maximum(size, torch.as_tensor(least, dtype=size.dtype)))


def differing(
    function: LossFunction, points: Tensor, own: Tensor, bounds: Tensor, steep: float, axes: Sequence[int]
) -> Slices[Differences]:
    """Compare gradients with central differences, in slices.

    Args:
        function: The loss function.
        points: The points, (N, P).
        own: Its gradient at the points, (N, P).
        bounds: The view's lower and upper ends, (P, 2).
        steep: The slope that counts as steep, per width of the view.
        axes: The indices of the parameters to compare.

    Returns:
        The comparison, its columns in the order of `axes`.
    """
    spans = bounds[:, 1] - bounds[:, 0]
    steps = _EPS ** (1 / 3) * torch.maximum(points.abs(), spans / 2)
    here, beside = [], []
    first, least = 0, _NARROW if function.method is None or function.slow else _WIDE
    size = least
    while first < len(points):
        begun = time.perf_counter()
        part = slice(first, first + size)
        places = [points[part]]
        for axis in axes:
            shift = torch.zeros_like(points[part])
            shift[:, axis] = steps[part, axis]
            places += [points[part] + times * shift for times in _SHIFTS]
        work = _losses(function, torch.cat(places), bounds)
        losses = yield from part_of(work, first / len(points), len(points[part]) / len(points))
        losses = losses.reshape(len(places), -1)
        here.append(losses[0])
        beside.append(losses[1:].reshape(len(axes), len(_SHIFTS), -1))
        first += size
        pace = (time.perf_counter() - begun) / size
        size = int(min(max(SLICE / max(pace, 1e-9), least), _WIDEST))
    found = _compared(torch.cat(here), torch.cat(beside, dim=-1), steps[:, axes], own[:, axes], steep / spans[axes])
    return (yield from _with_rounding(function, points, bounds, steps, axes, found))


def _with_rounding(
    function: LossFunction, points: Tensor, bounds: Tensor, steps: Tensor, axes: Sequence[int], found: Differences
) -> Slices[Differences]:
    """The same, with the rounding that nearby losses reveal and a difference of large numbers hides."""
    suspects = found.wrong.any(-1).nonzero().flatten()
    if not len(suspects) or function.slow:
        return found
    at = points[suspects]
    ways = torch.tensor(_ROUNDED_AT, dtype=torch.float64)
    noise = found.noise.clone()
    for k, axis in enumerate(axes):
        places = at.repeat(len(ways), 1, 1)
        places[..., axis] += ways[:, None] * _TINY * steps[suspects, axis]
        losses = (yield from _losses(function, places.flatten(0, 1), bounds)).reshape(len(ways), -1)
        left = _distance_from_line(losses, ways)
        noise[suspects, k] = torch.maximum(noise[suspects, k], _ROUNDING_FACTOR * left / steps[suspects, axis])
    more = (noise - found.noise).nan_to_num(0.0)
    return replace(found, noise=found.noise + more, allowed=found.allowed + more)


def _distance_from_line(losses: Tensor, ways: Tensor) -> Tensor:
    """The distance of losses, (W, N), from the straight line fitted to them, (N,)."""
    slope = (ways[:, None] * losses).sum(0) / (ways**2).sum()
    return (losses - losses.mean(0) - slope * ways[:, None]).abs().amax(0)


def sharp(own: Tensor, single: Tensor | None, spans: Tensor, steep: float) -> Tensor:
    """Where differences of losses exceed rounding: where float32 gives the same gradient as float64.

    Args:
        own: The gradient in float64, (N, P).
        single: In float32, (N, P); None if the loss does not support float32, and then it counts as the same.
        spans: The axes' widths, (P,).
        steep: The slope that counts as steep, per width of the view.

    Returns:
        A mask, (N,).
    """
    if single is None:
        return torch.ones(len(own), dtype=torch.bool)
    return ((single - own).abs() <= 0.01 * own.abs() + 1e-6 * steep / spans).all(-1)


def _losses(function: LossFunction, places: Tensor, bounds: Tensor) -> Slices[Tensor]:
    outside = ((places < bounds[:, 0]) | (places > bounds[:, 1])).any(-1)
    if not bool(outside.any()):
        return (yield from function.valuing(places, gradient=False)).loss.double()
    losses = torch.full((len(places),), float("nan"), dtype=torch.float64)
    share = float((~outside).double().mean())
    work = function.valuing(places[~outside], gradient=False)
    losses[~outside] = (yield from part_of(work, 0.0, share)).loss.double()
    # A loss may reject values out of view, a probability above 1 for instance. That must not change how it is called.
    with contextlib.suppress(LossError):
        work = copy.copy(function).valuing(places[outside], gradient=False)
        losses[outside] = (yield from part_of(work, share, 1 - share)).loss.double()
    return losses


def _compared(here: Tensor, beside: Tensor, h: Tensor, own: Tensor, steep: Tensor) -> Differences:
    """Compare losses at N points, (N,), with those at four positions beside each along P axes, (P, 4, N)."""
    here = here[:, None]
    far_behind, behind, ahead, far_ahead = (losses.T for losses in beside.unbind(1))
    slope, wider = (ahead - behind) / (2 * h), (far_ahead - far_behind) / (16 * h)
    bend = (ahead - 2 * here + behind).abs()
    noise = 20 * _EPS * here.abs() / h
    # A kink within reach, or a loss too rough for differences: then the differences disagree.
    rough = (slope - wider).abs() > 0.05 * torch.maximum(slope.abs(), wider.abs()) + noise
    kink = bend > 0.1 * torch.maximum((ahead - here).abs(), (here - behind).abs())
    allowed = MISMATCH * torch.maximum(slope.abs(), own.abs()) + noise + (slope - wider).abs() + 1e-9 * steep
    jump = torch.maximum(bend / h, (slope - wider).abs())
    return Differences(slope, own, (slope - own).abs(), rough | kink, jump, noise, allowed)
