"""Losses without a single lowest point: with a valley along which they are the same, or with flat ground."""

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.operations.stopping import stopping
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.patterns.lattice import nearest_to_middle
from gradwidgets.core.surfaces.patterns.look import LOWEST, Look

FLAT_SHARE = 0.8  # of the view
_FLAT, _CURVED = 1e-6, 1e-3  # of the other eigenvalue; of the loss's height
_SAME = 1e-6  # of the height: the floor of a valley rises by less
_LONG = 0.2  # of the view: a valley is at least so long
_ALONG = 41  # points of it
_AXIS = 1e-3  # of a direction: if it is so nearly along an axis, the loss does not depend on that parameter
_ONE = 1e-3  # a factor so near to 1 is left out
_IF_MEANT = (
    "Any place along it is as good, and where a descent ends is where it begins: if one alone is meant, add what tells "
    "them apart (a penalty of the size, one parameter less)."
)
_BOUNDED = (
    "If so much is not meant to be as good, look at what is bounded, and by what: bounds of a ratio belong around the "
    "ratio, not around its product with a weight."
)


def valley(look: Look) -> Finding | None:
    """The loss is lowest all along a straight line that is not parallel to an axis."""
    lowest = [one for one in look.critical if one.kind == "degenerate"]
    if look.grid.y is None or look.height == 0 or not look.known or look.view.slow or not lowest:
        return None
    least = min(lowest, key=lambda one: one.loss)
    if least.loss > look.lowest + _SAME * look.height:
        return None
    point = torch.tensor(least.point, dtype=torch.float64)
    way = _flat_way(look, point)
    if way is None or way.abs().min() < _AXIS or (ends := _ends(look, point, way)) is None:
        return None
    return _finding(look, point, way * look.spans, ends)


def _flat_way(look: Look, point: Tensor) -> Tensor | None:
    """The direction without curvature, in widths of the view, (P,), if there is curvature across it; else None."""
    try:
        bend = look.function.hessian(point) * look.spans[:, None] * look.spans
    except LossError:
        return None
    values, ways = torch.linalg.eigh(bend)
    flat = float(values[0].abs()) <= _FLAT * float(values[1]) and float(values[1]) > _CURVED * look.height
    return ways[:, 0] if flat else None


def _ends(look: Look, point: Tensor, way: Tensor) -> tuple[Tensor, Tensor] | None:
    """Where the valley ends in both directions, within the view; None if it is too short."""
    shares = torch.linspace(-1.5, 1.5, 2 * _ALONG + 1, dtype=torch.float64)
    places = point + shares[:, None] * way * look.spans
    inside = ((places >= look.view.low) & (places <= look.view.high)).all(-1)
    places = places[inside]
    losses, _ = finish(look.view.at(places, gradient=False))
    if len(places) < 2 or not bool((losses <= look.lowest + _SAME * look.height).all()):
        return None
    long = ((places[-1] - places[0]) / look.spans).norm()
    return (places[0], places[-1]) if float(long) >= _LONG else None


def _finding(look: Look, point: Tensor, way: Tensor, ends: tuple[Tensor, Tensor]) -> Finding:
    one, other = look.names
    times = -float(way[0] / way[1])
    size = "" if abs(abs(times) - 1) < _ONE else f"{number(abs(times), 3)}·"
    total = float(point[0] + times * point[1])
    line = f"{one} {'+' if times > 0 else '−'} {size}{other} = {number(total, 3)}"
    both = " to ".join(place(look.names, end.tolist()) for end in ends)
    return Finding(
        "valley",
        "info",
        f"the loss is lowest all along a valley, from {both}: any {line} is as good, and along it the Hessian's "
        "eigenvalue is 0",
        {"line": line},
        tuple(point.tolist()),
        _IF_MEANT,
    )


def flat_bottom(look: Look) -> Finding | None:
    """Most of the view is at the lowest loss, without a gradient."""
    lattice = look.lattice
    if look.given or look.height == 0 or not look.known or not bool(lattice.finite.any()):
        return None
    low = lattice.finite & (lattice.loss <= look.lowest + LOWEST * look.height)
    flat = low & (lattice.gradient == 0).all(-1)
    share = look.share(flat)
    if share < FLAT_SHARE:
        return None
    point = nearest_to_middle(lattice.points[flat], look.spans)
    stop = stopping(look.function, torch.tensor(point, dtype=torch.float64))
    why = f"; it is {stop.replace('clamp_max', 'clamp').replace('clamp_min', 'clamp')} that lets no gradient through"
    return Finding(
        "flat_bottom",
        "info",
        f"{percent(share)} of the view is flat at the lowest loss, for example around {place(look.names, point)}: "
        f"nothing in it is better than anything else{why if stop else ''}",
        {"share": share, "threshold": FLAT_SHARE, "operation": stop},
        point,
        _BOUNDED if "clamp" in stop else "",
    )
