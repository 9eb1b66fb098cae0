"""The playground's column of controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradwidgets.core import LOSSES, OPTIMIZERS
from gradwidgets.core.regression.losses import THRESHOLDS
from gradwidgets.figures.base.style import STYLES
from gradwidgets.widgets.controls import Check, Control, Looks, Maker
from gradwidgets.widgets.controls.maker import Column
from gradwidgets.widgets.helps import playground_help
from gradwidgets.widgets.panel.buttons import Buttons
from gradwidgets.widgets.playground import rules, swatches, thresholds
from gradwidgets.widgets.playground.presets import PRESETS

_STEPS = (
    *range(0, 20),
    *range(20, 100, 5),
    *range(100, 200, 10),
    *range(200, 500, 25),
    *range(500, 1001, 100),
)

_PRESETS = "ready-made settings: those of the article whose data are the first dataset"


def make_controls(
    meanings: Mapping[str, str], datasets: Sequence[str], buttons: Buttons
) -> tuple[dict[str, Control], Column, Looks]:
    """Make the controls of a playground.

    Args:
        meanings: Setting → its meaning.
        datasets: The names of the data and objectives to choose from.
        buttons: Makes the icons in the first line.

    Returns:
        The controls by the name of the trait that they set, where they stand, and their shared styles.
    """
    looks = Looks()
    make = Maker(looks, meanings)
    controls: list[Control] = [
        make.menu("preset", [("choose …", ""), *((p, p) for p in PRESETS)], _PRESETS),
        make.menu("dataset", datasets, '"article" are 50 points around a parabola'),
        make.menu("optimizer", tuple(OPTIMIZERS)),
        *rules.controls(make),
        make.number("steps", _STEPS),
        *thresholds.controls(make),
        make.point("start", "or click on a map, or drag"),
        make.toggles("losses", tuple(LOSSES)),
        make.check("arrows"),
        make.menu("theme", ["auto", *STYLES], titled=True),
        make.scrubber("step", "drag, or ▶, to walk through it"),
    ]  # fmt: skip
    by_name = {control.name: control for control in controls}
    for k, toggle in enumerate(by_name["losses"].buttons.values()):
        toggle.add_class(swatches.class_of(k))
    return by_name, _column(make, by_name, buttons), looks


def _column(make: Maker, by_name: Mapping[str, Control], buttons: Buttons) -> Column:
    tools = buttons.make(make.looks, "copy a torch script that reproduces this run, all its steps", by_name["theme"])
    often, rarely = rules.often_and_rarely()
    checks = [by_name[name] for name in often if isinstance(by_name[name], Check)]
    for check in checks:
        check.make_room()
    sliders = [by_name[name] for name in often if by_name[name] not in checks]
    make.strip(by_name["optimizer"], *sliders)
    more = make.more(*(by_name[name] for name in rarely))
    below = make.box("folds", *checks, *more.parts, across=True)
    pills = [
        make.fold(", ".join, *(by_name[name] for name in THRESHOLDS)),
        make.fold("start, arrows", by_name["start"], by_name["arrows"]),
    ]
    column = make.box(
        "column",
        make.box("head", by_name["preset"], tools, across=True),
        make.group(by_name["optimizer"], *sliders, below, about="the optimizer", said=playground_help.optimizer("SGD")),
        make.group(by_name["losses"], by_name["dataset"], title="Loss and data", said=playground_help.losses()),
        make.box("folds", *(part for pill in pills for part in pill.parts), across=True),
    )
    bar = make.box("bar", by_name["step"], by_name["steps"], across=True)
    return Column(column, under=(bar,), folds=make.folds(), helps=make.helps)
