"""A control for a point in the plane."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
from ipywidgets.widgets.widget_description import DescriptionStyle
from ipywidgets.widgets.widget_string import LabelStyle

from gradwidgets.widgets.controls.base import LABEL, NAMED, ROW, Control, Looks, guarded
from gradwidgets.widgets.playground.words import short_names


class Point(Control):
    """Two number fields that make a point.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        parts: The name of each number, for screen readers.
    """

    def __init__(
        self, name: str, tooltip: str, parts: tuple[str, str] = ("first", "second"), *, looks: Looks | None = None
    ) -> None:
        looks = looks or Looks()
        self._label = widgets.Label(
            name,
            layout=looks.layout(width=LABEL, margin="0 4px 0 0", justify_content="flex-end"),
            style=looks.of(LabelStyle),
        )
        self.fields = tuple(
            guarded(
                widgets.FloatText,
                self,
                name,
                description=f"{name}, {part}",
                tooltip=tooltip,
                layout=looks.layout(width="77px", margin="1px 2px"),
                style=looks.of(DescriptionStyle),
            )
            for part in parts
        )
        for field in self.fields:
            field.add_class(NAMED)
        super().__init__(name, tooltip, [self._label, *self.fields], looks.layout(**ROW))
        self.value = (0.0, 0.0)
        for field in self.fields:
            field.observe(self._person, "value")

    def name_parts(self, names: Sequence[str]) -> None:
        """Label the two numbers, by initials if their names are long."""
        text = f"{self.name} {short_names(names)}"
        if self._label.value != text:
            self._label.value = text
            for field, part in zip(self.fields, names, strict=True):
                field.description = f"{self.name}, {part}"

    def choose(self, value: tuple[float, float]) -> None:
        """Take a point that the user chose elsewhere, such as on a map."""
        with self._lock:
            self.value, self.moved = value, True
        self._ask()

    def _note(self, change) -> None:
        # The field not edited shows a rounded number: keep the exact one.
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
