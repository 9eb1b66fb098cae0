"""Convert an explorer's result to what its figure draws."""

from __future__ import annotations

import numpy as np

from gradwidgets.core import SurfaceGrid
from gradwidgets.core.surfaces.comparison import gradient_angle
from gradwidgets.figures.surface.cut_plot import Cut
from gradwidgets.figures.surface.point_names import Critical
from gradwidgets.figures.surface.surface_map import Aside, Surface
from gradwidgets.widgets.explorer.problem import LossResult
from gradwidgets.widgets.playground.picture import of_map

_DECADES = 12  # decades of the gap between autograd and differences that the colours cover


def surface_of(name: str, result: LossResult) -> Surface:
    """Return what a map shows of one loss."""
    grid, survey = result.grids[name], result.surveys.get(name)
    return Surface(
        name=name,
        loss=grid.loss.numpy(),
        gradient=(grid.grad_x.numpy(), of_map(grid.grad_y).numpy()),
        dead=None if survey is None else survey.dead.numpy(),
        lost=None if survey is None or survey.lost is None else survey.lost.numpy(),
        critical=critical_of(name, result),
    )


def critical_of(name: str, result: LossResult) -> tuple[Critical, ...]:
    """Return the points where the gradient of a loss is zero; () until they are known."""
    survey = result.surveys.get(name)
    if survey is None:
        return ()
    found = tuple(Critical(one.kind, one.point, one.loss) for one in survey.critical)
    return found or _lowest_of(result.grids[name])


def _lowest_of(grid: SurfaceGrid) -> tuple[Critical, ...]:
    """The lowest point of a curve, if the gradient is zero right there and the curve rises on both sides."""
    k = int(grid.loss.argmin())
    if grid.y is not None or not 0 < k < len(grid.x) - 1 or float(grid.grad_x[k]) != 0:
        return ()
    rises = float(grid.loss[k - 1]) > float(grid.loss[k]) < float(grid.loss[k + 1])
    return (Critical("minimum", (float(grid.x[k]),), float(grid.loss[k])),) if rises else ()


def aside_of(result: LossResult) -> Aside | None:
    """Return the content of the map beside the losses; None if it is not known yet, or if there is no such map."""
    if result.aside == "angle":
        first, second = result.grids.values()
        degrees = gradient_angle(first, second).numpy()
        return Aside("angle between", degrees / 180, {0.0: "0°", 0.5: "90°", 1.0: "180°"})
    if result.aside == "check" and result.checks:
        gap = np.stack([check.gap.numpy() for check in result.checks.values()])
        widest = np.fmax.reduce(gap)
        place = np.clip(1 + np.log10(np.maximum(widest, 10.0**-_DECADES)) / _DECADES, 0, 1)
        ticks = {1 - k / _DECADES: "1" if k == 0 else f"1e−{k}" for k in range(0, _DECADES, 3)}
        return Aside("autograd's error", place, ticks)
    return None


def cuts_of(result: LossResult, place: tuple[float, ...]) -> list[Cut]:
    """Return the losses along lines through the point; for a curve, loss and gradient."""
    grids = result.grids
    first = next(iter(grids.values()))
    if first.y is None:
        x = first.x.numpy()
        return [
            Cut(x, {name: grid.loss.numpy() for name, grid in grids.items()}),
            Cut(x, {name: grid.grad_x.numpy() for name, grid in grids.items()}),
        ]
    row = int((first.y - place[1]).abs().argmin())
    column = int((first.x - place[0]).abs().argmin())
    return [
        Cut(first.x.numpy(), {name: grid.loss[row].numpy() for name, grid in grids.items()}),
        Cut(first.y.numpy(), {name: grid.loss[:, column].numpy() for name, grid in grids.items()}),
    ]
