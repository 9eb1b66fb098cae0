"""A loss surface, and what several patterns need to know about it, computed once."""

import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from gradwidgets.core.losses.differences import Differences, differing
from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction, Watch, objective_function
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.core.results.time_left import TimeLeft
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns.ends.bottomless import Fall, finding_fall
from gradwidgets.core.surfaces.patterns.ends.descents import Descents
from gradwidgets.core.surfaces.patterns.ends.target import Target, inside, target_mask
from gradwidgets.core.surfaces.patterns.flat.dead_ground import DeadGround
from gradwidgets.core.surfaces.patterns.flat.flat_axes import flat_axes
from gradwidgets.core.surfaces.patterns.in_view import View
from gradwidgets.core.surfaces.patterns.lattice import Lattice, nearest_to_middle, steep_of
from gradwidgets.core.surfaces.patterns.precision.training_precision import Trouble
from gradwidgets.core.surfaces.patterns.singular.spikes import Spike, finding_spike
from gradwidgets.core.surfaces.patterns.singular.zoom import Close
from gradwidgets.core.surfaces.surface import SurfaceGrid

LOWEST = 1e-3  # of the height of the view: a loss so near to the lowest counts as lowest

_LATTICE, _LATTICE_SLOW = {1: 1000, 2: 60}, {1: 100, 2: 16}  # points along each axis
_COARSEST, _LATTICE_SHARE = 4, 0.2  # for a costly loss: points along each axis at least, and of the time
_MANY, _FEW = 997, 100  # points in a sample; fewer for a slow loss


class Look:
    """A grid and what is computed from it.

    Verdicts are made at the points of a lattice, so they do not depend on the grid, which is only drawn.

    Args:
        grid: The surface, or the curve.
        target: Where the loss should lead: a point, a box or a predicate; None for the lowest region.
        dtype: The precision of the training.
        deadline: The time, of `time.perf_counter`, after which no further part is begun; None for no deadline.
        starts: The user's starting points, name → point, (P,).
        seconds: The total time; 0 for no limit.

    Attributes:
        grid: The grid as given.
        dtype: The dtype as given.
        critical: The critical points, after `looking`.
        descents: The descents with their ends, after `looking`; None before, and without a loss.
        close: What a closer look between the points has found, after `looking`.
        trouble: What goes wrong in the precision of the training, after `looking`.
        time: The time that is left, and the parts for which there was none.
        dead: Where a descent does not move though the loss is lower elsewhere.
        starts: The starting points as given.
        given: Whether there is a target.
        wanted: The target as given.
        untried: Why the loss cannot be computed in that precision; "" if it can.
    """

    def __init__(
        self,
        grid: SurfaceGrid,
        target: Target | None = None,
        dtype: torch.dtype = torch.float32,
        deadline: float | None = None,
        starts: Mapping[str, Tensor] | None = None,
        seconds: float = 0.0,
    ) -> None:
        self.time = TimeLeft(deadline, seconds)
        self.starts = dict(starts or {})
        self.grid, self.names, self.dtype = grid, grid.names, dtype
        own = loss_function_of(grid)
        if own is not None and own.method is None:
            own.values(grid.points.reshape(-1, len(grid.names))[:7])
        self._view = None if own is None else View(own, self.bounds)
        self.given = target is not None
        self.wanted = target
        self.critical: list[CriticalPoint] = []
        self.descents: Descents | None = None
        self.close, self.untried = Close(), ""
        self.trouble: Trouble | None = None
        self.dead = DeadGround(self)

    @property
    def known(self) -> bool:
        """Whether the loss itself is known and not only its grid: if not, there is no `own`, `function` and `view`."""
        return self._view is not None

    @property
    def own(self) -> LossFunction:
        """The loss as it was given."""
        return self.view.itself

    @property
    def function(self) -> LossFunction:
        """The loss in float64."""
        return self.view.function

    @property
    def view(self) -> View:
        """The loss over its axes."""
        if self._view is None:
            raise RuntimeError("the grid alone is known, not its loss; `known` tells")
        return self._view

    def sampling(self) -> Slices[None]:
        """Compute the lattice; for a costly loss with as many points as there is time for."""
        count = (_LATTICE_SLOW if self.view.slow else _LATTICE)[self.view.dims]
        if self.own.costly:
            began, some = time.perf_counter(), self.view.lattice(_COARSEST)
            yield from self.view.at(some)
            afforded = _LATTICE_SHARE * self.time.seconds / (time.perf_counter() - began) * len(some)
            count = max(_COARSEST, min(count, int(afforded ** (1 / self.view.dims))))
        points = self.view.lattice(count)
        loss, gradient = yield from self.view.at(points)
        self.lattice = Lattice(points, loss, gradient, count)

    def searching_spike(self) -> Slices[Spike | None]:
        """Look for a spike into which descents lead; None if there is none."""
        if not self.known or self.descents is None or not len(self.descents.ends):
            return None
        minima = [one.point for one in self.critical if one.kind == "minimum" and one.eigenvalues]
        return (yield from finding_spike(self.view, self.descents, minima))

    def searching_fall(self) -> Slices[Fall | None]:
        """Look for a fall without end beyond an edge at which descents end; None if there is none."""
        if not self.known or self.descents is None or not len(self.descents.ends):
            return None
        return (yield from finding_fall(self.view, self.descents))

    def gradient_in_float32(self) -> Slices[Tensor | None]:
        """The gradient in float32 at the sample's points, (N, P); None if the loss does not accept float32."""
        if not self.known:
            return None
        try:
            return (yield from self.own.valuing(self.sample[0], torch.float32)).gradient.double()
        except LossError:
            return None

    def comparing(self) -> Slices[Differences | None]:
        """Compare the gradient at the sample's points with central differences; None if there is none."""
        if not self.known:
            return None
        points, exact = self.sample
        # A parameter without any gradient is reported by another pattern.
        axes = [axis for axis in range(points.shape[1]) if bool((exact[:, axis] != 0).any())]
        if not axes:
            return None
        return (yield from differing(self.function, points, exact, self.bounds, self.steep, axes))

    @cached_property
    def lattice(self) -> "Lattice":
        """The loss at the points of a lattice; at the grid's points if the loss is not known."""
        if not self.known:
            points, dims = self.grid.points, len(self.names)
            swapped = (points, self.grid.loss, self.grid.gradient)
            points, loss, gradient = (part.transpose(0, 1) if dims == 2 else part for part in swapped)
            return Lattice(points.reshape(-1, dims), loss.reshape(-1), gradient.reshape(-1, dims), len(points))
        finish(self.sampling())
        return self.__dict__["lattice"]

    @cached_property
    def single(self) -> Tensor | None:
        """The gradient in float32 at the sample's points, (N, P); None if the loss does not accept float32."""
        return finish(self.gradient_in_float32())

    @cached_property
    def compared(self) -> Differences | None:
        """The gradient at the sample's points compared with central differences; None if there is none."""
        return finish(self.comparing())

    @cached_property
    def sample(self) -> tuple[Tensor, Tensor]:
        """Some finite points of the lattice, (N, P), and autograd's gradients there."""
        points, gradient = self.lattice.points[self.lattice.finite], self.lattice.gradient[self.lattice.finite]
        most = _FEW if not self.known or self.own.slow else _MANY
        if len(points) > most:
            chosen = torch.linspace(0, len(points) - 1, most, dtype=torch.float64).round().long()
            return points[chosen], gradient[chosen]
        return points, gradient

    @cached_property
    def finite(self) -> Tensor:
        """Where loss and gradient are finite, of the grid's shape."""
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
        """The size of the gradient per width of the view, of the grid's shape; 0 where not finite."""
        size = (self.grid.gradient * self.spans).norm(dim=-1)
        return torch.where(self.finite, size, torch.zeros_like(size))

    @cached_property
    def steep(self) -> float:
        """A steep slope in view: at one in a hundred finite points the loss is steeper."""
        lattice = self.lattice
        return steep_of((lattice.gradient[lattice.finite] * self.spans).norm(dim=-1))

    @cached_property
    def flat(self) -> list[int]:
        """The axes along which the loss changes only by rounding, though it has a gradient there."""
        return finish(flat_axes(self.view, self.lattice, self.height)) if self.known else []

    @cached_property
    def _usual(self) -> tuple[float, float]:
        """The 2nd and the 98th percentile of the losses in view."""
        losses = self.lattice.loss[self.lattice.finite]
        if not len(losses):
            return 0.0, 0.0
        return tuple(losses.quantile(torch.tensor([0.02, 0.98], dtype=torch.float64)).tolist())

    @cached_property
    def height(self) -> float:
        """How far the loss rises in view, without the highest 2 %, which may belong to a pole; 0 for a constant."""
        low, high = self._usual
        rise = high - low if self.close.poles else max(high - self.lowest, high - low)
        rounding = 1e-13 * max(abs(low), abs(high))
        return rise if rise > rounding else 0.0

    @cached_property
    def lowest(self) -> float:
        """The lowest loss in view, a refined minimum's included."""
        losses = [part for part in (self.grid.loss[self.finite], self.lattice.loss[self.lattice.finite]) if len(part)]
        refined = [one.loss for one in self.critical if one.kind == "minimum"]
        if self.descents is not None and len(self.descents.losses):
            refined.append(float(self.descents.losses.min()))
        return min([*refined, *(float(part.min()) for part in losses)]) if losses else float("nan")

    @cached_property
    def floor(self) -> float:
        """The lowest loss in view; if a pole leads down without end, a low loss away from the pole."""
        low, high = self._usual
        return max(self.lowest, low - 3 * (high - low)) if self.close.poles else self.lowest

    @cached_property
    def spike(self) -> Spike | None:
        """Where the loss falls without end in an ever narrower valley, or None."""
        return finish(self.searching_spike())

    @cached_property
    def fall(self) -> Fall | None:
        """Where the loss falls without end beyond an edge of the view, or None."""
        return finish(self.searching_fall())

    @cached_property
    def led(self) -> list[int]:
        """The axes along which there is a gradient somewhere."""
        slopes = self.lattice.gradient[self.lattice.finite]
        return [axis for axis in range(len(self.names)) if axis not in self.flat and bool((slopes[:, axis] != 0).any())]

    @cached_property
    def bottom(self) -> Tensor:
        """The lowest region in view, at least the lowest grid points."""
        # A narrow minimum may lie between the points and far below them.
        lowest = max(self.lowest, float(self.grid.loss[self.finite].min())) if bool(self.finite.any()) else math.nan
        near = self.finite & (self.grid.loss <= self.lowest + LOWEST * self.height)
        return near if bool(near.any()) else self.finite & (self.grid.loss <= lowest)

    @cached_property
    def target(self) -> Tensor:
        """Where the loss should lead, as a mask of the grid's shape; at least one point."""
        if self.wanted is None:
            return self.bottom
        return target_mask(self.wanted, self.grid)

    def in_target(self, point: Sequence[float]) -> bool:
        """Whether a point lies in the target."""
        return bool(self.in_targets(torch.tensor([point], dtype=torch.float64))[0])

    def in_targets(self, points: Tensor, off: float = 0.0) -> Tensor:
        """Which points, (N, P), lie in the target, or so far beside it, a share of the view, (N,)."""
        if self.wanted is not None:
            return inside(self.wanted, self.names, points, self.spans, off)
        reach = torch.maximum(0.02 * self.spans, 1.01 * self.spans / (self.grid.loss.shape[-1] - 1))
        targets = self.grid.points[self.target]
        return torch.stack([((targets - p).abs() <= reach).all(-1).any() for p in points])

    def ran_in(self, watch: Watch, share: float = 0.5) -> bool:
        """Run the loss as it was given in a mode, at a finite point of the lattice; False if it raises.

        Args:
            watch: The mode.
            share: Which point: the share of the finite points that come before it.
        """
        points = self.lattice.points[self.lattice.finite]
        try:
            self.own.run_at(points[int(share * len(points))], self.own.dtype, watch)
        except Exception:
            return False
        return True

    def share(self, mask: Tensor) -> float:
        """The share of the view that a mask covers."""
        return float(mask.double().mean())

    def first(self, mask: Tensor) -> tuple[float, ...]:
        """The point of a mask of the grid's shape that is nearest to the mask's middle."""
        return nearest_to_middle(self.grid.points[mask], self.spans)


def loss_function_of(grid: SurfaceGrid) -> LossFunction | None:
    """The loss or objective of a grid, as a function of its axes; None if it is not known."""
    return objective_function(grid.function, grid.names) if isinstance(grid.function, Objective) else grid.function
