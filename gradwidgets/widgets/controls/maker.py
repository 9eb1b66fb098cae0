"""Creates a column's controls with shared layouts and styles."""

from __future__ import annotations

from functools import partial

from gradwidgets.widgets.controls.base import Looks
from gradwidgets.widgets.controls.choices import Check, Menu, Tabs, Toggles
from gradwidgets.widgets.controls.coordinates import Point
from gradwidgets.widgets.controls.number import Number
from gradwidgets.widgets.controls.scrubber import Scrubber


class Maker:
    """Creates controls of every kind, called like their classes but without `looks`.

    Args:
        looks: The shared layouts and styles.
    """

    def __init__(self, looks: Looks) -> None:
        self.check = partial(Check, looks=looks)
        self.menu = partial(Menu, looks=looks)
        self.number = partial(Number, looks=looks)
        self.point = partial(Point, looks=looks)
        self.scrubber = partial(Scrubber, looks=looks)
        self.tabs = partial(Tabs, looks=looks)
        self.toggles = partial(Toggles, looks=looks)
