"""A descent from the operating point: the path of SGD on a sampled loss, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradwidgets.core import SGD, LossError, SurfaceGrid, descend, outcome
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.as_objective import SampledObjective
from gradwidgets.widgets.playground.words import fate

_STEPS, _SLOW_STEPS = 100, 10
_REACH = 40  # view widths within which a descent is drawn


@dataclass(frozen=True, eq=False)
class Descent:
    """The path of SGD, and its outcome.

    Attributes:
        points: The points visited, as far as they are finite, clipped to near the start, (P, A).
        losses: The loss at each point, (P,).
        sentence: The outcome, in words.
        kind: The kind of outcome, see `gradwidgets.core.descent.outcome`.
    """

    points: np.ndarray
    losses: np.ndarray
    sentence: str
    kind: str


def descend_from(grid: SurfaceGrid, optimizer: SGD, start: tuple[float, ...]) -> Descent | None:
    """Run SGD on a sampled loss.

    Args:
        grid: The loss.
        optimizer: The settings of SGD.
        start: The start, a number for each axis.

    Returns:
        The descent; None if the loss raises an error at the start.
    """
    steps = _STEPS if grid.method != "pointwise" else _SLOW_STEPS
    walked, axes = SampledObjective(grid), len(start)
    try:
        trajectory = descend(walked, optimizer, (*start, 0.0)[:2], steps)
        end = outcome(trajectory, walked)
    except (LossError, ValueError):
        return None
    points, losses = trajectory.points[:, :axes].numpy(), trajectory.losses.numpy()
    alive = np.isfinite(points).all(-1)
    spans, origin = np.array([high - low for low, high in grid.axes.values()]), np.array(start)
    near = np.clip(points[alive], origin - _REACH * spans, origin + _REACH * spans)
    last = trajectory.end[:axes].tolist()
    said = f"descent: {fate(end, steps)}"
    if np.isfinite(last).all():
        said += f", at {place(grid.names, last)}, loss {number(float(losses[-1]))}"
    return Descent(near, losses[alive], said, end.kind)
