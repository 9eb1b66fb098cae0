"""Descents that end above the lowest loss, at an edge of the view or in a kink, and the hill that keeps them there."""

import torch
from torch import Tensor

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.patterns.ends.beyond import as_low_beyond
from gradwidgets.core.surfaces.patterns.ends.descents import Descents, closer
from gradwidgets.core.surfaces.patterns.flat.dead_ground import ABOVE
from gradwidgets.core.surfaces.patterns.flat.ground import DEAD_SHARE, dead_share
from gradwidgets.core.surfaces.patterns.look import Look

REACHED = 0.9  # of the descents from all over the view must end in a target
ENDING = 0.02  # of them: so many that end high make a minimum
_LEADS_ON = 0.2  # of an end's height above the lowest: if a finer descent gets so far down, it is no end
_INWARDS = (1e-5, 1e-4, 1e-3)  # of the way to the middle of the view
_SLOPES = 0.02  # of a steep slope: a gentler one is fading, as on a saturated side
_BESIDE = 1e-4  # of the view: an end so near to the lowest is at it
_ALONG = 401  # points of a straight line


def ends_above(look: Look) -> Finding | None:
    """Descents that end above the lowest loss though no critical point is known there: at an edge, in a kink."""
    descents = look.descents
    if descents is None or not len(descents.ends) or look.close.poles or dead_share(look) >= DEAD_SHARE:
        return None
    if not bool(look.lattice.finite.all()):
        return None  # they may have been stopped by that
    high = descents.settled & (descents.losses > look.lowest + ABOVE * look.height)
    if look.given:
        reached = look.in_targets(descents.ends)
        if float(reached.double().mean()) < REACHED:
            return None  # off_target reports that
        high &= ~reached
    if float(high.double().mean()) >= ENDING:
        high &= ~as_low_beyond(look, descents, high, look.lowest)
    # Beside the lowest, where the loss is that steep, an end is that place itself.
    lowest = descents.ends[descents.losses.argmin()]
    high &= ((descents.ends - lowest).abs() > _BESIDE * look.spans).any(-1)
    share = float(high.double().mean())
    if share < ENDING or not bool((high & ~(flat := _is_flat(look, descents))).any()):
        return None
    which = (high & ~flat).nonzero().flatten()
    k = int(which[descents.losses[which].argmin()])
    if look.view.slow:
        further = finish(closer(look.view, descents.ends[k : k + 1]))
        if look.lowest + ABOVE * look.height >= float(further) or float(
            descents.losses[k] - further
        ) > _LEADS_ON * float(descents.losses[k] - look.lowest):
            return None  # its steps were too few to follow a kink
    edge = bool(descents.at_edge(look.view)[k])
    if edge and any(one.kind == "saddle" for one in look.critical):
        return None  # it is a way down from a saddle, which is reported
    end, loss, above = descents.ends[k].tolist(), float(descents.losses[k]), float(descents.losses[k]) - look.lowest
    start = descents.starts[k].tolist()
    where = f"{place(look.names, end)}, at the edge of the view" if edge else place(look.names, end)
    hill = _hill(look, descents.ends[k], loss)
    if look.given and not hill:
        return None  # it need not have ended there
    return Finding(
        "unexpected_minimum",
        "warning",
        f"a descent from {place(look.names, start)} ends at {where} (loss {number(loss)}), {number(above)} above the "
        f"lowest loss in view, as do {percent(share)} of those from all over the view{hill}",
        {"share": share, "above the lowest": above, "threshold": ABOVE * look.height, "on the edge": edge},
        tuple(end),
    )


def _is_flat(look: Look, descents: Descents) -> Tensor:
    """Which ends lie on flat ground, (N,), and not only on a clamp right at the edge of the view."""
    flat = (descents.gradients == 0).all(-1)
    edge = flat & descents.at_edge(look.view)
    if bool(edge.any()) and not look.view.slow:
        inwards = (look.view.low + look.view.high) / 2 - descents.ends[edge]
        beside = descents.ends[edge] + torch.tensor(_INWARDS, dtype=torch.float64)[:, None, None] * inwards
        _, slopes = finish(look.view.at(beside.flatten(0, 1)))
        steep = (slopes * look.spans).norm(dim=-1).reshape(len(_INWARDS), -1) > _SLOPES * look.steep
        flat[edge.nonzero().flatten()] = ~steep.all(0)
    return flat


def _hill(look: Look, end: Tensor, loss: float) -> str:
    """Where the loss is highest on the line from an end to the lowest point, in words; "" if it only falls."""
    points, losses = look.lattice.points[look.lattice.finite], look.lattice.loss[look.lattice.finite]
    lowest = points[int(losses.argmin())]
    way = end + torch.linspace(0, 1, _ALONG, dtype=torch.float64)[:, None] * (lowest - end)
    heights, _ = finish(look.view.at(way, gradient=False))
    top = int(heights.nan_to_num(-torch.inf, -torch.inf, -torch.inf).argmax())
    if not top or not float(heights[top]) > loss:
        return ""
    where = place(look.names, way[top].tolist())
    return f"; between there and the lowest stands a hill, {number(float(heights[top]))} at {where}"
