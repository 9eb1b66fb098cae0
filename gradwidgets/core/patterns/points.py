"""Saddles, and minima where none should be."""

from gradwidgets.core.critical_points import CriticalPoint
from gradwidgets.core.finding import Finding
from gradwidgets.core.patterns.look import LOWEST, Look
from gradwidgets.core.wording import number, place


def saddle(look: Look) -> Finding | None:
    """A point with no gradient that is a minimum one way and a maximum another."""
    saddles = [one for one in look.critical if one.kind == "saddle"]
    if not saddles:
        return None
    first = min(saddles, key=lambda one: sum(value * value for value in one.point))
    more = f", and at {len(saddles) - 1} more" if len(saddles) > 1 else ""
    return Finding(
        "saddle",
        "warning",
        f"a saddle at {place(look.names, first.point)}{more}: the gradient is zero, the Hessian's eigenvalues are "
        f"{_values(first)}",
        {"count": len(saddles), "eigenvalues": list(first.eigenvalues), "loss": first.loss},
        first.point,
    )


def unexpected_minimum(look: Look) -> Finding | None:
    """A minimum above the lowest loss, or off the target: a descent that begins near it ends there."""
    if look.height == 0:
        return None
    minima = [one for one in look.critical if one.kind == "minimum"]
    if look.given:
        wrong = [one for one in minima if not look.in_target(one.point)]
    else:
        wrong = [one for one in minima if one.loss > look.lowest + LOWEST * look.height]
    if not wrong:
        return None
    first = wrong[0]
    above = first.loss - look.lowest
    more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    why = "off the target" if look.given else f"{number(above)} above the lowest loss in view"
    return Finding(
        "unexpected_minimum",
        "warning",
        f"a minimum at {place(look.names, first.point)} (loss {number(first.loss)}), {why}{more}",
        {
            "count": len(wrong),
            "above the lowest": above,
            "threshold": LOWEST * look.height,
            "eigenvalues": list(first.eigenvalues),
        },
        first.point,
    )


def _values(one: CriticalPoint) -> str:
    return " and ".join(number(value) for value in one.eigenvalues)
