"""The layer panel's column of controls."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import ipywidgets as widgets
import numpy as np

from gradwidgets.core.layers import ACTIVATIONS, INITS, NORMALIZATIONS
from gradwidgets.widgets.controls import WIDTH, Check, Control, Looks, Menu, Number, log_stops
from gradwidgets.widgets.flow_picture import MEASURES, QUANTITIES
from gradwidgets.widgets.flow_presets import PRESETS

NORMALIZATION_NAMES = tuple(str(name).lower() for name in NORMALIZATIONS)
_DEPTHS = (*range(1, 20), *range(20, 50, 2), *range(50, 101, 5), *range(120, 201, 20), 300, 400, 500)
_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_GAINS = tuple(np.arange(0.05, 3.0001, 0.05).round(2))


def make_controls(panel, architectures: Sequence[str]) -> tuple[dict[str, Control], widgets.VBox]:
    """Make the controls of a layer panel.

    Args:
        panel: The panel; its buttons call its methods.
        architectures: What it can look at.

    Returns:
        The controls by the trait that they set, and the column that shows them.
    """
    looks = Looks()
    make = {kind: partial(kind, looks=looks) for kind in (Check, Menu, Number)}
    controls: list[Control] = [
        make[Menu]("preset", "settings worth a look", [("choose …", ""), *((p, p) for p in PRESETS)]),
        make[Menu]("architecture", "how the layers are joined; yours is the model that you passed in", architectures),
        make[Menu]("activation", "the function between the layers", list(ACTIVATIONS)),
        make[Menu]("init", "how the weights begin", list(INITS)),
        make[Number]("gain", "what the initial weights are multiplied by", _GAINS),
        make[Menu]("normalization", "before each activation", list(NORMALIZATION_NAMES)),
        make[Number]("depth", "layers, or blocks", _DEPTHS),
        make[Number]("width", "units of a layer", _WIDTHS),
        make[Number]("batch", "samples that are looked at", _BATCHES),
        make[Number]("seed", "of weights and data", tuple(range(21))),
        make[Menu]("quantity", "what is drawn over the layers", list(QUANTITIES)),
        make[Number]("lr", "learning rate, for update/weight", log_stops(1e-5, 10, 8)),
        make[Menu]("measure", "per element, or of all of a layer", list(MEASURES), width=132, label_width="58px"),
        make[Check]("compare", "keep today's profile beside the next ones", width="112px"),
        make[Menu]("theme", "colours of the picture", ["auto", "light", "dark"], width=132, label_width="46px"),
    ]  # fmt: skip
    by_name = {control.name: control for control in controls}
    buttons = panel.make_buttons(looks, "copy a torch script that measures the same")

    def row(*names: str) -> widgets.HBox:
        return widgets.HBox([by_name[name] for name in names], layout=looks.layout(width=f"{WIDTH}px"))

    paired = {"measure", "compare", "theme"}
    column = widgets.VBox(
        [
            *(control for control in controls if control.name not in paired),
            row("measure", "compare"),
            row("theme"),
            buttons,
        ],
        layout=widgets.Layout(width=f"{WIDTH}px", flex="0 0 auto", overflow="hidden"),
    )
    return by_name, column
