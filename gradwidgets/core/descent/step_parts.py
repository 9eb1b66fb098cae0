"""One step split into the vectors that it is the sum of."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.descent.descent_loop import STATES_EVERY
from gradwidgets.core.descent.trajectory import Trajectory
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.optimizers.optimizer import Optimizer, State
from gradwidgets.core.results.allowed import is_whole
from gradwidgets.core.results.result import Result
from gradwidgets.core.subject.home import at_home


@dataclass(frozen=True, eq=False, repr=False)
class StepParts(Result):
    """The displacement of one step as a sum: gradient_part + weight_decay_part + momentum_part.

    Every field has shape (2,), in the order of the objective's parameters.

    Attributes:
        point: The point where the step begins.
        next_point: The point where it ends.
        gradient: The objective's gradient at `point`.
        gradient_part: The gradient's contribution. SGD: −lr · gradient, times 1 − dampening after the first
            step, times 1 + momentum with Nesterov; the opposite sign when maximizing. Adam and its family: its share
            of the new mean, 1 − β₁, divided as the whole step is; RMSprop, Adagrad and Adadelta: all of it, divided.
            Rprop: the whole step, whose size earlier gradients have set, though none of them is a vector in it.
        weight_decay_part: The contribution of weight decay, with the same factors, or, if it is decoupled, −lr ·
            weight_decay · point: towards the origin. ASGD's lambd pulls there too.
        momentum_part: The contribution of earlier gradients: the buffer of SGD and RMSprop, the mean of Adam and its
            family; zero at the first step.
        lookahead_point: With Nesterov, where momentum alone would carry the point: point − lr · momentum ·
            buffer. Else None.
        lookahead_gradient: The gradient there, which Nesterov's method in its original form uses. torch gets the same
            effect from the gradient at `point` by adding the new buffer once more. Else None.
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
def step_parts(trajectory: Trajectory, objective: Objective, optimizer: Optimizer, k: int) -> StepParts:
    """Split the step from point k into its parts.

    Args:
        trajectory: The trajectory of a single start, made with `optimizer`.
        objective: The objective that was minimized.
        optimizer: The optimizer, with its settings; what a schedule has set at this step goes before them.
        k: 0 to steps − 1; or steps, for the step that would come next.

    Returns:
        The parts. They add up to next_point − point up to rounding.

    Raises:
        TypeError: `k` is not a whole number.
        ValueError: `k` is out of range, or the trajectory is a batch.
    """
    if trajectory.points.ndim != 2:
        raise ValueError(f"step_parts needs a single start; these points have shape {tuple(trajectory.points.shape)}")
    if not is_whole(k):
        raise TypeError(f"k must be a whole number from 0 to {trajectory.steps}; got {k!r}")
    if not 0 <= k <= trajectory.steps:
        raise ValueError(f"k must be from 0 to {trajectory.steps}; got {k}")
    point, gradient = trajectory.points[k], trajectory.gradients[k]
    state = _state(trajectory, optimizer, k)
    optimizer = _rule(trajectory, optimizer, k)
    parts = optimizer.parts(point, gradient, state)
    last = k == trajectory.steps
    following = optimizer.step(point, gradient, state)[0] if last else trajectory.points[k + 1]
    ahead = optimizer.lookahead(point, state)
    none = torch.zeros_like(point)
    own = [parts.get(name, none) for name in ("gradient", "weight decay", "momentum")]
    here, there, slope, *moved = torch.stack([point, following, gradient, *own]).unbind(0)
    by_gradient, by_decay, by_momentum = moved
    slope_ahead = None if ahead is None else objective.value_and_gradient(ahead)[1]
    return StepParts(here, there, slope, by_gradient, by_decay, by_momentum, ahead, slope_ahead)


def _state(trajectory: Trajectory, optimizer: Optimizer, k: int) -> State:
    """The optimizer's state before the step from point k, recomputed from the last stored state."""
    kept, state = k - k % STATES_EVERY, trajectory.states[k // STATES_EVERY]
    for j in range(kept, k):
        _, state = _rule(trajectory, optimizer, j).step(trajectory.points[j], trajectory.gradients[j], state)
    return state


def _rule(trajectory: Trajectory, optimizer: Optimizer, k: int) -> Optimizer:
    return trajectory.rules[k] if trajectory.rules else optimizer
