"""Dead zones, axes of very different steepness, gradients that lead the wrong way."""

import math

import torch
from torch import Tensor

from gradwidgets.core.operations.non_finite import hidden_at
from gradwidgets.core.operations.stopping import action_for, stopping_where
from gradwidgets.core.operations.zeros import why_constant
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.patterns.ends.descents import descending
from gradwidgets.core.surfaces.patterns.flat.dead_ground import ABOVE, DEAD
from gradwidgets.core.surfaces.patterns.flat.infinite_inputs import infinite_input, is_spoilt
from gradwidgets.core.surfaces.patterns.flat.regions import grown
from gradwidgets.core.surfaces.patterns.invariance import invariance
from gradwidgets.core.surfaces.patterns.lattice import nearest_to_middle, steep_of
from gradwidgets.core.surfaces.patterns.look import LOWEST, Look
from gradwidgets.core.surfaces.patterns.precision.resolution import unresolved_in_training

DEAD_SHARE = 0.01
_SOME = 3  # points of the lattice: fewer may lie on a peak or a saddle
SOFT_EDGE = 0.02  # of a steep slope: beside saturated ground the slope has faded so far
_FADING = 10.0  # times from the middle of dead ground to its rim: a slope that is slight everywhere changes by less
IMBALANCE = 100.0
LIVE_SHARE = 0.2  # of the view: in so much of it both parameters must have a gradient to be compared
_PER_WIDTH = 10.0  # times, per width of the view: a smaller ratio is a matter of units, not of the loss
_STEEPEST = 0.98  # of the slopes
_NEARER = 1.5  # decades: the nearer quartile must be so far off too
WRONG_SHARE = 0.6  # half would be chance
_FROM = 24  # points of dead ground from which descents are tried
_FEW = 0.2  # of the points with a slope: if both parameters move at fewer, directions are not judged


def dead_zone(look: Look) -> Finding | None:
    """Ground of some extent above the lowest loss on which a descent, or one of its parameters, hardly moves."""
    if look.height == 0 and bool(look.finite.any()):
        return _constant(look)
    wholly = look.share(look.dead.points)
    parts = {name: look.share(mask) for name, mask in look.dead.stuck_points.items()}
    parts = {name: share for name, share in sorted(parts.items(), key=lambda part: -part[1]) if share >= DEAD_SHARE}
    if wholly < DEAD_SHARE:
        parts = {name: share for name, share in parts.items() if not _leads_on(look, look.dead.stuck_points[name])}
    if wholly < DEAD_SHARE and not parts:
        return None
    said, spot, kind, beside, covered = [], None, "", 0.0, torch.zeros_like(look.dead.points)
    if wholly >= DEAD_SHARE:
        covered = covered | look.dead.points
        zone = look.dead.zones[0] if look.dead.zones else look.dead.still
        spot = look.first(zone) if bool(zone.any()) else _middle(look, look.dead.points)
        beside = _slope_beside(look, zone, look.slope)
        kind = _kind(beside, _dies_away(zone, look.slope))
        said.append(
            # Where the loss is lowest the ground is not dead, even if that is too narrow for any point.
            f"{percent(min(wholly, 1 - 1e-6))} of the view is dead: the gradient is zero there"
            f"{_if_not_zero(look, look.dead.points)} though the loss is not at its lowest, "
            f"for example around {place(look.names, spot)}, where it {_HOW[kind]}"
        )
    for name, share in parts.items():
        mask, points = look.dead.stuck.get(name), look.dead.stuck_points[name]
        own = _middle(look, points) if mask is None else look.first(mask)
        if spot is None:
            spot = own
            slope = look.grid.gradient[..., look.names.index(name)].abs()
            beside = 0.0 if mask is None else _slope_beside(look, mask, slope)
            kind = _kind(beside, mask is not None and _dies_away(mask, slope))
        covered = covered | points
        said.append(
            f"{percent(share)} of the view is dead for {name}: its gradient is zero there"
            f"{_if_not_zero(look, points, look.names.index(name))} though the loss is lower elsewhere along {name}, "
            f"for example around {place(look.names, own)}"
        )
    axis = None if wholly >= DEAD_SHARE else look.names.index(next(iter(parts)))
    at = torch.tensor(spot, dtype=torch.float64)
    stop, line = stopping_where(look.function, at, axis) if look.known else ("", "")
    action = action_for(stop)
    if action and any(part in stop for part in _ONE_SIDED) and _goes_on_falling(look):
        action = TURN_ROUND
    alike = invariance(look) if not action and wholly >= DEAD_SHARE else ""
    if action and (infinite := infinite_input(look)) is not None:
        said.append(infinite.words)
        action = infinite.action
    elif action and any(part in stop for part in _LEAKING) and is_spoilt(look, at):
        said.append(f"it is {_NAMES.get(stop, stop)} that lets no gradient through{line}, and hides infinity")
        action = _HIDES_INFINITY
    elif alike:
        both = " and ".join(look.names)
        said.append(f"it stays nearly the same where {both} are {alike} together, as what is normalised does")
        action = _NORMALISED.format(alike)
    elif action:
        hides = hidden_at(look.function, at) if stop == "nan_to_num" else ""
        said.append(
            f"it is {_NAMES.get(stop, stop)} that lets no gradient through{line}{f', and hides {hides}' * bool(hides)}"
        )
    elif look.known:
        said.append("no single operation was found that stops it")
    return Finding(
        "dead_zone",
        "warning",
        "; ".join(said),
        {
            "share": look.share(covered),
            "threshold": DEAD_SHARE,
            "for": ", ".join(look.names if wholly >= DEAD_SHARE else parts),
            "zones": len(look.dead.zones) + len(parts),
            "kind": kind,
            "slope beside, of a steep one": beside,
            "dead below, over the view, of what it is above the lowest": DEAD,
            "above the lowest from, of the height": ABOVE,
            "operation": stop,
        },
        spot,
        action,
    )


def little_dead(look: Look) -> str:
    """Where the ground is dead in too little of the view for a finding, in words; "" if it is dead nowhere."""
    if int(look.dead.points.sum()) < _SOME:
        return ""
    spot = place(look.names, _middle(look, look.dead.points))
    return f"dead ground only in {percent(look.share(look.dead.points))} of the view, around {spot}"


def _leads_on(look: Look, dead: Tensor) -> bool:
    """Whether descents from ground that is dead for one parameter all reach the lowest loss through the other one."""
    if not look.known or look.view.slow or look.fall is not None:
        return False
    points = look.lattice.points[dead]
    some = points[torch.linspace(0, len(points) - 1, min(len(points), _FROM), dtype=torch.float64).long()]
    on = finish(descending(look.view, some))
    arrived = on.losses <= look.lowest + LOWEST * look.height
    if look.given:
        arrived = look.in_targets(on.ends)
    return len(on.ends) == len(some) and bool(arrived.all())


_NORMALISED = (
    "No fault of the loss, if that is intended: what is {0} alike counts for nothing in it. Look at it along what does "
    "count, a direction or a ratio; a size that matters needs a term of its own."
)


def _constant(look: Look) -> Finding | None:
    """The finding on a loss that is the same everywhere; None if the view is too narrow to tell."""
    if unresolved_in_training(look.grid.axes, look.dtype) is not None:
        return None
    spot, why, action = look.first(look.finite), "", ""
    # Not the middle, where a product may happen to be 0.
    some = look.lattice.points[look.lattice.finite][:1]
    if look.known and len(some):
        why, action = why_constant(look.function, some[0])
    if look.known and (infinite := infinite_input(look)) is not None:
        why, action = infinite.words, infinite.action
    message = f"the loss is the same everywhere in view: there is nothing to descend{f'; {why}' if why else ''}"
    return Finding("dead_zone", "warning", message, {"share": 1.0, "threshold": DEAD_SHARE}, spot, action)


def _if_not_zero(look: Look, mask: Tensor, axis: int | None = None) -> str:
    """That some gradients at points of the lattice are not exactly zero, in words; "" if all are."""
    gradient = look.lattice.gradient[mask]
    gradient = gradient if axis is None else gradient[:, axis]
    return ", or too small to lead anywhere," if bool((gradient != 0).any()) else ""


def _middle(look: Look, mask: Tensor) -> tuple[float, ...]:
    return nearest_to_middle(look.lattice.points[mask], look.spans)


TURN_ROUND = (
    "It is flat where it is highest, and falls on where it is lowest: it saturates where there is most to learn, which "
    "logits do not cure. Take the other sign: −logsigmoid(x) in place of log(1 − sigmoid(x)), which goes down the same "
    "way and is steepest at its worst."
)
_HIDES_INFINITY = (
    "With leaky_relu or softplus in its place the loss is not finite: keep infinity out of what it is given first, by "
    "leaving out what is masked."
)
_LEAKING = ("relu", "clamp_min")
_ONE_SIDED = ("sigmoid", "softplus")
_FALLING, _HIGHEST = 0.5, 0.9  # of a steep slope; of the loss's height


def _goes_on_falling(look: Look) -> bool:
    """Whether dead ground is highest, and the loss is lowest at an edge beyond which it falls steeply."""
    descents = look.descents
    if descents is None or not len(descents.ends):
        return False
    dead = look.lattice.loss[look.dead.points]
    if not len(dead) or float(dead.min()) < look.floor + _HIGHEST * look.height:
        return False
    k = int(descents.losses.argmin())
    slope = float((descents.gradients[k] * look.spans).norm())
    return bool(descents.blocked(look.view)[k].any()) and slope > _FALLING * look.steep


_NAMES = {
    "where": "torch.where",
    "clamp_min": "clamp(min=…)",
    "clamp_max": "clamp(max=…)",
    "clamp in a minimum": "clamp, in the side that torch.minimum takes,",
    "overlap": "the clamp of the overlap",
}
_HOW = {"saturation": "dies away gradually: it saturates", "plateau": "stops at its edge: a plateau"}


def _slope_beside(look: Look, zone: Tensor, slope: Tensor) -> float:
    """The slope right beside a zone, relative to a steep one."""
    edge, steep = grown(zone, 2) & ~zone & look.finite, steep_of(slope[look.finite])
    return float(slope[edge].mean()) / steep if steep and bool(edge.any()) else 0.0


def _dies_away(zone: Tensor, slope: Tensor) -> bool:
    """Whether the slope just inside the rim of a zone is many times that in its middle."""
    rim, inner = zone & grown(~zone, 1), zone & ~grown(~zone, 2)
    if not bool(rim.any()) or not bool(inner.any()):
        return False
    within = float(slope[inner].median())
    return 0 < _FADING * within < float(slope[rim].median())


def _kind(beside: float, dies_away: bool) -> str:
    return "saturation" if 0 < beside < SOFT_EDGE or dies_away else "plateau"


def dead_share(look: Look) -> float:
    """The share of the view that is dead for all parameters or for one, 0 to 1."""
    return look.share(torch.stack([look.dead.points, *look.dead.stuck_points.values()]).any(0))


def axis_imbalance(look: Look) -> Finding | None:
    """One axis's gradient is many times the other's: no lr suits both."""
    if look.grid.y is None or look.grid.no_path or look.flat:
        return None
    lattice = look.lattice
    size = lattice.gradient.abs()
    both = lattice.finite & ~look.dead.points & (size > 0).all(-1)
    if look.share(both) < LIVE_SHARE or dead_share(look) >= DEAD_SHARE:
        return None
    size = size[both]
    # Ratios point by point are the same beside a pole, or where both slopes fade.
    ratios = (size[:, 0].log10() - size[:, 1].log10()).quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
    low, middle, high = ratios.tolist()
    nearer = low if middle > 0 else -high
    if abs(middle) < math.log10(IMBALANCE) or nearer < _NEARER:
        return None
    steepest = size.quantile(_STEEPEST, dim=0)
    if float(steepest.max() / steepest.min()) < _PER_WIDTH:
        return None  # where slopes are steepest, neither is much smaller
    ratio = 10 ** abs(middle)
    names = look.names if middle > 0 else look.names[::-1]
    medians = size.median(0).values.tolist()
    wider = float(look.spans[look.names.index(names[1])] / look.spans[look.names.index(names[0])])
    units = ratio < _PER_WIDTH * wider
    message = f"the gradient of {names[0]} is {number(ratio)} times that of {names[1]} over half of the view and more"
    message += (
        f", as the view of {names[1]} is {number(wider, 3)} times as wide: over their views both change the loss alike"
        if units
        else ": an lr that suits one is wrong for the other"
    )
    return Finding(
        "axis_imbalance",
        "info" if units else "warning",
        message,
        {
            "ratio": ratio,
            "threshold": IMBALANCE,
            "left of it, per width of the view": ratio / wider,
            "left from": _PER_WIDTH,
            **{f"median |∂/∂{n}|": m for n, m in zip(look.names, medians, strict=True)},
        },
        action=_in_units(look, names[1]) if units else "",
    )


def _in_units(look: Look, name: str) -> str:
    positive = float(look.bounds[look.names.index(name), 0]) > 0
    return f"Give {name} an lr of its own, or take it in units of its view{', or its logarithm' * positive}."


def wrong_direction(look: Look) -> Finding | None:
    """From most of the view the straight line to the target leads uphill."""
    outside = look.finite & ~look.target & ~look.dead.still & (look.slope > 0)
    # Where one parameter does not move, the other goes to the lowest point of its line: that is a dead zone.
    led = outside & ~torch.stack([torch.zeros_like(outside), *look.dead.stuck.values()]).any(0)
    few, outside = look.share(led) < _FEW * look.share(outside), led
    if few or not bool(outside.any()):
        return None
    points, targets = look.grid.points[outside] / look.spans, look.grid.points[look.target] / look.spans
    if len(targets) > 400:
        targets = targets[torch.linspace(0, len(targets) - 1, 400, dtype=torch.float64).long()]
    # Squared distances, without the term that is the same for all targets.
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
        f"from {percent(share)} of the view the arrows point away from {goal}, for example at "
        f"{place(look.names, spot)}",
        {"share": share, "threshold": WRONG_SHARE},
        spot,
    )
