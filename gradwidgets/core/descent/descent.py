"""Run gradient descent and keep every point."""

from collections.abc import Mapping
from numbers import Integral, Real

from gradwidgets.core.descent.descending import Draw, by_own_losses, on_any, on_one_sample
from gradwidgets.core.descent.trajectory import Trajectory
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.objectives.points import as_start
from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.regression.batches import check_batch_size, check_seed
from gradwidgets.core.regression.regression import Regression, one_sample
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.schedules import Schedule
from gradwidgets.core.schedules.driven import driven
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.sliced import sliced

MOST_STEPS = 100_000


@at_home
def descend(
    objective: Objective,
    optimizer: Optimizer,
    start: object,
    steps: int,
    *,
    schedule: Schedule | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> Trajectory:
    """Minimize `objective` with `optimizer` for a number of steps.

    The points are those of torch's optimizer of the same name and settings, bit for bit in the same dtype, provided
    that the objective's gradients match bit for bit (a regression's do); also under a schedule and on mini-batches.

    Args:
        objective: The objective to minimize.
        optimizer: The optimizer, with its settings.
        start: A pair of numbers, or a tensor (..., 2) of starts that descend side by side. A float32 tensor
            makes a float32 run; everything else is computed in float64.
        steps: 0 to 100 000.
        schedule: One of `SCHEDULES`, which sets lr (and momentum or β₁) after every step; None leaves them constant.
        batch_size: The number of data in the batch of each step, for a regression; by default, and if there are no
            more, all. The batches are those of `DataLoader(TensorDataset(x, y), batch_size, shuffle=True,
            generator=torch.Generator().manual_seed(seed))`, epoch after epoch.
        seed: A whole number ≥ 0, for the batches.

    Returns:
        Every point, loss and gradient on the way. Divergence is a result, not an error: the numbers become infinite
        or NaN, and `diverged_at` gives the step.

    Raises:
        TypeError: `start`, `steps` or `seed` is not made of numbers, or `schedule` is none.
        ValueError: `start` is not finite or not of shape (..., 2), or `steps`, `batch_size` or `seed` is out of range;
            there are no data to make batches of; or the schedule does not go with the optimizer, is shorter than the
            run or sets a value that the optimizer does not allow, in torch's words.
    """
    each = {"": objective}
    return descend_each(each, optimizer, start, steps, schedule=schedule, batch_size=batch_size, seed=seed)[""]


@sliced
def descend_each(
    objectives: Mapping[str, Objective],
    optimizer: Optimizer,
    start: object,
    steps: int,
    *,
    schedule: Schedule | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> Slices[dict[str, Trajectory]]:
    """`descend` for several objectives from the same start; regressions on the same data go in one loop.

    Args:
        objectives: The objectives, by name.
        optimizer: As in `descend`, the same for all objectives.
        start: As in `descend`.
        steps: As in `descend`.
        schedule: As in `descend`. One that looks at the loss is driven along every path alone, which takes longer.
        batch_size: As in `descend`.
        seed: As in `descend`; all objectives have the same batches.

    Returns:
        Name → trajectory.

    Raises:
        TypeError: As in `descend`.
        ValueError: As in `descend`.
    """
    starts, count = as_start(start), check_steps(steps)
    draw = check_draw(objectives, batch_size, seed)
    rules = None
    if schedule is not None:
        if check_schedule(schedule).by_loss:
            return (yield from by_own_losses(objectives, optimizer, schedule, starts, count, draw))
        rules = yield from part_of(driven(schedule, optimizer, count), 0.0, 0.0)
    lines = {name: objective for name, objective in objectives.items() if isinstance(objective, Regression)}
    if one_sample(objectives.values()):
        return (yield from on_one_sample(lines, optimizer, starts, count, rules, draw))
    done: dict[str, Trajectory] = {}
    for name, objective in objectives.items():
        if name in lines:
            work = on_one_sample({name: lines[name]}, optimizer, starts, count, rules, draw)
        else:
            work = on_any(name, objective, optimizer, starts, count, rules)
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


def check_schedule(schedule: object) -> Schedule:
    """Validate a schedule; raises TypeError."""
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be one of SCHEDULES with its settings, or None; got {schedule!r:.60}")
    return schedule


def check_draw(objectives: Mapping[str, Objective], batch_size: object, seed: object) -> Draw:
    """Validate the size and the seed of batches; raises TypeError or ValueError."""
    checked = check_seed(seed)
    if batch_size is None:
        return Draw(None, checked)
    for objective in objectives.values():
        if not isinstance(objective, Regression):
            raise ValueError(
                f"batch_size needs data to make batches of, as regression(x, y) has; {objective.name} has none"
            )
    return Draw(check_batch_size(batch_size), checked)
