"""What the playground's groups are about."""

from __future__ import annotations

import functools

from gradwidgets.core import LOSSES, OPTIMIZERS
from gradwidgets.widgets.helps.help_card import card


@functools.cache
def optimizer(name: str) -> str:
    """Return what one step of an optimizer is, as HTML."""
    said = (
        f"An optimizer moves the parameters against the gradient of the loss, step by step. Step t of {name} at the "
        "point p, where g is the gradient:"
    )
    return card(said, OPTIMIZERS[name].formula)


def losses() -> str:
    """Return what a loss is, as HTML, with the formula of each."""
    said = (
        "A loss says how bad a line is: the mean, over all data, of a function of the residual "
        "r = weight·x + bias − y. The dataset “article” is 50 noisy points around a parabola; others are functions "
        "to descend, with no data."
    )
    return card(said, [f"{name}: {one.formula}" for name, one in LOSSES.items() if one.formula])
