"""Whether a loss that is lowest at an edge of the view falls on beyond it without end, or comes to a bottom there."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.patterns.ends.descents import Descents
from gradwidgets.core.surfaces.patterns.in_view import View

DOUBLINGS = 22  # of the way beyond the edge: a million widths of the view
_FIRST = 0.25  # of the width
_FAR = 8.0  # of that: so far out what falls is told from what holds it
_HALVINGS = 40  # of an edge's value, towards a domain's end at 0
_ENDS, _ENDS_SLOW = 3, 1  # places at which descents end at an edge, the lowest
_SAME = 0.02  # of the view: ends so near to each other are one
_LAST = 6  # falls, each over a way twice as long as the one before
_AS_A_LOGARITHM = 0.97  # of each of these the next: a root of the tenth order loses more, as does 1/log
_AS_A_LINE, _CERTAIN = 1.8, 3  # from fall to fall, and so many of them: where numbers end before the way does
_ROUNDING = 0.1  # of a fall: from there on it is what is left of larger numbers
_ULPS = 3
_FINEST = 36  # halvings of a step across a valley
_POLLS = 8


@dataclass(frozen=True)
class Fall:
    """Where a loss falls without end.

    Attributes:
        point: On the edge of the view.
        towards: Whereto, in words: "as s goes to 0".
        beyond: A point out there, where it is lower.
        fast: Whether at least as a line does: −log p, which falls slower, is meant to, where p ends at 1.
    """

    point: tuple[float, ...]
    towards: str = ""
    beyond: tuple[float, ...] = ()
    fast: bool = False


def finding_fall(view: View, descents: Descents) -> Slices[Fall | None]:
    """Where a loss goes on to fall for good, at least as a logarithm does, or None.

    Args:
        view: Where descents went.
        descents: From all over it.
    """
    beyond = copy.copy(view)
    beyond.function = copy.copy(view.function)  # a point out there that raises decides nothing in here
    for k in _candidates(view, descents):
        end, loss = descents.ends[k], float(descents.losses[k])
        axes = descents.blocked(view)[k].nonzero().flatten()
        outward = -descents.gradients[k].sign() * view.spans * _FIRST
        losses = yield from _losses(beyond, end, axes, _away(end, outward, axes))
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


def _away(end: Tensor, outward: Tensor, axes: Tensor) -> Tensor:
    """Ever farther values of axes, (N, A), from an edge on outward, each way twice the one before."""
    ways = 2.0 ** torch.arange(1, DOUBLINGS + 2, dtype=torch.float64) - 1
    return end[axes] + ways[:, None] * outward[axes]


def _candidates(view: View, descents: Descents) -> list[int]:
    """Descents that end at an edge over which the slope leads, the lowest, one of each place."""
    at_edge = descents.blocked(view).any(-1)
    kept: list[int] = []
    for k in descents.losses.argsort().tolist():
        apart = all(
            bool(((descents.ends[k] - descents.ends[other]).abs() > _SAME * view.spans).any()) for other in kept
        )
        if bool(at_edge[k]) and apart:
            kept.append(k)
        if len(kept) == (_ENDS_SLOW if view.slow else _ENDS):
            break
    return kept


def _losses(view: View, end: Tensor, axes: Tensor, values: Tensor) -> Slices[list[float]]:
    """The losses at values of axes, (N, A), in the valley that leads there; up to the first that tells nothing."""
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
    """`_known`, the other axis at its lowest each time, begun where the valley's last stretch leads."""
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
    """The losses at points, (N, P), and how far those at the numbers right beside differ from each other, (N,) each."""
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
    """Whether losses at ever longer ways, each twice the one before, fall as if that had no end."""
    falls = -torch.tensor([start, *losses], dtype=torch.float64).diff()
    if not bool((falls > 0).all()) or len(falls) < _CERTAIN:
        return False
    growth = falls[1:] / falls[:-1]
    if len(losses) > DOUBLINGS:
        return float(growth[-_LAST:].min()) >= _AS_A_LOGARITHM
    return float(growth[1 - _CERTAIN :].min()) >= _AS_A_LINE


def _growth(losses: list[float], start: float) -> float:
    """By how much at least the last falls grow, each over a way twice as long as the one before."""
    falls = -torch.tensor([start, *losses], dtype=torch.float64).diff()
    return float((falls[1:] / falls[:-1])[1 - _CERTAIN :].min())


def _ends_at_zero(view: View, end: Tensor, axis: int) -> Slices[bool]:
    """Whether a loss is not defined beyond the 0 of an axis."""
    mirrored = end.clone()
    mirrored[axis] = -end[axis]
    return not bool((yield from _values(view, mirrored[None])).isfinite().all())
