"""Creates a column's controls with shared layouts and styles, and with their settings' meanings as tooltips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradwidgets.widgets.controls.base import LABEL, WIDTH, Looks
from gradwidgets.widgets.controls.choices import Check, Menu, Tabs, Toggles
from gradwidgets.widgets.controls.coordinates import Point
from gradwidgets.widgets.controls.number import Number
from gradwidgets.widgets.controls.scrubber import Scrubber


class Maker:
    """Creates controls of every kind, called like their classes but without `looks` and the tooltip.

    The tooltip is the setting's meaning, followed by `more`, another gesture that sets it: "or click on a map". A
    control whose name is not a setting's has `more` alone.

    Args:
        looks: The shared layouts and styles.
        meanings: Setting → its meaning, as `traits.meanings` returns it.
    """

    def __init__(self, looks: Looks, meanings: Mapping[str, str]) -> None:
        self.looks, self._meanings = looks, meanings

    def tooltip(self, name: str, more: str = "") -> str:
        """Return a control's tooltip."""
        return "; ".join(part for part in (self._meanings.get(name, ""), more) if part)

    def check(self, name: str, more: str = "", *, label: str | None = None, width: str = "auto") -> Check:
        """Make a check box."""
        return Check(name, self.tooltip(name, more), label, width, self.looks)

    def menu(
        self,
        name: str,
        options: Sequence[str] | Sequence[tuple[str, str]],
        more: str = "",
        *,
        label: str | None = None,
        width: int = WIDTH,
        label_width: str = LABEL,
    ) -> Menu:
        """Make a choice among names."""
        tooltip = self.tooltip(name, more)
        return Menu(name, tooltip, options, label, width=width, label_width=label_width, looks=self.looks)

    def number(self, name: str, stops: Sequence[float], more: str = "", *, label: str | None = None) -> Number:
        """Make a slider over chosen stops beside a field for any other number."""
        return Number(name, self.tooltip(name, more), stops, label, looks=self.looks)

    def point(self, name: str, more: str = "", *, parts: tuple[str, str] = ("first", "second")) -> Point:
        """Make two fields that make a point."""
        return Point(name, self.tooltip(name, more), parts, looks=self.looks)

    def scrubber(self, name: str, more: str = "") -> Scrubber:
        """Make a slider that walks through a run."""
        return Scrubber(name, self.tooltip(name, more), self.looks)

    def tabs(self, name: str, tooltips: dict[str, str]) -> Tabs:
        """Make a choice among views, each of which has its own tooltip."""
        return Tabs(name, tooltips, self.looks)

    def toggles(self, name: str, options: Sequence[str], more: str = "") -> Toggles:
        """Make a choice of several names."""
        return Toggles(name, self.tooltip(name, more), options, self.looks)
