"""An explorer's settings: what they mean for the losses shown, and what the user's choice on its controls means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradwidgets.widgets.controls.values import as_floats
from gradwidgets.widgets.explorer.problem import NONE, YOURS, LossProblem, LossProblems, LossSettings
from gradwidgets.widgets.panel.own_settings import OwnSettings

BOTH = " | "  # between the names of two losses side by side
_AXES = ("x_axis", "y_axis")


class ChosenLosses(OwnSettings[Any]):
    """The settings of one explorer.

    Args:
        problems: The losses to choose from.
        stood: Returns the operating point, by the name of the axis; {} before the first picture.
        panel: The explorer.
        *given: The further arguments of `OwnSettings`.

    Attributes:
        sliders: The number of sliders for constants.
    """

    def __init__(
        self, problems: LossProblems, stood: Callable[[], Mapping[str, float]], panel: object, *given: Any
    ) -> None:
        super().__init__(panel, *given)
        self._problems, self._stood = problems, stood
        self.sliders = 0

    # -- what they mean -----------------------------------------------------------------------------------

    @property
    def problem(self) -> LossProblem:
        """The problem that is shown."""
        return self._problems[self.panel.example]

    @property
    def losses(self) -> tuple[str, ...]:
        """The names of the losses shown, one or two."""
        return (self.panel.component,) if self.panel.compare is None else tuple(self.panel.compare)

    @property
    def axes(self) -> tuple[str, ...]:
        """The parameters on the axes, the horizontal one first."""
        x, y = self.panel.x_axis, self.panel.y_axis
        return (x,) if y in (NONE, x) else (x, y)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """The range of each axis."""
        panel, problem = self.panel, self.problem
        chosen = {panel.x_axis: panel.x_range}
        if panel.y_axis != panel.x_axis:
            chosen[panel.y_axis] = panel.y_range
        return tuple(chosen[name] or problem.range_of(name) for name in self.axes)

    @property
    def constants(self) -> list[str]:
        """The parameters on no axis that have a slider."""
        axes = self.axes
        return [name for name in self.problem.parameters if name not in axes][: self.sliders]

    def value_of(self, constant: str) -> float:
        """Return the value of a parameter on no axis."""
        return self.panel.fixed.get(constant, self.problem.value_of(constant))

    def frozen(self) -> LossSettings:
        """Return the settings that a result depends on."""
        panel, axes = self.panel, self.axes
        values = {name: self.value_of(name) for name in self.problem.parameters if name not in axes}
        spans = tuple((name, *span) for name, span in zip(axes, self.ranges, strict=True))
        return LossSettings(
            panel.example,
            self.losses,
            spans,
            panel.resolution,
            tuple(values.items()),
            panel.gradient_check,
            panel.dtype,
        )

    # -- what goes with what ------------------------------------------------------------------------------

    def values(self) -> dict[str, object]:
        """Return all settings; the loss comes first, as it decides what the others may be."""
        return {"example": self.panel.example, **super().values()}

    def usual_view(self) -> dict[str, object]:
        """Return the settings that show the problem at first."""
        return usual_view(self.panel.example, self.problem)

    def usual(self) -> dict[str, object]:
        """Return the constructor's default settings."""
        return {**super().usual(), **self.usual_view(), "example": self.panel.example}

    def arguments(self) -> dict[str, str]:
        """Return the loss that was passed in, or the example's name."""
        return {"example": "loss, axes" if self.panel.example == YOURS else repr(self.panel.example)}

    def along(self, name: str, old: Any) -> dict[str, object]:
        """Return the view of another loss, or what changes with an axis."""
        if name == "example":
            return self.usual_view()
        if name not in _AXES:
            return {}
        x, y = (old if name == one else getattr(self.panel, one) for one in _AXES)
        before = (x,) if y in (NONE, x) else (x, y)
        along = other_axes(before, {name: getattr(self.panel, name)}, self._stood(), self.panel.fixed)
        return {one: along[one] for one in ("y_axis", "fixed", "point") if one != name}

    def resolve(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that a choice stands for."""
        panel, meant = self.panel, dict(chosen)
        example = meant.get("example", panel.example)  # from a file it may be anything, which is refused when it is set
        if isinstance(example, str) and example != panel.example and example in self._problems:
            meant = {"example": example, **usual_view(example, self._problems[example]), **meant}
        if "shown" in meant:
            meant |= shown_losses(meant.pop("shown"))
        constants = {name: meant.pop(name) for name in list(meant) if name.startswith("constant ")}
        if constants:
            meant["fixed"] = {**panel.fixed, **self._moved_constants(constants)}
        for name, old in zip(("x_range", "y_range"), self.ranges, strict=False):
            if name in meant and meant[name] is not None:
                meant[name] = moved_window(meant[name], old)
        wanted = {name: meant[name] for name in _AXES if name in meant}
        moved = any(value != getattr(panel, name) for name, value in wanted.items())
        fixed = meant.get("fixed", panel.fixed)
        known = all(isinstance(one, str) for one in wanted.values()) and isinstance(fixed, dict)
        one_axis = "x_axis" in meant and meant["x_axis"] == meant.get("y_axis")  # a state of a curve
        if moved and known and not one_axis and example == panel.example:
            others = other_axes(self.axes, wanted, self._stood(), fixed)
            meant = {**others, **{name: value for name, value in meant.items() if name not in _AXES}}
        return meant

    def _moved_constants(self, moved: Mapping[str, float]) -> dict[str, float]:
        """Return the values of the constants that sliders moved, by parameter; a hidden slider has no effect."""
        named = {f"constant {k + 1}": name for k, name in enumerate(self.constants)}
        return {named[slider]: value for slider, value in moved.items() if slider in named}


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
