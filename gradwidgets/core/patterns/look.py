"""A loss surface with what several patterns ask of it, computed once."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from numbers import Real

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from gradwidgets.core.critical_points import CriticalPoint, finding_critical_points
from gradwidgets.core.differences import Differences, differing
from gradwidgets.core.loss_call import LossError
from gradwidgets.core.loss_function import LossFunction, objective_function
from gradwidgets.core.objective import Objective
from gradwidgets.core.patterns.regions import components
from gradwidgets.core.slices import Slices, finish, part_of
from gradwidgets.core.surface import SurfaceGrid

FLAT = 1e-6  # of the steep slopes in view: below, the ground is flat
SMALLEST_EXTENT = 3  # cells: less is a point, not a zone
LOWEST = 1e-3  # of the height of the view: so near to the lowest loss is as good as lowest
ABOVE = 0.01  # of the same: flat ground is dead from so far above the lowest loss on

_MANY = 10_000  # points of a sample; of a loss that must be called point by point, fewer
_FEW = 100

Target = Sequence[float] | Mapping[str, object] | Callable[..., Tensor]


class Look:
    """A grid and what follows from it.

    Args:
        grid: The surface, or the curve.
        target: Where the loss should lead: a point, a box or a predicate; None for the lowest region.

    Attributes:
        grid: As given, without a function where it has none.
        function: The loss itself, or None.
        critical: The critical points, once `looking` has found them.
    """

    def __init__(self, grid: SurfaceGrid, target: Target | None = None) -> None:
        self.grid, self.names = grid, grid.names
        self.function: LossFunction | None = loss_function_of(grid)
        self.given = target is not None
        self._target = target
        self.critical: list[CriticalPoint] = []

    def looking(self) -> Slices[None]:
        """Find the critical points and compute what several patterns need, in slices."""
        if self.function is not None and self.steep > 0:
            # Where much ground is flat, gradients of zero are no points.
            usable = self.finite & ~self.flat if self.share(self.flat) > 0.01 else self.finite
            work = finding_critical_points(self.grid, self.function, usable, self.steep)
            self.critical = yield from part_of(work, 0.0, 0.6)
        # What the cached properties of these names would compute at once.
        self.__dict__["single"] = yield from part_of(self._in_float32(), 0.6, 0.1)
        self.__dict__["compared"] = yield from part_of(self._comparing(), 0.7, 0.3)

    def _in_float32(self) -> Slices[Tensor | None]:
        if self.function is None or self.function.dtype == torch.float32:
            return None
        try:
            return (yield from self.function.valuing(self.sample[0], torch.float32)).gradient.double()
        except LossError:
            return None

    def _comparing(self) -> Slices[Differences | None]:
        if self.function is None or self.function.dtype == torch.float32:
            return None
        points, exact, _ = self.sample
        # A parameter with no gradient at all is another pattern's.
        axes = [axis for axis in range(points.shape[1]) if bool((exact[:, axis] != 0).any())]
        if not axes:
            return None
        return (yield from differing(self.function, points, exact, self.bounds, self.steep, axes))

    @cached_property
    def single(self) -> Tensor | None:
        """The gradient that float32 gives at the sample's points, (N, P); None where the loss takes no float32."""
        return finish(self._in_float32())

    @cached_property
    def compared(self) -> Differences | None:
        """The gradient there beside central differences; None where there is none to compare."""
        return finish(self._comparing())

    @cached_property
    def sample(self) -> tuple[Tensor, Tensor, Tensor]:
        """Finite points (N, P), autograd's gradients there, and the size of the slope per width of the view (N,).

        The third is zero where a much steeper neighbour shows that the gradient only passes through zero.
        """
        slope = self.slope[None, None] if self.grid.y is not None else self.slope[None, None, None]
        around = max_pool2d(slope, 3, 1, 1).reshape(self.slope.shape)
        own = torch.where(self.slope > 1e-10 * around, self.slope, torch.zeros_like(self.slope))
        points, gradient, own = self.grid.points[self.finite], self.grid.gradient[self.finite], own[self.finite]
        most = _FEW if self.grid.method == "pointwise" else _MANY
        if len(points) > most:
            chosen = torch.linspace(0, len(points) - 1, most).round().long()
            return points[chosen], gradient[chosen], own[chosen]
        return points, gradient, own

    @cached_property
    def finite(self) -> Tensor:
        """Where loss and gradient are finite, of the loss's shape."""
        return self.grid.loss.isfinite() & self.grid.gradient.isfinite().all(-1)

    @cached_property
    def spans(self) -> Tensor:
        """The axes' widths, (P,)."""
        return torch.tensor([high - low for low, high in self.grid.axes.values()], dtype=torch.float64)

    @cached_property
    def bounds(self) -> Tensor:
        """The axes' lower and upper ends, (P, 2)."""
        return torch.tensor(list(self.grid.axes.values()), dtype=torch.float64)

    @cached_property
    def slope(self) -> Tensor:
        """The size of the gradient per width of the view, of the loss's shape; 0 where not finite."""
        size = (self.grid.gradient * self.spans).norm(dim=-1)
        return torch.where(self.finite, size, torch.zeros_like(size))

    @cached_property
    def steep(self) -> float:
        """A steep slope in view: of the finite points one in a hundred is steeper."""
        return steep_of(self.slope[self.finite])

    @cached_property
    def height(self) -> float:
        """How far the loss rises in view, without the highest hundredth, which may be a pole's."""
        losses = self.grid.loss[self.finite]
        if not len(losses):
            return 0.0
        return float(losses.kthvalue(max(1, round(0.99 * len(losses)))).values - losses.min())

    @cached_property
    def lowest(self) -> float:
        """The lowest loss in view, a refined minimum's included."""
        losses = self.grid.loss[self.finite]
        refined = [one.loss for one in self.critical if one.kind == "minimum"]
        return min([*refined, float(losses.min())]) if len(losses) else float("nan")

    @cached_property
    def flat(self) -> Tensor:
        """Where the ground is flat."""
        return self.finite & (self.slope <= FLAT * self.steep)

    @cached_property
    def bottom(self) -> Tensor:
        """The lowest region in view, at least the lowest grid points."""
        # A narrow minimum may lie between the points and far below them.
        lowest = max(self.lowest, float(self.grid.loss[self.finite].min())) if bool(self.finite.any()) else math.nan
        near = self.finite & (self.grid.loss <= self.lowest + LOWEST * self.height)
        return near if bool(near.any()) else self.finite & (self.grid.loss <= lowest)

    @cached_property
    def target(self) -> Tensor:
        """Where the loss should lead, as a mask of the loss's shape; at least one point."""
        if self._target is None:
            return self.bottom
        return target_mask(self._target, self.grid)

    @cached_property
    def zones(self) -> list[Tensor]:
        """Flat ground of some extent, above the lowest loss and off a given target: dead; masks, the largest first."""
        dead = self.flat & (self.grid.loss > self.lowest + ABOVE * self.height) & ~self._meant
        if self.grid.y is not None:
            # Where one parameter's gradient only passes through zero, the ground is the other's.
            one, other = self._still.values()
            dead &= one == other
        return components(dead, SMALLEST_EXTENT)

    @cached_property
    def stuck(self) -> dict[str, Tensor]:
        """Parameter → where it alone gets no gradient though the loss is lower elsewhere along its axis: a mask."""
        found = {}
        losses = torch.where(self.finite, self.grid.loss, float("inf"))
        for axis, name in enumerate(self.names if self.grid.y is not None else ()):
            if bool((self.grid.gradient[..., axis][self.finite] == 0).all()):
                continue  # no gradient anywhere: another pattern's
            high = losses > losses.amin(-1 - axis, keepdim=True) + ABOVE * self.height
            mask = self._still[name] & high & ~self._meant & ~self._dead
            if bool(mask.any()):
                found[name] = mask
        return found

    @cached_property
    def _still(self) -> dict[str, Tensor]:
        """Parameter → where it gets no gradient over some cells along its axis; on a ridge or at a saddle it is one."""
        found = {}
        for axis, name in enumerate(self.names):
            size = self.grid.gradient[..., axis].abs()
            found[name] = _long(self.finite & (size <= FLAT * steep_of(size[self.finite])), -1 - axis)
        return found

    @property
    def dead(self) -> Tensor:
        """Where a parameter gets no gradient, or none does, though the loss is lower elsewhere; of the loss's shape."""
        return torch.stack([self._dead, *self.stuck.values()]).any(0)

    @property
    def _dead(self) -> Tensor:
        return torch.stack([torch.zeros_like(self.flat), *self.zones]).any(0)

    @property
    def _meant(self) -> Tensor:
        """Where a loss may be flat whatever its height: in a target that was given."""
        return self.target if self.given else torch.zeros_like(self.finite)

    def in_target(self, point: Sequence[float]) -> bool:
        """Whether a point lies in the target, or within a cell of it."""
        cell = torch.stack([self.spans / (size - 1) for size in (self.grid.loss.shape[-1],)]).amax(0)
        targets = self.grid.points[self.target]
        return bool(((targets - torch.tensor(point, dtype=torch.float64)).abs() <= 1.01 * cell).all(-1).any())

    def share(self, mask: Tensor) -> float:
        """Which share of the view a mask covers."""
        return float(mask.double().mean())

    def first(self, mask: Tensor) -> tuple[float, ...]:
        """A point of a mask, near its middle."""
        points = self.grid.points[mask]
        middle = points.mean(0)
        nearest = ((points - middle) / self.spans).norm(dim=-1).argmin()
        return tuple(points[nearest].tolist())


def steep_of(slopes: Tensor) -> float:
    """A steep one among slopes, (N,): one in a hundred is steeper."""
    if not len(slopes):
        return 0.0
    return float(slopes.kthvalue(max(1, round(0.99 * len(slopes)))).values) or float(slopes.max())


def _long(mask: Tensor, dim: int) -> Tensor:
    """What of a mask, (H, W), lies in runs of `SMALLEST_EXTENT` or more along a dimension."""
    along = mask if dim in (-1, 1) else mask.T
    runs = torch.zeros_like(along)
    if along.shape[-1] >= SMALLEST_EXTENT:
        whole = along.unfold(-1, SMALLEST_EXTENT, 1).all(-1)
        for k in range(SMALLEST_EXTENT):
            runs[:, k : k + whole.shape[-1]] |= whole
    return runs if dim in (-1, 1) else runs.T


def loss_function_of(grid: SurfaceGrid) -> LossFunction | None:
    """What a grid was sampled from, as a function of its axes; None where it does not know."""
    return objective_function(grid.function, grid.names) if isinstance(grid.function, Objective) else grid.function


def target_mask(target: Target, grid: SurfaceGrid) -> Tensor:
    """Turn a target into a mask over a grid.

    Args:
        target: A point, a number for each axis in order or by name; a box, a pair (low, high) for each axis; or a
            predicate that takes tensors by the axes' names and returns a boolean one.
        grid: The surface.

    Raises:
        TypeError: It is none of the three.
        ValueError: Its numbers do not fit the axes, or it lies out of view.
    """
    points, names = grid.points, grid.names
    if callable(target):
        mask = target(**dict(zip(names, points.unbind(-1), strict=True)))
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != grid.loss.shape:
            raise TypeError(
                f"target as a function takes {', '.join(names)} and returns a boolean tensor of their shape; it "
                f"returned {mask!r:.60}"
            )
    else:
        parts = _by_name(target, names)
        inside = []
        for i, part in enumerate(parts):
            values, side = points[..., i], grid.x if i == 0 else grid.y
            cell = float(side[-1] - side[0]) / (len(side) - 1)
            low, high = part if isinstance(part, tuple) else (part - cell / 2, part + cell / 2)
            inside.append((values >= low - 1e-9 * cell) & (values <= high + 1e-9 * cell))
        mask = torch.stack(inside).all(0)
    if not mask.any():
        raise ValueError(f"target {target!r:.60} lies nowhere in view")
    return mask


def _by_name(target: object, names: tuple[str, ...]) -> list[float | tuple[float, float]]:
    if isinstance(target, Mapping):
        if set(target) != set(names):
            raise ValueError(f"target must name {', '.join(names)}; got {', '.join(map(str, target))}")
        parts = [target[name] for name in names]
    elif isinstance(target, Real):
        parts = [target]
    else:
        try:
            parts = list(target)
        except TypeError:
            raise TypeError(f"target must be a point, a box or a function; got {target!r:.60}") from None
    if len(parts) != len(names):
        raise ValueError(f"target needs {len(names)} parts, one for each of {', '.join(names)}; got {target!r:.60}")
    return [_part(part) for part in parts]


def _part(part: object) -> float | tuple[float, float]:
    if isinstance(part, Real) and not isinstance(part, bool):
        return float(part)
    try:
        low, high = (float(bound) for bound in part)
    except (TypeError, ValueError):
        raise TypeError(f"target's parts are numbers or pairs (low, high); got {part!r:.60}") from None
    if not low <= high:
        raise ValueError(f"target's pairs are (low, high); got {part!r:.60}")
    return low, high
