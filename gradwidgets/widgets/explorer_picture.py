"""From an explorer's result to what its figure draws."""

from __future__ import annotations

import numpy as np
import torch

from gradwidgets.core import SGD, LossError, Objective, SurfaceGrid, descend
from gradwidgets.figures.surface import Cut
from gradwidgets.figures.surface_map import Surface
from gradwidgets.widgets.loss_problem import LossResult

_STEPS, _SLOW_STEPS = 100, 10
_REACH = 40  # view widths within which a descent is drawn


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
