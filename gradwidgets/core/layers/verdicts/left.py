"""What custom autograd functions leave of a gradient that is lost."""

import math

from gradwidgets.core.layers.stopped.own_slopes import LEFT
from gradwidgets.core.layers.verdicts.verdict import Judged
from gradwidgets.core.layers.verdicts.way.walk import Leap
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

OF_OWN = (
    "Let its backward leave more: a surrogate that is less steep around its threshold, or numbers that are closer to "
    "it, by a norm before it, larger weights or a lower threshold."
)
_SHARE = 0.5  # of the decades that are lost, which the calls of all layers together lose
_NAMED = 6


def left_by_own(judged: Judged, leap: Leap) -> str:
    """Return a clause on the custom function that loses most, if its calls may explain a loss; "" if none does."""
    found = [one for one in judged.flow.operations if one.name == LEFT]
    worst = max(found, key=_lost, default=None)
    if worst is None or leap.decades < 0 or _lost(worst) < _SHARE * leap.decades:
        return ""
    shares = sorted(worst.evidence["left"].items(), key=lambda one: one[1])[:_NAMED]
    each = ", ".join(f"{number(share, 2)} in {layer}" for layer, share in shares)
    many = "each call " if len(shares) == 1 else f"each call in {len(shares)} layers "
    return f"{worst.message}, an autograd.Function of your own, is where: {many}leaves only a part of it, {each}"


def _lost(one: Finding) -> float:
    """Return the decades that one call in each layer loses together."""
    return sum(-math.log10(share) for share in one.evidence["left"].values() if share < 1)
