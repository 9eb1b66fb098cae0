"""Whether a loss that is lowest at an edge of the view falls without end beyond it, or has a bottom there."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.patterns.ends.descents import Descents
from gradwidgets.core.surfaces.patterns.in_view import View

DOUBLINGS = 22  # of the distance beyond the edge, up to a million widths of the view
_FIRST = 0.25  # of the width
_FAR = 8.0  # of that: so far out the falling term outweighs the others
_HALVINGS = 40  # of an edge's value, towards a domain's end at 0
_ENDS, _ENDS_SLOW = 3, 1  # the lowest ends of descents at an edge, from which the loss is followed
_SAME = 0.02  # of the view: ends within it are one
_LAST = 6  # falls, each over a distance twice the one before
_AS_A_LOGARITHM = 0.97  # times the fall before: with an inverse tenth root, or 1/log, a fall is smaller
_AS_A_LINE, _CERTAIN = 1.8, 3  # times the fall before, and so many of them: enough if numbers overflow further out
_ROUNDING = 0.1  # of a fall: with more rounding in it, it does not count
_ULPS = 3
_FINEST = 36  # halvings of a step across a valley
_POLLS = 8


@dataclass(frozen=True)
class Fall:
    """Where a loss falls without end.

    Attributes:
        point: The point on the edge of the view.
        towards: The direction in words, such as "as s goes to 0".
        beyond: A point beyond the view, where the loss is lower.
        fast: Whether it falls at least as fast as a line: a slower fall, as of −log p, is no fault, since p ends at 1.
    """

    point: tuple[float, ...]
    towards: str = ""
    beyond: tuple[float, ...] = ()
    fast: bool = False


def finding_fall(view: View, descents: Descents) -> Slices[Fall | None]:
    """Find where a loss falls without end, at least as fast as a logarithm; None if it does not.

    Args:
        view: The loss over its axes.
        descents: The descents from all over the view.
    """
    beyond = copy.copy(view)
    beyond.function = copy.copy(
        view.function
    )  # a point beyond the view that raises must not change how the loss is called inside
    for k in _candidates(view, descents):
        end, loss = descents.ends[k], float(descents.losses[k])
        axes = descents.blocked(view)[k].nonzero().flatten()
        outward = -descents.gradients[k].sign() * view.spans * _FIRST
        losses = yield from _losses(beyond, end, axes, _values_beyond(end, outward, axes))
        if _goes_on(losses, loss):
            out = end + torch.where(descents.blocked(view)[k], _FAR * outward, 0.0)
            towards = _outwards([view.names[axis] for axis in axes], outward[axes] > 0)
            fast = _growth(losses, loss) >= _AS_A_LINE
            return Fall(tuple(end.tolist()), towards, tuple(out.tolist()), fast)
        axis = int(axes[0])
        if len(axes) == 1 and float(end[axis] * outward[axis]) < 0 and (yield from _ends_at_zero(beyond, end, axis)):
            halved = end[axes] * 0.5 ** torch.arange(1, _HALVINGS + 1, dtype=torch.float64)[:, None]
            if _goes_on((yield from _losses(beyond, end, axes, halved)), loss):
                return Fall(tuple(end.tolist()), f"as {view.names[axis]} goes to 0")
    return None


def _outwards(names: list[str], up: Tensor) -> str:
    """Which parameters grow and which fall, in words."""
    ways = [" and ".join(name for name, rises in zip(names, up, strict=True) if bool(rises) == way) for way in (1, 0)]
    said = [
        f"{some} {verb + 's' * (' and ' not in some)}"
        for some, verb in zip(ways, ("grow", "fall"), strict=True)
        if some
    ]
    return f"as {' and '.join(said)}"


def _values_beyond(end: Tensor, outward: Tensor, axes: Tensor) -> Tensor:
    """Values of axes, (N, A), beyond an edge, each about twice as far out as the one before."""
    ways = 2.0 ** torch.arange(1, DOUBLINGS + 2, dtype=torch.float64) - 1
    return end[axes] + ways[:, None] * outward[axes]


def _candidates(view: View, descents: Descents) -> list[int]:
    """The indices of the lowest descents that end at an edge with the slope leading out, one for each place."""
    at_edge = descents.blocked(view).any(-1)
    kept: list[int] = []
    for k in descents.losses.argsort().tolist():
        is_new = all(
            bool(((descents.ends[k] - descents.ends[other]).abs() > _SAME * view.spans).any()) for other in kept
        )
        if bool(at_edge[k]) and is_new:
            kept.append(k)
        if len(kept) == (_ENDS_SLOW if view.slow else _ENDS):
            break
    return kept


def _losses(view: View, end: Tensor, axes: Tensor, values: Tensor) -> Slices[list[float]]:
    """The losses at values of axes, (N, A), along the valley there, up to the first that is not reliable."""
    ways = end.repeat(len(values), 1)
    ways[:, axes] = values
    if view.dims == 1 or len(axes) > 1 or view.slow:
        return (yield from _known(view, ways))
    return (yield from _along_valley(view, end, int(axes[0]), ways))


def _known(view: View, points: Tensor) -> Slices[list[float]]:
    """The losses at points, (N, P), up to the first that is not finite or mostly rounding."""
    losses, rounding = yield from _with_rounding(view, points)
    known = losses.isfinite() & rounding.isfinite()
    known[1:] &= rounding[1:] <= _ROUNDING * losses.diff().abs()
    return losses[: int(known.int().cumprod(0).sum())].tolist()


def _along_valley(view: View, end: Tensor, axis: int, ways: Tensor) -> Slices[list[float]]:
    """As `_known`, with the other axis at its lowest, searched from where the valley's last stretch leads."""
    other, at, before = 1 - axis, end, end
    found: list[float] = []
    for way in ways:
        gone, ahead = float((at - before)[axis]), float(way[axis] - at[axis])
        straight = float((at - before)[other]) * ahead / gone if gone else 0.0
        before, at = at, at.clone()
        at[axis], at[other] = way[axis], at[other] + straight
        reach = max(abs(ahead / float(view.spans[axis])) * float(view.spans[other]), abs(straight))
        at = yield from _lowest_across(view, at, other, reach)
        losses, rounding = yield from _with_rounding(view, at[None])
        fall = found[-1] - float(losses[0]) if found else torch.inf
        if not bool(losses.isfinite().all()) or not float(rounding[0]) <= _ROUNDING * fall:
            break
        found.append(float(losses[0]))
    return found


def _lowest_across(view: View, at: Tensor, axis: int, reach: float) -> Slices[Tensor]:
    """The lowest point along an axis, by ever smaller steps of at most a reach, (P,)."""
    sizes = 0.5 ** torch.arange(_FINEST, dtype=torch.float64)
    steps = reach * torch.cat([torch.zeros(1, dtype=torch.float64), -sizes, sizes])
    for _ in range(_POLLS):
        places = at.expand(len(steps), -1).clone()
        places[:, axis] += steps
        losses = yield from _values(view, places)
        lowest = int(losses.nan_to_num(torch.inf, torch.inf, torch.inf).argmin())
        if lowest == 0:
            break
        at = places[lowest]
    return at


def _with_rounding(view: View, points: Tensor) -> Slices[tuple[Tensor, Tensor]]:
    """The losses at points, (N, P), and how far they differ at the floats right beside, (N,) each."""
    ulps = torch.arange(-_ULPS, _ULPS + 1, dtype=torch.float64) * (not view.slow)
    places = points[:, None] * (1 + ulps[:, None] * torch.finfo(torch.float64).eps)
    if view.slow:
        losses = yield from _values(view, points)
        return losses, torch.zeros_like(losses)
    losses = (yield from _values(view, places.flatten(0, 1))).reshape(len(points), -1)
    return losses[:, _ULPS], losses.amax(1) - losses.amin(1)


def _values(view: View, points: Tensor) -> Slices[Tensor]:
    loss, _ = yield from view.at(points, gradient=False)
    return loss


def _goes_on(losses: list[float], start: float) -> bool:
    """Whether losses at distances that double each time fall as if without end."""
    falls = -torch.tensor([start, *losses], dtype=torch.float64).diff()
    if not bool((falls > 0).all()) or len(falls) < _CERTAIN:
        return False
    growth = falls[1:] / falls[:-1]
    if len(losses) > DOUBLINGS:
        return float(growth[-_LAST:].min()) >= _AS_A_LOGARITHM
    return float(growth[1 - _CERTAIN :].min()) >= _AS_A_LINE


def _growth(losses: list[float], start: float) -> float:
    """The least growth from fall to fall among the last ones, each over a distance twice the one before."""
    falls = -torch.tensor([start, *losses], dtype=torch.float64).diff()
    return float((falls[1:] / falls[:-1])[1 - _CERTAIN :].min())


def _ends_at_zero(view: View, end: Tensor, axis: int) -> Slices[bool]:
    """Whether a loss is not defined on the other side of 0 of an axis."""
    mirrored = end.clone()
    mirrored[axis] = -end[axis]
    return not bool((yield from _values(view, mirrored[None])).isfinite().all())
