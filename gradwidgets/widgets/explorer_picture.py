"""From an explorer's result to what its figure draws."""

from __future__ import annotations

import numpy as np
import torch

from gradwidgets.core import SGD, LossError, Objective, SurfaceGrid, descend
from gradwidgets.core.comparison import gradient_angle
from gradwidgets.figures.cut_plot import Cut
from gradwidgets.figures.surface_map import Aside, Surface
from gradwidgets.widgets.loss_problem import LossResult

_STEPS, _SLOW_STEPS = 100, 10
_REACH = 40  # view widths within which a descent is drawn
_DECADES = 12  # of the gap between autograd and differences that colours tell apart


def surface_of(name: str, result: LossResult) -> Surface:
    """What a map shows of one loss."""
    grid, survey = result.grids[name], result.surveys.get(name)
    return Surface(
        name=name,
        loss=grid.loss.numpy(),
        gradient=(grid.grad_x.numpy(), grid.grad_y.numpy()),
        dead=None if survey is None else survey.dead.numpy(),
        critical=() if survey is None else tuple((one.kind, *one.point) for one in survey.critical),
    )


def aside_of(result: LossResult) -> Aside | None:
    """What the map beside the losses shows; None while that is not known, or where there is none."""
    if result.aside == "angle":
        first, second = result.grids.values()
        degrees = gradient_angle(first, second).numpy()
        return Aside("angle between", degrees / 180, {0.0: "0°", 0.5: "90°", 1.0: "180°"})
    if result.aside == "check" and result.checks:
        gap = torch.stack([check.gap for check in result.checks.values()]).numpy()
        widest = np.fmax.reduce(gap)
        place = np.clip(1 + np.log10(np.maximum(widest, 10.0**-_DECADES)) / _DECADES, 0, 1)
        ticks = {1 - k / _DECADES: "1" if k == 0 else f"1e−{k}" for k in range(0, _DECADES, 3)}
        return Aside("autograd's error", place, ticks)
    return None


def cuts_of(result: LossResult, place: tuple[float, ...]) -> list[Cut]:
    """The losses along lines through the point; for a curve, loss and gradient."""
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


def path_of(grid: SurfaceGrid, optimizer: SGD, place: tuple[float, ...]) -> np.ndarray | None:
    """The points that SGD visits from a place, (P, 2), horizontal first; None where it cannot go."""
    steps = _STEPS if grid.method != "pointwise" else _SLOW_STEPS
    try:
        points = descend(_Walked(grid), optimizer, place, steps).points
    except (LossError, ValueError):
        return None
    alive = points[points.isfinite().all(-1)].numpy()
    spans = np.array([high - low for low, high in grid.axes.values()])
    return np.clip(alive, np.array(place) - _REACH * spans, np.array(place) + _REACH * spans)


class _Walked(Objective):
    """A sampled loss as something that SGD can walk on."""

    def __init__(self, grid: SurfaceGrid) -> None:
        self._function = grid.function
        self.name, self.parameters, self.view = grid.function.name, grid.names, grid.axes
        self.start = tuple(sum(side) / 2 for side in grid.axes.values())

    def __call__(self, points: object) -> torch.Tensor:
        return self.value_and_gradient(points)[0]

    def value_and_gradient(self, points: object) -> tuple[torch.Tensor, torch.Tensor]:
        flat = torch.as_tensor(points, dtype=torch.float64).reshape(-1, 2)
        values = self._function.values(flat)
        shape = torch.as_tensor(points).shape
        return values.loss.double().reshape(shape[:-1]), values.gradient.double().reshape(shape)
