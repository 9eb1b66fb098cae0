"""A loss that returns another value when called again: it changes its data, or keeps a state between calls."""

import math

import torch

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.patterns.look import Look

_SAME = 1e-6  # of a value: a smaller difference is rounding
_TIMES = 3
_COPY = (
    "Every step of a training changes {0} once more: work on a copy, {0} = {0} / 2 in place of {0} /= 2, or "
    "{0}.clone() first."
)
_STATE = (
    "If that is meant, as for a running mean, values of different steps are no measure of each other; if not, keep "
    "it out of the loss."
)


def not_repeatable(look: Look) -> Finding | None:
    """The same input gives another value because of what an earlier call has changed."""
    data, held = look.own.changes if look.known else ((), ())
    some = look.lattice.points[look.lattice.finite]
    if not (data or held) or not len(some):
        return None
    point = some[len(some) // 2]
    values = _values(look, point)
    if values and _alike(values):
        return _of_the_last(look, point, some[len(some) // 5], held) if held else None
    if not values:
        return None
    what = f"it changes {' and '.join(data)} in place" if data else f"it changes what it holds, {', '.join(held[:3])}"
    return Finding(
        "not_repeatable",
        "warning" if data else "info",
        f"{what}: at {place(look.names, point.tolist())} it gives {', then '.join(map(number, values))}, call by call",
        {"values": values, "changed": list(data or held)},
        action=_COPY.format(data[0]) if data else _STATE,
    )


def _of_the_last(look: Look, point: torch.Tensor, other: torch.Tensor, held: tuple[str, ...]) -> Finding | None:
    """A value that depends only on the call before it: calls at one point agree, a call elsewhere changes it."""
    values = [*_values(look, point, 1), *_values(look, point, 1, before=other)]
    if len(values) < 2 or _alike(values):
        return None
    message = (
        f"it keeps what calls before have left, {', '.join(held[:3])}: at {place(look.names, point.tolist())} it gives "
        f"{number(values[0])}, and {number(values[1])} after a call at {place(look.names, other.tolist())}"
    )
    return Finding("not_repeatable", "info", message, {"values": values, "changed": list(held)}, action=_STATE)


def _alike(values: list[float]) -> bool:
    return all(abs(one - values[0]) <= _SAME * max(map(abs, values)) for one in values)


def _values(look: Look, point: torch.Tensor, times: int = _TIMES, before: torch.Tensor | None = None) -> list[float]:
    try:
        values = look.own.repeated(point, times, before)
    except Exception:
        return []
    return values if all(map(math.isfinite, values)) else []
