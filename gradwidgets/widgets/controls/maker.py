"""Creates a column's controls with shared layouts and styles, and with their settings' meanings as tooltips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import ipywidgets as widgets
from ipywidgets.widgets.widget_string import LabelStyle

from gradwidgets.widgets.controls.base import Control, Looks
from gradwidgets.widgets.controls.choices import Check, Choice, Menu, Tabs, Toggles
from gradwidgets.widgets.controls.coordinates import Point
from gradwidgets.widgets.controls.folds import Fold, Folds, explanation, how_many
from gradwidgets.widgets.controls.number import Entry, Number
from gradwidgets.widgets.controls.scrubber import Scrubber

STRIP = "gradwidgets-strip"  # the class of what is dragged most: on a projector it stands in a strip over the picture
LEADS = "gradwidgets-leads"  # the class of a control whose name is its group's heading


@dataclass(frozen=True)
class Column:
    """Where a panel's controls stand.

    Attributes:
        box: The column beside the picture.
        over: What stands over column and picture.
        under: What stands under the picture.
        beside: What stands beside the badges above it.
        folds: The folds in all of these.
        helps: What the question marks open, by what the group is about.
    """

    box: widgets.Widget
    over: tuple[widgets.Widget, ...] = ()
    under: tuple[widgets.Widget, ...] = ()
    beside: tuple[widgets.Widget, ...] = ()
    folds: Folds = field(default_factory=Folds)
    helps: Mapping[str, widgets.HTML] = field(default_factory=dict)


class Maker:
    """Creates controls of every kind, called like their classes but without `looks` and the tooltip.

    The tooltip is the setting's meaning, followed by `more`, another gesture that sets it: "or click on a map". A
    control whose name is not a setting's has `more` alone.

    Args:
        looks: The shared layouts and styles.
        meanings: Setting → its meaning, as `traits.meanings` returns it.

    Attributes:
        helps: What the question marks open, by what the group is about.
    """

    def __init__(self, looks: Looks, meanings: Mapping[str, str]) -> None:
        self.looks, self._meanings = looks, meanings
        self.helps: dict[str, widgets.HTML] = {}
        self._folds: list[Fold] = []

    def tooltip(self, name: str, more: str = "") -> str:
        """Return a control's tooltip."""
        return "; ".join(part for part in (self._meanings.get(name, ""), more) if part)

    def check(self, name: str, more: str = "", *, label: str | None = None) -> Check:
        """Make a check box."""
        return Check(name, self.tooltip(name, more), label, self.looks)

    def menu(
        self,
        name: str,
        options: Sequence[str] | Sequence[tuple[str, str]],
        more: str = "",
        *,
        label: str | None = None,
        titled: bool = False,
    ) -> Menu:
        """Make a choice among names."""
        return Menu(name, self.tooltip(name, more), options, label, titled=titled, looks=self.looks)

    def choice(
        self,
        name: str,
        options: Sequence[str] | Sequence[tuple[str, str]],
        more: str = "",
        *,
        label: str | None = None,
    ) -> Choice:
        """Make a choice among a few short names, all of them in view."""
        return Choice(name, self.tooltip(name, more), options, label, self.looks)

    def number(self, name: str, stops: Sequence[float], more: str = "", *, label: str | None = None) -> Number:
        """Make a slider over chosen stops beside a field for any other number."""
        return Number(name, self.tooltip(name, more), stops, label, looks=self.looks)

    def entry(self, name: str, more: str = "") -> Entry:
        """Make a field for a number, in a line that says what it is."""
        return Entry(name, self.tooltip(name, more), self.looks)

    def point(
        self, name: str, more: str = "", *, parts: tuple[str, str] = ("first", "second"), tagged: bool = False
    ) -> Point:
        """Make two fields that make a point."""
        return Point(name, self.tooltip(name, more), parts, tagged=tagged, looks=self.looks)

    def scrubber(self, name: str, more: str = "") -> Scrubber:
        """Make a slider that walks through a run."""
        return Scrubber(name, self.tooltip(name, more), self.looks)

    def tabs(self, name: str, tooltips: dict[str, str]) -> Tabs:
        """Make a choice among views, each of which has its own tooltip."""
        return Tabs(name, tooltips, self.looks)

    def toggles(self, name: str, options: Sequence[str], more: str = "") -> Toggles:
        """Make a choice of several names."""
        return Toggles(name, self.tooltip(name, more), options, self.looks)

    # -- where they live ------------------------------------------------------------------------------------

    def box(self, kind: str, *rows: widgets.Widget, across: bool = False) -> widgets.Box:
        """Lay out widgets, one below the other or in a line, as the style sheet lays out this kind."""
        box = widgets.HBox if across else widgets.VBox
        return box(rows, layout=self.looks.layout(), _dom_classes=(f"gradwidgets-{kind}",))

    @staticmethod
    def strip(*rows: widgets.DOMWidget) -> None:
        """Put what is dragged most into the strip over the picture, where that is wanted: see projector.css."""
        for row in rows:
            row.add_class(STRIP)

    def group(self, *rows: widgets.Widget, title: str = "", about: str = "", said: str = "") -> widgets.Box:
        """Make a group; without a title the name of its first control is its heading.

        Args:
            *rows: What stands in it.
            title: Its heading.
            about: What it is about; by default its title, in lower case.
            said: What the question mark beside its heading opens, as HTML; "" for no question mark.
        """
        if title:
            heading = widgets.Label(title, layout=self.looks.layout(), style=self.looks.of(LabelStyle))
            heading.add_class("gradwidgets-title")
            rows = (heading, *rows)
        else:
            for first in rows[:1]:
                first.add_class(LEADS)
        return self.box("group", *rows[:1], *self._help(about or title.lower(), said), *rows[1:])

    def _help(self, about: str, said: str) -> tuple[widgets.Widget, ...]:
        if not said:
            return ()
        mark, self.helps[about] = explanation(about, said, self.looks)
        return mark, self.helps[about]

    def pair(self, *menus: Control) -> widgets.Box:
        """Put two menus side by side."""
        return self.box("pair", *menus, across=True)

    def fold(self, title: str | Callable[[Sequence[str]], str], *rows: widgets.Widget) -> Fold:
        """Make a fold, whose head is a pill."""
        return self._kept(Fold(title, rows, self.looks))

    def more(self, *rows: widgets.Widget) -> Fold:
        """Make a fold that stands among the settings of a group."""
        return self._kept(Fold(how_many, rows, self.looks, inline=True))

    def _kept(self, fold: Fold) -> Fold:
        self._folds.append(fold)
        return fold

    def folds(self) -> Folds:
        """Return all folds that were made."""
        return Folds(self._folds)
