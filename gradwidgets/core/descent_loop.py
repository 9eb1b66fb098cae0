"""The inner loop of a descent: B points side by side, coordinates first, nothing allocated a step."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from gradwidgets.core.sgd import SGD
from gradwidgets.core.slices import SLICE, Slices

# Writes the gradients at (weight, bias), two columns (B, 1), into its last argument, shape (2, B).
Gradients = Callable[[Tensor, Tensor, Tensor], None]

# Steps between looks at whether anything still moves.
STRETCH = 64


def descent_loop(gradients_at: Gradients, optimizer: SGD, start: Tensor, steps: int) -> Slices[tuple[Tensor, Tensor]]:
    """Take `steps` steps with the optimizer from each of B starts.

    Args:
        gradients_at: The objective.
        optimizer: The settings.
        start: Shape (2, B).
        steps: ≥ 0.

    Yields:
        The share of steps done.

    Returns:
        Points and gradients, each (steps + 1, 2, B). Once every run is NaN, or repeats exactly what it did
        two steps before, the rest is copied instead of computed.
    """
    loop = _Loop(gradients_at, optimizer, start, steps)
    while loop.done < steps:
        loop.stretch()
        yield loop.done / steps
    loop.last_gradient()
    return loop.points, loop.gradients


class _Loop:
    def __init__(self, gradients_at: Gradients, optimizer: SGD, start: Tensor, steps: int) -> None:
        self.gradients_at, self.optimizer, self.steps, self.done = gradients_at, optimizer, steps, 0
        # Inference tensors, which skip autograd's bookkeeping; nothing outside this module sees them.
        with torch.inference_mode():
            self.points = start.new_empty(steps + 1, *start.shape)
            self.points[0] = start
            self.gradients = torch.empty_like(self.points)
            self.buffer = torch.zeros_like(self.points[0])
            self.scratch = torch.empty_like(self.buffer)

    def stretch(self) -> None:
        """Some steps, for about a slice of time."""
        s, buffer, scratch = self.optimizer, self.buffer, self.scratch
        first, last = self.done, min(self.done + STRETCH, self.steps)
        deadline = time.perf_counter() + SLICE
        with torch.inference_mode():
            points = self.points[first : last + 1].unbind(0)
            weights, biases = (c.unbind(0) for c in self.points[first:last].unsqueeze(-1).unbind(1))
            gradients = self.gradients[first:last].unbind(0)
            snapshots = []
            for k, (point, following, weight, bias, gradient) in enumerate(
                zip(points, points[1:], weights, biases, gradients, strict=False), start=first
            ):
                self.gradients_at(weight, bias, gradient)
                direction = gradient
                if s.maximize:
                    direction = torch.neg(direction, out=scratch)
                if s.weight_decay != 0:
                    direction = torch.add(direction, point, alpha=s.weight_decay, out=scratch)
                if s.momentum != 0:
                    if k == 0:
                        buffer.copy_(direction)
                    else:
                        buffer.mul_(s.momentum).add_(direction, alpha=1 - s.dampening)
                    direction = torch.add(direction, buffer, alpha=s.momentum, out=scratch) if s.nesterov else buffer
                torch.add(point, direction, alpha=-s.lr, out=following)
                self.done = k + 1
                if k + 3 >= last:
                    snapshots.append(buffer.clone())
                if time.perf_counter() > deadline:
                    break
            if len(snapshots) == 3 and self.done < self.steps:
                self._copy_if_settled(snapshots)

    def _copy_if_settled(self, snapshots: list[Tensor]) -> None:
        # The step is a function of (point, buffer): once both are what they were two steps ago, so is all
        # that follows. Two, because rounding often leaves a run hopping between two neighbouring numbers.
        k = self.done
        now, before = self.points[k], self.points[k - 2]
        lost = now.isnan()
        same = ((now == before) & (snapshots[2] == snapshots[0])) | lost
        if not bool(same.all()):
            return
        for history in (self.points, self.gradients):
            history[k::2] = history[k - 2]
            history[k + 1 :: 2] = history[k - 1]
        self.done = self.steps

    def last_gradient(self) -> None:
        """The gradient at the end, which no step needs but the reader of the result may."""
        with torch.inference_mode():
            end = self.points[self.steps].unsqueeze(-1)
            self.gradients_at(end[0], end[1], self.gradients[self.steps])
