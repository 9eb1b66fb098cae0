"""What the playground's picture shows at a place, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.core.results.wording import number, place
from gradwidgets.figures.axes.pointing import nearest_in_pixels, within

_NEAR = 9  # CSS pixels within which a step is meant


def on_map(
    axes: Axes,
    names: tuple[str, str],
    grid: tuple[np.ndarray, np.ndarray],
    loss: np.ndarray,
    gradient: tuple[np.ndarray, np.ndarray],
    path: np.ndarray,
    at: tuple[float, float],
) -> str:
    """Return loss and gradient at a place of a map; on a path, at its step there.

    Args:
        axes: The map's axes.
        names: The parameters' names, horizontal first.
        grid: The grid of the horizontal parameter, (W,), and of the vertical one, (H,).
        loss: The losses, (H, W).
        gradient: The gradient's horizontal and vertical components, (H, W) each.
        path: The visited points, (P, 2).
        at: The place.
    """
    step = nearest_in_pixels(axes, path, *at, _NEAR)
    x, y = at if step is None else (float(one) for one in path[step])
    steepness = float(np.hypot(within(grid, gradient[0], x, y), within(grid, gradient[1], x, y)))
    told = f"loss {number(within(grid, loss, x, y), 3)}, gradient {number(steepness, 3)}"
    where = place(names, (x, y))
    return f"{told}\n{where}" if step is None else f"step {step}: {told}\n{where}"


def at_step(losses: Mapping[str, np.ndarray], x: float) -> str:
    """Return the loss of each run at a step, by name."""
    step = max(round(x), 0)
    told = [f"{name} {number(float(one[step]), 3)}" for name, one in losses.items() if step < len(one)]
    return "\n".join([f"step {step}", *told]) if told else ""


def on_fit(fits: Mapping[str, tuple[float, float] | None], x: float, y: float) -> str:
    """Return the coordinates of a place, and the heights there of the fitted lines: (slope, intercept) by name."""
    told = [f"{name} {number(fit[0] * x + fit[1], 3)}" for name, fit in fits.items() if fit is not None]
    return "\n".join([place("xy", (x, y)), *told])
