"""Follows descents to their end: in a curved valley their steps run out before that."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.in_view import View, finite

_STEPS, _STEPS_SLOW = 60, 8
_BESIDE = 1e-5  # of the view's width: how far apart the gradients for the Hessian are
_DAMPINGS = (0.0, 1e-6, 1e-4, 1e-2, 1.0, 100.0)  # of the largest curvature: these are tried at once
_LONGEST = 0.1  # of the width
_SLOWEST = 1e-5  # of the width: a descent whose last step is longer has not ended


@dataclass(frozen=True, eq=False)
class Followed:
    """Where descents have come after they were followed further.

    Attributes:
        ends: (N, P).
        losses: (N,).
        moving: Which of them have not ended yet, (N,), so that they prove nothing.
    """

    ends: Tensor
    losses: Tensor
    moving: Tensor


def followed(view: View, ends: Tensor) -> Followed:
    """Follow descents further by damped Newton steps, which bends of a valley do not slow down.

    Args:
        view: The loss over its axes; descents stay inside.
        ends: Where their steps ran out, (N, P).
    """
    at = ends.clone()
    losses, slopes = finish(view.at(at))
    last = torch.zeros_like(losses)
    for _ in range(_STEPS_SLOW if view.slow else _STEPS):
        tried = view.within(at[:, None] - _steps(view, at, slopes))
        found, there = finish(view.at(tried.flatten(0, 1)))
        found = torch.where(finite(found, there), found, torch.inf).reshape(tried.shape[:-1])
        lowest, best = found.min(1)
        better, rows = lowest < losses, torch.arange(len(at))
        to = torch.where(better[:, None], tried[rows, best], at)
        slopes = torch.where(better[:, None], there.reshape(tried.shape)[rows, best], slopes)
        last = ((to - at).abs() / view.spans).amax(-1)
        at, losses = to, torch.where(better, lowest, losses)
        if not bool((last > _SLOWEST).any()):
            break
    return Followed(at, losses, last > _SLOWEST)


def _steps(view: View, at: Tensor, slopes: Tensor) -> Tensor:
    """A step for each damping, (N, D, P): Newton's, with the absolute values of the curvatures."""
    spans, free = view.spans, ~_blocked(view, at, slopes)
    slope = torch.where(free, slopes * spans, 0.0)
    curvature = _hessians(view, at) * (free[:, :, None] & free[:, None])
    values, axes = torch.linalg.eigh(curvature.nan_to_num(0.0, 0.0, 0.0))
    along = (axes.transpose(1, 2) @ slope[:, :, None])[..., 0]
    damped = (
        values.abs()[:, None]
        + values.abs().amax(-1)[:, None, None] * torch.tensor(_DAMPINGS, dtype=torch.float64)[:, None]
    )
    steps = (axes[:, None] @ (along[:, None] / damped.clamp_min(1e-300))[..., None])[..., 0]
    size = steps.norm(dim=-1, keepdim=True)
    return (steps * (_LONGEST / size.clamp_min(_LONGEST))).nan_to_num(0.0) * spans


def _blocked(view: View, at: Tensor, slopes: Tensor) -> Tensor:
    return ((at <= view.low) & (slopes > 0)) | ((at >= view.high) & (slopes < 0))


def _hessians(view: View, at: Tensor) -> Tensor:
    """The Hessians per widths of the view, (N, P, P), from gradients on both sides, inside the view."""
    rows = []
    for axis in range(view.dims):
        far = torch.zeros_like(view.spans)
        far[axis] = _BESIDE * view.spans[axis]
        ahead, behind = view.within(at + far), view.within(at - far)
        _, slopes = finish(view.at(torch.cat([ahead, behind])))
        way = ((ahead - behind)[:, axis] / view.spans[axis])[:, None]
        rows.append((slopes[: len(at)] - slopes[len(at) :]) * view.spans / way)
    curvature = torch.stack(rows, 1)
    return (curvature + curvature.transpose(1, 2)) / 2
