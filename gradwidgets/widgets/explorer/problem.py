"""The losses that an explorer shows, and the computation of one frozen result from its settings."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from gradwidgets.core import (
    EXAMPLES,
    Comparison,
    Example,
    Finding,
    GradientCheck,
    ProbeRow,
    SurfaceGrid,
    compare_surfaces,
)
from gradwidgets.core.losses.loss_call import loss_name, parameters_of
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.losses.whole_numbers import may_be_broken
from gradwidgets.core.objectives.axes import check_loss_axes
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.results.slices import part_of, together
from gradwidgets.core.subject.threads import in_one_thread
from gradwidgets.core.surfaces.checking import with_table
from gradwidgets.core.surfaces.gradient_check import check_gradient
from gradwidgets.core.surfaces.patterns import Survey, surveying
from gradwidgets.core.surfaces.patterns.ends.target import Target
from gradwidgets.core.surfaces.probe import as_points, probing
from gradwidgets.core.surfaces.proportion import marked, worst_of
from gradwidgets.core.surfaces.surface import sampling_function
from gradwidgets.widgets.kernel.as_usual import as_usual

YOURS = "yours"  # the name of what was passed in
NONE = "none"  # the second axis of a curve
_COARSE = ((7, 0.02), (21, 0.1))  # grids that a slow loss is shown on before the fine one; how much is done then
_FUNCTIONS_KEPT = 32
# A loss, the name of an example, or several losses by name.
Losses = Callable[..., Tensor] | str | Mapping[str, Callable[..., Tensor]]


@dataclass(frozen=True)
class LossSettings:
    """The settings that a result depends on.

    Attributes:
        example: The name of the problem.
        losses: The names of the losses shown, one or two.
        axes: The name and the range of each axis, (name, low, high), the horizontal one first.
        resolution: The number of grid points along each axis.
        fixed: The name and the value of each number that is not on an axis.
        check: Whether autograd's gradient is compared with differences.
        dtype: The precision of the training.
    """

    example: str
    losses: tuple[str, ...]
    axes: tuple[tuple[str, float, float], ...]
    resolution: int
    fixed: tuple[tuple[str, float], ...]
    check: bool = False
    dtype: str = "float32"


@dataclass(frozen=True, eq=False)
class LossResult:
    """Everything computed for one `LossSettings`; dicts are by loss name.

    Attributes:
        settings: The settings.
        grids: The surfaces or curves.
        surveys: The findings on them; {} until they are computed.
        rows: The table; [] until it is computed.
        checks: The comparisons of autograd with differences; {} until they are computed, and if not asked for.
        comparison: The comparison of two losses; None until it is computed, and for one loss.
        exact: Whether everything is computed, at full resolution.
    """

    settings: LossSettings
    grids: Mapping[str, SurfaceGrid]
    surveys: Mapping[str, Survey] = field(default_factory=dict)
    rows: list[ProbeRow] = field(default_factory=list)
    checks: Mapping[str, GradientCheck] = field(default_factory=dict)
    comparison: Comparison | None = None
    exact: bool = False

    @property
    def aside(self) -> str:
        """The map that is shown beside the losses: "check", "angle" or "" for none."""
        if len(self.settings.axes) == 1:
            return ""
        return "check" if self.settings.check else "angle" if len(self.settings.losses) == 2 else ""

    @property
    def findings(self) -> dict[str, list[Finding]]:
        """The findings, by loss."""
        return {name: survey.findings for name, survey in self.surveys.items()}


class LossProblem:
    """Losses of the same one or two parameters, each of which may have constants that the others do not have.

    Args:
        given: The losses, their axes, the other parameters and the probes.
        target: The point or region that the losses should lead to.
        name: The name of a loss that is given without one.

    Raises:
        ValueError: The losses do not take these parameters; see `LossFunction`.
        TypeError: An argument has a wrong type; see `LossFunction`.
    """

    def __init__(self, given: Example, target: Target | None = None, name: str | None = None) -> None:
        self.losses, self.target = _by_name(given.loss, name), target
        self.axes = check_loss_axes(given.axes)
        self.known_ranges = {**given.ranges, **self.axes}
        fixed = dict(given.fixed)
        self._taken = {name: _names_taken(loss) for name, loss in self.losses.items()}
        unknown = [name for name in fixed if not any(self.takes(loss, name) for loss in self.losses)]
        made = []
        for name, loss in self.losses.items():
            own = {k: v for k, v in fixed.items() if k in unknown or self.takes(name, k)}
            made.append(LossFunction(loss, tuple(self.axes), own))
        self._starts = as_points(given.probes, tuple(self.axes))
        self.probes = dict(given.probes)
        everything = {name: value for function in made for name, value in function.fixed.items()}
        middle = tuple((low + high) / 2 for low, high in self.axes.values())
        whole = {k for k, v in everything.items() if type(v) is int and may_be_broken(made, k, middle)}
        numbers = {k: v for k, v in everything.items() if isinstance(v, float | int)}
        self.numbers = {k: float(v) for k, v in numbers.items() if isinstance(v, float) or k in whole}
        self.data = {name: value for name, value in everything.items() if name not in self.numbers}
        self._functions: dict[tuple[str, tuple[str, ...]], LossFunction] = {}

    @property
    def parameters(self) -> tuple[str, ...]:
        """All parameters that are numbers, first those that are on the axes at the beginning."""
        return (*self.axes, *self.numbers)

    def takes(self, loss: str, parameter: str) -> bool:
        """Whether a loss has a parameter; variants may have different constants."""
        taken = self._taken[loss]
        return taken is None or parameter in taken

    def range_of(self, name: str) -> tuple[float, float]:
        """The usual range of a parameter."""
        if name in self.known_ranges:
            return self.known_ranges[name]
        value = self.numbers[name]
        return (min(0.0, 2 * value), max(0.0, 2 * value)) if value else (-1.0, 1.0)

    def value_of(self, name: str) -> float:
        """The usual value of a parameter that is on no axis."""
        return self.numbers[name] if name in self.numbers else sum(self.axes[name]) / 2

    def function(self, loss: str, settings: LossSettings) -> LossFunction:
        """Return a loss as a function of the parameters on the axes."""
        axes = tuple(name for name, _, _ in settings.axes)
        fixed = {k: v for k, v in {**dict(settings.fixed), **self.data}.items() if self.takes(loss, k)}
        key = (loss, axes)
        if key not in self._functions:
            self._functions[key] = LossFunction(self.losses[loss], axes, fixed)
        return self._functions[key].with_fixed(fixed)

    def work(self, settings: LossSettings) -> Generator[float | LossResult, None, LossResult]:
        """Compute a result, in slices.

        Args:
            settings: The settings of the result.

        Yields:
            The share that is done; and, in between, `LossResult`s that can be shown already.

        Returns:
            The result.
        """
        return (yield from in_one_thread(self._in_slices(settings)))

    def _in_slices(self, settings: LossSettings) -> Generator[float | LossResult, None, LossResult]:
        axes = {name: (low, high) for name, low, high in settings.axes}
        functions = {name: self.function(name, settings) for name in settings.losses}
        grids: dict[str, SurfaceGrid] = {}
        count = len(functions)
        done = 0.0
        for coarse, until in _COARSE:
            slow = [name for name, function in functions.items() if function.method in (None, "pointwise")]
            if not slow or coarse >= settings.resolution:
                break
            share = (until - done) / len(slow)
            for name in slow:
                work = sampling_function(functions[name], axes, coarse)
                grids[name] = yield from part_of(work, done, share)
                done += share
                self._functions[name, functions[name].parameters] = functions[name]
            if len(grids) == count and any(function.method == "pointwise" for function in functions.values()):
                yield LossResult(settings, dict(grids))
        for k, (name, function) in enumerate(functions.items()):
            work = sampling_function(function, axes, settings.resolution)
            grids[name] = yield from part_of(work, 0.1 + 0.5 * k / count, 0.5 / count)
        yield LossResult(settings, dict(grids))
        surveys: dict[str, Survey] = {}
        rows: list[ProbeRow] = []
        checks: dict[str, GradientCheck] = {}
        target = self.target if set(axes) == set(self.axes) else None
        same = tuple(axes) == tuple(self.axes)
        probes, starts = (self.probes, self._starts) if same else ({}, {})
        for k, (name, grid) in enumerate(grids.items()):
            begun = 0.6 + 0.4 * k / count
            looking = surveying(grid, target=target, dtype=settings.dtype, starts=starts)
            survey = yield from part_of(looking, begun, 0.2 / count)
            if settings.check:
                checks[name] = yield from part_of(
                    check_gradient.in_slices(grid, survey.look), begun + 0.2 / count, 0.1 / count
                )
            lowest = [one.point for one in survey.critical if one.kind == "minimum"][:1]
            table = probing(functions[name], axes, probes, component=name, lowest=lowest[0] if lowest else None)
            own = yield from part_of(together(table, functions[name].kept), begun + 0.3 / count, 0.1 / count)
            own = marked(own, survey.look)
            absurd = worst_of(own, survey.look)
            surveys[name] = replace(survey, findings=with_table(survey.findings, functions[name], own, absurd))
            rows += own
        comparison = _compared(grids, surveys) if count == 2 else None
        return LossResult(settings, grids, surveys, rows, checks, comparison, exact=True)


class LossProblems:
    """The problems that an explorer can show, by name.

    Args:
        loss: What the user passed in: a callable, an `nn.Module` loss, a name in `EXAMPLES`, a dict of name → callable,
            or None.
        target: The point or region that it should lead to.
        **given: Fields of an `Example` that the user passed in: `axes`, `fixed`, `probes`; None for those left out.

    Raises:
        ValueError: The arguments do not make a problem.
        TypeError: An argument has a wrong type.
    """

    def __init__(self, loss: Losses | None = None, target: Target | None = None, **given: Any) -> None:
        self._made: dict[str, LossProblem] = {}
        self.first = next(iter(EXAMPLES))
        passed = {name: value for name, value in given.items() if value}
        if loss is None:
            for name in passed:
                raise ValueError(f"{name} belongs to a loss; none was given")
        elif isinstance(loss, str):
            example = choose("loss", loss, EXAMPLES)
            self.first = loss
            if passed or target is not None:
                self._pass_in(_changed(example, passed), target, loss)
        elif given.get("axes") is None:
            raise ValueError("axes are missing: say which one or two parameters to look at, {'a': (-1, 1), …}")
        else:
            self._pass_in(Example(loss, given["axes"], "", **_without_axes(passed)), target)

    def _pass_in(self, given: Example, target: Target | None, name: str | None = None) -> None:
        self.first = YOURS
        self._made[YOURS] = LossProblem(given, target, name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, first that of what the user passed in."""
        return (*((YOURS,) if YOURS in self._made else ()), *EXAMPLES)

    def __contains__(self, name: str) -> bool:
        """Whether there is a problem of this name."""
        return name in self.names

    def __getitem__(self, name: str) -> LossProblem:
        """The problem of this name, made when first asked for."""
        if name not in self._made:
            with as_usual():
                self._made[name] = LossProblem(EXAMPLES[name], name=name)
        return self._made[name]


def _changed(example: Example, passed: Mapping[str, Any]) -> Example:
    """Return an example with other axes, probes or constants; its probes are points of its own axes."""
    probes = {} if "axes" in passed else example.probes
    fixed = {**example.fixed, **passed.get("fixed", {})}
    return replace(example, **{"probes": probes, **passed, "fixed": fixed})


def _without_axes(passed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in passed.items() if name != "axes"}


def _compared(grids: Mapping[str, SurfaceGrid], surveys: Mapping[str, Survey]) -> Comparison:
    """Compare two losses."""
    first, second = grids
    return compare_surfaces(grids[first], grids[second], names=(first, second), surveys=surveys)


def _names_taken(loss: Callable[..., Tensor]) -> set[str] | None:
    """Return the names that a loss may be called with; None if it accepts any."""
    taken = parameters_of(loss)
    if taken is None or taken[2]:
        return None
    return {*taken[0], *taken[1]}


def _by_name(loss: object, name: str | None = None) -> dict[str, Callable[..., Tensor]]:
    if not isinstance(loss, Mapping):
        if not callable(loss):
            raise TypeError(f"loss must be callable, a dict of callables or a name; got {type(loss).__name__}")
        return {name or (type(loss).__name__ if isinstance(loss, nn.Module) else loss_name(loss)): loss}
    if not loss:
        raise ValueError("loss holds no loss")
    wrong = [key for key, value in loss.items() if not isinstance(key, str) or not callable(value)]
    if wrong:
        raise TypeError(f"loss must map names to callables; {wrong[0]!r:.40} does not")
    return dict(loss)
