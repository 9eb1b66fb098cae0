"""The inner loop of a descent: B points side by side, coordinates first, without allocation per step."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from gradwidgets.core.optimizers.optimizer import Optimizer, State, repeats
from gradwidgets.core.results.slices import SLICE, Slices

# Writes the gradients at (weight, bias), two columns (B, 1), into its last argument, shape (2, B).
Gradients = Callable[[Tensor, Tensor, Tensor], None]

# Steps between checks of whether anything still moves.
CHUNK = 64

# Steps between two stored optimizer states, from which the parts of a step can be computed later.
STATES_EVERY = 16


def descent_loop(
    gradients_at: Gradients, optimizer: Optimizer, start: Tensor, steps: int
) -> Slices[tuple[Tensor, Tensor, list[State]]]:
    """Take `steps` steps with the optimizer from each of B starts.

    Args:
        gradients_at: The objective's gradients.
        optimizer: The optimizer, with its settings.
        start: The starting points, shape (2, B).
        steps: The number of steps, ≥ 0.

    Yields:
        The fraction of steps done.

    Returns:
        Points and gradients, each (steps + 1, 2, B), and the optimizer's state before every sixteenth step. Once
        every run is NaN, or repeats exactly what it did two steps before, the rest is copied instead of computed,
        if the optimizer allows it.
    """
    loop = _Loop(gradients_at, optimizer, start, steps)
    while loop.done < steps:
        loop.run_chunk()
        yield loop.done / steps
    loop.last_gradient()
    return loop.points, loop.gradients, loop.states


class _Loop:
    def __init__(self, gradients_at: Gradients, optimizer: Optimizer, start: Tensor, steps: int) -> None:
        self.gradients_at, self.optimizer, self.steps, self.done = gradients_at, optimizer, steps, 0
        # Inference tensors, which skip autograd's bookkeeping; nothing outside this module sees them.
        with torch.inference_mode():
            self.points = start.new_empty(steps + 1, *start.shape)
            self.points[0] = start
            self.gradients = torch.empty_like(self.points)
            self.state = optimizer.init(self.points[0])
        self.states = [self.state]

    def run_chunk(self) -> None:
        """Take some steps, for about one slice of time."""
        step, state, first = self.optimizer.step, self.state, self.done
        last = min(first + CHUNK, self.steps)
        deadline = time.perf_counter() + SLICE
        with torch.inference_mode():
            points = self.points[first : last + 1].unbind(0)
            weights, biases = (c.unbind(0) for c in self.points[first:last].unsqueeze(-1).unbind(1))
            gradients = self.gradients[first:last].unbind(0)
            states = []
            for point, following, weight, bias, gradient in zip(
                points, points[1:], weights, biases, gradients, strict=False
            ):
                self.gradients_at(weight, bias, gradient)
                _, state = step(point, gradient, state, following)
                states.append(state)
                if time.perf_counter() > deadline:
                    break
            self.state, self.done = state, first + len(states)
            self._store_states(states, first)
            if self.optimizer.autonomous and len(states) > 2 and self.done < self.steps:
                self._copy_if_settled(states)

    def _store_states(self, states: list[State], first: int) -> None:
        # states[k] is the state before step first + k + 1.
        self.states += states[(-first - 1) % STATES_EVERY :: STATES_EVERY]

    def _copy_if_settled(self, states: list[State]) -> None:
        # The step is a function of point and state: once both are what they were two steps ago, so is all
        # that follows. Two, because rounding often leaves a run hopping between two neighbouring numbers.
        k = self.done
        now, before = self.points[k], self.points[k - 2]
        lost = now.isnan()
        same = ((now == before) & repeats(states[-1], states[-3])) | lost
        if not bool(same.all()):
            return
        for history in (self.points, self.gradients):
            history[k::2] = history[k - 2]
            history[k + 1 :: 2] = history[k - 1]
        wanted = range(len(self.states) * STATES_EVERY, self.steps + 1, STATES_EVERY)
        self.states += [states[-1 - (later - k) % 2] for later in wanted]
        self.done = self.steps

    def last_gradient(self) -> None:
        """Compute the gradient at the last point, which no step needs but the result reports."""
        with torch.inference_mode():
            end = self.points[self.steps].unsqueeze(-1)
            self.gradients_at(end[0], end[1], self.gradients[self.steps])
