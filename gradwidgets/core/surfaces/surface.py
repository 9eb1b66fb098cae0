"""An objective or a loss over a grid, as a map shows it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral

import torch
from torch import Tensor

from gradwidgets.core.losses.evaluation.at_points import Method
from gradwidgets.core.losses.loss_call import check_loss
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.objectives.axes import check_axes, check_loss_axes
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.regression.regression import Regression, one_sample
from gradwidgets.core.regression.regression_surface import regression_surfaces
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import SLICE, Slices, part_of
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.sliced import sliced

FINEST = 2001


@dataclass(frozen=True, eq=False, repr=False)
class SurfaceGrid(Result):
    """An objective or a loss and its gradient on a rectangular grid, or on a line.

    Attributes:
        x_name: The parameter drawn horizontally.
        y_name: The parameter drawn vertically; None for a curve over one axis.
        x: Its values, ascending, (W,).
        y: Likewise, (H,); None for a curve.
        loss: Row i, column j is the objective at (x[j], y[i]), (H, W); (W,) for a curve.
        grad_x: ∂loss/∂x, as `loss`; zero where no gradient path leads to x.
        grad_y: ∂loss/∂y, as `loss`; None for a curve.
        method: How the values were computed: in one "vectorized" call, by "vmap", or "pointwise".
        no_path: The axes to which no gradient path leads.
        failed: Sentence → the number of points at which the loss raised it; they are NaN.
        notes: Side effects of the loss, and how they were dealt with.
        function: The loss or objective that was sampled; ignored in comparisons.
    """

    x_name: str
    y_name: str | None
    x: Tensor
    y: Tensor | None
    loss: Tensor
    grad_x: Tensor
    grad_y: Tensor | None
    method: Method = "vectorized"
    no_path: tuple[str, ...] = ()
    failed: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    function: LossFunction | Objective | None = field(default=None, compare=False, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters on the axes, the horizontal one first."""
        return (self.x_name,) if self.y_name is None else (self.x_name, self.y_name)

    @property
    def axes(self) -> dict[str, tuple[float, float]]:
        """The axes, name → (low, high)."""
        return {name: (float(side[0]), float(side[-1])) for name, side in zip(self.names, self.sides, strict=True)}

    @property
    def sides(self) -> tuple[Tensor, ...]:
        """The values along the axes, the horizontal one's first."""
        return (self.x,) if self.y is None else (self.x, self.y)

    @property
    def points(self) -> Tensor:
        """The points at which it was sampled, horizontal first: (H, W, 2), or (W, 1) for a curve."""
        if self.y is None:
            return self.x[:, None]
        vertical, horizontal = torch.meshgrid(self.y, self.x, indexing="ij")
        return torch.stack([horizontal, vertical], dim=-1)

    @property
    def gradient(self) -> Tensor:
        """The gradient at the points, of their shape."""
        parts = (self.grad_x,) if self.grad_y is None else (self.grad_x, self.grad_y)
        return torch.stack(parts, dim=-1)


def loss_of(grid: SurfaceGrid) -> LossFunction:
    """The loss that was sampled; raises TypeError if that was an objective, or is not known."""
    if not isinstance(grid.function, LossFunction):
        raise TypeError(f"the grid must be of a loss: take one from sample_surface; got one of {grid.function!r:.60}")
    return grid.function


@sliced
def sample_surface(
    loss: Objective | Callable[..., object],
    axes: Mapping[str, tuple[float, float]] | None = None,
    resolution: int | None = None,
    *,
    fixed: Mapping[str, object] | None = None,
) -> Slices[SurfaceGrid]:
    """Sample an objective, or any loss, and its gradient over one or two of its parameters, in float64.

    Args:
        loss: An `Objective`; or a callable that takes tensors by the names in `axes` and `fixed` and returns one:
            a value per point, or a scalar, as `nn.MSELoss()` does.
        axes: Parameter name → (low, high), both ends included, the first drawn horizontally. One axis gives a
            curve. By default an objective's own view.
        resolution: Grid points along each axis, 2 to 2001; by default 101 for an objective, 81 for a loss.
        fixed: The loss's other parameters, numbers or tensors of data.

    Returns:
        The grid. Where the loss is NaN or infinite, or raises, its entry is not finite.

    Raises:
        TypeError: Bounds or resolution are not numbers, or `loss` is not callable.
        ValueError: A wrong parameter name (the message has the right ones), bounds that are not finite with
            low < high, or a resolution out of range.
        LossError: The loss raises everywhere, or does not return a real tensor of one value per point; a ValueError.
    """
    if isinstance(loss, Objective):
        if fixed:
            raise ValueError(f"an objective has no parameters to fix; got fixed {fixed!r:.60}")
        count = 101 if resolution is None else resolution
        return (yield from sampling_each({"": loss}, axes, count))[""]
    check_loss(loss)
    count = check_resolution(81 if resolution is None else resolution)
    checked = check_loss_axes(axes)
    return (yield from sampling_function(LossFunction(loss, tuple(checked), fixed), checked, count))


@at_home
def sampling_function(
    function: LossFunction, axes: Mapping[str, tuple[float, float]], resolution: int
) -> Slices[SurfaceGrid]:
    """Sample a loss function over checked axes, in slices."""
    sides = _coordinates(axes, resolution)
    if len(axes) == 1:
        points = sides[0][:, None]
    else:
        vertical, horizontal = torch.meshgrid(sides[1], sides[0], indexing="ij")
        points = torch.stack([horizontal, vertical], dim=-1).reshape(-1, 2)
    shape = (resolution,) * len(axes)
    values = yield from function.valuing(points)
    gradients = [part.reshape(shape).double() for part in values.gradient.unbind(-1)]
    names = tuple(axes)
    return SurfaceGrid(
        x_name=names[0],
        y_name=names[1] if len(names) == 2 else None,
        x=sides[0],
        y=sides[1] if len(names) == 2 else None,
        loss=values.loss.reshape(shape).double(),
        grad_x=gradients[0],
        grad_y=gradients[1] if len(names) == 2 else None,
        method=function.method or "vectorized",
        no_path=tuple(name for name, reached in zip(names, values.reached, strict=True) if not reached),
        failed=dict(values.failed),
        notes=function.notes,
        function=function,
    )


@sliced
def sample_surfaces(
    objectives: Mapping[str, Objective],
    axes: Mapping[str, tuple[float, float]] | None = None,
    resolution: int = 101,
) -> Slices[dict[str, SurfaceGrid]]:
    """Sample several objectives as `sample_surface` does; regressions on the same data share one pass over it.

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
    count = check_resolution(resolution)
    lines = {name: one for name, one in objectives.items() if isinstance(one, Regression)}
    if one_sample(objectives.values()):
        return (yield from _sampling_regressions(lines, axes, count))
    done: dict[str, SurfaceGrid] = {}
    for name, one in objectives.items():
        work = (
            _sampling_regressions({name: lines[name]}, axes, count)
            if name in lines
            else _sampling_one(name, one, axes, count)
        )
        done |= yield from part_of(work, len(done) / len(objectives), 1 / len(objectives))
    return done


sampling_each = sample_surfaces.in_slices


def _sampling_regressions(
    lines: Mapping[str, Regression], axes: Mapping[str, tuple[float, float]] | None, resolution: int
) -> Slices[dict[str, SurfaceGrid]]:
    line = next(iter(lines.values()))
    checked = check_axes(line.view if axes is None else axes, line.parameters)
    (across, up), (x, y) = checked, _coordinates(checked, resolution)
    maps = yield from regression_surfaces(list(lines.values()), tuple(checked), x, y)
    return {
        name: SurfaceGrid(across, up, x, y, *three, function=lines[name])
        for name, three in zip(lines, maps, strict=True)
    }


def _sampling_one(
    name: str, objective: Objective, given: Mapping[str, tuple[float, float]] | None, resolution: int
) -> Slices[dict[str, SurfaceGrid]]:
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
    x_name, y_name = axes
    grid = SurfaceGrid(
        x_name,
        y_name,
        x,
        y,
        loss.reshape(resolution, resolution),
        across.contiguous(),
        along.contiguous(),
        function=objective,
    )
    return {name: grid}


def _coordinates(axes: Mapping[str, tuple[float, float]], resolution: int) -> tuple[Tensor, ...]:
    sides = []
    for low, high in axes.values():
        side = torch.linspace(low, high, resolution, dtype=torch.float64)
        # With a middle that rounding put beside zero, the grid would miss what happens at zero.
        sides.append(torch.where(side.abs() < 1e-12 * (high - low), 0.0, side))
    return tuple(sides)


def check_resolution(resolution: object) -> int:
    """Accept or refuse a number of grid points along each axis."""
    if isinstance(resolution, bool) or not isinstance(resolution, Integral):
        raise TypeError(f"resolution must be a whole number from 2 to {FINEST}; got {resolution!r}")
    if not 2 <= int(resolution) <= FINEST:
        raise ValueError(f"resolution must be a whole number from 2 to {FINEST}; got {resolution}")
    return int(resolution)
