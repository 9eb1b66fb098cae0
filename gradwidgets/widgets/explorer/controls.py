"""The explorer's column of controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets as widgets
import numpy as np

from gradwidgets.core.losses.precision import TRAINING
from gradwidgets.figures.base.style import STYLES
from gradwidgets.widgets.controls import WIDTH, Control, Looks, Maker, log_stops
from gradwidgets.widgets.panel.buttons import Buttons

SCALES = ("linear", "log", "symlog")
ARROWS = ("direction", "magnitude", "off")
_FEWEST, _MOST = 4, 24  # controls for parameters that are on no axis; more can be set from Python
_RESOLUTIONS = (11, 21, 31, 41, 51, 61, 81, 101, 121, 151, 201, 301, 401)
_MOMENTA = (*np.arange(0, 0.9, 0.05).round(2), *np.arange(0.9, 1.0, 0.01).round(2))


def constant_stops(value: float, span: tuple[float, float] | None = None) -> tuple[float, ...]:
    """Return the stops of a slider for a constant.

    Args:
        value: The usual value: the stops go from 0 to twice the value; if it is 0, from −2 to 2.
        span: The range (low, high) that the stops cover instead; None if the range is not known.
    """
    if span is not None:
        return tuple(float(f"{v:.6g}") for v in np.linspace(*span, 81))
    reach = 2 * abs(value) or 2.0
    low = 0.0 if value > 0 else -reach
    high = 0.0 if value < 0 else reach
    return tuple(float(f"{v:.6g}") for v in np.linspace(low, high, 81))


def make_controls(
    meanings: Mapping[str, str], names: Sequence[str], constants: int, buttons: Buttons
) -> tuple[dict[str, Control], widgets.VBox, list[widgets.Widget]]:
    """Make the controls of an explorer.

    Args:
        meanings: Setting → its meaning.
        names: The names of the losses to choose from.
        constants: The largest number of parameters that are on no axis.
        buttons: Makes the rows below the controls.

    Returns:
        The controls by name; the column; and the rows of the constants, which are shown and hidden.
    """
    looks = Looks()
    make = Maker(looks, meanings)
    controls: list[Control] = [
        make.menu("example", list(names), label="loss"),
        make.menu("shown", ["loss"], "which part of the loss, or which two side by side", label="part"),
        make.menu("x_axis", ["x"]),
        make.point("x_range", parts=("from", "to")),
        make.menu("y_axis", ["none"]),
        make.point("y_range", parts=("from", "to")),
        make.point("point", "or click on the map, or drag"),
        make.number("resolution", _RESOLUTIONS),
        make.menu("scale", SCALES, width=124, label_width="38px"),
        make.menu("arrows", ARROWS, width=138, label_width="42px"),
        make.menu("dtype", list(TRAINING), width=118, label_width="36px"),
        make.check("gradient_check", label="check gradient"),
        make.check("descent", width="84px"),
        make.number("lr", log_stops(1e-4, 10, 20)),
        make.number("momentum", _MOMENTA),
        make.menu("theme", ["auto", *STYLES], width=132, label_width="46px"),
    ]  # fmt: skip
    by_name = {control.name: control for control in controls}
    rows = []
    for k in range(min(max(constants, _FEWEST), _MOST)):
        name = f"constant {k + 1}"
        by_name[name] = make.number(name, (0.0, 1.0), "a parameter that is on no axis")
        rows.append(widgets.Box([by_name[name]], layout=widgets.Layout(flex="0 0 auto", overflow="hidden")))
    last = buttons.make(looks, "copy a script that checks this loss")

    def row(*parts: str) -> widgets.HBox:
        return widgets.HBox([by_name[part] for part in parts], layout=looks.layout(width=f"{WIDTH}px"))

    column = widgets.VBox(
        [
            by_name["example"],
            by_name["shown"],
            by_name["x_axis"],
            by_name["x_range"],
            by_name["y_axis"],
            by_name["y_range"],
            widgets.VBox(rows, layout=widgets.Layout(max_height="226px", overflow="hidden auto", flex="0 0 auto")),
            by_name["point"],
            by_name["resolution"],
            row("arrows", "dtype"),
            row("scale", "theme"),
            row("descent", "gradient_check"),
            by_name["lr"],
            by_name["momentum"],
            last,
        ],
        layout=widgets.Layout(width=f"{WIDTH}px", flex="0 0 auto", overflow="hidden"),
    )
    return by_name, column, rows
