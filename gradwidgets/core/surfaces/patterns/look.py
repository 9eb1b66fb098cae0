"""A loss surface with what several patterns ask of it, computed once."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from gradwidgets.core.losses.differences import Differences, differing
from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction, objective_function
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.results.slices import Slices, finish, part_of
from gradwidgets.core.results.time_left import TimeLeft
from gradwidgets.core.surfaces.critical_points import CriticalPoint, finding_critical_points
from gradwidgets.core.surfaces.patterns.ends.bottomless import Fall, finding_fall
from gradwidgets.core.surfaces.patterns.ends.descents import Descents, descending
from gradwidgets.core.surfaces.patterns.ends.of_note import ENDS, places_of_note, target_point
from gradwidgets.core.surfaces.patterns.ends.rings import without_tips
from gradwidgets.core.surfaces.patterns.ends.target import Target, inside, target_mask
from gradwidgets.core.surfaces.patterns.flat.dead_ground import DeadGround
from gradwidgets.core.surfaces.patterns.flat.flat_axes import flat_axes
from gradwidgets.core.surfaces.patterns.in_view import View, finite
from gradwidgets.core.surfaces.patterns.kinked_minima import settling_kinks
from gradwidgets.core.surfaces.patterns.lattice import Lattice, nearest_to_middle, steep_of
from gradwidgets.core.surfaces.patterns.precision.training_precision import Trouble, training_trouble
from gradwidgets.core.surfaces.patterns.singular.spikes import Spike, finding_spike
from gradwidgets.core.surfaces.patterns.singular.zoom import Close, around, looking_closer, polishing
from gradwidgets.core.surfaces.surface import SurfaceGrid

LOWEST = 1e-3  # of the height of the view: so near to the lowest loss is as good as lowest

_ROUNDING = 1e-9  # of the height: a loss that is hardly ever steeper has no critical points but rounding's

_LATTICE, _LATTICE_SLOW = {1: 1000, 2: 60}, {1: 100, 2: 16}  # points along each axis
_COARSEST, _LATTICE_SHARE = 4, 0.2  # of a costly loss: points along each axis at least, and of the time there is
_MANY, _FEW = 997, 100  # points of a sample; the second of a slow loss
_ENDS, _KINKS = 3, 4  # places that are looked at closely: of where descents end, and of kinks


class Look:
    """A grid and what follows from it.

    Verdicts are made at the points of a lattice, so they do not depend on the grid, which is only drawn.

    Args:
        grid: The surface, or the curve.
        target: Where the loss should lead: a point, a box or a predicate; None for the lowest region.
        dtype: The precision of the training.
        deadline: When of `time.perf_counter` no further part is begun; None for never.
        starts: Where descents are to begin, name → point, (P,).
        seconds: All the time that there was; 0 for no limit.

    Attributes:
        grid: As given, without a function where it has none.
        dtype: As given.
        critical: The critical points, once `looking` has found them.
        descents: Where descents end, once `looking` knows; None before, and without a loss.
        close: What is between points, the same.
        trouble: What the precision of the training does, the same.
        time: The time that is left, and what there was none for.
        dead: Where a descent does not move though the loss is lower elsewhere.
        starts: As given.
        wanted: The target, as given.
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
        """The loss as it is."""
        return self.view.itself

    @property
    def function(self) -> LossFunction:
        """The loss in the reference's float64."""
        return self.view.function

    @property
    def view(self) -> View:
        """The loss over its axes."""
        if self._view is None:
            raise RuntimeError("the grid alone is known, not its loss; `known` tells")
        return self._view

    def looking(self) -> Slices[None]:
        """Find the critical points and compute what several patterns need, in slices."""
        if not self.known:
            return
        yield from part_of(self._sampling(), 0.0, 0.05)
        precision, first = f"a look at {str(self.dtype).removeprefix('torch.')}", self.time.limited
        if first:
            asked = self.dtype != torch.float32
            yield from part_of(self.time.within(precision, self._training(), asked), 0.05, 0.0)
        self.descents = yield from part_of(self.time.within("descents", descending(self.view)), 0.05, 0.4)
        close = yield from part_of(
            self.time.within("a closer look between the points", looking_closer(self.view)), 0.45, 0.2
        )
        self.close = close or Close()
        for name in ("lowest", "height", "floor"):
            self.__dict__.pop(name, None)  # they may have been asked for before
        if self.descents is not None:
            work = self.time.within("a look at where descents end", self._looking_at_ends(self.descents))
            yield from part_of(work, 0.65, 0.05)
        if self.steep > _ROUNDING * self.height:
            yield from part_of(self.time.within("critical points", self._finding_critical_points()), 0.7, 0.095)
        yield from part_of(self.time.within("places of note", self._looking_at_places_of_note()), 0.795, 0.005)
        # What the cached properties of these names would compute at once.
        self.__dict__["spike"] = self.__dict__["single"] = self.__dict__["compared"] = None
        if self.height:
            self.__dict__["spike"] = yield from self.time.within("a look for spikes", self._finding_spike())
        if self.spike is None:
            self.__dict__["fall"] = yield from self.time.within("a look beyond the edges", self._finding_fall())
        yield from part_of(
            self.time.within("a comparison with central differences", self._checking_gradients()), 0.8, 0.15
        )
        if not first:
            yield from part_of(self.time.within(precision, self._training()), 0.95, 0.05)

    def _sampling(self) -> Slices[None]:
        count = (_LATTICE_SLOW if self.view.slow else _LATTICE)[self.view.dims]
        if self.own.costly:
            began, some = time.perf_counter(), self.view.lattice(_COARSEST)
            yield from self.view.at(some)
            afforded = _LATTICE_SHARE * self.time.seconds / (time.perf_counter() - began) * len(some)
            count = max(_COARSEST, min(count, int(afforded ** (1 / self.view.dims))))
        points = self.view.lattice(count)
        loss, gradient = yield from self.view.at(points)
        self.__dict__["lattice"] = Lattice(points, loss, gradient, count)

    def _finding_critical_points(self) -> Slices[None]:
        # Where much ground is flat, gradients of zero are no points.
        flat = self.dead.still | (self.finite & (self.slope == 0))
        usable = self.finite & ~flat if self.share(flat) > 0.01 else self.finite
        work = finding_critical_points(self.grid, self.function, usable, self.steep)
        found = yield from part_of(work, 0.0, 0.95)
        found = yield from without_tips(self.view, found, self.steep)
        if self.descents is not None:
            cell = self.spans / (self.grid.loss.shape[-1] - 1)
            settling = settling_kinks(self.view, found, self.descents, cell, self.floor)
            found = yield from part_of(settling, 0.95, 0.05)
        self.critical = found
        self.__dict__.pop("lowest", None)

    def _places_of_note(self, starts: Iterable[Tensor] = ()) -> Tensor:
        ends = [torch.tensor(one.point, dtype=torch.float64) for one in self.critical if one.kind == "minimum"][:ENDS]
        if self.descents is not None:
            ends += list(self.descents.ends[self.descents.losses.argsort()[:ENDS]])
        return places_of_note(self.bounds, ends, [*starts, *target_point(self.wanted, self.names)])

    def _looking_at_places_of_note(self) -> Slices[None]:
        """Look right at minima and at typed numbers: there a loss may be 0 / 0 though it is fine beside them."""
        places = self._places_of_note()
        loss, gradient = yield from self.view.at(places)
        inside = ((places >= self.view.low) & (places <= self.view.high)).all(-1)
        self.close.bad += list(places[inside & ~finite(loss, gradient)])

    def _looking_at_ends(self, descents: Descents) -> Slices[None]:
        """Losses are often singular right where they are lowest, and at kinks."""
        if self.view.slow or not len(descents.ends):
            return
        seen: list[Tensor] = []
        for end in descents.ends[descents.losses.argsort()]:
            if all(bool(((end - other).abs() > 0.02 * self.spans).any()) for other in seen):
                seen.append(end)
            if len(seen) == _ENDS:
                break
        for point in [*seen, *self.close.kinks[:_KINKS]]:
            bad, smooth = yield from around(self.view, point)
            if bad is None and not smooth:
                bad = yield from polishing(self.view, point)
            if bad is not None:
                self.close.bad.append(bad)
                return

    def _training(self) -> Slices[None]:
        lattice = self.lattice
        if not bool(lattice.finite.any()):
            return
        sound = bool(lattice.finite.all()) and not self.close.bad
        try:
            self.trouble = yield from training_trouble(
                self.view,
                self.own,
                self.dtype,
                lattice.points,
                self.floor,
                self.height,
                beside=self._places_of_note(self.starts.values()),
                sound=sound,
            )
        except LossError as error:
            self.untried = str(error)

    def _finding_spike(self) -> Slices[Spike | None]:
        if not self.known or self.descents is None or not len(self.descents.ends):
            return None
        minima = [one.point for one in self.critical if one.kind == "minimum" and one.eigenvalues]
        return (yield from finding_spike(self.view, self.descents, minima))

    def _finding_fall(self) -> Slices[Fall | None]:
        if not self.known or self.descents is None or not len(self.descents.ends):
            return None
        return (yield from finding_fall(self.view, self.descents))

    def _checking_gradients(self) -> Slices[None]:
        self.__dict__["single"] = yield from part_of(self._in_float32(), 0.0, 0.3)
        self.__dict__["compared"] = yield from part_of(self._comparing(), 0.3, 0.7)

    def _in_float32(self) -> Slices[Tensor | None]:
        if not self.known:
            return None
        try:
            return (yield from self.own.valuing(self.sample[0], torch.float32)).gradient.double()
        except LossError:
            return None

    def _comparing(self) -> Slices[Differences | None]:
        if not self.known:
            return None
        points, exact = self.sample
        # A parameter with no gradient at all is another pattern's.
        axes = [axis for axis in range(points.shape[1]) if bool((exact[:, axis] != 0).any())]
        if not axes:
            return None
        return (yield from differing(self.function, points, exact, self.bounds, self.steep, axes))

    @cached_property
    def lattice(self) -> "Lattice":
        """The loss at points that no grid prefers; at the grid's own where the loss is not known."""
        if not self.known:
            points, dims = self.grid.points, len(self.names)
            swapped = (points, self.grid.loss, self.grid.gradient)
            points, loss, gradient = (part.transpose(0, 1) if dims == 2 else part for part in swapped)
            return Lattice(points.reshape(-1, dims), loss.reshape(-1), gradient.reshape(-1, dims), len(points))
        finish(self._sampling())
        return self.__dict__["lattice"]

    @cached_property
    def single(self) -> Tensor | None:
        """The gradient that float32 gives at the sample's points, (N, P); None where the loss takes no float32."""
        return finish(self._in_float32())

    @cached_property
    def compared(self) -> Differences | None:
        """The gradient there beside central differences; None where there is none to compare."""
        return finish(self._comparing())

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
        """A steep slope in view: of the finite points one in a hundred is steeper."""
        lattice = self.lattice
        return steep_of((lattice.gradient[lattice.finite] * self.spans).norm(dim=-1))

    @cached_property
    def flat(self) -> list[int]:
        """The axes along which the loss changes by nothing but rounding, though it has a gradient there."""
        return finish(flat_axes(self.view, self.lattice, self.height)) if self.known else []

    @cached_property
    def _usual(self) -> tuple[float, float]:
        """Of the losses in view, the second and the ninety-eighth hundredth."""
        losses = self.lattice.loss[self.lattice.finite]
        if not len(losses):
            return 0.0, 0.0
        return tuple(losses.quantile(torch.tensor([0.02, 0.98], dtype=torch.float64)).tolist())

    @cached_property
    def height(self) -> float:
        """How far the loss rises in view, without the highest fiftieth, which may be a pole's; 0 for a constant."""
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
        """The lowest loss in view; beside a pole that leads down without end, a low one that is not the pole's."""
        low, high = self._usual
        return max(self.lowest, low - 3 * (high - low)) if self.close.poles else self.lowest

    @cached_property
    def spike(self) -> Spike | None:
        """Where the loss falls without end on ground ever narrower, or None."""
        return finish(self._finding_spike())

    @cached_property
    def fall(self) -> Fall | None:
        """Where the loss falls without end beyond an edge of the view, or None."""
        return finish(self._finding_fall())

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

    def share(self, mask: Tensor) -> float:
        """Which share of the view a mask covers."""
        return float(mask.double().mean())

    def first(self, mask: Tensor) -> tuple[float, ...]:
        """A point of a mask of the grid's shape, near its middle."""
        return nearest_to_middle(self.grid.points[mask], self.spans)


def loss_function_of(grid: SurfaceGrid) -> LossFunction | None:
    """What a grid was sampled from, as a function of its axes; None where it does not know."""
    return objective_function(grid.function, grid.names) if isinstance(grid.function, Objective) else grid.function
