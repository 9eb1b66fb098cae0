"""Controls of the panels: each has a visible label, a tooltip in plain words and a way in by keyboard.

A control's change may arrive on any thread. It only notes the new value and asks for the one job that reads all
controls; the job runs on the main loop.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np
from ipywidgets.widgets.widget_bool import CheckboxStyle, ToggleButtonStyle
from ipywidgets.widgets.widget_description import DescriptionStyle
from ipywidgets.widgets.widget_string import LabelStyle
from traitlets import TraitError

WIDTH = 256  # of the column of controls, CSS pixels
_LABEL = "88px"
_ROW = {"width": f"{WIDTH}px", "overflow": "hidden", "margin": "0", "flex": "0 0 auto"}


def log_stops(low: float, high: float, per_decade: int) -> tuple[float, ...]:
    """Return numbers evenly spaced on a log scale, rounded to three digits.

    Args:
        low: First number.
        high: Last number.
        per_decade: How many in each factor of ten.
    """
    count = round(np.log10(high / low) * per_decade) + 1
    return tuple(float(f"{value:.3g}") for value in np.geomspace(low, high, count))


class Looks:
    """The layouts and styles of one panel's controls: each that is shared is one model less for the page to make."""

    def __init__(self) -> None:
        self._made: dict[tuple, widgets.Widget] = {}

    def layout(self, **css: str) -> widgets.Layout:
        """Return the layout with these CSS properties."""
        return self.of(widgets.Layout, **css)

    def of(self, kind: type, **properties: str) -> widgets.Widget:
        """Return the layout or style of a kind with these properties."""
        key = (kind, *sorted(properties.items()))
        if key not in self._made:
            self._made[key] = kind(**properties)
        return self._made[key]


class Control(widgets.HBox):
    """One setting's control.

    Args:
        name: The trait that it sets.
        tooltip: What the setting does, in plain words.
        children: Its widgets.
        layout: Its own layout.
    """

    def __init__(
        self, name: str, tooltip: str, children: Sequence[widgets.Widget], layout: widgets.Layout | None = None
    ) -> None:
        super().__init__(children, layout=layout or widgets.Layout(width=f"{WIDTH}px"))
        self.name = name
        self.moved = False
        self._lock = threading.RLock()
        self._own_thread: int | None = None
        self._ask: Callable[[], None] = lambda: None
        self._refused: Callable[[str], None] = lambda message: None
        for child in children:
            if hasattr(child, "tooltip"):
                child.tooltip = tooltip

    def connect(self, ask: Callable[[], None], refused: Callable[[str], None]) -> None:
        """Set what is called, on any thread, when a person moved the control or the page sent nonsense."""
        self._ask, self._refused = ask, refused

    def refuse(self, message: str) -> None:
        """Say why something that the page sent is not taken."""
        self._refused(message)

    def take(self):
        """Return what a person chose, and forget that the control moved."""
        with self._lock:
            self.moved = False
            return self._read()

    def show(self, value) -> None:
        """Show the setting's value without reporting it as a person's."""
        with self._lock, self.quietly():
            if not self.moved:  # else a person was faster, and what they chose is about to be read
                self._write(value)

    @contextlib.contextmanager
    def quietly(self):
        """Change the control's widgets without taking that for a person's doing."""
        self._own_thread = threading.get_ident()
        try:
            yield
        finally:
            self._own_thread = None

    def _person(self, change=None) -> None:
        if self._own_thread == threading.get_ident():
            return
        with self._lock:
            self._note(change)
            self.moved = True
        self._ask()

    def _note(self, change) -> None:
        """Remember what moved, where the control has several parts."""

    def enable(self, enabled: bool, reason: str = "") -> None:
        """Enable or disable the control; the tooltip of a disabled one says why."""
        for child in self.children:
            if hasattr(child, "disabled") and child.disabled == enabled:
                child.disabled = not enabled
            if hasattr(child, "tooltip"):
                tip = getattr(child, "plain_tooltip", None) or child.tooltip
                child.plain_tooltip = tip
                if child.tooltip != (reason or tip):
                    child.tooltip = reason or tip


def guarded(kind: type, control: Control, name: str, **options) -> widgets.Widget:
    """Make a widget that reports a value that the page must not send, instead of losing it in a log.

    Args:
        kind: The widget's class.
        control: Whose part it is.
        name: The setting, for the message.
        **options: The widget's.
    """

    class Guarded(kind):
        def set_state(self, sync_data):
            try:
                _check_range(self, sync_data.get("value"))
                super().set_state(sync_data)
            except (TraitError, TypeError, ValueError, OverflowError) as refusal:
                control.refuse(f"the page sent a value that {name} cannot take: {refusal}")
                self.send_state()

    Guarded.__name__ = Guarded.__qualname__ = kind.__name__
    return Guarded(**options)


def _check_range(widget: widgets.Widget, value: object) -> None:
    # ipywidgets would quietly take the nearest bound instead.
    if (
        isinstance(widget, widgets.IntSlider)
        and isinstance(value, int | float)
        and not widget.min <= value <= widget.max
    ):
        raise TraitError(f"{value!r} is not from {widget.min} to {widget.max}")


class Number(Control):
    """A slider over chosen stops beside a field for any other number.

    Args:
        name: The trait that it sets.
        tooltip: What the setting does, in plain words.
        stops: Ascending values of the slider's positions.
        whole: Whether the setting is a whole number.
        looks: Shared layouts and styles.
    """

    def __init__(
        self, name: str, tooltip: str, stops: Sequence[float], *, whole: bool = False, looks: Looks | None = None
    ) -> None:
        looks = looks or Looks()
        self.stops = np.asarray(stops, float)
        self.value = float(stops[0])
        self.slider = guarded(
            widgets.IntSlider,
            self,
            name,
            min=0,
            max=len(stops) - 1,
            readout=False,
            description=name,
            tooltip=tooltip,
            layout=looks.layout(width="182px", margin="1px 0"),
            style=looks.of(widgets.SliderStyle, description_width=_LABEL),
        )
        self.field = guarded(
            widgets.IntText if whole else widgets.FloatText,
            self,
            name,
            tooltip=tooltip,
            layout=looks.layout(width="70px", margin="1px 0 1px 4px"),
            style=looks.of(DescriptionStyle),
        )
        super().__init__(name, tooltip, [self.slider, self.field], looks.layout(**_ROW))
        self.slider.observe(self._person, "value")
        self.field.observe(self._person, "value")

    def _note(self, change) -> None:
        if change.owner is self.slider:
            self.value = float(self.stops[min(max(change.new, 0), len(self.stops) - 1)])
        else:
            self.value = float(change.new)

    def _read(self) -> float:
        return self.value

    def _write(self, value: float) -> None:
        self.value = float(value)
        position = int(np.argmin(np.abs(self._spread(self.stops) - self._spread(np.asarray(value, float)))))
        if self.stops[min(self.slider.value, len(self.stops) - 1)] != value and self.slider.value != position:
            self.slider.value = position
        if self.field.value != value:
            self.field.value = value

    def _spread(self, values: np.ndarray) -> np.ndarray:
        return values if self.stops[0] <= 0 else np.log(np.maximum(values, 1e-300))


class Check(Control):
    """A check box.

    Args:
        name: The trait that it sets.
        tooltip: What the setting does, in plain words.
        label: Its label, the trait's name if not given.
        width: CSS width.
        looks: Shared layouts and styles.
    """

    def __init__(
        self, name: str, tooltip: str, label: str | None = None, width: str = "auto", looks: Looks | None = None
    ) -> None:
        looks = looks or Looks()
        self.box = guarded(
            widgets.Checkbox,
            self,
            name,
            description=label or name,
            indent=False,
            tooltip=tooltip,
            layout=looks.layout(width="auto", margin="1px 0"),
            style=looks.of(CheckboxStyle, description_width=_LABEL),
        )
        super().__init__(name, tooltip, [self.box], looks.layout(**_ROW | {"width": width}))
        self.box.observe(self._person, "value")

    def _read(self) -> bool:
        return self.box.value

    def _write(self, value: bool) -> None:
        self.box.value = value


class Menu(Control):
    """A choice among names.

    Args:
        name: The trait that it sets.
        tooltip: What the setting does, in plain words.
        options: The names, or pairs of label and name.
        label: Its label, the trait's name if not given.
        width: Of the whole, CSS pixels.
        label_width: CSS width of the label.
        looks: Shared layouts and styles.
    """

    def __init__(
        self,
        name: str,
        tooltip: str,
        options: Sequence,
        label: str | None = None,
        *,
        width: int = WIDTH,
        label_width: str = _LABEL,
        looks: Looks | None = None,
    ) -> None:
        looks = looks or Looks()
        self.menu = guarded(
            widgets.Dropdown,
            self,
            name,
            options=options,
            description=label or name,
            tooltip=tooltip,
            layout=looks.layout(width=f"{width - 2}px", margin="1px 0"),
            style=looks.of(DescriptionStyle, description_width=label_width),
        )
        super().__init__(name, tooltip, [self.menu], looks.layout(**_ROW | {"width": f"{width}px"}))
        self.menu.observe(self._person, "value")

    def _read(self) -> str:
        return self.menu.value

    def _write(self, value: str) -> None:
        self.menu.value = value


class Toggles(Control):
    """Which of a few names are on.

    Args:
        name: The trait that it sets.
        tooltip: What the setting does, in plain words.
        options: The names.
    """

    def __init__(self, name: str, tooltip: str, options: Sequence[str], looks: Looks | None = None) -> None:
        looks = looks or Looks()
        label = widgets.Label(name, layout=looks.layout(width="42px", margin="0 4px 0 0"), style=looks.of(LabelStyle))
        self.buttons = {
            option: guarded(
                widgets.ToggleButton,
                self,
                name,
                description=option,
                value=True,
                tooltip=tooltip,
                layout=looks.layout(width="auto", flex="1 1 auto", margin="1px", padding="0 2px"),
                style=looks.of(ToggleButtonStyle),
            )
            for option in options
        }
        super().__init__(name, tooltip, [label, *self.buttons.values()], looks.layout(**_ROW))
        for button in self.buttons.values():
            button.observe(self._person, "value")

    def _read(self) -> tuple[str, ...]:
        return tuple(name for name, button in self.buttons.items() if button.value)

    def _write(self, value: Sequence[str]) -> None:
        for name, button in self.buttons.items():
            button.value = name in value


class Point(Control):
    """Two numbers that make a point.

    Args:
        name: The trait that it sets.
        tooltip: What the setting does, in plain words.
    """

    def __init__(self, name: str, tooltip: str, looks: Looks | None = None) -> None:
        looks = looks or Looks()
        self._label = widgets.Label(
            name,
            layout=looks.layout(width=_LABEL, margin="0 4px 0 0", justify_content="flex-end"),
            style=looks.of(LabelStyle),
        )
        self.fields = tuple(
            guarded(
                widgets.FloatText,
                self,
                name,
                tooltip=tooltip,
                layout=looks.layout(width="77px", margin="1px 2px"),
                style=looks.of(DescriptionStyle),
            )
            for _ in range(2)
        )
        super().__init__(name, tooltip, [self._label, *self.fields], looks.layout(**_ROW))
        self.value = (0.0, 0.0)
        for field in self.fields:
            field.observe(self._person, "value")

    def name_parts(self, names: Sequence[str]) -> None:
        """Say what the two numbers are, by their initials where names are long."""
        text = f"{self.name} " + ", ".join(name if len(name) < 3 else name[0] for name in names)
        if self._label.value != text:
            self._label.value = text

    def choose(self, value: tuple[float, float]) -> None:
        """Take a point that a person chose elsewhere, on a map say."""
        with self._lock:
            self.value, self.moved = value, True
        self._ask()

    def _note(self, change) -> None:
        # The field left alone shows a rounded number: keep the exact one.
        self.value = tuple(
            float(change.new) if field is change.owner else number
            for field, number in zip(self.fields, self.value, strict=True)
        )

    def _read(self) -> tuple[float, float]:
        return self.value

    def _write(self, value: tuple[float, float]) -> None:
        self.value = tuple(value)
        for field, number in zip(self.fields, value, strict=True):
            shown = float(f"{number:.5g}")
            if field.value != shown:
                field.value = shown
