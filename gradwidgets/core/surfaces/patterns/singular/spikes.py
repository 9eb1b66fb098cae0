"""Spikes of a likelihood: at a sample the scale may go to 0, and the loss falls without end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.patterns.ends.descents import Descents
from gradwidgets.core.surfaces.patterns.in_view import View

NARROW = 0.01  # of the view: a spike is not wider at the view's edge
_CANDIDATES = 2  # ends of descents that are tried, the lowest
_SAME = 0.02  # of the view: ends within it are one
_STEPS = 6  # from where a descent has stopped to the edge
_BACK = (0.05, 0.1, 0.15)  # of the scale's axis, from the edge
_BEYOND = (0.05, 0.1, 0.15)  # the same, beyond the edge
_TOWARDS_ZERO = (0.3, 0.09, 0.027)  # of the edge's value, if the axis is the scale itself, which ends at 0
_STEP, _FAR = 0.15, range(1, 33)  # steps beyond the edge, of the axis, on which a floor of the scale would show
_POWERS = range(1, 14)  # the same towards 0, as powers of a factor
_TOO_NARROW = 1e-7  # of the view: the bottom of a narrower spike cannot be found
_NEAR_ZERO = 0.05  # of the axis: an edge so near to 0 belongs to a scale
_LIKE = 0.6  # of the largest fall: all falls are at least so large
_SHRINKS = 0.9  # of a width: the next one nearer to the edge is smaller
_POLLS = 3
_FIRST_STEPS = (0.01, 0.03, 0.1, 0.3, 1.0)  # of a stretch whose direction is not known yet
_SLANTS = 0.05  # of the distance along the scale's axis: a slanting valley goes further along the other one


@dataclass(frozen=True)
class Spike:
    """An ever narrower valley in which a loss falls without end.

    Attributes:
        axis: The axis of the scale.
        point: The point where it meets the edge of the view.
        width: Its width there, as a share of the view along the other axis.
        target: The value to which the scale goes, in words.
        slants: Whether the valley is not parallel to an axis.
    """

    axis: int
    point: tuple[float, ...]
    width: float
    target: str
    slants: bool = False


def finding_spike(view: View, descents: Descents, minima: Sequence[Sequence[float]]) -> Slices[Spike | None]:
    """The spike that descents lead into over two axes, or None.

    Args:
        view: The loss over its axes.
        descents: The descents from all over the view.
        minima: Points at which the loss has a smooth minimum: a descent that ends near one is on its way there.
    """
    if view.dims != 2 or view.slow:
        return None
    blocked = descents.blocked(view)
    known = [torch.tensor(point, dtype=torch.float64) for point in minima]
    for k in descents.losses.argsort().tolist():
        end, slopes = descents.ends[k], descents.gradients[k]
        if bool(descents.settled[k]) and int(blocked[k].sum()) != 1:
            continue
        if any(bool(((end - other).abs() < _SAME * view.spans).all()) for other in known):
            continue
        known.append(end)
        for axis in range(2) if bool((slopes != 0).all()) else ():
            for edge in (yield from _at_edges(view, end, axis, bool(blocked[k, axis]))):
                found = yield from _spike_at(view, edge, axis)
                if found is not None:
                    return found
        if len(known) == len(minima) + _CANDIDATES:
            break
    return None


def _at_edges(view: View, end: Tensor, axis: int, there: bool) -> Slices[list[Tensor]]:
    """The points, (2,) each, where the valley in which a descent has stopped reaches an edge and falls all the way."""
    if there:
        return [end]
    found = []
    # In both directions: across a slanting valley the slope does not show which way it falls.
    for edge in (float(view.low[axis]), float(view.high[axis])):
        way = torch.linspace(float(end[axis]), edge, _STEPS + 1, dtype=torch.float64)
        points, losses = yield from _bottoms(view, end, axis, way)
        if edge != float(end[axis]) and bool((losses.diff() < 0).all()):
            found.append(points[-1])
    return found


def _spike_at(view: View, end: Tensor, axis: int) -> Slices[Spike | None]:
    inward = 1.0 if float(end[axis]) <= float(view.low[axis]) else -1.0
    span, edge = float(view.spans[axis]), float(end[axis])
    inside = torch.tensor([edge, *(edge + inward * share * span for share in _BACK)], dtype=torch.float64)
    points, losses = yield from _bottoms(view, end, axis, inside)
    falls = losses.diff()
    if not bool((falls > 0).all()) or not bool(((points[0] >= view.low) & (points[0] <= view.high)).all()):
        return None
    widths = yield from _widths(view, points, losses, axis, float(falls[0]))
    if not float(widths[0]) < min(NARROW, _SHRINKS * float(widths[1])) or not bool((widths.diff() >= 0).all()):
        return None
    scale = inward > 0 and 0 < edge < _NEAR_ZERO * span
    beyond = [edge * share for share in _TOWARDS_ZERO] if scale else [edge - inward * s * span for s in _BEYOND]
    _, further = yield from _bottoms(view, end, axis, torch.tensor([edge, *beyond], dtype=torch.float64))
    falls = -further.diff()
    if not bool(further.isfinite().all()) or not bool((falls > 0).all()):
        return None
    if float(falls.min()) < _LIKE * float(falls.max()):
        return None
    if (yield from _levels_off(view, end, axis, -inward, float(falls[0]), scale)):
        return None
    target = "0" if scale else "−∞" if inward > 0 else "∞"
    moved = (points[1] - points[0]).abs() / view.spans
    slants = float(moved[1 - axis]) > _SLANTS * float(moved[axis])
    return Spike(axis, tuple(points[0].tolist()), float(widths[0]), target, slants)


def _levels_off(view: View, end: Tensor, axis: int, outward: float, fall: float, scale: bool) -> Slices[bool]:
    """Whether a spike has a floor farther out, where it is still wide enough for its bottom to be found.

    Args:
        view: The loss over its axes.
        end: The point where it meets the edge.
        axis: The axis of the scale.
        outward: The direction beyond the edge, 1 or −1.
        fall: How far the loss falls over the first of `_BEYOND`, or of `_TOWARDS_ZERO`.
        scale: Whether the axis is the scale itself.
    """
    edge, span = float(end[axis]), float(view.spans[axis])
    far, steps = _STEP / _BEYOND[0], _POWERS if scale else _FAR
    further = [edge * _TOWARDS_ZERO[0] ** k if scale else edge + outward * k * _STEP * span for k in steps]
    points, losses = yield from _bottoms(view, end, axis, torch.tensor([edge, *further], dtype=torch.float64))
    slow = ~(-losses.diff() >= _LIKE * fall * (1.0 if scale else far))
    if not bool(slow.any()):
        return False
    # If it was too narrow right before, its bottom may only have been missed.
    last = int(slow.int().argmax())
    width = yield from _widths(view, points[last : last + 1], losses[last : last + 1], axis, fall)
    return bool(losses[last + 1].isfinite()) and float(width[0]) > _TOO_NARROW


def _bottoms(view: View, start: Tensor, axis: int, values: Tensor) -> Slices[tuple[Tensor, Tensor]]:
    """The lowest points along the other axis at values of one axis, (N, 2), and their losses.

    Each search begins where the valley leads from the points before; the first steps are small, to find its direction.
    """
    other, sizes = 1 - axis, 0.03 * 0.5 ** torch.arange(36, dtype=torch.float64)
    steps = torch.cat([-sizes, torch.zeros(1, dtype=torch.float64), sizes]) * view.spans[other]
    at, before, points, losses = start.clone(), None, [], []
    for value in values.tolist():
        begun = float(at[axis])
        for share in _FIRST_STEPS if before is None and value != begun else (1.0,):
            to = at.clone()
            to[axis] = begun + share * (value - begun)
            if before is not None and float(at[axis]) != float(before[axis]):
                to[other] += (at - before)[other] / (at - before)[axis] * (to - at)[axis]
            for _ in range(_POLLS):
                places = to.expand(len(steps), 2).clone()
                places[:, other] += steps
                found, _ = yield from view.at(places, gradient=False)
                found = found.nan_to_num(math.inf, math.inf, math.inf)
                to, loss = places[int(found.argmin())].clone(), found.min()
                if bool((places[len(sizes)] == to).all()):
                    break
            before, at = (at, to) if float(to[axis]) != float(at[axis]) else (before, to)
        points.append(at.clone())
        losses.append(loss)
    return torch.stack(points), torch.stack(losses)


def _widths(view: View, points: Tensor, losses: Tensor, axis: int, rise: float) -> Slices[Tensor]:
    """How far from each point, as a share of the view, the loss has risen by `rise` on both sides, (N,)."""
    other, shares = 1 - axis, 2.0 ** torch.arange(-30, 0.1, 0.125, dtype=torch.float64)
    places = points[:, None, None].expand(-1, len(shares), 2, 2).clone()
    places[..., other] += (shares * view.spans[other])[:, None] * torch.tensor([-1.0, 1.0], dtype=torch.float64)
    found, _ = yield from view.at(places.reshape(-1, 2), gradient=False)
    risen = (found.reshape(len(points), len(shares), 2) - losses[:, None, None] > rise).all(-1)
    first = torch.where(risen.any(1), risen.double().argmax(1), len(shares) - 1)
    return shares[first]
