"""One step of SGD taken apart into the vectors that make it up."""

import math
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from gradwidgets.core.objective import Objective
from gradwidgets.core.results import Result
from gradwidgets.core.sgd import SGD
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.trajectory import Trajectory

Vector = tuple[float, float]


@dataclass(frozen=True, eq=False, repr=False)
class StepParts(Result):
    """The displacement of one step as a sum: gradient_part + weight_decay_part + momentum_part.

    Every field has shape (2,), in the order of the objective's parameters.

    Attributes:
        point: Where the step begins.
        next_point: Where it leads.
        gradient: The objective's gradient at `point`.
        gradient_part: What the gradient contributes: −lr · gradient, times 1 − dampening after the first
            step, times 1 + momentum with Nesterov; the other way when maximizing.
        weight_decay_part: What weight decay contributes, with the same factors: towards the origin.
        momentum_part: What the buffer of earlier steps contributes; zero at the first step.
        lookahead_point: With Nesterov, where momentum alone would carry the point: point − lr · momentum ·
            buffer. Else None.
        lookahead_gradient: The gradient there: what Nesterov's method, as first written, goes by. torch gets
            the same effect from the gradient at `point` by counting the new buffer once more. Else None.
    """

    point: Tensor
    next_point: Tensor
    gradient: Tensor
    gradient_part: Tensor
    weight_decay_part: Tensor
    momentum_part: Tensor
    lookahead_point: Tensor | None = None
    lookahead_gradient: Tensor | None = None


@at_home
def step_parts(trajectory: Trajectory, objective: Objective, optimizer: SGD, k: int) -> StepParts:
    """Take the step from point k apart.

    Args:
        trajectory: Of a single start, made with `optimizer`.
        objective: That it descends.
        optimizer: The settings.
        k: 0 to steps − 1; or steps, for the step that would come next.

    Returns:
        The parts. They add up to next_point − point but for rounding.

    Raises:
        TypeError: `k` is not a whole number.
        ValueError: `k` is out of range, or the trajectory is a batch.
    """
    if trajectory.points.ndim != 2:
        raise ValueError(f"step_parts needs a single start; these points have shape {tuple(trajectory.points.shape)}")
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise TypeError(f"k must be a whole number from 0 to {trajectory.steps}; got {k!r}")
    if not 0 <= k <= trajectory.steps:
        raise ValueError(f"k must be from 0 to {trajectory.steps}; got {k}")
    s, lr = optimizer, optimizer.lr
    point = trajectory.points[k].tolist()
    gradient = trajectory.gradients[k].tolist()
    buffer = _buffer(trajectory, s, k)
    # How much of this step's own direction goes into the update, and how much of the buffer before it.
    own, carried = 1.0, 0.0
    if s.momentum != 0 and k > 0:
        own, carried = 1 - s.dampening, s.momentum
    if s.nesterov:
        own, carried = 1 + s.momentum * own, s.momentum * carried
    sign = -1.0 if s.maximize else 1.0
    gradient_part = [-lr * own * sign * g for g in gradient]
    decay_part = [-lr * own * s.weight_decay * p if s.weight_decay else 0.0 for p in point]
    momentum_part = [-lr * carried * b if carried else 0.0 for b in buffer]
    following = (
        trajectory.points[k + 1].tolist()
        if k < trajectory.steps
        else [sum(parts) for parts in zip(point, gradient_part, decay_part, momentum_part, strict=True)]
    )
    lookahead = lookahead_gradient = None
    if s.nesterov:
        lookahead = [p - lr * s.momentum * b for p, b in zip(point, buffer, strict=True)]
        lookahead = trajectory.points.new_tensor(lookahead)
        lookahead_gradient = objective.value_and_gradient(lookahead)[1]
    vectors = trajectory.points.new_tensor([point, following, gradient, gradient_part, decay_part, momentum_part])
    return StepParts(*vectors.unbind(0), lookahead, lookahead_gradient)


def _buffer(trajectory: Trajectory, s: SGD, k: int) -> Vector:
    """The momentum buffer as the step from point k finds it: Σ momentumʲ · (what the step j + 1 before fed it)."""
    if s.momentum == 0 or k == 0:
        return 0.0, 0.0
    # What lies so far back that momentum has shrunk it below rounding need not be added up.
    reach = k if s.momentum >= 1 else min(k, math.ceil(math.log(1e-20) / math.log(s.momentum)))
    shares = s.momentum ** torch.arange(reach - 1, -1, -1, dtype=torch.float64)
    shares *= 1 - s.dampening
    if reach == k:
        shares[0] = s.momentum ** (k - 1)  # the first step is not dampened
    fed = trajectory.gradients[k - reach : k].to(torch.float64)
    if s.maximize:
        fed = -fed
    if s.weight_decay:
        fed = fed + s.weight_decay * trajectory.points[k - reach : k]
    a, b = (shares[:, None] * fed).sum(0).tolist()
    return a, b
