"""How a descent ended, as one word with the numbers behind it."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from gradwidgets.core.descent.trajectory import Trajectory
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.results.result import Result
from gradwidgets.core.subject.home import at_home

Kind = Literal["converged", "still moving", "oscillating", "diverged"]

# Relative to the travel: points this close to the end have arrived.
ARRIVED = 1e-3

# Relative to the travel: a run whose remaining steps would add up to more than this has not arrived.
REMAINING = 0.05

# Relative to the sum of the steps: a displacement at least this long is straight.
STRAIGHT = 0.9

# Relative to the travel: smaller steps are rounding.
ROUNDING = 1e-12

# The last part of the run, by which it is judged, as a fraction of its steps.
TAIL = 0.25

# An oscillation is not dying out if the swing of the tail's second half is at least this multiple of the first half's.
LASTING = 0.7


@dataclass(frozen=True, eq=False, repr=False)
class Outcome(Result):
    """How a descent ended.

    Attributes:
        kind: "converged", "still moving", "oscillating" or "diverged", see `outcome`.
        step: If converged, the first step from which the run stays at the end; if diverged, the first diverged
            step; else None.
        end: The last point, shape (2,).
        loss: The objective's value there.
        distance: From the end to the nearest known minimum, in the parameters' units (to the nearest point of a line
            of minima, if they form one); None if no minimum is known, NaN if the end is not finite.
        amplitude: Largest distance of the run's last quarter from its own mean: 0 if it stands still.
    """

    kind: Kind
    step: int | None
    end: Tensor
    loss: float
    distance: float | None
    amplitude: float


@at_home
def outcome(trajectory: Trajectory, objective: Objective) -> Outcome:
    """Judge a descent from a single start.

    The travel is the largest distance of any point from the last one, and the tail is the last quarter of the
    steps. The first of these that holds decides:

    1. diverged: `trajectory.diverged_at` is set; or the run swings wider over the tail's second half than over
       its first, at a loss above its initial one: then `step` is the first from which all losses are above it.
    2. converged: the whole tail lies within 0.001 of the travel (or of the objective's view, if that is
       smaller) from the end, and its steps do not shrink so slowly that they would add up to another 0.05 of the
       travel, as along a valley far longer than it is wide. `step` is the first step from which all points do.
       A run that never moved has converged, at step 0, if the gradient there is exactly zero.
    3. oscillating: in the tail, one of the parameters reverses direction at least twice, and its swing over the
       tail's second half is at least 0.7 of that over the first: it is not dying out.
    4. still moving: anything else, including a run of no steps.

    Args:
        trajectory: The run to judge.
        objective: The objective that was minimized; its `minima` give the distance.

    Returns:
        The verdict with its numbers.

    Raises:
        ValueError: The trajectory is a batch.
    """
    points = trajectory.points
    if points.ndim != 2:
        raise ValueError(f"outcome needs a single start; these points have shape {tuple(points.shape)}")
    end, loss = points[-1], float(trajectory.losses[-1])
    a, b = end.tolist()
    distance = _distance(objective, a, b)
    tail_from = trajectory.steps - math.ceil(trajectory.steps * TAIL)
    tail = points[tail_from:]
    amplitude = float(torch.linalg.vector_norm(tail - tail.mean(0), dim=1).max())
    if trajectory.diverged_at is not None:
        return Outcome("diverged", trajectory.diverged_at, end, loss, distance, amplitude)
    left_at = _above_start_at(trajectory)
    if left_at is not None and left_at <= tail_from and any(_widens(values) for values in tail.T.tolist()):
        return Outcome("diverged", left_at, end, loss, distance, amplitude)
    arrived_at = _arrived_at(points, math.hypot(*(high - low for low, high in objective.view.values())))
    if arrived_at is None:
        if not trajectory.gradients[-1].any():
            return Outcome("converged", 0, end, loss, distance, amplitude)
    elif arrived_at <= tail_from and not _crawls(points, tail_from):
        return Outcome("converged", arrived_at, end, loss, distance, amplitude)
    elif any(_oscillates(values) for values in tail.T.tolist()):
        return Outcome("oscillating", None, end, loss, distance, amplitude)
    return Outcome("still moving", None, end, loss, distance, amplitude)


def _arrived_at(points: Tensor, view: float) -> int | None:
    """The first step from which all points lie near the end; None if nothing ever moved."""
    away = torch.linalg.vector_norm(points - points[-1], dim=1)
    travel = float(away.max())
    if travel == 0:
        return None
    far = torch.nonzero(away > ARRIVED * min(travel, view))
    return int(far[-1]) + 1 if len(far) else 0


def _crawls(points: Tensor, tail_from: int) -> bool:
    """Whether the tail's steps, though small, shrink so slowly that the run still has some way to go."""
    travel = float(torch.linalg.vector_norm(points - points[-1], dim=1).max())
    moves = torch.linalg.vector_norm(points[tail_from + 1 :] - points[tail_from:-1], dim=1)
    half = len(moves) // 2
    if half < 2:
        return False
    before, after = float(moves[:half].mean()), float(moves[-half:].mean())
    way = float(torch.linalg.vector_norm(points[-1] - points[tail_from]))
    if after <= ROUNDING * travel or way < STRAIGHT * float(moves.sum()):
        return False  # it stands still, or moves back and forth
    shrink = min(after / before, 1.0) ** (1 / (len(moves) - half))
    return shrink == 1 or float(moves[-1]) * shrink / (1 - shrink) > REMAINING * travel


def _above_start_at(trajectory: Trajectory) -> int | None:
    """The first step from which every loss is above the initial one; None if the last is not."""
    not_above = torch.nonzero(trajectory.losses <= trajectory.losses[0])
    step = int(not_above[-1]) + 1 if len(not_above) else 0
    return step if step <= trajectory.steps else None


def _widens(values: list[float]) -> bool:
    first, second = _swings(values)
    return len(values) > 2 and second > first


def _swings(values: list[float]) -> tuple[float, float]:
    middle = len(values) // 2
    first, second = values[: middle + 1], values[middle:]
    return max(first) - min(first), max(second) - min(second)


def _oscillates(values: list[float]) -> bool:
    moves = [after - before for before, after in pairwise(values)]
    moves = [move for move in moves if move != 0]
    turns = sum(before * after < 0 for before, after in pairwise(moves))
    if turns < 2:
        return False
    first, second = _swings(values)
    return second >= LASTING * first


def _distance(objective: Objective, a: float, b: float) -> float | None:
    if not objective.minima:
        return None
    along = getattr(objective, "flat_direction", None)
    if along is not None:
        # All points on a line are minima: only the distance across it counts.
        (ma, mb), (ua, ub) = objective.minima[0], along
        return abs((a - ma) * ub - (b - mb) * ua)
    return min(math.hypot(a - ma, b - mb) for ma, mb in objective.minima)
