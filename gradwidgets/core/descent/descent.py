"""Run gradient descent and keep every point."""

from collections.abc import Mapping
from numbers import Integral, Real

import torch
from torch import Tensor

from gradwidgets.core.descent.descent_loop import Gradients, descent_loop
from gradwidgets.core.descent.trajectory import Trajectory, first_diverged
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.objectives.points import as_start
from gradwidgets.core.optimizers.optimizer import Optimizer, State, of_column
from gradwidgets.core.regression.long_sample import BLOCK, LongSample
from gradwidgets.core.regression.regression import Regression, one_sample
from gradwidgets.core.regression.residuals import RowGradients, values_in_slices
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.sliced import sliced

MOST_STEPS = 100_000

# Points passed to a user's function in one call when the losses of a run are evaluated.
POINTS_AT_ONCE = 2**14


@at_home
def descend(objective: Objective, optimizer: Optimizer, start: object, steps: int) -> Trajectory:
    """Minimize `objective` with `optimizer` for a number of steps.

    The points are those of torch's optimizer of the same name and settings, bit for bit in the same dtype, provided
    that the objective's gradients match bit for bit (a regression's do).

    Args:
        objective: The objective to minimize.
        optimizer: The optimizer, with its settings.
        start: A pair of numbers, or a tensor (..., 2) of starts that descend side by side. A float32 tensor
            makes a float32 run; everything else is computed in float64.
        steps: 0 to 100 000.

    Returns:
        Every point, loss and gradient on the way. Divergence is a result, not an error: the numbers become infinite
        or NaN, and `diverged_at` gives the step.

    Raises:
        TypeError: `start` or `steps` is not made of numbers.
        ValueError: `start` is not finite or not of shape (..., 2), or `steps` is out of range.
    """
    return descend_each({"": objective}, optimizer, start, steps)[""]


@sliced
def descend_each(
    objectives: Mapping[str, Objective], optimizer: Optimizer, start: object, steps: int
) -> Slices[dict[str, Trajectory]]:
    """`descend` for several objectives from the same start; regressions on the same data go in one loop.

    Args:
        objectives: The objectives, by name.
        optimizer: As in `descend`, the same for all objectives.
        start: As in `descend`.
        steps: As in `descend`.

    Returns:
        Name → trajectory.

    Raises:
        TypeError: As in `descend`.
        ValueError: As in `descend`.
    """
    starts, count = as_start(start), check_steps(steps)
    lines = {name: objective for name, objective in objectives.items() if isinstance(objective, Regression)}
    if one_sample(objectives.values()):
        return (yield from _regressions(lines, optimizer, starts, count))
    done: dict[str, Trajectory] = {}
    for name, objective in objectives.items():
        if name in lines:
            work = _regressions({name: lines[name]}, optimizer, starts, count)
        else:
            work = _one(name, objective, optimizer, starts, count)
        done |= yield from part_of(work, len(done) / len(objectives), 1 / len(objectives))
    return done


descending_each = descend_each.in_slices


def check_steps(steps: object) -> int:
    """Validate a number of steps from 0 to 100 000 and return an int; raises TypeError or ValueError."""
    if isinstance(steps, bool) or not isinstance(steps, Real):
        raise TypeError(f"steps must be a whole number from 0 to {MOST_STEPS}; got {steps!r}")
    if not isinstance(steps, Integral) or not 0 <= int(steps) <= MOST_STEPS:
        raise ValueError(f"steps must be a whole number from 0 to {MOST_STEPS}; got {steps!r}")
    return int(steps)


def _regressions(
    lines: Mapping[str, Regression], optimizer: Optimizer, starts: Tensor, steps: int
) -> Slices[dict[str, Trajectory]]:
    flat = starts.reshape(-1, 2)
    sample = next(iter(lines.values())).sample
    losses_of = [line.of_residuals(flat.dtype) for line in lines.values() for _ in range(len(flat))]
    long = LongSample(sample, losses_of) if sample.n > BLOCK else None
    gradients_at = long or RowGradients(sample, losses_of, flat.dtype)
    start = flat.T.repeat(1, len(lines))
    points, gradients, states = yield from part_of(descent_loop(gradients_at, optimizer, start, steps), 0.0, 0.7)
    result = {}
    for i, (name, line) in enumerate(lines.items()):
        rows = slice(i * len(flat), (i + 1) * len(flat))
        path = _points_last(points[:, :, rows], starts)
        losses = path.new_empty(path.shape[:-1])
        loss, lines_walked = line.of_residuals(flat.dtype), path.view(-1, 2)
        slices = (
            long.values_in_slices(loss, lines_walked, losses.view(-1))
            if long
            else values_in_slices(sample, loss, lines_walked, losses.view(-1))
        )
        for share in slices:
            yield 0.7 + 0.3 * (i + share) / len(lines)
        slopes = _points_last(gradients[:, :, rows], starts)
        result[name] = _trajectory(line, path, losses, slopes, states, rows.start)
    return result


def _one(
    name: str, objective: Objective, optimizer: Optimizer, starts: Tensor, steps: int
) -> Slices[dict[str, Trajectory]]:
    work = descent_loop(_gradients_of(objective, starts), optimizer, starts.reshape(-1, 2).T, steps)
    points, gradients, states = yield from part_of(objective.watched(work), 0.0, 0.9)
    path = _points_last(points, starts)
    losses = path.new_empty(path.shape[:-1])
    flat, flat_losses = path.view(-1, 2), losses.view(-1)
    for k in range(0, len(flat), POINTS_AT_ONCE):
        with torch.no_grad():
            flat_losses[k : k + POINTS_AT_ONCE] = objective(flat[k : k + POINTS_AT_ONCE])
        yield 0.9 + 0.1 * k / len(flat)
    return {name: _trajectory(objective, path, losses, _points_last(gradients, starts), states)}


def _gradients_of(objective: Objective, starts: Tensor) -> Gradients:
    def gradients_at(first: Tensor, second: Tensor, out: Tensor) -> None:
        points = torch.cat([first, second], dim=-1).reshape(starts.shape)
        _, gradients = objective.value_and_gradient(points)
        out.copy_(gradients.reshape(-1, 2).T)

    return gradients_at


def _points_last(history: Tensor, starts: Tensor) -> Tensor:
    # (steps + 1, 2, B) as (steps + 1, ..., 2): a copy, so that no inference tensor leaves the loop.
    return history.transpose(1, 2).clone(memory_format=torch.contiguous_format).view(-1, *starts.shape)


def _trajectory(
    objective: Objective, points: Tensor, losses: Tensor, gradients: Tensor, states: list[State], column: int = 0
) -> Trajectory:
    if points.ndim > 2:
        return Trajectory(points, losses, gradients, None, objective.parameters)
    remembered = tuple(of_column(state, column) for state in states)
    diverged_at = first_diverged(objective, points, losses)
    return Trajectory(points, losses, gradients, diverged_at, objective.parameters, remembered)
