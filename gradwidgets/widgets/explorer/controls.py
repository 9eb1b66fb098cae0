"""The explorer's column of controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np

from gradwidgets.core.losses.precision import TRAINING
from gradwidgets.figures.base.style import STYLES
from gradwidgets.widgets.controls import Control, Looks, Maker, log_stops
from gradwidgets.widgets.controls.maker import Column
from gradwidgets.widgets.helps import explorer_help
from gradwidgets.widgets.panel.buttons import Buttons
from gradwidgets.widgets.panel.words import Prose

SCALES = ("linear", "log", "symlog")
ARROWS = ("direction", "magnitude", "off")
_SAID = {"magnitude": "length"}  # what is written instead of a name
_FEWEST, _MOST = 4, 24  # controls for parameters that are on no axis; more can be set from Python
_RESOLUTIONS = (11, 21, 31, 41, 51, 61, 81, 101, 121, 151, 201, 301, 401)
_MOMENTA = (*np.arange(0, 0.9, 0.05).round(2), *np.arange(0.9, 1.0, 0.01).round(2))


@dataclass(frozen=True)
class Parts:
    """The parts of the column that are shown and hidden with the loss.

    Attributes:
        looks: The shared layouts and styles.
        loss: The group of the loss's part and constants.
        constants: The rows of the constants.
        here: The numbers at the operating point, under the picture.
    """

    looks: Looks
    loss: widgets.Box
    constants: list[widgets.Box]
    here: Prose


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
) -> tuple[dict[str, Control], Column, Parts]:
    """Make the controls of an explorer.

    Args:
        meanings: Setting → its meaning.
        names: The names of the losses to choose from.
        constants: The largest number of parameters that are on no axis.
        buttons: Makes the icons in the first line.

    Returns:
        The controls by name; where they stand; and the parts that are shown and hidden.
    """
    make = Maker(Looks(), meanings)
    controls: list[Control] = [
        make.menu("example", list(names), label="loss"),
        make.menu("shown", ["loss"], "which part of the loss, or which two side by side", label="part"),
        make.menu("x_axis", ["x"]),
        make.point("x_range", parts=("from", "to")),
        make.menu("y_axis", ["none"]),
        make.point("y_range", parts=("from", "to")),
        make.point("point", "or click on the map, or drag", tagged=True),
        make.number("resolution", _RESOLUTIONS),
        make.choice("scale", SCALES, label="colours"),
        make.choice("arrows", [(_SAID.get(name, name), name) for name in ("off", "direction", "magnitude")]),
        make.menu("dtype", list(TRAINING)),
        make.check("gradient_check", label="check the gradient"),
        make.check("descent", label="descent from the point"),
        make.number("lr", log_stops(1e-4, 10, 20)),
        make.number("momentum", _MOMENTA),
        make.menu("theme", ["auto", *STYLES], titled=True),
    ]  # fmt: skip
    by_name = {control.name: control for control in controls}
    rows = []
    for k in range(min(max(constants, _FEWEST), _MOST)):
        name = f"constant {k + 1}"
        by_name[name] = make.number(name, (0.0, 1.0), "a parameter that is on no axis")
        rows.append(widgets.Box([by_name[name]], layout=widgets.Layout(display="none")))
    for name in ("lr", "momentum"):  # until there is a descent
        by_name[name].reveal(False, make.looks)
    make.strip(rows[0])
    loss = make.group(
        by_name["shown"], make.box("scrolled", *rows), about="the part and the constants", said=explorer_help.PART
    )
    here = Prose(layout=make.looks.layout(), _dom_classes=("gradwidgets-bar",))
    column = Column(_column(make, by_name, loss, buttons), under=(here,), folds=make.folds())
    return by_name, column, Parts(make.looks, loss, rows, here)


def _column(make: Maker, by_name: Mapping[str, Control], loss: widgets.Box, buttons: Buttons) -> widgets.Box:
    tools = buttons.make(make.looks, "copy a script that checks this loss", by_name["theme"])
    pills = [
        make.fold("Ranges", *(by_name[name] for name in ("x_axis", "x_range", "y_axis", "y_range"))),
        make.fold("Descent settings", by_name["momentum"]),
        make.fold("Grid", by_name["resolution"], by_name["dtype"]),
    ]
    make.strip(by_name["point"], by_name["descent"], by_name["lr"])
    return make.box(
        "column",
        make.box("head", by_name["example"], tools, across=True),
        loss,
        make.group(by_name["point"], title="Point", about="the point", said=explorer_help.POINT),
        make.group(
            *(by_name[name] for name in ("arrows", "scale", "descent", "lr", "gradient_check")),
            title="Show",
            about="what is shown",
            said=explorer_help.SHOW,
        ),
        make.box("folds", *(part for pill in pills for part in pill.parts), across=True),
    )
