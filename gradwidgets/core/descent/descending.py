"""The descents behind `descend`: of lines on one sample side by side, of any objective, and path by path."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from gradwidgets.core.descent.descent_loop import Gradients, descent_loop
from gradwidgets.core.descent.trajectory import Trajectory, first_diverged
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.optimizers.optimizer import Optimizer, State, of_column
from gradwidgets.core.regression.batch_gradients import BatchGradients
from gradwidgets.core.regression.batches import all_data, batches
from gradwidgets.core.regression.long_sample import BLOCK, LongSample
from gradwidgets.core.regression.regression import Regression
from gradwidgets.core.regression.residuals import RowGradients, values_in_slices
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.schedules import Schedule
from gradwidgets.core.schedules.driven import Driven, by_own_loss

# Points passed to a user's function in one call when the losses of a run are evaluated.
POINTS_AT_ONCE = 2**14


class Draw(NamedTuple):
    """How batches are drawn: how large, None for all data, and from which seed."""

    size: int | None
    seed: int


def on_one_sample(
    lines: Mapping[str, Regression],
    optimizer: Optimizer,
    starts: Tensor,
    steps: int,
    rules: list[Optimizer] | None,
    draw: Draw,
) -> Slices[dict[str, Trajectory]]:
    """Regressions on the same data, side by side, with the optimizer of each step if there is a schedule."""
    flat = starts.reshape(-1, 2)
    sample = next(iter(lines.values())).sample
    losses_of = [line.of_residuals(flat.dtype) for line in lines.values() for _ in range(len(flat))]
    long = LongSample(sample, losses_of) if sample.n > BLOCK else None
    on_batches = None if draw.size is None else _on_batches(lines.values(), flat, steps, draw)
    gradients_at = on_batches or long or RowGradients(sample, losses_of, flat.dtype)
    start = flat.T.repeat(1, len(lines))
    work = _loop(gradients_at, optimizer, start, steps, rules, steady=on_batches is None)
    points, gradients, states = yield from part_of(work, 0.0, 0.7)
    lrs, result = lrs_of(optimizer, rules, steps), {}
    for i, (name, line) in enumerate(lines.items()):
        rows = slice(i * len(flat), (i + 1) * len(flat))
        path = _points_last(points[:, :, rows], starts)
        losses = path.new_empty(path.shape[:-1])
        for share in losses_in_slices(line, path.view(-1, 2), losses.view(-1), long):
            yield 0.7 + 0.3 * (i + share) / len(lines)
        slopes = _points_last(gradients[:, :, rows], starts)
        of_batches = None if on_batches is None else on_batches.values[:steps, rows].reshape(steps, *starts.shape[:-1])
        result[name] = _trajectory(line, path, losses, slopes, states, rows.start, lrs, of_batches, rules)
    return result


def on_any(
    name: str,
    objective: Objective,
    optimizer: Optimizer,
    starts: Tensor,
    steps: int,
    rules: list[Optimizer] | None,
) -> Slices[dict[str, Trajectory]]:
    """Any one objective, likewise."""
    work = _loop(_gradients_of(objective, starts), optimizer, starts.reshape(-1, 2).T, steps, rules)
    points, gradients, states = yield from part_of(objective.watched(work), 0.0, 0.9)
    path = _points_last(points, starts)
    losses = path.new_empty(path.shape[:-1])
    for share in losses_in_slices(objective, path.view(-1, 2), losses.view(-1)):
        yield 0.9 + 0.1 * share
    slopes, lrs = _points_last(gradients, starts), lrs_of(optimizer, rules, steps)
    return {name: _trajectory(objective, path, losses, slopes, states, 0, lrs, None, rules)}


def by_own_losses(
    objectives: Mapping[str, Objective],
    optimizer: Optimizer,
    schedule: Schedule,
    starts: Tensor,
    steps: int,
    draw: Draw,
) -> Slices[dict[str, Trajectory]]:
    """Any objectives under a schedule that looks at the loss, path by path."""
    paths: dict[str, list[Trajectory]] = {name: [] for name in objectives}
    flat = starts.reshape(-1, 2)
    share = 1 / max(1, len(objectives) * len(flat))
    for i, (name, objective) in enumerate(objectives.items()):
        for k, start in enumerate(flat):
            work = _by_own_loss(objective, Driven(schedule, optimizer), start, steps, draw)
            paths[name].append((yield from part_of(work, (i * len(flat) + k) * share, share)))
    return {name: each[0] if starts.ndim == 1 else _side_by_side(each, starts) for name, each in paths.items()}


def _by_own_loss(objective: Objective, run: Driven, start: Tensor, steps: int, draw: Draw) -> Slices[Trajectory]:
    """One path under a schedule that looks at its loss."""
    told: BatchGradients | _Told
    if isinstance(objective, Regression):
        told = _on_batches([objective], start[None], steps, draw)
    else:
        told = _Told(objective, start.new_empty(steps + 1, 1))
    met = (float(told.values[k, 0]) for k in itertools.count())
    column = start[:, None]
    work = descent_loop(told, run.rules[0], column, steps, rules=by_own_loss(run, met), steady=False)
    points, gradients, states = yield from part_of(objective.watched(work), 0.0, 0.9)
    if steps:
        run.advance(next(met))
    path = _points_last(points, start)
    losses = path.new_empty(path.shape[:-1])
    for share in losses_in_slices(objective, path, losses):
        yield 0.9 + 0.1 * share
    of_batches = None if draw.size is None else told.values[:steps, 0].clone()
    lrs, slopes = lrs_of(run.rules[0], run.rules, steps), _points_last(gradients, start)
    return _trajectory(objective, path, losses, slopes, states, 0, lrs, of_batches, run.rules)


class _Told:
    """The gradients of an objective at one point, which also records its values."""

    def __init__(self, objective: Objective, values: Tensor) -> None:
        self.objective, self.values, self._done = objective, values, 0

    def __call__(self, first: Tensor, second: Tensor, out: Tensor) -> None:
        value, gradient = self.objective.value_and_gradient(torch.cat([first, second], dim=-1)[0])
        out.copy_(gradient[:, None])
        self.values[self._done] = value
        self._done += 1


def _side_by_side(paths: list[Trajectory], starts: Tensor) -> Trajectory:
    def together(parts: list[Tensor], *last: int) -> Tensor:
        if not parts:
            return starts.new_empty(0, *starts.shape[:-1], *last)
        return torch.stack(parts, dim=1).view(len(parts[0]), *starts.shape[:-1], *last)

    points = together([path.points for path in paths], 2)
    losses, gradients = together([path.losses for path in paths]), together([path.gradients for path in paths], 2)
    of_batches = [path.batch_losses for path in paths if path.batch_losses is not None]
    lrs, names = together([path.lrs for path in paths]), paths[0].parameters
    return Trajectory(points, losses, gradients, None, names, (), lrs, together(of_batches) if of_batches else None)


def _on_batches(lines: Iterable[Regression], starts: Tensor, steps: int, draw: Draw) -> BatchGradients:
    each = list(lines)
    sample, losses = each[0].sample, [line.of_residuals(starts.dtype) for line in each]
    drawn = all_data(sample.n) if draw.size is None else batches(sample.n, draw.size, [draw.seed], steps + 1)
    return BatchGradients(sample, losses, len(starts), drawn, starts.dtype, steps + 1)


def _loop(
    gradients_at: Gradients,
    optimizer: Optimizer,
    start: Tensor,
    steps: int,
    rules: list[Optimizer] | None,
    steady: bool = True,
) -> Slices[tuple[Tensor, Tensor, list[State]]]:
    if rules is None:
        return descent_loop(gradients_at, optimizer, start, steps, steady=steady)
    return descent_loop(gradients_at, rules[0], start, steps, rules=iter(rules), steady=steady)


def lrs_of(optimizer: Optimizer, rules: list[Optimizer] | None, steps: int) -> Tensor:
    """The learning rate of each step, (steps,)."""
    if rules is None:
        return torch.full((steps,), optimizer.lr, dtype=torch.float64)
    return torch.tensor([rule.lr for rule in rules[:steps]], dtype=torch.float64)


def losses_in_slices(
    objective: Objective, points: Tensor, out: Tensor, long: LongSample | None = None
) -> Iterator[float]:
    """The losses on the whole sample, or the values of any objective, (K, 2) to (K,); yields the fraction done."""
    if not isinstance(objective, Regression):
        return _values_in_slices(objective, points, out)
    loss, sample = objective.of_residuals(points.dtype), objective.sample
    if sample.n > BLOCK:
        return (long or LongSample(sample, [])).values_in_slices(loss, points, out)
    return values_in_slices(sample, loss, points, out)


def _values_in_slices(objective: Objective, points: Tensor, out: Tensor) -> Iterator[float]:
    for k in range(0, len(points), POINTS_AT_ONCE):
        with torch.no_grad():
            out[k : k + POINTS_AT_ONCE] = objective(points[k : k + POINTS_AT_ONCE])
        yield k / len(points)


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
    objective: Objective,
    points: Tensor,
    losses: Tensor,
    gradients: Tensor,
    states: list[State],
    column: int,
    lrs: Tensor,
    of_batches: Tensor | None,
    rules: list[Optimizer] | None,
) -> Trajectory:
    single = points.ndim == 2
    remembered = tuple(of_column(state, column) for state in states) if single else ()
    diverged_at = first_diverged(objective, points, losses) if single else None
    names = objective.parameters
    return Trajectory(points, losses, gradients, diverged_at, names, remembered, lrs, of_batches, tuple(rules or ()))
