"""A loss that gives another value the second time: it has changed its data, or keeps something from call to call."""

import math

import torch

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.patterns.look import Look

_SAME = 1e-6  # of a value: what differs by less is rounding
_TIMES = 3
_COPY = (
    "Every step of a training changes {0} once more: work on a copy, {0} = {0} / 2 in place of {0} /= 2, or "
    "{0}.clone() first."
)
_STATE = (
    "If that is meant, a running mean say, values of different steps are no measure of each other; if not, keep it out "
    "of the loss."
)


def not_repeatable(look: Look) -> Finding | None:
    """What a call leaves behind makes the same input give another value."""
    data, held = ((), ()) if look.own is None else look.own.changes
    some = look.lattice.points[look.lattice.finite]
    if not (data or held) or not len(some):
        return None
    point = some[len(some) // 2]
    values = _values(look, point)
    if not values or all(abs(one - values[0]) <= _SAME * max(map(abs, values)) for one in values):
        return None
    what = f"it changes {' and '.join(data)} in place" if data else f"it changes what it holds, {', '.join(held[:3])}"
    return Finding(
        "not_repeatable",
        "warning" if data else "info",
        f"{what}: at {place(look.names, point.tolist())} it gives {', then '.join(map(number, values))}, call by call",
        {"values": values, "changed": list(data or held)},
        action=_COPY.format(data[0]) if data else _STATE,
    )


def _values(look: Look, point: torch.Tensor) -> list[float]:
    try:
        values = look.own.repeated(point, _TIMES)
    except Exception:
        return []
    return values if all(map(math.isfinite, values)) else []
