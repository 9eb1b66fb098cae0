"""A separate part of a target that the loss does not accept as equally good."""

import torch
from torch import Tensor

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.patterns.ends.descents import at_edge, descending
from gradwidgets.core.surfaces.patterns.flat.regions import components
from gradwidgets.core.surfaces.patterns.lattice import nearest_to_middle
from gradwidgets.core.surfaces.patterns.look import Look

_ABOVE = 0.2  # of the loss's height: a part of the target so far above its lowest is not accepted
_FROM = 16  # points of a part from which descents begin
_BOTH = (
    "If both are as good, let the loss take them so: of a quaternion q and −q, which are one rotation, 1 − |q·t| or "
    "the lesser of both distances; of a line's angle 1 − cos(2d); of an angle the difference folded into one turn. If "
    "one alone is meant, leave the other out of the target."
)


def rejected_twin(look: Look) -> Finding | None:
    """A part of a given target in which the loss is high, and from which descents lead to another part."""
    if not callable(look.wanted) or not look.known or look.view.slow or look.height == 0 or look.descents is None:
        return None
    parts = components(look.target, 1)
    if len(parts) < 2:
        return None
    reached = [part for part in parts if _contains_any(look, part, look.descents.ends)]
    lowest = float(look.grid.loss[look.target & look.finite].min())
    for part in parts:
        least = float(torch.where(look.finite, look.grid.loss, torch.inf)[part].min())
        high = least > max(lowest, look.lowest) + _ABOVE * look.height
        if reached and high and not _keeps_descents(look, part):
            return _finding(look, part, reached[0], least)
    return None


def _contains_any(look: Look, part: Tensor, points: Tensor) -> bool:
    """Whether any of some points, (N, P), lies in a part, or right beside it."""
    cell = look.spans / (look.grid.loss.shape[-1] - 1)
    places = look.grid.points[part]
    return bool(((points[:, None] - places).abs() <= 1.01 * cell).all(-1).any())


def _keeps_descents(look: Look, part: Tensor) -> bool:
    """Whether any descent that begins in a part ends in it, held by more than the edge of the view."""
    places = look.grid.points[part]
    some = places[torch.linspace(0, len(places) - 1, min(len(places), _FROM), dtype=torch.float64).long()]
    ends = finish(descending(look.view, some)).ends
    ends = ends[~at_edge(look.view, ends)]
    return len(ends) > 0 and _contains_any(look, part, ends)


def _finding(look: Look, part: Tensor, reached: Tensor, least: float) -> Finding:
    here, there = (nearest_to_middle(look.grid.points[one], look.spans) for one in (part, reached))
    of_height = (least - look.lowest) / look.height
    return Finding(
        "off_target",
        "warning",
        f"at {place(look.names, here)}, in the target too, the loss is {number(least)} and more, {percent(of_height)} "
        "of its height above the lowest, and leads away from there: it takes what is at "
        f"{place(look.names, there)} alone",
        {"loss": least, "of the loss's height": of_height, "threshold": _ABOVE},
        here,
        _BOTH,
    )
