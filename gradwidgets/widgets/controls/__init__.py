"""The panels' controls, one file per kind."""

from gradwidgets.widgets.controls.base import WIDTH, Control, Looks
from gradwidgets.widgets.controls.choices import Check, Menu, Tabs, Toggles
from gradwidgets.widgets.controls.coordinates import Point
from gradwidgets.widgets.controls.maker import Maker
from gradwidgets.widgets.controls.number import Number, log_stops
from gradwidgets.widgets.controls.scrubber import Scrubber

__all__ = [
    "WIDTH", "Check", "Control", "Looks", "Maker", "Menu", "Number", "Point", "Scrubber", "Tabs", "Toggles",
    "log_stops",
]  # fmt: skip
