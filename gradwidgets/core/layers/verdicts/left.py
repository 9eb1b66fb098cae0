"""What custom autograd functions leave of a gradient that is lost."""

from gradwidgets.core.layers.stopped.own_slopes import LEFT
from gradwidgets.core.layers.verdicts.verdict import Judged
from gradwidgets.core.results.wording import number

OF_OWN = (
    "Let its backward leave more: a surrogate that is less steep around its threshold, or numbers that are closer to "
    "it, by a norm before it, larger weights or a lower threshold."
)
# Shares of the decades that are lost, which the calls on one path lose: to be told of, and to be most of them.
_SHARE, _MOST = 0.5, 0.8
_NAMED = 6


def left_by_own(judged: Judged, decades: float) -> str:
    """Return a clause on the custom function that loses most, if its calls may explain a loss; "" if none does."""
    found = [one for one in judged.flow.operations if one.name == LEFT]
    worst = max(found, key=lambda one: float(one.evidence["decades"]), default=None)
    if worst is None or decades < 0 or worst.evidence["decades"] < _SHARE * decades:
        return ""
    shares = sorted(worst.evidence["left"].items(), key=lambda one: one[1])[:_NAMED]
    each = ", ".join(f"{number(share, 2)} in {layer}" for layer, share in shares)
    lost = worst.evidence["decades"]
    most = "most" if lost > _MOST * decades else number(lost, 2)
    return f"{worst.message}, an autograd.Function of your own, loses {most} of them: a call leaves {each}"
