"""The record of a descent."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.optimizers.optimizer import Optimizer, State
from gradwidgets.core.results.result import Result

if TYPE_CHECKING:
    import pandas as pd

# A run farther from the view's centre than this many view widths counts as diverged.
FAR = 1e4


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory(Result):
    """A descent, step by step: step k + 1 leads from point k to point k + 1, using the gradient at point k.

    Attributes:
        points: Shape (steps + 1, ..., 2), the start first.
        losses: The objective at each point, (steps + 1, ...); with mini-batches, of the whole sample.
        gradients: Its gradient at each point, (steps + 1, ..., 2), without weight decay; with mini-batches, that of the
            step's batch, the last one of the batch that would come next.
        diverged_at: For a single start, the first step whose point or loss is NaN, infinite or absurdly far
            away: 10 000 view widths from the view's centre, or 10 000 times as far as the start if that is
                more. None if it never diverges, and for a batch of starts.
        parameters: The names of the two parameters.
        states: For a single start, the optimizer's state before every sixteenth step, including the first.
            Empty for a batch of starts.
        lrs: The learning rate of each step, (steps,); where each of a batch of starts has a schedule of its own,
            (steps, ...).
        batch_losses: With mini-batches, the loss of each step's batch at the point that the step leaves, (steps, ...);
            else None.
        rules: Under a schedule, the optimizer with its settings at each step, and at the one that would come next.
    """

    points: Tensor
    losses: Tensor
    gradients: Tensor
    diverged_at: int | None = None
    parameters: tuple[str, str] = ("first", "second")
    states: tuple[State, ...] = field(default=(), repr=False, compare=False)
    lrs: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))
    batch_losses: Tensor | None = None
    rules: tuple[Optimizer, ...] = field(default=(), repr=False, compare=False)

    @property
    def momenta(self) -> Tensor | None:
        """The momentum of each step (β₁ of an optimizer with betas), (steps,), if a schedule moves it; else None."""
        found = [momentum_of(rule) for rule in self.rules]
        if len(set(found)) < 2:
            return None
        return torch.tensor(found[: self.steps], dtype=torch.float64)

    @property
    def steps(self) -> int:
        """The number of steps taken."""
        return len(self.points) - 1

    @property
    def end(self) -> Tensor:
        """The last point, (..., 2)."""
        return self.points[-1]

    def to_frame(self) -> "pd.DataFrame":
        """One row per step: step, the two parameters, loss, and the gradient's two entries.

        Returns:
            A pandas DataFrame.

        Raises:
            ValueError: The trajectory is a batch.
        """
        import pandas as pd

        if self.points.ndim != 2:
            raise ValueError(f"to_frame needs a single start; these points have shape {tuple(self.points.shape)}")
        a, b = self.parameters
        columns = torch.cat([self.points, self.losses[:, None], self.gradients], dim=1).T.tolist()
        names = (a, b, "loss", f"gradient {a}", f"gradient {b}")
        return pd.DataFrame({"step": range(self.steps + 1), **dict(zip(names, columns, strict=True))})


def momentum_of(rule: Optimizer) -> float:
    """An optimizer's momentum, or β₁; 0 if it has neither."""
    betas = getattr(rule, "betas", None)
    return betas[0] if betas else getattr(rule, "momentum", 0.0)


def first_diverged(objective: Objective, points: Tensor, losses: Tensor) -> int | None:
    """The first step that is not finite or absurdly far away, see `Trajectory.diverged_at`.

    Args:
        objective: Its view defines what is far; without one, 1e9 · max(1, |start|) from the origin counts as far.
        points: Shape (steps + 1, 2).
        losses: Shape (steps + 1,).

    Returns:
        The step, or None.
    """
    centre, reach = _surroundings(objective, points[0].tolist())
    # NaN propagates to both extremes, and compares false with everything. (torch.aminmax would wake torch's threads
    # even for a hundred numbers: milliseconds where another process has the other core.)
    low, high = points.amin(0).tolist(), points.amax(0).tolist()
    tame = math.isfinite(float(losses.sum()))
    if tame and all(h - c <= r and c - l <= r for l, h, c, r in zip(low, high, centre, reach, strict=True)):  # noqa: E741
        return None
    away = (points - points.new_tensor(centre)).abs_()
    lost = ~((away <= points.new_tensor(reach)).all(-1) & losses.isfinite())
    return int(lost.to(torch.uint8).argmax()) if bool(lost.any()) else None


def _surroundings(objective: Objective, start: list[float]) -> tuple[list[float], list[float]]:
    view = getattr(objective, "view", None)
    if not view:
        return [0.0, 0.0], [1e9 * max(1.0, abs(start[0]), abs(start[1]))] * 2
    bounds = [view[name] for name in objective.parameters]
    centre = [low + (high - low) / 2 for low, high in bounds]
    widths = [high - low for low, high in bounds]
    off = max(1.0, *(abs(at - c) / w for at, c, w in zip(start, centre, widths, strict=True)))
    return centre, [FAR * off * width for width in widths]
