"""A control for a point in the plane, or on a line."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
from ipywidgets.widgets.widget_description import DescriptionStyle
from ipywidgets.widgets.widget_string import LabelStyle
from traitlets import Bunch

from gradwidgets.widgets.controls.base import NAMED, Control, Looks, guarded
from gradwidgets.widgets.playground.words import short_names


class Point(Control):
    """Two number fields that make a point.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        parts: The name of each number, for screen readers.
        tagged: Whether each field shows the name of its number.
    """

    kind = "point"

    def __init__(
        self,
        name: str,
        tooltip: str,
        parts: tuple[str, str] = ("first", "second"),
        *,
        tagged: bool = False,
        looks: Looks | None = None,
    ) -> None:
        looks, self._tagged = looks or Looks(), tagged
        self._label = widgets.Label(name, layout=looks.layout(), style=looks.of(LabelStyle))
        self.fields = tuple(
            guarded(
                widgets.FloatText,
                self,
                name,
                description=f"{name}, {part}",
                tooltip=tooltip,
                layout=looks.layout(),
                style=looks.of(DescriptionStyle),
            )
            for part in parts
        )
        for field in () if tagged else self.fields:
            field.add_class(NAMED)
        super().__init__(name, tooltip, [self._label, *self.fields], looks)
        if tagged:
            self.add_class("gradwidgets-tagged")
        self.value = (0.0, 0.0)
        for field in self.fields:
            field.observe(self._person, "value")

    def name_parts(self, names: Sequence[str]) -> None:
        """Label the two numbers, by initials if their names are long; one name leaves the second number out."""
        if self._tagged:
            self._tag(names)
            return
        text = f"{self.name} {short_names(names)}"
        if self._label.value != text:
            self._label.value = text
            for field, part in zip(self.fields, names, strict=True):
                field.description = f"{self.name}, {part}"

    def _tag(self, names: Sequence[str]) -> None:
        for field, name in zip(self.fields, names, strict=False):
            field.description = name
        (self.fields[1].add_class if len(names) < 2 else self.fields[1].remove_class)("gradwidgets-empty")

    def choose(self, value: Sequence[float]) -> None:
        """Take a point that the user chose elsewhere, such as on a map."""
        with self._lock:
            self.value, self.moved = (value[0], value[1]), True
        self._ask()

    def _note(self, change: Bunch) -> None:
        # The field not edited shows a rounded number: keep the exact one.
        first, second = self.value
        new = float(change.new)
        self.value = (new, second) if change.owner is self.fields[0] else (first, new)

    def _read(self) -> tuple[float, float]:
        return self.value

    def _write(self, value: Sequence[float]) -> None:
        self.value = value[0], value[1]
        for field, number in zip(self.fields, value, strict=True):
            shown = float(f"{number:.5g}")
            if field.value != shown:
                field.value = shown
