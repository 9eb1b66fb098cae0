"""The panels' controls, one file per kind."""

from gradwidgets.widgets.controls.base import HIDDEN, Control, Looks
from gradwidgets.widgets.controls.choices import Check, Choice, Menu, Tabs, Toggles
from gradwidgets.widgets.controls.coordinates import Point
from gradwidgets.widgets.controls.folds import Fold, Folds, how_many
from gradwidgets.widgets.controls.maker import Maker
from gradwidgets.widgets.controls.number import Entry, Number, log_stops
from gradwidgets.widgets.controls.scrubber import Scrubber

__all__ = [
    "HIDDEN", "Check", "Choice", "Control", "Entry", "Fold", "Folds", "Looks", "Maker", "Menu", "Number", "Point",
    "Scrubber", "Tabs", "Toggles", "how_many", "log_stops",
]  # fmt: skip
