"""The objectives that a playground shows, and the computation of one frozen result from its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from gradwidgets.core import (
    DATASETS,
    LOSSES,
    OBJECTIVES,
    Objective,
    Optimizer,
    Outcome,
    Regression,
    Stability,
    StepParts,
    SurfaceGrid,
    Trajectory,
    as_objective,
    choose,
    descending_each,
    outcome,
    regression,
    sampling_each,
    stability,
    step_parts,
)
from gradwidgets.core.results.slices import Slices, finish, part_of
from gradwidgets.widgets.kernel.as_usual import as_usual

YOURS = "yours"  # the name of what was passed in
_MAPS_KEPT = 64
Given = Objective | str | Callable[..., Tensor]
Key = tuple[str, tuple[tuple[str, float], ...]]  # a loss's name, and (name, value) of the settings that it has
_MANY_POINTS, _PREVIEW_POINTS = 20_000, 2_000


@dataclass(frozen=True)
class Settings:
    """The settings that a run depends on."""

    dataset: str
    losses: tuple[str, ...]
    thresholds: tuple[tuple[str, float], ...]  # (name, value) of every setting that a loss has
    optimizer: Optimizer
    steps: int
    start: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Result:
    """Everything computed for one `Settings`; dicts are by loss name.

    Attributes:
        settings: The settings.
        objectives: The losses.
        surfaces: Their maps.
        trajectories: Their runs.
        outcomes: The outcomes of the runs.
        stability: The stability at the minimum of each loss; None if no minimum is known.
        lowest: The loss there; None if no minimum is known.
        sampled: The number of points used and of all points if the result is a preview from a sample; None if exact.
    """

    settings: Settings
    objectives: Mapping[str, Objective]
    surfaces: Mapping[str, SurfaceGrid]
    trajectories: Mapping[str, Trajectory]
    outcomes: Mapping[str, Outcome]
    stability: Mapping[str, Stability | None]
    lowest: Mapping[str, float | None]
    sampled: tuple[int, int] | None = None

    @property
    def exact(self) -> bool:
        """Whether all points were used and all steps computed."""
        return self.sampled is None


def alive(run: Trajectory) -> int:
    """Return the number of a run's points before it diverged; all of them if it did not."""
    return len(run.points) if run.diverged_at is None else run.diverged_at


def parts_of(result: Result, k: int | None) -> dict[str, StepParts]:
    """Return the parts of step k of each run that has not ended; {} if k is None."""
    if k is None:
        return {}
    return {
        name: step_parts(run, result.objectives[name], result.settings.optimizer, k)
        for name, run in result.trajectories.items()
        if k < alive(run)
    }


class Problem:
    """Data under any loss, or one objective; its maps are computed once.

    Args:
        base: The objective, or a regression under any loss.
        axes: The axes of the maps; by default the view of the base.
        sampled: See `Result`.

    Attributes:
        base: As given.
        line: The regression if a line is fitted; None for an objective.
    """

    def __init__(
        self,
        base: Objective,
        axes: Mapping[str, tuple[float, float]] | None = None,
        sampled: tuple[int, int] | None = None,
    ) -> None:
        self.base, self._sampled = base, sampled
        self.line = base if isinstance(base, Regression) else None
        self._axes = axes
        self._objectives: dict[Key, Objective] = {}
        self._maps: dict[Key, SurfaceGrid] = {}
        self._lowest: dict[Key, float | None] = {}  # of the same losses
        self._few: Problem | None = None

    @property
    def axes(self) -> Mapping[str, tuple[float, float]]:
        """The range (low, high) of each axis of the maps by name, the horizontal one first."""
        return self._axes or self.base.view

    @property
    def fits_data(self) -> bool:
        """Whether this is a line fitted to data, which can be done under any loss."""
        return self.line is not None

    def objectives(self, settings: Settings) -> dict[str, Objective]:
        """Return the losses shown, by name."""
        return {key[0]: self._objective(key) for key in self._keys(settings)}

    def _keys(self, settings: Settings) -> list[Key]:
        if not self.fits_data:
            return [(self.base.name, ())]
        own = {loss: LOSSES[loss].setting for loss in settings.losses}
        return [(loss, tuple(one for one in settings.thresholds if one[0] == name)) for loss, name in own.items()]

    def _objective(self, key: Key) -> Objective:
        if key not in self._objectives:
            name, threshold = key
            self._objectives[key] = self.base if self.line is None else self.line.with_loss(name, **dict(threshold))
        return self._objectives[key]

    def work(self, settings: Settings) -> Slices[Result]:
        """Compute a result, in slices.

        Args:
            settings: The settings of the result.

        Yields:
            The share that is done.

        Returns:
            The result.
        """
        keys = {key[0]: key for key in self._keys(settings)}
        objectives = {name: self._objective(key) for name, key in keys.items()}
        yield 0.0
        missing = {name: objectives[name] for name, key in keys.items() if key not in self._maps}
        share = 0.6 if missing else 0.0
        if missing:
            if len(self._maps) > _MAPS_KEPT:  # dragging delta makes many maps
                self._maps.clear()
                self._lowest.clear()
                missing = objectives
            found = yield from part_of(sampling_each(missing, self.axes), 0.0, share)
            self._maps |= {keys[name]: grid for name, grid in found.items()}
            self._lowest |= {keys[name]: lowest_loss(objective) for name, objective in missing.items()}
        runs = yield from part_of(
            descending_each(objectives, settings.optimizer, settings.start, settings.steps), share, 0.95 - share
        )
        stable = {}
        for name, objective in objectives.items():
            stable[name] = stability_at_minimum(objective, settings.optimizer)
            yield 0.95
        return Result(
            settings,
            objectives,
            {name: self._maps[key] for name, key in keys.items()},
            runs,
            {name: outcome(runs[name], objective) for name, objective in objectives.items()},
            stable,
            {name: self._lowest[key] for name, key in keys.items()},
            self._sampled,
        )

    def preview(self, settings: Settings) -> Result | None:
        """Return a quick result from a sample of very many points, on the same axes; None if there are few points.

        Args:
            settings: The settings of the result; of very many steps only the first are computed.
        """
        line = self.line
        if line is None or line.sample.n <= _MANY_POINTS:
            return None
        if self._few is None:
            self._few = Problem(line.thinned(_PREVIEW_POINTS), self.axes, (_PREVIEW_POINTS, line.sample.n))
        quick = finish(self._few.work(replace(settings, steps=min(settings.steps, 1_000))))
        return replace(quick, settings=settings)

    def suitable_lr(self, settings: Settings) -> float:
        """Return a learning rate that shows a descent: that given, or half the largest stable one if that is less."""
        objectives = self.objectives(settings)
        # The mean square is the steepest loss, and its minimum the cheapest to compute: it decides if it is shown.
        square: list[Objective] = [o for o in objectives.values() if isinstance(o, Regression) and o.square]
        asked = square or [o for o in objectives.values() if o.smooth]
        optimizer = settings.optimizer
        found = [stability_at_minimum(objective, optimizer.at_first()) for objective in asked]
        limits = [stable.lr_limit for stable in found if stable is not None and stable.lr_limit]
        return float(f"{min([optimizer.lr, *(limit / 2 for limit in limits)]):.1g}")


class Problems:
    """The problems that a playground can show, by name.

    Args:
        x: The user's inputs, or None.
        y: The user's targets, or None.
        objective: The user's objective: an `Objective`, a name in `OBJECTIVES`, a function, or None.

    Raises:
        ValueError: The arguments do not make a problem.
        TypeError: An argument has a wrong type.
    """

    def __init__(self, x: object = None, y: object = None, objective: Given | None = None) -> None:
        self._made: dict[str, Problem] = {}
        self._makers: dict[str, Callable[[], Objective]] = {
            **{name: partial(_fitted, give) for name, give in DATASETS.items()},
            **{name: partial(_as_objective, ready) for name, ready in OBJECTIVES.items()},
        }
        if objective is not None and (x is not None or y is not None):
            raise ValueError("give x and y, or an objective, not both")
        if (x is None) != (y is None):
            raise ValueError(f"x and y belong together; {'x' if x is None else 'y'} is missing")
        if objective is not None:
            self._made[YOURS] = Problem(_as_objective(objective))
        elif x is not None:
            self._made[YOURS] = Problem(regression(x, y))

    @property
    def names(self) -> tuple[str, ...]:
        """The names, first that of what the user passed in."""
        return (*((YOURS,) if YOURS in self._made else ()), *self._makers)

    def __contains__(self, name: str) -> bool:
        """Whether there is a problem of this name."""
        return name in self.names

    def __getitem__(self, name: str) -> Problem:
        """The problem of this name, made when first asked for."""
        if name not in self._made:
            with as_usual():
                self._made[name] = Problem(self._makers[name]())
        return self._made[name]


def stability_at_minimum(objective: Objective, optimizer: Optimizer) -> Stability | None:
    """Return the stability at the objective's minimum; None if no minimum is known."""
    return stability(objective, optimizer) if objective.minima else None


def lowest_loss(objective: Objective) -> float | None:
    """Return the lowest loss at the objective's minima; None if no minimum is known."""
    return float(objective(objective.minima).min()) if objective.minima else None


def _fitted(give: Callable[[], tuple[object, object]]) -> Objective:
    return regression(*give())


def _as_objective(objective: Given) -> Objective:
    if isinstance(objective, Objective):
        return objective
    if isinstance(objective, str):
        return choose("objective", objective, OBJECTIVES)
    return as_objective(objective)
