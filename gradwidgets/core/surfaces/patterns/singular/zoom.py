"""A closer look between points: where slopes grow without end, and where the loss jumps or is kinked."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.surfaces.patterns.in_view import View, finite
from gradwidgets.core.surfaces.patterns.singular.tips import following_tips

MESH = {1: 257, 2: 61}  # points along each axis between which it is looked closer
_MESH_SLOW = {1: 65, 2: 17}
_SEARCHED, _SEARCHED_SLOW = 8, 2  # intervals per axis, for jumps and for kinks
_PEAKS, _OF_ONE_PLACE = 48, 4  # intervals per axis that may hold a pole; of them at the same value of the axis
_PARTS = 16  # parts into which an interval is cut; the best part is cut again
_WINDOWS = 9
_GROWS = 2.4  # times from a window to the next, 16 times narrower: a pole like 1/√distance grows 4 times
_AS_A_POLE = 9.0  # the same: a pole like 1/distance grows 16 times
_LEAST_GROWTH = 1e3  # over all windows
_JUMP = 1e-3  # of the loss's height
_POINTS, _PEAK = 6, 3.0  # peaks of the slope that are followed, and how many medians high they are at least
_POINT_WINDOWS, _POINT_GROWS, _POINT_AS_A_POLE = 16, 1.5, 2.4  # windows 3 times narrower
_NEAR, _DIES_AWAY = (
    12,
    0.1,
)  # index of the distance 1e-6; a smooth slope there is below this share of that at 1e-3
_EPS = torch.finfo(torch.float64).eps


@dataclass(eq=False)
class Close:
    """What a closer look has found.

    Attributes:
        bad: Points at which the loss or the gradient is not finite, (P,) each.
        poles: Points next to which the slope grows without end, as 1/distance or faster.
        roots: Points next to which it grows more slowly, as a root's slope: the loss itself is bounded there.
        jumps: Points at which the loss jumps, each with the height of the jump.
        kinks: Points at which the slope jumps.
    """

    bad: list[Tensor] = field(default_factory=list)
    poles: list[Tensor] = field(default_factory=list)
    roots: list[Tensor] = field(default_factory=list)
    jumps: list[tuple[Tensor, float]] = field(default_factory=list)
    kinks: list[Tensor] = field(default_factory=list)


def looking_closer(view: View) -> Slices[Close]:
    """Look closer wherever losses or slopes stand out, along each axis and around points."""
    found = Close()
    mesh = view.mesh((_MESH_SLOW if view.slow else MESH)[view.dims])
    shape = mesh.shape[:-1]
    loss, gradient = yield from view.at(mesh.reshape(-1, view.dims))
    loss, gradient = loss.reshape(shape), gradient.reshape(mesh.shape)
    if int(finite(loss, gradient).sum()) < 3:
        return found
    yield from part_of(_along_axes(view, mesh, loss, gradient, found), 0.1, 0.6)
    special = view.special()
    losses, gradients = yield from view.at(special)
    found.bad += list(special[~finite(losses, gradients)])
    if view.dims == 2 and not view.slow:
        yield from part_of(_around_points(view, mesh, loss, gradient, found), 0.7, 0.2)
        found.bad += yield from part_of(following_tips(view, mesh, gradient), 0.9, 0.1)
    return found


@dataclass(eq=False)
class _Intervals:
    """Intervals, each along an axis: (N,) or (N, P)."""

    axis: Tensor
    start: Tensor
    end: Tensor
    kind: list[str]


def _along_axes(view: View, mesh: Tensor, loss: Tensor, gradient: Tensor, found: Close) -> Slices[None]:
    height = _height(loss[finite(loss, gradient)])
    chosen = _intervals(view, mesh, loss, gradient, height)
    if not chosen.kind:
        return
    count, axis, start, end = len(chosen.kind), chosen.axis, chosen.start, chosen.end
    rows = torch.arange(count)
    shares = torch.linspace(0, 1, _PARTS + 1, dtype=torch.float64)
    kinds = {kind: torch.tensor([one == kind for one in chosen.kind]) for kind in ("jump", "kink", "pole")}
    seen: list[list[Tensor]] = []
    first_bad: dict[int, Tensor] = {}
    for window in range(_WINDOWS):
        at = start[:, None] + (end - start)[:, None] * shares[:, None]
        at[:, -1] = end
        losses, gradients = yield from view.at(at.reshape(-1, view.dims))
        bad = ~finite(losses, gradients).reshape(count, -1)
        for k in bad.any(1).nonzero().flatten().tolist():
            if k not in first_bad:
                first_bad[k] = at[k][bad[k]][0]
        losses = torch.where(bad, torch.nan, losses.reshape(count, -1))
        slopes = gradients.reshape(count, _PARTS + 1, view.dims)[rows, :, axis]
        part = ((end - start).abs().sum(1) / _PARTS)[:, None]
        change, left, right = losses.diff(dim=1), slopes[:, :-1], slopes[:, 1:]
        excess = _excess(change, left, right, part).nan_to_num(0)
        bend = (right - left).abs().nan_to_num(0, 0, 0)
        steep = torch.maximum(left.abs(), right.abs()).nan_to_num(0, 0, 0)
        gentle = torch.minimum(left.abs(), right.abs()).nan_to_num(0, 0, 0)
        score = torch.zeros_like(excess)
        for kind, values in (("jump", excess), ("kink", bend), ("pole", steep + gentle)):
            score = torch.where(kinds[kind][:, None], values, score)
        best = score.argmax(1)
        parts = (change.abs(), bend, steep, gentle, losses)
        seen.append([*(values[rows, best] for values in parts), part[:, 0]])
        start, end = at[rows, best], at[rows, best + 1]
        yield 0.1 + 0.9 * (window + 1) / _WINDOWS
    change, bend, steep, gentle, losses, part = (torch.stack(parts) for parts in zip(*seen, strict=True))
    usual = height / view.spans[axis]
    pole, growth = _grows(steep, usual)
    # At the end of a view a pole may be a finite number, as tan(π/2) is: then the slope beside it grows. That must not
    # catch the end of a logarithm, towards which the loss itself hardly grows.
    beside, growth_beside = _grows(gentle, usual)
    beside &= losses[7].nan_to_num(0, 0, 0).abs() > _LEAST_GROWTH * height
    growth = torch.where(pole, growth, growth_beside)
    pole |= beside
    jump = (change[6] > _JUMP * height) & (change[6] > 0.3 * change[1])
    jump &= (change[6] > 1e3 * _EPS * losses[6].abs()) & (change[6] > 100 * part[6] * steep[6])
    kink = (bend[5] > 0.3 * bend[0]) & (bend[5] > 0.1 * steep[5]) & (bend[5] * view.spans[axis] > 0.01 * height)
    for k in range(count):
        middle = (start[k] + end[k]) / 2
        if k in first_bad:
            found.bad.append(first_bad[k])
        if pole[k]:
            fast = float(growth[:8, k].median()) > _AS_A_POLE
            (found.poles if fast else found.roots).append(_snapped(middle, view))
        elif jump[k]:
            found.jumps.append((middle, float(change[6, k])))
        elif kink[k]:
            found.kinks.append(middle)


def _grows(steep: Tensor, usual: Tensor) -> tuple[Tensor, Tensor]:
    """Whether slopes, window by window, (W, N), grow without end; and how much from each to the next."""
    growth = steep[1:] / steep[:-1].clamp_min(1e-300)
    least = _LEAST_GROWTH * torch.maximum(steep[0], usual)
    return ((growth[:8] > _GROWS).sum(0) >= 7) & (steep[6] > least), growth


def _intervals(view: View, mesh: Tensor, loss: Tensor, gradient: Tensor, height: float) -> _Intervals:
    """The intervals along an axis at which losses or slopes stand out, only the best of each line."""
    usable = finite(loss, gradient)
    most = _SEARCHED_SLOW if view.slow else _SEARCHED
    axes, starts, ends, kinds = [], [], [], []
    for axis in range(view.dims):
        lines = [part.movedim(axis, view.dims - 1) for part in (loss, gradient[..., axis], usable)]
        points = mesh.movedim(axis, view.dims - 1)
        losses, slopes, good = lines
        part = float(view.spans[axis]) / (mesh.shape[axis] - 1)
        left, right = slopes[..., :-1], slopes[..., 1:]
        both = good[..., :-1] & good[..., 1:]
        scores = {
            "jump": _excess(losses.diff(dim=-1), left, right, part),
            "kink": (right - left).abs() * part,
            "pole": (left.abs() + right.abs()) * part,
        }
        for kind, score in scores.items():
            score = torch.where(both, score, 0.0)
            if kind == "pole" and not view.slow:
                which = _peaks(score, 1e-9 * height)
            else:
                if score.ndim == 2:  # not all from one line
                    score = torch.where(score == score.amax(-1, keepdim=True), score, 0.0)
                values, which = score.flatten().topk(min(most, score.numel()))
                which = which[values > 1e-9 * height]
            axes += [axis] * len(which)
            kinds += [kind] * len(which)
            starts += list(points[..., :-1, :].reshape(-1, view.dims)[which])
            ends += list(points[..., 1:, :].reshape(-1, view.dims)[which])
    if not kinds:
        return _Intervals(torch.empty(0), torch.empty(0), torch.empty(0), [])
    return _Intervals(torch.tensor(axes), torch.stack(starts), torch.stack(ends), kinds)


def _peaks(score: Tensor, least: float) -> Tensor:
    """The indices of intervals that stand out on their line, with few of them at the same value of the axis.

    Args:
        score: The score of each interval along the last axis, (…, N).
        least: The lowest score that counts.
    """
    beyond = torch.nn.functional.pad(score, (1, 1))
    peaks = (score >= beyond[..., :-2]) & (score >= beyond[..., 2:]) & (score > least)
    which = peaks.flatten().nonzero().flatten()
    which = which[score.flatten()[which].argsort(descending=True, stable=True)]
    places = (which % score.shape[-1]).tolist()
    seen: dict[int, int] = {}
    kept = []
    for k, at in zip(which.tolist(), places, strict=True):
        seen[at] = seen.get(at, 0) + 1
        if seen[at] <= _OF_ONE_PLACE:
            kept.append(k)
        if len(kept) == _PEAKS:
            break
    return torch.tensor(kept, dtype=torch.long)


def _excess(change: Tensor, left: Tensor, right: Tensor, part: Tensor | float) -> Tensor:
    """How far a loss changes beyond what the slopes at both ends allow."""
    most, least = torch.maximum(left, right) * part, torch.minimum(left, right) * part
    return torch.maximum(change - most, least - change).clamp_min(0)


def _around_points(view: View, mesh: Tensor, loss: Tensor, gradient: Tensor, found: Close) -> Slices[None]:
    """Follow peaks of the slope into ever smaller windows: a pole at a point need not lie on any line of the mesh."""
    usable = finite(loss, gradient)
    sizes = torch.where(usable, (gradient * view.spans).norm(dim=-1), 0.0)
    peaks = (sizes == max_pool2d(sizes[None, None], 3, 1, 1)[0, 0]) & (sizes > _PEAK * sizes.median())
    which = peaks.flatten().nonzero().flatten()
    if not len(which):
        return
    which = which[sizes.flatten()[which].argsort(descending=True)][:_POINTS]
    at = mesh.reshape(-1, 2)[which]
    share = torch.linspace(-1, 1, 7, dtype=torch.float64)
    offsets = torch.cartesian_prod(share, share)
    rim = (offsets.abs() > 0.99).any(-1)
    reach = view.spans / (mesh.shape[0] - 1)
    grown, fast, before = torch.zeros(len(at), dtype=torch.float64), torch.zeros(len(at), dtype=torch.float64), None
    for window in range(_POINT_WINDOWS):
        places = view.within(at[:, None] + offsets * reach)
        losses, gradients = yield from view.at(places.reshape(-1, 2))
        good = finite(losses, gradients).reshape(len(at), -1)
        for k in (~good).any(1).nonzero().flatten().tolist():
            found.bad.append(places[k][~good[k]][0])
        slopes = torch.where(good, (gradients * view.spans).norm(dim=-1).reshape(len(at), -1), 0.0)
        around = slopes[:, rim].median(1).values
        if before is not None:
            grown += around > _POINT_GROWS * before
            fast += around > _POINT_AS_A_POLE * before
        before, at, reach = around, places[torch.arange(len(at)), slopes.argmax(1)], reach / 3
        yield (window + 1) / _POINT_WINDOWS
    for point, times, quick in zip(at, grown.tolist(), fast.tolist(), strict=True):
        if times >= _POINT_WINDOWS - 2:
            (found.poles if quick >= times / 2 else found.roots).append(_snapped(point, view))


def _snapped(point: Tensor, view: View) -> Tensor:
    """The point rounded, as the exact position of a pole is likely to be a round number."""
    return torch.tensor(
        [round(float(x), 7 - math.floor(math.log10(float(s)))) + 0.0 for x, s in zip(point, view.spans, strict=True)],
        dtype=torch.float64,
    )


def polishing(view: View, point: Tensor) -> Slices[Tensor | None]:
    """Follow a kink to its last digit, axis by axis; return a point met there that is not finite, or None."""
    point = point.clone()
    for _ in range(2):
        for axis in range(view.dims):
            start, end = point.clone(), point.clone()
            start[axis] = max(float(start[axis] - 1e-3 * view.spans[axis]), float(view.low[axis]))
            end[axis] = min(float(end[axis] + 1e-3 * view.spans[axis]), float(view.high[axis]))
            for _ in range(_WINDOWS):
                places = start + (end - start) * torch.linspace(0, 1, 65, dtype=torch.float64)[:, None]
                places[-1] = end
                losses, gradients = yield from view.at(places)
                good = finite(losses, gradients)
                if not bool(good.all()):
                    return places[~good][0]
                sign = gradients[:, axis].sign()
                still = (sign == 0).nonzero().flatten()
                turns = ((sign[:-1] < 0) & (sign[1:] > 0)).nonzero().flatten()
                if len(still):
                    start = end = places[int(still[0])]
                    break
                if not len(turns):
                    start = end = point
                    break
                start, end = places[int(turns[0])].clone(), places[int(turns[0]) + 1].clone()
                if float(end[axis] - start[axis]) <= 0:
                    break
            point = ((start + end) / 2).clone()
            for digits in range(15):
                short = round(float(point[axis]), digits)
                if min(start[axis], end[axis]) <= short <= max(start[axis], end[axis]):
                    point[axis] = short
                    break
    point = view.within(point)
    losses, gradients = yield from view.at(point[None])
    return None if bool(finite(losses, gradients).all()) else point


def around(view: View, point: Tensor) -> Slices[tuple[Tensor | None, bool]]:
    """Evaluate the loss at a point and right around it.

    Returns:
        A point there that is not finite, or None; and whether the slope fades towards it, as at a smooth minimum.
    """
    if view.dims == 2:
        angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4) + 0.1
        ways = torch.stack([angles.cos(), angles.sin()], -1)
    else:
        ways = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    far = 10.0 ** torch.arange(-12, -2.9, 0.5, dtype=torch.float64)
    places = torch.cat([point[None], (point + far[:, None, None] * ways * view.spans).reshape(-1, view.dims)])
    inside = ((places >= view.low) & (places <= view.high)).all(-1)
    if not bool(inside.any()):
        return None, False
    losses, gradients = yield from view.at(view.within(places))
    bad = inside & ~finite(losses, gradients)
    if bool(bad.any()):
        return places[bad][0], False
    sizes = (gradients[1:] * view.spans).norm(dim=-1).reshape(len(far), -1).amax(1)
    near, away = float(sizes[_NEAR]), float(sizes[-1])
    return None, bool(inside.all()) and near < _DIES_AWAY * away


def _height(losses: Tensor) -> float:
    low, high = losses.quantile(torch.tensor([0.1, 0.9], dtype=torch.float64)).tolist()
    return max(high - low, 1e-300)
