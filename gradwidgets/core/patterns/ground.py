"""Dead zones, axes of very different steepness, gradients that lead the wrong way."""

import torch
from torch import Tensor

from gradwidgets.core.finding import Finding
from gradwidgets.core.patterns.look import FLAT, Look
from gradwidgets.core.patterns.regions import grown
from gradwidgets.core.wording import number, percent, place

DEAD_SHARE = 0.01
SOFT_EDGE = 0.02  # of the steep slopes: beside saturated ground the slope has died away so far
IMBALANCE = 100.0
WRONG_SHARE = 0.6  # half would be chance


def dead_zone(look: Look) -> Finding | None:
    """Flat ground of some extent above the lowest region: a start there never moves."""
    if look.height == 0 and look.steep == 0 and bool(look.finite.any()):
        return Finding(
            "dead_zone",
            "warning",
            "the loss is the same everywhere in view: there is nothing to descend",
            {"share": 1.0, "threshold": DEAD_SHARE},
            look.first(look.finite),
        )
    zones = look.zones
    dead = _share(zones)
    if dead < DEAD_SHARE:
        return None
    edge = grown(zones[0], 2) & ~zones[0] & look.finite
    beside = float(look.slope[edge].mean()) / look.steep if bool(edge.any()) else 0.0
    kind = "saturation" if beside < SOFT_EDGE else "plateau"
    spot = look.first(zones[0])
    how = "dies away gradually: it saturates" if kind == "saturation" else "stops at its edge: a plateau"
    return Finding(
        "dead_zone",
        "warning",
        f"{percent(dead)} of the view is dead: the gradient is zero there though the loss is not at its lowest, around "
        f"{place(look.names, spot)} say, where it {how}",
        {
            "share": dead,
            "threshold": DEAD_SHARE,
            "zones": len(zones),
            "kind": kind,
            "slope beside, of a steep one": beside,
            "flat below, of a steep slope": FLAT,
        },
        spot,
    )


def dead_share(look: Look) -> float:
    """Which share of the view is flat ground above the lowest region, 0 to 1."""
    return _share(look.zones)


def dead_ground(look: Look) -> Tensor:
    """Where that is, of the loss's shape."""
    return torch.stack([torch.zeros_like(look.flat), *look.zones]).any(0)


def _share(zones: list[Tensor]) -> float:
    return sum(float(zone.double().mean()) for zone in zones)


def axis_imbalance(look: Look) -> Finding | None:
    """One axis's gradient is many times the other's: no lr suits both."""
    if look.grid.y is None or look.grid.no_path:
        return None
    size = look.grid.gradient[look.finite & ~look.flat].abs()
    if not len(size):
        return None
    medians = size.median(0).values.tolist()
    if min(medians) <= 0:
        return None
    ratio = max(medians) / min(medians)
    if ratio < IMBALANCE:
        return None
    names = look.names if medians[0] > medians[1] else look.names[::-1]
    return Finding(
        "axis_imbalance",
        "warning",
        f"the gradient of {names[0]} is {number(ratio)} times that of {names[1]} (medians {number(max(medians))} and "
        f"{number(min(medians))}): an lr that suits one is wrong for the other",
        {
            "ratio": ratio,
            "threshold": IMBALANCE,
            **{f"median |∂/∂{n}|": m for n, m in zip(look.names, medians, strict=True)},
        },
    )


def wrong_direction(look: Look) -> Finding | None:
    """From most of the view the straight way to the target leads uphill."""
    outside = look.finite & ~look.target & ~look.flat
    if not bool(outside.any()):
        return None
    points, targets = look.grid.points[outside] / look.spans, look.grid.points[look.target] / look.spans
    if len(targets) > 400:
        targets = targets[torch.linspace(0, len(targets) - 1, 400).long()]
    # Of squared distances, without what all of a point's have in common.
    nearest = torch.addmm((targets**2).sum(1)[None], points, targets.T, alpha=-2).min(1).indices
    way = targets[nearest] - points
    climbs = (look.grid.gradient[outside] * look.spans * way).sum(-1) > 0
    share = float(climbs.double().mean())
    if share <= WRONG_SHARE:
        return None
    spots = look.grid.points[outside][climbs]
    spot = tuple(spots[len(spots) // 2].tolist())
    goal = "the target" if look.given else "the lowest loss in view"
    return Finding(
        "wrong_direction",
        "error",
        f"from {percent(share)} of the view the arrows point away from {goal}, at {place(look.names, spot)} say",
        {"share": share, "threshold": WRONG_SHARE},
        spot,
    )
