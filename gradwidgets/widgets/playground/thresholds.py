"""The playground's traits and controls for the settings of all `LOSSES`, of which none is named here."""

from __future__ import annotations

from gradwidgets.core.regression.losses import THRESHOLDS
from gradwidgets.widgets.controls import Control, Maker, log_stops
from gradwidgets.widgets.panel.traits import Real


def traits() -> dict[str, Real]:
    """Return a trait for every setting that a loss has."""
    return {
        name: Real(one.default, low=one.range[0], high=one.range[1], above=not one.may_be_zero, help=one.meaning).tag(
            setting=True
        )
        for name, one in THRESHOLDS.items()
    }


def controls(make: Maker) -> list[Control]:
    """Return a control for every setting that a loss has.

    Args:
        make: Makes the controls.
    """
    return [make.number(name, log_stops(*one.stops, 20)) for name, one in THRESHOLDS.items()]


def chosen(panel: object) -> tuple[tuple[str, float], ...]:
    """Return the panel's values of these settings, with their names."""
    return tuple((name, getattr(panel, name)) for name in THRESHOLDS)
