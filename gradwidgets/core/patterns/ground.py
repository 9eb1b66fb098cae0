"""Dead zones, axes of very different steepness, gradients that lead the wrong way."""

import torch
from torch import Tensor

from gradwidgets.core.finding import Finding
from gradwidgets.core.patterns.look import ABOVE, FLAT, Look, steep_of
from gradwidgets.core.patterns.regions import grown
from gradwidgets.core.wording import number, percent, place

DEAD_SHARE = 0.01
SOFT_EDGE = 0.02  # of the steep slopes: beside saturated ground the slope has died away so far
IMBALANCE = 100.0
WRONG_SHARE = 0.6  # half would be chance


def dead_zone(look: Look) -> Finding | None:
    """Flat ground of some extent above the lowest loss: a start there never moves, or one parameter does not."""
    if look.height == 0 and look.steep == 0 and bool(look.finite.any()):
        return Finding(
            "dead_zone",
            "warning",
            "the loss is the same everywhere in view: there is nothing to descend",
            {"share": 1.0, "threshold": DEAD_SHARE},
            look.first(look.finite),
        )
    if dead_share(look) < DEAD_SHARE:
        return None
    all_dead = torch.stack([torch.zeros_like(look.flat), *look.zones]).any(0)
    wholly, told = look.share(all_dead), torch.zeros_like(look.flat)
    parts = sorted(look.stuck.items(), key=lambda part: -look.share(part[1]))
    said, spot, kind, beside = [], None, "", 0.0
    if look.zones and (wholly >= DEAD_SHARE or not parts):
        spot, beside = look.first(look.zones[0]), _beside(look, look.zones[0], look.slope)
        kind, told = _kind(beside), told | all_dead
        said.append(
            f"{percent(wholly)} of the view is dead: the gradient is zero there though the loss is not at its lowest, "
            f"around {place(look.names, spot)} say, where it {_HOW[kind]}"
        )
    for name, mask in parts:
        if said and look.share(mask) < DEAD_SHARE:
            continue
        own = look.first(mask)
        if spot is None:
            spot = own
            beside = _beside(look, mask, look.grid.gradient[..., look.names.index(name)].abs())
            kind = _kind(beside)
        share_of_it, told = percent(look.share(mask)), told | mask
        said.append(
            f"{share_of_it} of the view is dead for {name}: its gradient is zero there though the loss is "
            f"lower elsewhere along {name}, around {place(look.names, own)} say"
        )
    named = look.names if wholly >= DEAD_SHARE else [name for name, _ in parts] or look.names
    return Finding(
        "dead_zone",
        "warning",
        "; ".join(said),
        {
            "share": look.share(told),
            "threshold": DEAD_SHARE,
            "for": ", ".join(named),
            "zones": len(look.zones) + len(parts),
            "kind": kind,
            "slope beside, of a steep one": beside,
            "flat below, of a steep slope": FLAT,
            "above the lowest from, of the height": ABOVE,
        },
        spot,
    )


_HOW = {"saturation": "dies away gradually: it saturates", "plateau": "stops at its edge: a plateau"}


def _beside(look: Look, zone: Tensor, slope: Tensor) -> float:
    """How steep it is right beside a zone, of a steep slope of that kind."""
    edge, steep = grown(zone, 2) & ~zone & look.finite, steep_of(slope[look.finite])
    return float(slope[edge].mean()) / steep if steep and bool(edge.any()) else 0.0


def _kind(beside: float) -> str:
    return "saturation" if 0 < beside < SOFT_EDGE else "plateau"


def dead_share(look: Look) -> float:
    """Which share of the view is dead for all parameters or for one, 0 to 1."""
    return look.share(look.dead)


def dead_ground(look: Look) -> Tensor:
    """Where that is, of the loss's shape."""
    return look.dead


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
