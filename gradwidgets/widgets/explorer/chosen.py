"""Convert the user's choice on an explorer's controls to its settings."""

from __future__ import annotations

from collections.abc import Mapping

from gradwidgets.widgets.controls.values import as_floats
from gradwidgets.widgets.explorer.problem import NONE, YOURS, LossProblem

BOTH = " | "  # between the names of two losses side by side


def usual_view(example: str, problem: LossProblem) -> dict[str, object]:
    """Return the settings that show a problem at first."""
    names, losses = tuple(problem.axes), tuple(problem.losses)
    return {
        "component": losses[0],
        "compare": losses[:2] if len(losses) > 1 and example != YOURS else None,
        "x_axis": names[0],
        "y_axis": names[1] if len(names) == 2 else NONE,
        "x_range": None,
        "y_range": None,
        "fixed": dict(problem.numbers),
        "point": None,
    }


def shown_losses(text: str) -> dict[str, object]:
    """Return the settings that an entry of the part menu stands for."""
    parts = tuple(text.split(BOTH))
    return {"compare": parts} if len(parts) == 2 else {"compare": None, "component": text}


def moved_window(new: tuple[float, float], old: tuple[float, float]) -> tuple[float, float]:
    """Return a range after one end was typed; if it is beyond the other end, that moves with it.

    Args:
        new: The numbers in the two fields.
        old: The former range.
    """
    ends = as_floats(new) if isinstance(new, tuple) else None
    if ends is None or len(ends) != 2 or ends[0] < ends[1] or not all(abs(end) < 1e300 for end in ends):
        return new  # valid, or refused when it is set
    width = old[1] - old[0]
    return (new[0], new[0] + width) if new[0] != old[0] else (new[1] - width, new[1])


def other_axes(
    axes: tuple[str, ...], wanted: Mapping[str, str], stood: Mapping[str, float], fixed: Mapping[str, float]
) -> dict[str, object]:
    """Return the settings that change with the axes.

    A parameter that is no longer on an axis becomes a constant at the operating point; one that stays on an axis keeps
    its coordinate. If a parameter is chosen that is on the other axis, the two are exchanged.

    Args:
        axes: The former axes, the horizontal one first.
        wanted: The parameter chosen for "x_axis", for "y_axis", or for both.
        stood: The operating point, by parameter.
        fixed: The former constants, by parameter.
    """
    x, y = axes[0], axes[1] if len(axes) == 2 else NONE
    new_x, new_y = wanted.get("x_axis", x), wanted.get("y_axis", y)
    if new_x == new_y:
        new_x, new_y = (new_x, x) if "x_axis" in wanted else (y, new_y)
        new_y = NONE if new_y == new_x else new_y
    if new_x == NONE:
        new_x, new_y = new_y, NONE
    now = (new_x,) if new_y == NONE else (new_x, new_y)
    left = {name: stood[name] for name in axes if name not in now and name in stood}
    known = [stood.get(name, fixed.get(name)) for name in now]
    return {
        "x_axis": new_x,
        "y_axis": new_y,
        "x_range": None,
        "y_range": None,
        "fixed": {**{name: value for name, value in fixed.items() if name not in now}, **left},
        "point": None if None in known else tuple(known),
    }
