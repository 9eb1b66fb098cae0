"""A number: a slider over chosen stops beside a field for any other number."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
import numpy as np
import traitlets
from ipywidgets.widgets.widget_description import DescriptionStyle
from traitlets import Bunch

from gradwidgets.widgets.controls.base import NAMED, Control, Looks, guarded


def log_stops(low: float, high: float, per_decade: int) -> tuple[float, ...]:
    """Return numbers evenly spaced on a log scale, rounded to three digits.

    Args:
        low: The first number.
        high: The last number.
        per_decade: The number of stops per factor of ten.
    """
    count = round(np.log10(high / low) * per_decade) + 1
    return tuple(float(f"{value:.3g}") for value in np.geomspace(low, high, count))


class _Stops(widgets.IntSlider):
    """A slider over positions that knows the number at each, which the page reports to screen readers."""

    stops: traitlets.List[float] = traitlets.List().tag(sync=True)


class Number(Control):
    """A slider over chosen stops beside a field for any other number.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        stops: The values at the slider's positions, ascending.
        label: The label; by default the trait's name.
        looks: The shared layouts and styles.
    """

    kind = "number"

    def __init__(
        self,
        name: str,
        tooltip: str,
        stops: Sequence[float],
        label: str | None = None,
        *,
        looks: Looks | None = None,
    ) -> None:
        looks = looks or Looks()
        self.stops = np.asarray(stops, float)
        self.value = float(stops[0])
        self.slider = guarded(
            _Stops,
            self,
            name,
            min=0,
            max=len(stops) - 1,
            stops=self.stops.tolist(),
            readout=False,
            description=label or name,
            tooltip=tooltip,
            layout=looks.layout(),
            style=looks.of(widgets.SliderStyle),
        )
        self.field = guarded(
            widgets.FloatText,  # for ints too: the page's int field reads 1e6 as 1
            self,
            name,
            description=f"{label or name}, number",
            tooltip=tooltip,
            layout=looks.layout(),
            style=looks.of(DescriptionStyle),
        )
        self.field.add_class(NAMED)
        super().__init__(name, tooltip, [self.slider, self.field], looks)
        self.slider.observe(self._person, "value")
        self.field.observe(self._person, "value")

    def rebind(self, label: str, stops: Sequence[float], tooltip: str) -> None:
        """Make this the control of another number."""
        if self.slider.description == label and np.array_equal(self.stops, stops):
            return
        with self._lock, self.quietly(), self.slider.hold_sync():
            self.stops = np.asarray(stops, float)
            self.slider.stops = self.stops.tolist()
            self.moved = False
            self.slider.max = len(self.stops) - 1
            self.field.description = f"{label}, number"
            self.slider.tooltip = self.field.tooltip = tooltip
            self.slider.description = label  # last, as it marks completion

    def share_of(self, value: float) -> float | None:
        """Return where on the rail a value stands, from 0 to 1; None if it is off the rail."""
        if not self.stops[0] <= value < self.stops[-1]:
            return None
        place = np.interp(self._spread(np.asarray(value, float)), self._spread(self.stops), np.arange(len(self.stops)))
        return round(float(place) / (len(self.stops) - 1), 4)

    def choose(self, value: float) -> None:
        """Take a number that the user chose elsewhere, such as on a picture."""
        with self._lock:
            self.value, self.moved = float(value), True
        self._ask()

    def _note(self, change: Bunch) -> None:
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
