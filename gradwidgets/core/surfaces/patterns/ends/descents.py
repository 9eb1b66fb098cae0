"""Where descents from all over the view end."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.patterns.in_view import View, finite

STARTS = {1: 23, 2: 9}  # along each axis
_STARTS_SLOW = {1: 9, 2: 4}
_FIRST, _LATER = 0.03, 0.003  # of the view's width: the first step of the first round, and of later ones
_LONGEST, _SHORTEST = 0.06, 1e-9
_LENGTHS = (1.5, 0.6, 0.2, 0.04)  # of the last step: these are tried at once, and the lowest is taken
_SHORTER = 0.02  # of the last step, if none of these is lower
_STEPS = (45, 16, 16, 16)  # steps of each round; between rounds the points around are tried
_STEPS_SLOW = (25,)
_TURNS, _FURTHER = 4, 12  # turns of a closer look at one point, and steps in each
_AROUND = (1e-2, 1e-3, 1e-4, 1e-5)  # of the width: how far away points are tried
_BESIDE = (3e-3, 3e-4, 3e-5)  # of the width: how far away gradients are compared
_ALONG = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)  # of that, along a kinked valley


@dataclass(frozen=True, eq=False)
class Descents:
    """Descents that begin on a lattice over the view, and stay in it.

    Attributes:
        starts: (N, P); only those where the loss is finite and has a gradient.
        ends: Where they ended, (N, P).
        losses: The losses there, (N,).
        gradients: The gradients there, (N, P).
        settled: Which of them found no lower point around their end, (N,).
    """

    starts: Tensor
    ends: Tensor
    losses: Tensor
    gradients: Tensor
    settled: Tensor

    def blocked(self, view: View) -> Tensor:
        """Along which axes an end lies at the edge of the view with the slope leading out of it, (N, P)."""
        down = self.gradients
        return ((self.ends <= view.low) & (down > 0)) | ((self.ends >= view.high) & (down < 0))

    def at_edge(self, view: View) -> Tensor:
        """Which ends lie at the edge of the view, (N,)."""
        return at_edge(view, self.ends)


def at_edge(view: View, points: Tensor) -> Tensor:
    """Which points, (…, P), lie at the edge of a view, (…)."""
    near = 1e-9 * view.spans
    return ((points <= view.low + near) | (points >= view.high - near)).any(-1)


def descending(view: View, starts: Tensor | None = None) -> Slices[Descents]:
    """Descend by normalised steps, longer where they help and shorter where they do not.

    Args:
        view: The loss over its axes; descents stay inside.
        starts: The starting points, (N, P); None for all over the view.
    """
    starts = view.lattice((_STARTS_SLOW if view.slow else STARTS)[view.dims]) if starts is None else starts
    losses, gradients = yield from view.at(starts)
    walk = _Walk(view, starts, losses, gradients)
    for number, steps in enumerate(_STEPS_SLOW if view.slow else _STEPS):
        yield from walk.go_down(_LATER if number else _FIRST, steps)
        if view.slow:
            walk.settled[:] = True
            break
        moved = yield from walk.try_around()
        if view.dims == 2:
            moved |= yield from walk.follow_kinks(number)
        if not moved:
            break
    begun = walk.live & (gradients != 0).any(-1)
    parts = (starts, walk.at, walk.losses, walk.gradients, walk.settled)
    return Descents(*(part[begun] for part in parts))


def closer(view: View, point: Tensor) -> Slices[Tensor]:
    """The loss after a few more steps along kinks and slopes from a point, (1, P)."""
    losses, gradients = yield from view.at(point)
    walk = _Walk(view, point, losses, gradients)
    for turn in range(_TURNS):
        moved = yield from walk.try_around()
        if view.dims == 2:
            moved |= yield from walk.follow_kinks(turn)
        if not moved:
            break
        yield from walk.go_down(_LATER, _FURTHER)
    return walk.losses[0]


class _Walk:
    """All descents, moved together."""

    def __init__(self, view: View, starts: Tensor, losses: Tensor, gradients: Tensor) -> None:
        self.view, self.at = view, starts.clone()
        self.losses, self.gradients = losses.clone(), gradients.clone()
        self.live = finite(losses, gradients)
        self.settled = torch.zeros(len(starts), dtype=torch.bool)

    def go_down(self, first: float, steps: int) -> Slices[None]:
        view, spans = self.view, self.view.spans
        step = torch.full((len(self.at),), first, dtype=torch.float64)
        lengths = torch.tensor(_LENGTHS, dtype=torch.float64)
        for _ in range(steps):
            slope = self.gradients * spans
            out = ((self.at <= view.low) & (slope > 0)) | ((self.at >= view.high) & (slope < 0))
            slope = torch.where(out, 0.0, slope)
            size = slope.norm(dim=-1, keepdim=True)
            going = self.live & (size[:, 0] > 0) & (step > _SHORTEST)
            if not bool(going.any()):
                break
            way = (slope / size.clamp_min(1e-300) * spans)[going]
            tried = (step[going, None] * lengths).clamp_max(_LONGEST)
            to = view.within(self.at[going][:, None] - tried[..., None] * way[:, None])
            losses, gradients = yield from view.at(to.reshape(-1, view.dims))
            losses = torch.where(finite(losses, gradients), losses, math.inf).reshape(len(to), -1)
            lowest, best = losses.min(1)
            better, rows = lowest < self.losses[going], torch.arange(len(to))
            gradients = gradients.reshape(to.shape)[rows, best]
            which = going.nonzero().flatten()
            self._move(which[better], to[rows, best][better], lowest[better], gradients[better])
            step[which] = torch.where(better, tried[rows, best], _SHORTER * step[which])
            yield 0.5

    def try_around(self) -> Slices[bool]:
        """Try the points around, as a kink can stop a descent away from a minimum; return whether any descent moved."""
        view, moved = self.view, False
        self.settled = torch.ones(len(self.at), dtype=torch.bool)
        if view.dims == 2:
            angles = (torch.arange(16, dtype=torch.float64) + 0.37) * (2 * math.pi / 16)
            ways = torch.stack([angles.cos(), angles.sin()], -1)
        else:
            ways = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        for far in _AROUND:
            moved |= yield from self._try(far * ways.expand(len(self.at), -1, -1), self.live & self._has_slope)
        return moved

    def follow_kinks(self, turn: int) -> Slices[bool]:
        """Follow kinked valleys: if the gradients around leave a gap of more than half a circle, go through the gap."""
        view, moved = self.view, False
        angles = (torch.arange(12, dtype=torch.float64) + 0.21 + 0.1 * turn) * (math.pi / 6)
        ways = torch.stack([angles.cos(), angles.sin()], -1)
        for far in _BESIDE:
            around = self.at[:, None] + far * ways * view.spans
            inside = ((around >= view.low) & (around <= view.high)).all(-1).all(-1)
            _, slopes = yield from view.at(view.within(around).reshape(-1, 2))
            slopes = (slopes * view.spans).reshape(len(self.at), -1, 2)
            clear = ((slopes.norm(dim=-1) > 0) & slopes.isfinite().all(-1)).all(-1)
            up = torch.atan2(slopes[..., 1], slopes[..., 0]).nan_to_num(0).sort(1).values
            gaps = torch.cat([up[:, 1:], up[:, :1] + 2 * math.pi], 1) - up
            widest, at = gaps.max(1)
            open_ = self.live & inside & clear & (widest > math.pi + 1e-3)
            if not bool(open_.any()):
                continue
            middle = up.gather(1, at[:, None])[:, 0] + widest / 2
            way = torch.stack([middle.cos(), middle.sin()], -1)
            lengths = far * torch.tensor(_ALONG, dtype=torch.float64)
            moved |= yield from self._try(lengths[:, None] * way[:, None], open_)
        return moved

    @property
    def _has_slope(self) -> Tensor:
        return (self.gradients != 0).any(-1)

    def _try(self, offsets: Tensor, which: Tensor) -> Slices[bool]:
        """Move the descents in `which`, (N,), to the lowest of several offsets, (N, M, P) in widths, if it is lower."""
        to = self.view.within(self.at[:, None] + offsets * self.view.spans)
        losses, gradients = yield from self.view.at(to.reshape(-1, self.view.dims))
        good = finite(losses, gradients)
        losses = torch.where(good, losses, math.inf).reshape(len(self.at), -1)
        gradients = gradients.reshape(len(self.at), -1, self.view.dims)
        lowest, at = losses.min(1)
        better = which & (lowest < self.losses - 1e-12 * self.losses.abs().clamp_min(1e-300))
        rows = torch.arange(len(self.at))
        self._move(better, to[rows, at][better], lowest[better], gradients[rows, at][better])
        self.settled &= ~better
        return bool(better.any())

    def _move(self, which: Tensor, at: Tensor, losses: Tensor, gradients: Tensor) -> None:
        self.at[which], self.losses[which], self.gradients[which] = at, losses, gradients
