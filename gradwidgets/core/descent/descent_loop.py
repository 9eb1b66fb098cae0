"""The inner loop of a descent: B points side by side, coordinates first, without allocation per step."""

import itertools
import time
from collections.abc import Callable, Iterator
from operator import attrgetter

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
    gradients_at: Gradients,
    optimizer: Optimizer,
    start: Tensor,
    steps: int,
    *,
    rules: Iterator[Optimizer] | None = None,
    steady: bool = True,
) -> Slices[tuple[Tensor, Tensor, list[State]]]:
    """Take `steps` steps with the optimizer from each of B starts.

    Args:
        gradients_at: The objective's gradients.
        optimizer: The optimizer, with its settings at the first step.
        start: The starting points, shape (2, B).
        steps: The number of steps, ≥ 0.
        rules: The optimizer for each step, asked for right before it; by default the same for all.
        steady: Whether the gradients at a point are always the same.

    Yields:
        The fraction of steps done.

    Returns:
        Points and gradients, each (steps + 1, 2, B), and the optimizer's state before every sixteenth step. Once
        every run is NaN, or repeats exactly what it did two steps before, the rest is copied instead of computed,
        if optimizer and gradients allow it.
    """
    loop = Loop(gradients_at, optimizer, start, steps, rules=rules, steady=steady)
    while loop.done < steps:
        loop.run_chunk()
        yield loop.done / steps
    loop.last_gradient()
    return loop.points, loop.gradients, loop.states


class Loop:
    """A descent that is taken chunk by chunk, see `descent_loop`.

    Args:
        gradients_at: As there.
        optimizer: As there.
        start: As there.
        steps: As there.
        rules: As there.
        steady: As there.
        state: The optimizer's state before the first step; by default that of a run that begins here.

    Attributes:
        done: The number of steps taken.
        points: Where they led, (steps + 1, 2, B); what is not yet done is undefined. Inference tensors, like the next.
        gradients: The gradients there, likewise.
        state: The optimizer's state now.
        states: Its states before every sixteenth step.
    """

    def __init__(
        self,
        gradients_at: Gradients,
        optimizer: Optimizer,
        start: Tensor,
        steps: int,
        *,
        rules: Iterator[Optimizer] | None = None,
        steady: bool = True,
        state: State = None,
    ) -> None:
        self.gradients_at, self.optimizer, self.steps, self.done = gradients_at, optimizer, steps, 0
        # One for each step, asked for right before it.
        self.rule_steps = itertools.repeat(optimizer.step) if rules is None else map(attrgetter("step"), rules)
        self.settles = optimizer.autonomous and rules is None and steady
        # Inference tensors, which skip autograd's bookkeeping; nothing outside this module sees them.
        with torch.inference_mode():
            self.points = start.new_empty(steps + 1, *start.shape)
            self.points[0] = start
            self.gradients = torch.empty_like(self.points)
            self.state = optimizer.init(self.points[0]) if state is None else state
        self.states = [self.state]

    def run_chunk(self) -> None:
        """Take some steps, for about one slice of time."""
        state, first = self.state, self.done
        last = min(first + CHUNK, self.steps)
        deadline = time.perf_counter() + SLICE
        with torch.inference_mode():
            points = self.points[first : last + 1].unbind(0)
            weights, biases = (c.unbind(0) for c in self.points[first:last].unsqueeze(-1).unbind(1))
            gradients = self.gradients[first:last].unbind(0)
            states = []
            # The rules come last: none is asked for before its step.
            for point, following, weight, bias, gradient, step in zip(
                points, points[1:], weights, biases, gradients, self.rule_steps, strict=False
            ):
                self.gradients_at(weight, bias, gradient)
                _, state = step(point, gradient, state, following)
                states.append(state)
                if time.perf_counter() > deadline:
                    break
            self.state, self.done = state, first + len(states)
            self._store_states(states, first)
            if self.settles and len(states) > 2 and self.done < self.steps:
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
