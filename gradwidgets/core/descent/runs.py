"""Many runs on mini-batches at once, which differ in the seed of their batches alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.descent.descending import Draw, by_own_losses, losses_in_slices, lrs_of
from gradwidgets.core.descent.descent import check_draw, check_schedule, check_steps
from gradwidgets.core.descent.descent_loop import Loop
from gradwidgets.core.objectives.points import as_start
from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.regression.batch_gradients import BatchGradients
from gradwidgets.core.regression.batches import batches, check_batch_size, check_seed
from gradwidgets.core.regression.regression import Regression, one_sample
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.schedules import Schedule
from gradwidgets.core.schedules.driven import driven
from gradwidgets.core.subject.sliced import sliced

# Of a longer run, evenly spaced points are kept, at most this many.
MOST_KEPT = 2000

# Steps that are held at a time.
_SEGMENT = 512

MOST_RUNS = 1000


@dataclass(frozen=True, eq=False, repr=False)
class Runs(Result):
    """Runs that differ in the seed of their batches alone. Run i is that of `descend` with `seed=seeds[i]`.

    Attributes:
        points: (K, runs, 2): the start, evenly spaced points and the end of each run.
        losses: The objective on the whole sample there, (K, runs).
        kept: How many steps lead to them, (K,): all of 0 to steps up to 2000 steps.
        averages: The mean of each run's points after the first half of its steps, (runs, 2).
        seeds: The seeds.
        parameters: The names of the two parameters.
        lrs: The learning rate of each step, (steps,), or (steps, runs) if a schedule looks at each run's loss.
    """

    points: Tensor
    losses: Tensor
    kept: Tensor
    averages: Tensor
    seeds: tuple[int, ...]
    parameters: tuple[str, str]
    lrs: Tensor

    @property
    def ends(self) -> Tensor:
        """The last point of each run, (runs, 2)."""
        return self.points[-1]


@sliced
def descend_runs(
    objectives: Mapping[str, Regression],
    optimizer: Optimizer,
    start: object,
    steps: int,
    *,
    batch_size: int,
    seeds: Iterable[int] = range(50),
    schedule: Schedule | None = None,
) -> Slices[dict[str, Runs]]:
    """`descend_each` on mini-batches for many seeds side by side, in memory that does not grow with the steps.

    Args:
        objectives: Regressions, by name; on the same data they go in one loop.
        optimizer: The optimizer, with its settings.
        start: A single start, as in `descend`.
        steps: As in `descend`.
        batch_size: As in `descend`.
        seeds: One for each run, 1 to 1000.
        schedule: As in `descend`. One that looks at the loss is driven along every run alone, which takes longer.

    Returns:
        Name → runs; their numbers are those of `descend`, bit for bit except under LogCosh and under SmoothL1 with a
        `beta` that is no power of 2, which round otherwise side by side.

    Raises:
        TypeError: As in `descend`.
        ValueError: As in `descend`; or `start` is a batch, or there are no seeds or too many.
    """
    point, count, numbers = as_start(start), check_steps(steps), check_seeds(seeds)
    size = check_batch_size(batch_size)
    check_draw(objectives, size, 0)
    if point.ndim != 1:
        raise ValueError(f"many runs have a single start; got shape {tuple(point.shape)}")
    if schedule is not None and check_schedule(schedule).by_loss:
        return (yield from _each_alone(objectives, optimizer, point, count, size, numbers, schedule))
    rules = None if schedule is None else (yield from part_of(driven(schedule, optimizer, count), 0.0, 0.0))
    groups = [dict(objectives)] if one_sample(objectives.values()) else [{n: one} for n, one in objectives.items()]
    result: dict[str, Runs] = {}
    for i, lines in enumerate(groups):
        work = _together(lines, optimizer, point, count, size, numbers, rules)
        result |= yield from part_of(work, i / len(groups), 1 / len(groups))
    return result


descending_runs = descend_runs.in_slices


def check_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """Validate the seeds of several runs; raises TypeError or ValueError."""
    numbers = tuple(check_seed(seed) for seed in seeds)
    if not 1 <= len(numbers) <= MOST_RUNS:
        raise ValueError(f"there must be 1 to {MOST_RUNS} seeds; got {len(numbers)}")
    return numbers


def _together(
    lines: Mapping[str, Regression],
    optimizer: Optimizer,
    start: Tensor,
    steps: int,
    size: int,
    seeds: tuple[int, ...],
    rules: list[Optimizer] | None,
) -> Slices[dict[str, Runs]]:
    sample = next(iter(lines.values())).sample
    losses_of = [line.of_residuals(start.dtype) for line in lines.values()]
    drawn = batches(sample.n, size, seeds, steps)
    gradients_at = BatchGradients(sample, losses_of, len(seeds), drawn, start.dtype)
    here = start[:, None].expand(2, len(lines) * len(seeds))
    record = _Record(here, steps)
    state, done = None, 0
    while done < steps:
        span = min(_SEGMENT, steps - done)
        own = None if rules is None else rules[done : done + span]
        first, each = (optimizer, None) if own is None else (own[0], iter(own))
        loop = Loop(gradients_at, first, here, span, rules=each, steady=False, state=state)
        while loop.done < span:
            loop.run_chunk()
            yield 0.7 * (done + loop.done) / steps
        record.add(loop.points, done)
        here, state, done = loop.points[span], loop.state, done + span
    result = {}
    for i, (name, line) in enumerate(lines.items()):
        rows = slice(i * len(seeds), (i + 1) * len(seeds))
        points = record.points[:, :, rows].transpose(1, 2).contiguous()
        losses = points.new_empty(points.shape[:-1])
        for share in losses_in_slices(line, points.view(-1, 2), losses.view(-1)):
            yield 0.7 + 0.3 * (i + share) / len(lines)
        averages, lrs = record.averages()[:, rows].T.contiguous(), lrs_of(optimizer, rules, steps)
        result[name] = Runs(points, losses, record.kept, averages, seeds, line.parameters, lrs)
    return result


class _Record:
    """What is kept of B runs: evenly spaced points, and the mean of the later ones."""

    def __init__(self, start: Tensor, steps: int) -> None:
        self.kept = kept_steps(steps)
        self.points = start.new_empty(len(self.kept), *start.shape)
        self.points[0] = start
        self._from, self._sum = steps // 2 + 1, torch.zeros_like(start, memory_format=torch.contiguous_format)
        self._count = steps + 1 - self._from

    def add(self, points: Tensor, done: int) -> None:
        """Take note of further points, the first of which is that after `done` steps, known before."""
        last = done + len(points) - 1
        chosen = (self.kept > done) & (self.kept <= last)
        self.points[chosen] = points[self.kept[chosen] - done]
        self._sum += points[max(1, self._from - done) :].sum(0)

    def averages(self) -> Tensor:
        """The mean of the points after the first half, (2, B); of no steps, the start."""
        return self._sum / self._count if self._count else self.points[0]


def kept_steps(steps: int) -> Tensor:
    """The numbers of steps after which points are kept: evenly spaced, the first and the last among them."""
    every = max(1, -(-steps // MOST_KEPT))
    kept = torch.arange(0, steps + 1, every)
    return kept if int(kept[-1]) == steps else torch.cat([kept, torch.tensor([steps])])


def _each_alone(
    lines: Mapping[str, Regression],
    optimizer: Optimizer,
    start: Tensor,
    steps: int,
    size: int,
    seeds: tuple[int, ...],
    schedule: Schedule,
) -> Slices[dict[str, Runs]]:
    kept, result = kept_steps(steps), {}
    share = 1 / max(1, len(lines) * len(seeds))
    for i, (name, line) in enumerate(lines.items()):
        points, losses, averages, lrs = [], [], [], []
        for k, seed in enumerate(seeds):
            work = by_own_losses({name: line}, optimizer, schedule, start, steps, Draw(size, seed))
            path = (yield from part_of(work, (i * len(seeds) + k) * share, share))[name]
            points.append(path.points[kept])
            losses.append(path.losses[kept])
            averages.append(path.points[steps // 2 + 1 :].mean(0) if steps else path.end)
            lrs.append(path.lrs)
        paths, heights, rates = (torch.stack(each, dim=1) for each in (points, losses, lrs))
        result[name] = Runs(paths, heights, kept, torch.stack(averages), seeds, line.parameters, rates)
    return result
