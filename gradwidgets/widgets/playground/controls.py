"""The playground's column of controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets as widgets

from gradwidgets.core import LOSSES, OPTIMIZERS
from gradwidgets.core.regression.losses import THRESHOLDS
from gradwidgets.figures.base.style import STYLES
from gradwidgets.widgets.controls import WIDTH, Check, Control, Looks, Maker
from gradwidgets.widgets.panel.buttons import Buttons
from gradwidgets.widgets.playground import rules, thresholds
from gradwidgets.widgets.playground.presets import PRESETS

_STEPS = (
    *range(0, 20),
    *range(20, 100, 5),
    *range(100, 200, 10),
    *range(200, 500, 25),
    *range(500, 1001, 100),
)


def make_controls(
    meanings: Mapping[str, str], datasets: Sequence[str], buttons: Buttons
) -> tuple[dict[str, Control], widgets.VBox, Looks]:
    """Make the controls of a playground.

    Args:
        meanings: Setting → its meaning.
        datasets: The names of the data and objectives to choose from.
        buttons: Makes the rows below the controls.

    Returns:
        The controls by the name of the trait that they set, the column that shows them, and their shared styles.
    """
    looks = Looks()
    make = Maker(looks, meanings)
    controls: list[Control] = [
        make.menu("preset", [("choose …", ""), *((p, p) for p in PRESETS)], "settings behind the article's figures"),
        make.menu("dataset", datasets),
        make.menu("optimizer", tuple(OPTIMIZERS), width=136, label_width="62px"),
        *rules.controls(make),
        make.number("steps", _STEPS),
        *thresholds.controls(make),
        make.point("start", "or click on a map, or drag"),
        make.toggles("losses", tuple(LOSSES)),
        make.check("arrows", width="74px"),
        make.menu("theme", ["auto", *STYLES], width=116, label_width="42px"),
        make.scrubber("step", "drag, or ▶, to walk through it"),
    ]  # fmt: skip
    names = tuple(rules.declared())
    by_name = {control.name: control for control in controls}

    rows = buttons.make(looks, "copy a torch script that reproduces this run, all its steps")

    def row(*names: str) -> widgets.HBox:
        return widgets.HBox([by_name[name] for name in names], layout=looks.layout(width=f"{WIDTH}px"))

    column = widgets.VBox(
        [
            by_name["preset"],
            by_name["dataset"],
            row("optimizer", "theme"),
            *(by_name[name] for name in names if not isinstance(by_name[name], Check)),
            row(*(name for name in names if isinstance(by_name[name], Check)), "arrows"),
            by_name["steps"],
            *(by_name[name] for name in THRESHOLDS),
            by_name["start"],
            by_name["losses"],
            by_name["step"],
            rows,
        ],
        layout=widgets.Layout(width=f"{WIDTH}px", flex="0 0 auto", overflow="hidden"),
    )
    return by_name, column, looks
