"""Critical points: where the gradient is zero, and whether that is a minimum, a maximum or a saddle."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.losses.second_derivatives import STEP, differences_of_gradients, hessians_at
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.surfaces.surface import SurfaceGrid

Kind = Literal["minimum", "maximum", "saddle", "degenerate"]

_MOST = 40  # candidates at most; fewer for a slow loss
_MOST_SLOW = 4
_ABOVE = 0.01  # of the median's height above the lowest: higher cells do not belong to the lowest valley
_ITERATIONS = 12
_INSIDE = 9  # points along each side of a cell that is searched for a kink
_KINKS = 0.23  # of those points: two crossing lines hold fewer
_RING = 16  # points around a cell
_ARRIVED = 1e-7  # of the view's width: a last step so short ends Newton's method
_SETTLED = 1e-10  # the same: after a step so short another would be rounding
_BENT = 1e-8  # of a steep slope, over the view: less curvature is flat ground, where a slope fades
_FLAT = 1e-6  # of the larger eigenvalue: a smaller one counts as zero


@dataclass(frozen=True, eq=False, repr=False)
class CriticalPoint(Result):
    """A point at which the gradient is zero, or jumps through zero.

    Attributes:
        point: The point, in the order of the axes.
        kind: "minimum", "maximum", "saddle", or "degenerate" if the curvature does not decide.
        loss: The loss there.
        eigenvalues: The eigenvalues of the Hessian there, ascending; () at a kink, where there is no Hessian.
    """

    point: tuple[float, ...]
    kind: Kind
    loss: float
    eigenvalues: tuple[float, ...]


def finding_critical_points(
    grid: SurfaceGrid, function: LossFunction, usable: Tensor, steep: float
) -> Slices[list[CriticalPoint]]:
    """Find the critical points in view, in slices.

    One may lie between grid points over which every part of the gradient changes its sign: Newton's method goes there,
    and the gradient must then be as good as zero.

    Args:
        grid: The grid, over two axes or one.
        function: The loss that was sampled.
        usable: Grid points that may be a corner of a candidate's cell, of the loss's shape: finite and not flat.
        steep: A typical size of the gradient per width of an axis, relative to which it counts as zero.

    Returns:
        The points, by ascending loss.
    """
    low, high = _corners(grid, usable, function)
    if not len(low):
        return []
    yield 0.1
    spans = torch.tensor([b - a for a, b in grid.axes.values()], dtype=torch.float64)
    cell = high[0] - low[0]
    at, steps = (low + high) / 2, _ITERATIONS if not function.slow else 4
    alive = torch.ones(len(at), dtype=torch.bool)
    home = at.clone()
    last = torch.full((len(at),), float("inf"), dtype=torch.float64)
    for k in range(steps):
        gradient, hessian = yield from differences_of_gradients(function, at, STEP * spans)
        alive &= _finite(gradient, hessian)  # LAPACK refuses other numbers
        hessian, gradient = (torch.where(alive.view(-1, *(1,) * (t.ndim - 1)), t, 0.0) for t in (hessian, gradient))
        moved = at - torch.linalg.lstsq(hessian, gradient[..., None]).solution[..., 0]
        alive &= moved.isfinite().all(-1)
        near = ((moved - home).abs() <= 1.5 * cell).all(-1)
        # A step beyond the neighbouring cells is no refinement: go back halfway to the middle of the cell.
        moved = torch.where(near[:, None], moved, (at + home) / 2)
        last = torch.where(near, ((moved - at) / spans).norm(dim=-1), math.inf)  # after going back it has not arrived
        at = torch.where(alive[:, None], moved, at)
        yield 0.1 + 0.6 * (k + 1) / steps
        if bool((~alive | (last <= _SETTLED)).all()):
            break
    gradient, hessian = yield from differences_of_gradients(function, at, STEP * spans)
    arrived = ((gradient * spans).norm(dim=-1) <= 1e-4 * steep) & (last <= _ARRIVED)
    at = torch.where(at.abs() < _ARRIVED * spans, 0.0, at)
    smooth = alive & arrived & _finite(gradient, hessian)
    candidates: list[CriticalPoint | None] = [None] * len(at)
    if bool(smooth.any()):
        judged = yield from part_of(_judging_smooth(function, at[smooth], hessian[smooth], spans, steep), 0.7, 0.15)
        for i, one in zip(smooth.nonzero().flatten().tolist(), judged, strict=True):
            candidates[i] = one
    if not bool(smooth.all()):
        judged = yield from part_of(_judging_kinked(function, home[~smooth], cell), 0.85, 0.15)
        for i, one in zip((~smooth).nonzero().flatten().tolist(), judged, strict=True):
            candidates[i] = one
    found: list[CriticalPoint] = []
    for one in candidates:
        if (
            one is not None
            and _is_in_view(one, grid)
            and not any(_are_same(one, other, 0.75 * cell) for other in found)
        ):
            found.append(one)
    return sorted(found, key=lambda one: one.loss)


def _finite(gradient: torch.Tensor, hessian: torch.Tensor) -> torch.Tensor:
    """Where both are finite, (N,)."""
    return gradient.isfinite().all(-1) & hessian.isfinite().flatten(1).all(-1)


def _corners(grid: SurfaceGrid, usable: Tensor, function: LossFunction) -> tuple[Tensor, Tensor]:
    """The lower and upper corners of cells over which every part of the gradient changes sign, (K, P) each."""
    points, gradient = grid.points, grid.gradient
    dims = gradient.shape[-1]
    whole = (slice(None),)
    ends = [(slice(None, -1), slice(1, None))] * dims
    corners = [(a,) for a in ends[0]] if dims == 1 else [(a, b) for a in ends[0] for b in ends[1]]
    all_of = torch.stack([gradient[corner + whole] for corner in corners])
    good = torch.stack([usable[corner] for corner in corners]).all(0)
    lowest, highest = all_of.amin(0), all_of.amax(0)
    changes = good & (lowest <= 0).all(-1) & (highest >= 0).all(-1) & (highest > lowest).any(-1)
    where = changes.nonzero()
    most = _MOST if not function.slow else _MOST_SLOW
    if len(where) > most:
        order = all_of[:, *where.T].norm(dim=-1).amin(0).argsort()
        # A lowest valley has more of these cells than a saddle above it: each gets half of the candidates.
        losses = torch.stack([grid.loss[corner] for corner in corners])[:, *where.T].amin(0)[order]
        least, usual = grid.loss[usable].min(), grid.loss[usable].median()
        high = losses > least + _ABOVE * (usual - least)
        above, lowest = order[high], order[~high]
        some = max(most // 2, most - len(lowest))
        where = where[torch.cat([above[:some], lowest[: most - min(some, len(above))]])]
    low, high = points[tuple(where.T)], points[tuple((where + 1).T)]
    return low, high


def _judging_smooth(
    function: LossFunction, points: Tensor, differences: Tensor, spans: Tensor, steep: float
) -> Slices[list[CriticalPoint | None]]:
    """Judge points where the gradient is zero, (K, P), by their curvature."""
    hessians = yield from hessians_at(function, points, spans, differences)
    hessians = torch.where(hessians.isnan(), differences, hessians)
    losses = (yield from function.valuing(points, gradient=False)).loss.tolist()
    eigenvalues = torch.linalg.eigvalsh(hessians)
    bent = ((hessians * spans[:, None] * spans).abs().amax((1, 2)) > _BENT * steep).tolist()
    return [
        CriticalPoint(tuple(point), _kind(own), loss, tuple(own.tolist())) if curved else None
        for point, own, loss, curved in zip(points.tolist(), eigenvalues, losses, bent, strict=True)
    ]


def _kind(eigenvalues: Tensor) -> Kind:
    largest = float(eigenvalues.abs().max())
    zero = eigenvalues.abs() <= _FLAT * largest
    up, down = bool((eigenvalues > 0)[~zero].any()), bool((eigenvalues < 0)[~zero].any())
    if up and down:
        return "saddle"
    if largest == 0 or bool(zero.any()):
        return "degenerate"
    return "maximum" if down else "minimum"


def _judging_kinked(function: LossFunction, centres: Tensor, cell: Tensor) -> Slices[list[CriticalPoint | None]]:
    """Judge candidates without curvature, (K, P), by the losses in and around their cells."""
    dims = centres.shape[1]
    grid = torch.linspace(-1, 1, _INSIDE, dtype=torch.float64)
    inside = 0.5 * cell * torch.cartesian_prod(*[grid] * dims).reshape(-1, dims)
    if dims == 1:
        ring = cell * torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    else:
        angle = torch.arange(_RING, dtype=torch.float64) * (2 * torch.pi / _RING)
        ring = 1.5 * cell * torch.stack([angle.cos(), angle.sin()], dim=-1)
    places = centres[:, None] + torch.cat([inside, ring])
    values = yield from function.valuing(places.flatten(0, 1))
    losses, sizes = values.loss.reshape(places.shape[:2]), (values.gradient * cell).norm(dim=-1)
    sizes, count = sizes.reshape(places.shape[:2]), len(inside)
    return [_kink(*parts) for parts in zip(places, losses[:, :count], losses[:, count:], sizes[:, :count], strict=True)]


def _kink(places: Tensor, losses: Tensor, around: Tensor, sizes: Tensor) -> CriticalPoint | None:
    """Judge one candidate by the losses inside and around its cell, and by the slopes inside."""
    # At a kink the gradient jumps; where it shrinks instead, Newton's method would have found the point.
    small = sizes < 0.3 * float(sizes.max())
    if not bool((sizes > 0).any()) or (
        bool((small & (sizes > 0)).any()) and not _lies_on_lines(small, places.shape[-1])
    ):
        return None
    if not (losses.isfinite().all() and around.isfinite().all()):
        return None
    least, most = int(losses.argmin()), int(losses.argmax())
    if bool((around > losses[least]).all()):
        return CriticalPoint(tuple(places[least].tolist()), "minimum", float(losses[least]), ())
    if bool((around < losses[most]).all()):
        return CriticalPoint(tuple(places[most].tolist()), "maximum", float(losses[most]), ())
    return None


def _lies_on_lines(small: Tensor, dims: int) -> bool:
    """Whether gentle slopes in a cell lie on lines only: exactly on a kink torch takes a slope in between."""
    if float(small.double().mean()) > _KINKS:
        return False
    mask = small.reshape([_INSIDE] * dims)
    for dim in range(dims):
        mask = mask.unfold(dim, 2, 1).all(-1)
    return not bool(mask.any())


def _is_in_view(one: CriticalPoint, grid: SurfaceGrid) -> bool:
    return all(low <= value <= high for value, (low, high) in zip(one.point, grid.axes.values(), strict=True))


def _are_same(one: CriticalPoint, other: CriticalPoint, reach: Tensor) -> bool:
    return all(abs(a - b) <= float(r) for a, b, r in zip(one.point, other.point, reach, strict=True))
