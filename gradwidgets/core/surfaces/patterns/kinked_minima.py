"""Minima at kinks, where no gradient is zero: a grid finds the cell, and descents find the point."""

import dataclasses
import math

import torch
from torch import Tensor

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns.ends.descents import Descents, at_edge, descending
from gradwidgets.core.surfaces.patterns.in_view import View

_INWARDS = 0.01  # of the way to the middle of the view


def settling_kinks(
    view: View, critical: list[CriticalPoint], descents: Descents, cell: Tensor, floor: float
) -> Slices[list[CriticalPoint]]:
    """Move kinked minima, for which the grid gives only a cell, to where the descents beside them end.

    Args:
        view: The loss over its axes.
        critical: All critical points found.
        descents: The descents, with their ends.
        cell: The size of a cell of the grid along each axis, (P,).
        floor: The lowest loss in view.

    Returns:
        The critical points, lowest first, without kinked minima from which a descent leads away.
    """
    moved, alone = [], []
    for one in critical:
        if one.kind == "minimum" and not one.eigenvalues:
            end = _lowest_near(one, descents, 1.5 * cell)
            doubtful = end is None or (end.loss > floor and not _is_evidence(end, one, descents))
            one = one if end is None or end.loss > one.loss else end
            alone += [one] if doubtful and not view.slow else []
        moved.append(one)
    if alone:
        # In a curved valley whose floor is a kink, the lowest point of a cell need not be a minimum.
        left = yield from _leaving(view, alone, 1.5 * cell)
        moved = [one for one in moved if one not in left]
    single = {one.point: one for one in reversed(moved)}
    return sorted(single.values(), key=lambda one: one.loss)


def _lowest_near(one: CriticalPoint, descents: Descents, reach: Tensor) -> CriticalPoint | None:
    """The minimum, moved to the lowest end of a descent near it; None if none ends there."""
    if not len(descents.ends):
        return None
    near = ((descents.ends - torch.tensor(one.point, dtype=torch.float64)).abs() <= reach).all(-1)
    if not bool(near.any()):
        return None
    k = int(torch.where(near, descents.losses, math.inf).argmin())
    return dataclasses.replace(one, point=tuple(descents.ends[k].tolist()), loss=float(descents.losses[k]))


def _is_evidence(end: CriticalPoint, one: CriticalPoint, descents: Descents) -> bool:
    """Whether a descent has settled at an end near a point, no higher than that point."""
    at_end = (descents.ends == torch.tensor(end.point, dtype=torch.float64)).all(-1)
    return end.loss <= one.loss and bool(descents.settled[at_end].any())


def _leaving(view: View, points: list[CriticalPoint], reach: Tensor) -> Slices[list[CriticalPoint]]:
    """Those kinked minima from which, or from right beside which, a descent leads away."""
    places = torch.tensor([one.point for one in points], dtype=torch.float64)
    # At the edge of the view it is not known how a kink continues.
    middle = (view.low + view.high) / 2
    starts = torch.where(at_edge(view, places)[:, None], places + _INWARDS * (middle - places), places)
    further = yield from descending(view, starts)
    stay = [
        bool(((further.ends[(further.starts == start).all(-1)] - place).abs() <= reach).all(-1).any())
        for start, place in zip(starts, places, strict=True)
    ]
    return [one for one, stays in zip(points, stay, strict=True) if not stays]
