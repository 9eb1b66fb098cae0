"""An objective over a grid: what a map draws."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from gradwidgets.core.axes import Axes, check_axes
from gradwidgets.core.objective import Objective
from gradwidgets.core.regression import Regression, one_sample
from gradwidgets.core.regression_surface import regression_surfaces
from gradwidgets.core.results import Result
from gradwidgets.core.slices import SLICE, Slices, finish, part_of

FINEST = 2001


@dataclass(frozen=True, eq=False, repr=False)
class SurfaceGrid(Result):
    """An objective and its gradient on a rectangular grid.

    Attributes:
        x_name: The parameter drawn horizontally.
        y_name: The parameter drawn vertically.
        x: Its values, ascending, (W,).
        y: Likewise, (H,).
        loss: Row i, column j is the objective at (x[j], y[i]), (H, W).
        grad_x: ∂loss/∂x, (H, W).
        grad_y: ∂loss/∂y, (H, W).
    """

    x_name: str
    y_name: str
    x: Tensor
    y: Tensor
    loss: Tensor
    grad_x: Tensor
    grad_y: Tensor


def sample_surface(
    objective: Objective, axes: Mapping[str, tuple[float, float]] | None = None, resolution: int = 101
) -> SurfaceGrid:
    """The objective and its gradient over a square grid, in float64.

    Args:
        objective: What to look at.
        axes: Parameter name → (low, high), both ends included, the first drawn horizontally; by default the
            objective's view.
        resolution: Grid points along each axis, 2 to 2001.

    Returns:
        The grid. Where the objective is NaN or infinite, so is its entry.

    Raises:
        TypeError: Bounds or resolution are not numbers.
        ValueError: A wrong parameter name (the message has the right ones), bounds that are not finite with
            low < high, or a resolution out of range.
    """
    return sample_surfaces({"": objective}, axes, resolution)[""]


def sample_surfaces(
    objectives: Mapping[str, Objective],
    axes: Mapping[str, tuple[float, float]] | None = None,
    resolution: int = 101,
) -> dict[str, SurfaceGrid]:
    """`sample_surface` for several objectives; regressions on the same data share one pass over it.

    Args:
        objectives: By name.
        axes: As in `sample_surface`, for all of them; by default each one's own view.
        resolution: As in `sample_surface`.

    Returns:
        Name → grid.

    Raises:
        TypeError: As in `sample_surface`.
        ValueError: As in `sample_surface`.
    """
    return finish(sampling_each(objectives, axes, resolution))


def sampling_each(
    objectives: Mapping[str, Objective],
    axes: Mapping[str, tuple[float, float]] | None = None,
    resolution: int = 101,
) -> Slices[dict[str, SurfaceGrid]]:
    """`sample_surfaces` in slices, for a caller that has other things to do in between.

    Args:
        objectives: As in `sample_surfaces`.
        axes: As in `sample_surfaces`.
        resolution: As in `sample_surfaces`.

    Yields:
        The share that is done, 0 to 1, about every 20 ms of work.

    Returns:
        Name → grid.

    Raises:
        TypeError: As in `sample_surface`, at the first `next`.
        ValueError: As in `sample_surface`, at the first `next`.
    """
    count = _check_resolution(resolution)
    if one_sample(objectives.values()):
        return (yield from _regressions(objectives, axes, count))
    done = {}
    for name, objective in objectives.items():
        one = _regressions if isinstance(objective, Regression) else _one
        work = one({name: objective}, axes, count)
        done |= yield from part_of(work, len(done) / len(objectives), 1 / len(objectives))
    return done


def _regressions(
    lines: Mapping[str, Regression], axes: Mapping | None, resolution: int
) -> Slices[dict[str, SurfaceGrid]]:
    line = next(iter(lines.values()))
    checked = check_axes(line.view if axes is None else axes, line.parameters)
    x, y = _coordinates(checked, resolution)
    maps = yield from regression_surfaces(list(lines.values()), tuple(checked), x, y)
    return {name: SurfaceGrid(*checked, x, y, *three) for name, three in zip(lines, maps, strict=True)}


def _one(objectives: Mapping[str, Objective], given: Mapping | None, resolution: int) -> Slices[dict[str, SurfaceGrid]]:
    ((name, objective),) = objectives.items()
    axes = check_axes(objective.view if given is None else given, objective.parameters)
    x, y = _coordinates(axes, resolution)
    transposed = tuple(axes) != tuple(objective.parameters)
    loss = x.new_empty(resolution * resolution)
    gradient = x.new_empty(resolution * resolution, 2)
    vertical, horizontal = torch.meshgrid(y, x, indexing="ij")
    points = torch.stack([vertical, horizontal] if transposed else [horizontal, vertical], dim=-1).reshape(-1, 2)
    k, size = 0, 4096
    while k < len(points):
        begun = time.perf_counter()
        part = slice(k, k + size)
        loss[part], gradient[part] = objective.value_and_gradient(points[part])
        k += size
        # Aim each slice at the time a slice may take.
        pace = (time.perf_counter() - begun) / size
        size = int(min(max(SLICE / max(pace, 1e-9), 256), 4 * size, 2**16))
        yield min(k / len(points), 1.0)
    first, second = gradient.reshape(resolution, resolution, 2).unbind(-1)
    across, along = (second, first) if transposed else (first, second)
    grid = SurfaceGrid(*axes, x, y, loss.reshape(resolution, resolution), across.contiguous(), along.contiguous())
    return {name: grid}


def _coordinates(axes: Axes, resolution: int) -> tuple[Tensor, Tensor]:
    x, y = (torch.linspace(low, high, resolution, dtype=torch.float64) for low, high in axes.values())
    return x, y


def _check_resolution(resolution: object) -> int:
    if isinstance(resolution, bool) or not isinstance(resolution, Integral):
        raise TypeError(f"resolution must be a whole number from 2 to {FINEST}; got {resolution!r}")
    if not 2 <= resolution <= FINEST:
        raise ValueError(f"resolution must be a whole number from 2 to {FINEST}; got {resolution}")
    return int(resolution)
