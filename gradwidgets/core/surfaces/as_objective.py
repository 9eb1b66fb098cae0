"""A sampled loss as an objective for descents."""

import torch

from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.surfaces.surface import SurfaceGrid, loss_of


class SampledObjective(Objective):
    """A sampled loss, evaluated at any point; a curve gets a second parameter on which nothing depends.

    Args:
        grid: The sampled loss.
    """

    def __init__(self, grid: SurfaceGrid) -> None:
        self._function, self._axes = loss_of(grid), len(grid.names)
        self.name = self._function.name
        first, second = (*grid.names, "")[:2]
        self.parameters = first, second
        self.view = dict(list({**grid.axes, "": (-1.0, 1.0)}.items())[:2])
        across, up = (sum(side) / 2 for side in self.view.values())
        self.start = across, up

    def __call__(self, points: object) -> torch.Tensor:  # noqa: D102
        return self.value_and_gradient(points)[0]

    def value_and_gradient(self, points: object) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: D102
        given = torch.as_tensor(points, dtype=torch.float64)
        values = self._function.values(given.reshape(-1, 2)[:, : self._axes])
        gradient = torch.zeros(values.loss.numel(), 2, dtype=torch.float64)
        gradient[:, : self._axes] = values.gradient.double()
        return values.loss.double().reshape(given.shape[:-1]), gradient.reshape(given.shape)
