"""The work behind `check_loss`, in slices: grid, verdict and table, within a limit of time."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch

from gradwidgets.core.losses.loss_function import LossFunction, as_function
from gradwidgets.core.objectives.axes import check_loss_axes
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.operations.non_finite import blame
from gradwidgets.core.results.finding import Finding, worst_first
from gradwidgets.core.results.slices import Slices, part_of, together
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.patterns.data.broadcast import TORCHS_WORDS
from gradwidgets.core.surfaces.patterns.ends.target import Target
from gradwidgets.core.surfaces.patterns.registry import PATTERNS, lowest_place
from gradwidgets.core.surfaces.patterns.survey import surveying
from gradwidgets.core.surfaces.probe import ProbeRow, as_points, probing
from gradwidgets.core.surfaces.proportion import marked, worst_of
from gradwidgets.core.surfaces.surface import SurfaceGrid, check_resolution, sample_surface, sampling_function

FINE, FINE_SLOW = 81, 41  # points along each axis; no verdict depends on it, so a slow loss is drawn coarser
_TRIED = 5  # points along each axis from which the time of one is measured
_TIMED, _MORE = 4096, 8  # points that are timed at most; so many times more if that took hardly any time
_HARDLY = 0.01  # of the time limit, or of a second
_WHOLE = {1: 50_000, 2: 200_000}  # number of axes → points that a whole check evaluates
_BEGUN = 0.8  # of the time limit: no part is begun after it
_GRID_SHARE = 0.3  # of the time limit, for the grid


@dataclass(frozen=True, eq=False)
class Checked:
    """The result of checking a loss.

    Attributes:
        name: The loss's name.
        grid: Its surface.
        rows: The table.
        findings: The verdict, worst first.
    """

    name: str
    grid: SurfaceGrid
    rows: list[ProbeRow]
    findings: list[Finding]


def checking(
    loss: Callable[..., object] | Objective,
    axes: Mapping[str, tuple[float, float]],
    *,
    fixed: Mapping[str, object] | None = None,
    probes: Mapping[str, object] | None = None,
    target: Target | None = None,
    resolution: int | None = None,
    dtype: torch.dtype | str = "float32",
    seconds: float | None = None,
) -> Slices[Checked]:
    """Check a loss; the arguments are `check_loss`'s."""
    deadline = None if seconds is None else time.perf_counter() + _BEGUN * seconds
    function, note = as_function(loss, axes, fixed), ""
    starts = as_points(probes, function.parameters)
    if isinstance(loss, Objective):
        grid = yield from part_of(sample_surface.in_slices(loss, axes, resolution or FINE, fixed=fixed), 0.0, 0.4)
        function.values(grid.points.reshape(-1, 2)[:_TRIED])
    else:
        axes = check_loss_axes(axes)
        if resolution is not None:
            check_resolution(resolution)
        pace = yield from _pace(function, axes, seconds)
        fine, note = _afforded(resolution, len(axes), pace, seconds)
        grid = yield from part_of(sampling_function(function, axes, fine), 0.0, 0.4)
    work = surveying(grid, target=target, dtype=dtype, deadline=deadline, starts=starts, seconds=seconds)
    survey = yield from part_of(work, 0.4, 0.5)
    if survey.left_out:
        note = f"{note}; " if note else f"within {number(seconds)} s, "
        note += f"there was no time for {', '.join(survey.left_out)}"
    if any(one.name == "broadcast" for one in survey.findings):
        grid = replace(grid, notes=tuple(one for one in grid.notes if TORCHS_WORDS not in one))
    if function.why_pointwise:
        grid = replace(grid, notes=(*grid.notes, function.why_pointwise))
    if note:
        grid = replace(grid, notes=(*grid.notes, note))
    known = lowest_place(survey.look)[0] if function.slow and bool(survey.look.finite.any()) else None
    table = probing(function, grid.axes, probes, lowest=known)
    rows = yield from part_of(together(table, function.kept), 0.9, 0.1)
    rows = marked(rows, survey.look)
    return Checked(function.name, grid, rows, with_table(survey.findings, function, rows, worst_of(rows, survey.look)))


def _pace(function: LossFunction, axes: Mapping[str, tuple[float, float]], seconds: float | None) -> Slices[float]:
    """Measure how many seconds a point takes; 0 if that does not matter. Also sets the function's `costly`."""
    few = yield from sampling_function(function, axes, _TRIED)
    at_once = function.method != "pointwise" and function.block >= FINE ** len(axes)
    if at_once and seconds is None:
        return 0.0
    points, most = few.points.reshape(-1, len(axes))[:_TRIED], min(function.block, _TIMED) if at_once else _TRIED
    while True:
        began = time.perf_counter()
        function.values(points)
        took = time.perf_counter() - began
        if took > _HARDLY * (seconds or 1.0) or len(points) >= most:
            break
        points = points.repeat(_MORE, 1)[:most]
        yield 0.0
    pace = took / len(points)
    function.costly = seconds is not None and pace * _WHOLE[len(axes)] > seconds
    return pace if function.slow or not at_once else 0.0


def _afforded(resolution: int | None, dims: int, pace: float, seconds: float | None) -> tuple[int, str]:
    """The resolution for which there is time, and a note if it is coarser than what was asked for."""
    wanted = resolution or (FINE_SLOW if pace else FINE)
    if not pace or seconds is None:
        return wanted, ""
    fine = max(_TRIED, min(wanted, int((_GRID_SHARE * seconds / pace) ** (1 / dims))))
    return fine, "" if fine == wanted else f"coarse: within {number(seconds)} s, {fine} points along each axis"


def with_table(
    findings: list[Finding], function: LossFunction, rows: Iterable[ProbeRow], absurd: Finding | None
) -> list[Finding]:
    """Add to the findings what only the table shows: a value that is not finite, or out of all proportion.

    Args:
        findings: The findings on the surface.
        function: The loss.
        rows: The table.
        absurd: The finding on rows that are out of all proportion, or None.
    """
    if any(one.name in ("non_finite", "precision", "singular") for one in findings):
        return findings
    bad = [row for row in rows if row.flag in ("non-finite loss", "non-finite gradient")]
    if not bad:
        return findings if absurd is None else worst_first([*findings, absurd])
    point = tuple(bad[0].inputs.values())
    culprit = blame(function, torch.tensor(point, dtype=torch.float64))
    message = f"the {bad[0].flag.removeprefix('non-finite ')} is not finite at {place(bad[0].inputs, point)}"
    message += "" if culprit is None else f"; {culprit.sentence}"
    action = PATTERNS["non_finite"].action if culprit is None else culprit.action
    found = Finding("non_finite", "error", message, {"share": 0.0, "threshold": 0.0}, point, action)
    return worst_first([found, *(one for one in findings if one.name != "well_shaped")])
