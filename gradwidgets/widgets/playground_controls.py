"""The playground's column of controls."""

from __future__ import annotations

from functools import partial

import ipywidgets as widgets
import numpy as np

from gradwidgets.core import LOSSES
from gradwidgets.widgets.controls import (
    WIDTH,
    Check,
    Control,
    Looks,
    Menu,
    Number,
    Point,
    Scrubber,
    Toggles,
    log_stops,
)
from gradwidgets.widgets.presets import PRESETS

_MOMENTA = (
    *np.arange(0, 0.9, 0.05).round(2),
    *np.arange(0.9, 0.99, 0.01).round(2),
    *np.arange(0.99, 1.0001, 0.001).round(3),
)
_SHARES = np.arange(0, 1.0001, 0.05).round(2)
_DECAYS = (0.0, *log_stops(1e-4, 10, 8))
_STEPS = (
    *range(0, 20),
    *range(20, 100, 5),
    *range(100, 200, 10),
    *range(200, 500, 25),
    *range(500, 1001, 100),
)


def make_controls(panel) -> tuple[dict[str, Control], widgets.VBox]:
    """Make the controls of a playground.

    Args:
        panel: The playground; its buttons call its methods.

    Returns:
        The controls by the trait that they set, and the column that shows them.
    """
    looks = Looks()
    make = {kind: partial(kind, looks=looks) for kind in (Check, Menu, Number, Point, Scrubber, Toggles)}
    controls: list[Control] = [
        make[Menu]("preset", "settings behind the article's figures", [("choose …", ""), *((p, p) for p in PRESETS)]),
        make[Menu]("dataset", "data that a line is fitted to, or a ready-made loss", panel._problems.names),
        make[Number]("lr", "learning rate: how far one step goes along the negative gradient", log_stops(1e-4, 10, 20)),
        make[Number]("momentum", "how much of the last step is kept: a ball that rolls on", _MOMENTA),
        make[Number]("dampening", "how much of the gradient stays out of the momentum", _SHARES),
        make[Number]("weight_decay", "pulls the parameters towards 0 at every step", _DECAYS),
        make[Check]("nesterov", "Nesterov: take the gradient after the momentum has moved", width="112px"),
        make[Check]("maximize", "climb the loss instead of descending it", width="112px"),
        make[Number]("steps", "how many steps are made", _STEPS),
        make[Number]("delta", "Huber: residuals beyond delta count linearly", log_stops(0.01, 10, 20)),
        make[Number]("beta", "SmoothL1: residuals beyond beta count linearly", log_stops(0.01, 10, 20)),
        make[Point]("start", "where the descent starts; or click on a map, or drag"),
        make[Toggles]("losses", "which losses are shown", tuple(LOSSES)),
        make[Check]("arrows", "the field of negative gradients over the maps", width="112px"),
        make[Menu]("theme", "colours of the picture", ["auto", "light", "dark"], width=132, label_width="46px"),
        make[Scrubber]("step", "walk through the run; at a step the vectors that make up the next one are drawn"),
    ]  # fmt: skip
    by_name = {control.name: control for control in controls}

    buttons = panel.make_buttons(looks, "copy a torch script that reproduces this run, all its steps")

    def row(*names: str) -> widgets.HBox:
        return widgets.HBox([by_name[name] for name in names], layout=looks.layout(width=f"{WIDTH}px"))

    column = widgets.VBox(
        [
            by_name["preset"],
            by_name["dataset"],
            by_name["lr"],
            by_name["momentum"],
            by_name["dampening"],
            by_name["weight_decay"],
            row("nesterov", "maximize"),
            by_name["steps"],
            by_name["delta"],
            by_name["beta"],
            by_name["start"],
            by_name["losses"],
            row("arrows", "theme"),
            by_name["step"],
            buttons,
        ],
        layout=widgets.Layout(width=f"{WIDTH}px", flex="0 0 auto", overflow="hidden"),
    )
    return by_name, column
