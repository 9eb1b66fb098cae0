"""What goes wrong with a loss in the precision of the training: overflow, NaN, lost or wrong gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.patterns.in_view import View, finite
from gradwidgets.core.surfaces.patterns.precision.parting import Parted, named
from gradwidgets.core.surfaces.surface import SurfaceGrid

OVERFLOW_SHARE, LOST_SHARE, WRONG_SHARE, OFF_SHARE = 0.01, 0.02, 0.02, 0.05
OFF = 0.05  # of a loss's change over the view: a value that is off by more does not show how the loss changes
SLIGHT = 0.01  # of the same: a lost gradient that changes the loss by less over the whole view hardly counts
_MUCH = 0.3  # of the view: if so much has no gradient it counts even on low ground
_ABOVE = 0.01  # of the loss's height above the lowest: from there on a gradient is needed
_FAINT = 64.0  # roundings of the loss: a slope below that may be rounding
_ALONG = 129  # points along each axis, to find where trouble begins


@dataclass(frozen=True, eq=False)
class Trouble:
    """What goes wrong with a loss in a precision.

    Attributes:
        kind: "overflow" (infinite or NaN though float64 is finite), "lost" (no gradient though float64 has one),
            "wrong" (a gradient that is off by half and more) or "off" (a value that is, by much of the loss's change).
        share: The share of the view in which it does.
        point: A point that shows it, (P,).
        largest: The largest gradient that is lost, or wrong; for "off" the largest error of the value.
        operation: The operation to blame, in words; "" if it is not known.
        cast: The dtype of the computation, if the loss itself casts to it; else None.
        begins: Axis → the values at which it begins or ends along that axis.
        parted: How the computation differs from float64's at that point.
        only_gradient: For "overflow", whether the loss itself is finite there.
        off: By how much the value is off too, if that is much of its change over the view; else 0.
        off_at: Where the value is off most, (P,); None if it is not.
        slight: Whether the lost or wrong gradient changes the loss by next to nothing.
    """

    kind: str
    share: float
    point: Tensor
    largest: float
    operation: str
    cast: torch.dtype | None
    begins: dict[str, list[float]]
    parted: Parted
    only_gradient: bool = False
    off: float = 0.0
    off_at: Tensor | None = None
    slight: bool = False


def training_trouble(
    view: View,
    function: LossFunction,
    dtype: torch.dtype,
    points: Tensor,
    lowest: float,
    height: float,
    *,
    beside: Tensor,
    sound: bool,
) -> Slices[Trouble | None]:
    """Compare a loss in another precision with float64, at the same rounded points.

    Args:
        view: The loss in float64.
        function: The loss as it was given.
        dtype: The precision.
        points: Points evenly over the view, (N, P).
        lowest: The lowest loss in view.
        height: How far the loss rises in view.
        beside: Further points, (M, P), such as where it is lowest and where a training begins.
        sound: Whether float64 is finite all over the view: then a single special point that is not is enough.

    Raises:
        LossError: The loss does not accept that dtype.
    """
    count = len(points)
    points = torch.cat([points, view.special(), beside])
    even = torch.arange(len(points)) < count
    rounded = points.to(dtype).double()
    inside = ((rounded >= view.low) & (rounded <= view.high)).all(-1)
    high, steep = yield from view.at(rounded)
    low, slope = yield from _values_in(function, points, dtype)
    known = finite(high, steep) & inside
    over = known & ~finite(low, slope)
    if _share(over, even) >= OVERFLOW_SHARE or (sound and bool((over & ~even).any())):
        # A loss that is not finite is reported rather than its gradient.
        infinite = over & ~low.isfinite()
        spots = rounded[infinite if _share(infinite, even) > 0.5 * _share(over, even) else over]
        parted = named(function, spots, dtype, "over")
        begins = {} if function.costly else (yield from _beginnings(view, function, parted.point, dtype))
        alone = bool(low[over].isfinite().all())
        said = parted.point, 0.0, parted.said + parted.line, parted.cast, begins, parted, alone
        return Trouble("overflow", _share(over, even), *said)
    size = (steep * view.spans).norm(dim=-1)
    biggest = float(size[known].max()) if bool(known.any()) else 0.0
    tiny = 0.0 if dtype in (torch.float16, torch.bfloat16) else torch.finfo(dtype).tiny
    gone = known & (slope.abs() <= tiny).all(-1) & (size > 0)
    above = (high > lowest + _ABOVE * height) & (size > 1e-3 * (high - lowest))
    faint = _faint(size, ((slope - steep) * view.spans).norm(dim=-1), high, known & ~gone, dtype)
    lost = gone & ~faint & (above | ((size > 1e-12 * biggest) & (size > 1e-9 * height)))
    # Where a loss is large, part of it is always rounding.
    gap = (low - high).abs()
    far = known & (gap > OFF * torch.maximum(high - lowest, torch.tensor(height))) & (height > 0)
    also: tuple[float, Tensor | None] = (0.0, None)
    if _share(far, even) >= OFF_SHARE:
        also = float(gap[far].max()), rounded[far][gap[far].argmax()]
    if _share(lost, even) >= LOST_SHARE:
        high_up = lost & (high > lowest + _ABOVE * height)
        much = _share(lost, even) > _MUCH or _share(high_up, even) >= LOST_SHARE
        slight = not also[0] and not much and _is_slight(size, lost, height)
        return _trouble("lost", lost, even, rounded, size, function, dtype, *also, slight)
    off = ((slope - steep) * view.spans).norm(dim=-1)
    wrong = known & ~faint & (off > 0.5 * size) & (size > 0.01 * (high - lowest).clamp_min(0)) & (size > 1e-3 * height)
    if _share(wrong, even) >= WRONG_SHARE:
        slight = not also[0] and _is_slight(torch.maximum(off, size), wrong, height)
        return _trouble("wrong", wrong, even, rounded, off, function, dtype, *also, slight)
    if also[0]:
        return _trouble("off", far, even, rounded, gap, function, dtype)
    return None


def _is_slight(size: Tensor, mask: Tensor, height: float) -> bool:
    """Whether slopes per width of the view, (N,), are next to nothing relative to the height where a mask is true."""
    return height > 0 and float(size[mask].max()) < SLIGHT * height


def _faint(size: Tensor, off: Tensor, loss: Tensor, known: Tensor, dtype: torch.dtype) -> Tensor:
    """Where a slope is only rounding, as for a loss that does not depend on its input, (N,).

    Args:
        size: The slope per width of the view, (N,).
        off: The error of the slope in few digits, (N,).
        loss: The loss, (N,).
        known: Where there is a slope in few digits to compare with, (N,).
        dtype: The dtype of few digits.
    """
    # Such a slope is below a few roundings of the loss's terms; but an exact slope may be as small.
    faint = size <= _FAINT * torch.finfo(dtype).eps * loss.abs()
    shown = faint & known & (size > 0)
    noisy = bool(shown.any()) and float((off > 0.1 * size)[shown].double().mean()) > 0.5
    return faint & noisy


def lost_ground(function: LossFunction, dtype: torch.dtype, grid: SurfaceGrid) -> Slices[Tensor | None]:
    """Where on a grid a loss is not finite in a precision, or its gradient zero, though it is not so in float64.

    Args:
        function: The loss as it was given.
        dtype: The precision.
        grid: Its surface or curve.

    Returns:
        A mask of the grid's shape; None if the loss does not accept that dtype.
    """
    points = grid.points.reshape(-1, len(grid.names))
    try:
        low, slope = yield from _values_in(function, points, dtype)
        high, steep = yield from View(function, torch.tensor(list(grid.axes.values()), dtype=torch.float64)).at(points)
    except LossError:
        return None
    known = finite(high, steep)
    lost = ~finite(low, slope) | ((slope == 0).all(-1) & (steep != 0).any(-1))
    return (known & lost).reshape(grid.loss.shape)


def _trouble(
    kind: str,
    mask: Tensor,
    even: Tensor,
    points: Tensor,
    size: Tensor,
    function: LossFunction,
    dtype: torch.dtype,
    off: float = 0.0,
    off_at: Tensor | None = None,
    slight: bool = False,
) -> Trouble:
    spots = points[mask]
    parted = named(function, spots, dtype, "under" if kind == "lost" else kind)
    said = parted.point, float(size[mask].max()), parted.said + parted.line, parted.cast
    return Trouble(
        kind, _share(mask, even), *said, {}, parted, off=off, off_at=off_at, slight=slight and parted.cast is None
    )


def _share(mask: Tensor, even: Tensor) -> float:
    return float(mask[even].double().mean())


def _values_in(function: LossFunction, points: Tensor, dtype: torch.dtype) -> Slices[tuple[Tensor, Tensor]]:
    values = yield from function.valuing(points, dtype)
    return values.loss.double(), values.gradient.double()


def _beginnings(
    view: View, function: LossFunction, point: Tensor, dtype: torch.dtype
) -> Slices[dict[str, list[float]]]:
    """The values of each axis, on a line through a bad point, at which trouble begins and ends."""
    found: dict[str, list[float]] = {}

    def bad_at(values: Tensor, axis: int) -> Slices[Tensor]:
        places = point.expand(len(values), -1).clone()
        places[:, axis] = values
        try:
            losses, gradients = yield from _values_in(function, places, dtype)
        except LossError:
            return torch.zeros(len(values), dtype=torch.bool)
        return ~finite(losses, gradients)

    for axis, name in enumerate(view.names):
        values = torch.linspace(float(view.low[axis]), float(view.high[axis]), _ALONG, dtype=torch.float64)
        bad = yield from bad_at(values, axis)
        for k in (bad[1:] != bad[:-1]).nonzero().flatten()[:2].tolist():
            start, end, before = values[k], values[k + 1], bool(bad[k])
            for _ in range(2):
                finer = torch.linspace(float(start), float(end), 33, dtype=torch.float64)
                changed = ((yield from bad_at(finer, axis)) != before).nonzero().flatten()
                at = int(changed[0]) if len(changed) else 32
                start, end = finer[max(at - 1, 0)], finer[at]
            found.setdefault(name, []).append(float(end))
    return found
