"""The layer panel's column of controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np

from gradwidgets.core.layers import ACTIVATIONS, INITS, NORMALIZATIONS
from gradwidgets.figures.base.style import STYLES
from gradwidgets.widgets.controls import Control, Looks, Maker, log_stops
from gradwidgets.widgets.controls.maker import Column as Place
from gradwidgets.widgets.layers.clipping import THRESHOLDS
from gradwidgets.widgets.layers.fixes.doctor import DoctorView
from gradwidgets.widgets.layers.flow_view import FlowView
from gradwidgets.widgets.layers.presets import PRESETS
from gradwidgets.widgets.layers.seen.layer_values import MEASURES
from gradwidgets.widgets.layers.view import View
from gradwidgets.widgets.panel.buttons import Buttons
from gradwidgets.widgets.panel.settings_panel import close_all

NORMALIZATION_NAMES = tuple(str(name).lower() for name in NORMALIZATIONS)
_DEPTHS = (*range(1, 20), *range(20, 50, 2), *range(50, 101, 5), *range(120, 201, 20), 300, 400, 500)
_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_PERCENTILES = (0, 1, 2, 5, *range(10, 91, 5), 95, 98, 99, 99.9, 100)
_GAINS = tuple(np.arange(0.05, 3.0001, 0.05).round(2))


_THRESHOLDS = log_stops(1e-6, 1e3, 6)
_DRAGGED = ("depth", "gain", "quantity", "fix", "lr", "steps", "clipper", "max_norm", "clip_value", "percentile")


def make_controls(
    meanings: Mapping[str, str],
    architectures: Sequence[str],
    fixes: Sequence[str],
    views: Mapping[str, str],
    quantities: Sequence[str],
) -> tuple[Maker, dict[str, Control]]:
    """Make the controls of a layer panel.

    Args:
        meanings: Setting → its meaning.
        architectures: The names of the architectures to choose from.
        fixes: The names of the fixes that can be tried.
        views: The name of each view → what it shows.
        quantities: The quantities that can be drawn over the layers.

    Returns:
        What made them, and the controls by the name of the trait that they set.
    """
    make = Maker(Looks(), meanings)
    controls: list[Control] = [
        make.tabs("view", dict(views)),
        make.menu("preset", [("choose …", ""), *((p, p) for p in PRESETS)], "settings worth a look"),
        make.menu("architecture", architectures),
        make.menu("activation", list(ACTIVATIONS)),
        make.menu("init", list(INITS)),
        make.number("gain", _GAINS),
        make.menu("normalization", list(NORMALIZATION_NAMES)),
        make.number("depth", _DEPTHS),
        make.number("width", _WIDTHS),
        make.number("batch", _BATCHES),
        make.number("seed", tuple(range(21))),
        make.menu("quantity", list(quantities), titled=True),
        make.number("lr", log_stops(1e-5, 10, 8)),
        make.menu("measure", list(MEASURES)),
        make.check("compare"),
        make.menu("fix", list(fixes), label="try", titled=True),
        make.menu("clipper", list(THRESHOLDS), label="histogram of", titled=True),
        make.number("max_norm", _THRESHOLDS),
        make.number("clip_value", _THRESHOLDS),
        make.number("percentile", _PERCENTILES),
        make.number("history_percentile", _PERCENTILES, label="autoclip %"),
        make.number("spike", log_stops(1e-2, 1e4, 6)),
        make.number("steps", (10, 20, 50, 100, 200, 300, 500, 1000, 2000, 5000)),
        make.menu("theme", ["auto", *STYLES], titled=True),
    ]  # fmt: skip
    by_name = {control.name: control for control in controls}
    make.strip(*(by_name[name] for name in _DRAGGED))
    return make, by_name


class Column:
    """The controls: tabs and icons over everything, and a column with those of the view that is shown.

    Args:
        make: Makes what they stand in.
        controls: The controls, by name.
        views: The views, by name.
        view: The name of the view that is shown first.
        buttons: Makes the icons in the first line.
        tabs: Whether there is more than one view to choose.

    Attributes:
        place: Where they stand.
        bodies: The controls of each view, by its name.
    """

    def __init__(
        self,
        make: Maker,
        controls: Mapping[str, Control],
        views: Mapping[str, View],
        view: str,
        buttons: Buttons,
        *,
        tabs: bool,
    ) -> None:
        tools = buttons.make(make.looks, "copy a torch script that does the same", controls["theme"])
        self._views, self._view, self._controls, self._looks = views, view, controls, make.looks
        self.bodies = {name: one.column(controls, make) for name, one in views.items()}
        self._box = make.box("column", self.bodies[view])
        over = make.box("top", *[controls["view"]] * tabs, tools, across=True)
        doctor = views.get(DoctorView.name)
        self._shortcut = doctor.shortcut(make.looks) if isinstance(doctor, DoctorView) and tabs else None
        beside = () if self._shortcut is None else (self._shortcut,)
        self.place = Place(self._box, over=(over,), beside=beside, folds=make.folds())

    def show(self, view: str) -> None:
        """Show the controls of a view."""
        if self._view != view:
            self._box.children = [self.bodies[view]]
            self._controls["view"].show(view)
            self._view = view

    def show_values(self, values: Mapping[str, Any], *, left_out: Sequence[str], covered: bool, sick: int) -> None:
        """Update all controls to the settings.

        Args:
            values: The value that each control shows, by name.
            left_out: The settings without a meaning for the current network, whose controls are hidden.
            covered: Whether the picture is to be guessed first.
            sick: The number of findings on the network that are more than notes.
        """
        controls, view = self._controls, self._views[values["view"]]
        for name, value in values.items():
            controls[name].show(value)
        controls["view"].enable(not covered, "guess first" if covered else "")
        wanted = values["view"] != "flow" or values["quantity"] == "update/weight"
        controls["lr"].reveal(wanted, self._looks)
        controls["lr"].enable(wanted, "" if wanted else "choose update/weight first")
        view.leave_out(left_out)
        view.show_controls()
        self._offer_cure(sick > 0 and not covered and values["view"] == FlowView.name)

    def _offer_cure(self, seen: bool) -> None:
        """Show the button that goes to the doctor, or hide it."""
        if self._shortcut is not None:
            layout = self._looks.layout(**({} if seen else {"display": "none"}))
            if self._shortcut.layout is not layout:
                self._shortcut.layout = layout

    def hidden(self) -> list[widgets.Widget]:
        """Return the widgets that are hidden now, or at times."""
        return [*self.bodies.values(), *(row for view in self._views.values() for row in view.everything())]

    def close(self) -> None:
        """Close the widgets that are hidden now, or at times; the panel closes the others."""
        for view in self._views.values():
            view.leave_out(())
        for one in self.hidden():
            close_all(one)
