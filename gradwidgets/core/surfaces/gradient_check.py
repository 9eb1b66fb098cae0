"""Compares autograd's gradient with central differences of the loss, as a map."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradwidgets.core.losses.differences import Differences, differing, sharp
from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.subject.sliced import sliced
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.mismatch import disagreement
from gradwidgets.core.surfaces.surface import SurfaceGrid

GENTLE = 0.01  # of a steep slope: gaps between gentler slopes are relative to that
BEND = 1e-3  # of a steep slope: a kink that changes a slope by less does not count
SLOW = 441  # points at which a loss is checked if it must be called point by point: 21 × 21

_KINK = "a kink or a jump is within reach"
_ROUNDING = "the loss's rounding hides the slope"
_EDGE = "the loss right beside is not finite"


@dataclass(frozen=True, eq=False, repr=False)
class GradientCheck(Result):
    """Autograd's gradient compared with central differences of the loss, in float64.

    Attributes:
        gap: How far apart they are, of the loss's shape: the larger of the axes' gaps, each relative to the larger of
            its two slopes, or to one hundredth of a steep slope in view if both are gentler. NaN where loss,
            gradient or differences are not finite, or differences cannot be computed.
        wrong: Where they differ by more than rounding explains, of the same shape.
        unclear: Where differences cannot decide, of the same shape.
        worst: The largest gap where differences can decide, among the wrong ones if there are any; NaN for none.
        where: The point of that gap, in the order of the axes; None for none.
        share: The share of the view in which they disagree. With a survey this, `worst` and `where` are the survey's,
            from points that do not depend on the grid.
        names: The axes, the horizontal one first.
        checked: How many points along each axis were checked, as the loss's shape; the others have the result of
            the nearest one.
        why_unclear: Reason → the share of the view to which it applies.
        obstacle: Why no gradient could be checked at all; "" if one could.
    """

    gap: Tensor
    wrong: Tensor
    unclear: Tensor
    worst: float
    where: tuple[float, ...] | None
    share: float = 0.0
    names: tuple[str, ...] = ()
    checked: tuple[int, ...] = ()
    why_unclear: dict[str, float] = field(default_factory=dict)
    obstacle: str = ""

    @property
    def sentence(self) -> str:
        """The result in words."""
        if self.obstacle:
            return self.obstacle
        if self.where is None:
            said = "nowhere in view can differences tell whether the gradient is right"
        elif bool(self.wrong.any()):
            said = (
                f"autograd and central differences disagree in {percent(self.share)} of the "
                f"view, most at {place(self.names, self.where)}, by {percent(self.worst)} of the larger slope"
            )
        else:
            where = "wherever loss and gradient are finite" if bool(self.gap.isnan().any()) else "everywhere"
            where = "wherever differences can tell" if bool(self.unclear.any()) else where
            said = (
                f"autograd and central differences agree {where}: the largest relative gap is {number(self.worst, 2)}"
            )
        for reason, share in self.why_unclear.items():
            said += f"; at {percent(share)} of the points {reason}: differences cannot tell there"
        if self.checked != tuple(self.gap.shape):
            grid = " × ".join(map(str, self.checked))
            said += f" (the loss is slow: checked at {grid} points, each for the cells around it)"
        return said

    def __str__(self) -> str:
        """The result in words."""
        return self.sentence


@sliced
def check_gradient(grid: SurfaceGrid, look: Look | None = None) -> Slices[GradientCheck]:
    """Compare autograd's gradient of a loss with central differences of it, at every grid point.

    Args:
        grid: The surface or curve, from `sample_surface`.
        look: The `Look` of a survey of the same grid, if there is one.

    Returns:
        The comparison. A loss that must be called point by point is checked at no more than 441 points, spread evenly.

    Raises:
        TypeError: `grid` is not a surface.
        ValueError: The grid does not know which loss it was sampled from.
    """
    if not isinstance(grid, SurfaceGrid):
        got = f"{type(grid).__name__} {grid!r:.60}"
        raise TypeError(f"check_gradient takes a surface, check_gradient(sample_surface(loss, axes)); got {got}")
    surveyed, look = look is not None, Look(grid) if look is None else look
    if not look.known:
        raise ValueError("the grid must know its loss: take one from sample_surface")
    if not bool(look.finite.any()):
        return _nothing(look, "loss and gradient are finite nowhere in view: there is no gradient to check")
    chosen = _chosen(grid)
    rows = torch.meshgrid(*chosen, indexing="ij")
    points = grid.points[rows]
    shape, finite = points.shape[:-1], look.finite[rows].flatten()
    if not bool(finite.any()):
        return _nothing(look, "where it was looked, loss and gradient are not finite: there is no gradient to check")
    points = points.flatten(0, -2)[finite]
    # In float64 whatever the loss holds: differences of float32 numbers are mostly rounding.
    _, own = yield from part_of(look.view.at(points), 0.0, 0.1)
    axes = range(points.shape[1])
    found = yield from part_of(differing(look.function, points, own, look.bounds, look.steep, axes), 0.1, 0.7)
    single = yield from part_of(_in_float32(look.own, points), 0.8, 0.2)
    gap, wrong, reasons = _judged(found, sharp(own, single, look.spans, look.steep), look)
    unclear = reasons.any(0)
    worst, where = _worst(found, gap, wrong, unclear, points)
    at_survey = disagreement(look) if surveyed and bool(wrong.any()) else None

    nearest = torch.meshgrid(*map(_nearest, chosen, grid.loss.shape), indexing="ij")

    def spread(values: Tensor, empty: Tensor) -> Tensor:
        """Spread values from the points that were checked to all grid points."""
        checked = empty.expand(finite.shape).clone()
        checked[finite] = values
        return torch.where(look.finite, checked.reshape(shape)[nearest], empty)

    nan, no = torch.tensor(math.nan, dtype=torch.float64), torch.tensor(False)
    whys = zip((_KINK, _ROUNDING, _EDGE), reasons, strict=True)
    why = {reason: look.share(spread(mask, no)) for reason, mask in whys if bool(mask.any())}
    gap, wrong, unclear = spread(gap, nan), spread(wrong, no), spread(unclear, no)
    share = float(wrong.double().mean())
    if at_survey is not None:
        share, worst, where = at_survey.share, at_survey.gap, at_survey.point
    return GradientCheck(gap, wrong, unclear, worst, where, share, grid.names, tuple(shape), why)


def _judged(found: Differences, sharp_at: Tensor, look: Look) -> tuple[Tensor, Tensor, Tensor]:
    """The gaps and where they are wrong, (N,) each; and the reasons why differences cannot decide, (3, N)."""
    clear = found.slope.isfinite().all(-1)
    # Autograd may have no gradient for the steepest slopes.
    sizes = (found.slope.nan_to_num() * look.spans).norm(dim=-1)[clear & ~found.doubtful.any(-1)]
    known = float(sizes.kthvalue(max(1, round(0.99 * len(sizes)))).values) if len(sizes) else 0.0
    steep = max(look.steep, known) / look.spans
    gap = found.relative((GENTLE * steep).clamp_min(1e-300)).amax(-1)
    gap[~clear] = math.nan
    suspect = found.gap > found.allowed
    kink = (found.doubtful & (suspect | (found.jump > BEND * steep + found.noise))).any(-1) & clear
    size = torch.maximum(torch.maximum(found.slope.abs(), found.own.abs()), GENTLE * steep)
    hidden = (found.noise > 0.1 * size) & (steep > 0)
    rounding = (hidden.any(-1) | (suspect.any(-1) & ~sharp_at)) & clear & ~kink
    wrong = found.wrong.any(-1) & clear & ~rounding
    return gap, wrong, torch.stack([kink & ~wrong, rounding, ~clear])


def _worst(
    found: Differences, gap: Tensor, wrong: Tensor, unclear: Tensor, points: Tensor
) -> tuple[float, tuple[float, ...] | None]:
    among = wrong if bool(wrong.any()) else ~unclear
    if not bool(among.any()):
        return math.nan, None
    gaps = torch.where(among, gap, torch.full_like(gap, -1.0))
    worst = float(gaps.max())
    # Among points that are almost equally wrong, the one with the largest absolute gap.
    size = torch.where(gaps >= 0.999 * worst, found.gap.nan_to_num().amax(-1), torch.full_like(gap, -1.0))
    return worst, tuple(points[size.argmax()].tolist())


def _nothing(look: Look, obstacle: str) -> GradientCheck:
    loss, none = look.grid.loss, torch.zeros_like(look.finite)
    nan = torch.full_like(loss, math.nan)
    return GradientCheck(
        nan, none, look.finite, math.nan, None, names=look.names, checked=tuple(loss.shape), obstacle=obstacle
    )


def _in_float32(function: LossFunction, points: Tensor) -> Slices[Tensor | None]:
    try:
        return (yield from function.valuing(points, torch.float32)).gradient.double()
    except LossError:
        return None


def _chosen(grid: SurfaceGrid) -> list[Tensor]:
    """The indices of the rows and columns that are checked."""
    most = max(grid.loss.shape)
    if grid.method == "pointwise":
        most = int(SLOW ** (1 / grid.loss.ndim))
    return [torch.linspace(0, n - 1, min(n, most), dtype=torch.float64).round().long() for n in grid.loss.shape]


def _nearest(chosen: Tensor, count: int) -> Tensor:
    """For each of `count` rows, the index in `chosen` of the nearest row."""
    return (torch.arange(count)[:, None] - chosen).abs().argmin(1)
