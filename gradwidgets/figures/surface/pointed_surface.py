"""What the explorer's picture shows at a place, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradwidgets.core.results.wording import number, place
from gradwidgets.figures.axes.pointing import within
from gradwidgets.figures.surface.cut_plot import Cut
from gradwidgets.figures.surface.surface_map import Surface


def on_surface(names: Sequence[str], sides: Sequence[np.ndarray], surface: Surface, x: float, y: float) -> str:
    """Return loss and gradient at a place of a map.

    Args:
        names: The parameters' names, horizontal first.
        sides: The grid of the horizontal parameter, (W,), and of the vertical one, (H,).
        surface: The contents of the map.
        x: The horizontal parameter.
        y: The vertical parameter.
    """
    grid = sides[0], sides[1]
    slopes = place((f"∂{name}" for name in names), (within(grid, one, x, y) for one in surface.gradient))
    return f"loss {number(within(grid, surface.loss, x, y), 3)}, {slopes}\n{place(names, (x, y))}"


def on_cut(name: str, what: str, cut: Cut, at: float) -> str:
    """Return the values of the curves at a place along a cut.

    Args:
        name: The parameter along the cut.
        what: What the curves are, in one word.
        cut: The contents of the plot.
        at: The parameter's value.
    """
    values = {loss: float(np.interp(at, cut.values, one)) for loss, one in cut.loss.items()}
    several = len(values) > 1
    told = [f"{f'{loss}: ' if several else ''}{what} {number(value, 3)}" for loss, value in values.items()]
    return "\n".join([place([name], [at]), *told])
