"""Saddles, and minima where none should be."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.operations.falling import falling_term
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns.data.shared_out import BEGIN_APART, is_of_a_mixture, of_saddles
from gradwidgets.core.surfaces.patterns.data.whole_turns import in_degrees
from gradwidgets.core.surfaces.patterns.ends.beyond import as_low_beyond, over_a_period
from gradwidgets.core.surfaces.patterns.ends.bottomless import DOUBLINGS
from gradwidgets.core.surfaces.patterns.ends.descents import at_edge, closer
from gradwidgets.core.surfaces.patterns.ends.exchanged import APART, SWAPPED, exchanged, is_between
from gradwidgets.core.surfaces.patterns.ends.going_on import gone_on
from gradwidgets.core.surfaces.patterns.ends.newton import followed
from gradwidgets.core.surfaces.patterns.ends.turns import WEIGHT, below_zero, why_missed
from gradwidgets.core.surfaces.patterns.ends.twins import rejected_twin
from gradwidgets.core.surfaces.patterns.ends.weighed import weighed_away
from gradwidgets.core.surfaces.patterns.flat.dead_ground import ABOVE
from gradwidgets.core.surfaces.patterns.flat.ground import DEAD_SHARE, dead_share
from gradwidgets.core.surfaces.patterns.look import LOWEST, Look
from gradwidgets.core.surfaces.patterns.singular.spikes import NARROW, Spike

REACHED = 0.9  # of the descents from over the view must end in a target
_ENDING = 0.02  # of them: so many that end high make a minimum
_TWIN = 1e-6  # of the loss's height: two minima are as low as each other
TELL_APART = (
    "The loss cannot tell the two apart: if one alone is meant, add what does (for an angle 1 − cos of all of it, for "
    "a vector its direction or sign as a term of its own). If either will do, let the target take both."
)
HOLD = (
    "Something must hold the loss from below: look at the sign of each of its terms, a divergence that is subtracted "
    'say. If it is meant (a critic, an advantage), allow it: allow=["no_bottom"].'
)
ELSEWHERE = (
    "Does what is out of view count? If it does, an angle a turn on say, view a whole period, or let the target take "
    "that edge too. If it does not, the loss turns round in view: it must rise all the way to that edge."
)
# Minima beside the first, each a whole number of turns away: too many for a view in radians.
_TURNS, _WHOLE = 3, 0.01
_BESIDE = 0.02  # of the view's widths: what ends so near to a minimum ends in it
_LEADS_ON = 0.2  # of what it is above the lowest: a closer descent that gets so far down has not ended
_HARDLY = 0.05  # of the loss's height
FEW = (
    "Where a descent ends depends on where it begins: if the lower one matters, begin from several places and keep the "
    "best."
)
_SAME = 1e-6  # of the view's widths: so near to each other two points are one


def saddle(look: Look) -> Finding | None:
    """A point with no gradient that is a minimum one way and a maximum another."""
    saddles = [one for one in look.critical if one.kind == "saddle"]
    if not saddles or look.height == 0:
        return None
    first = min(saddles, key=lambda one: sum(value * value for value in one.point))
    more = f", and at {len(saddles) - 1} more" if len(saddles) > 1 else ""
    between = all(is_between(look, one.point) for one in saddles) and exchanged(look) is not None
    why = f": there {' and '.join(look.names)} are the same, between two minima that differ by which is which" * between
    action = APART if between else ""
    if not between:
        why, action = of_saddles(look, [one.point for one in saddles], first.point)
    moved = getattr(look.own.call.loss, "moved", "") if look.known else ""
    plane = f", along these directions of {moved} alone: across them the gradient need not be 0" * bool(moved)
    return Finding(
        "saddle",
        "info" if between or moved or action == BEGIN_APART else "warning",
        f"a saddle at {place(look.names, first.point)}{more}{why}: the gradient is zero, the Hessian's "
        f"eigenvalues are {_values(first)}{plane}",
        {"count": len(saddles), "eigenvalues": list(first.eigenvalues), "loss": first.loss},
        first.point,
        action,
    )


def unexpected_minimum(look: Look) -> Finding | None:
    """A minimum above the lowest loss, or off the target: a descent that begins near it ends there."""
    if look.height == 0:
        return None
    minima = [one for one in look.critical if one.kind == "minimum"]
    if look.given:
        if not _is_reached(look, minima):
            return None  # all of it is off the target: not one minimum too many
        wrong = [one for one in minima if not look.in_target(one.point)]
    else:
        wrong = [one for one in minima if one.loss > look.lowest + LOWEST * look.height]
    if not wrong:
        return None if look.given else _ends_above(look)
    first = wrong[0]
    above = first.loss - look.lowest
    twin = look.given and abs(first.loss - _lowest_at_target(look, minima)) <= _TWIN * look.height
    why = "off the target" if look.given else f"{number(above)} above the lowest loss in view"
    why += ", as low as at the target" * twin
    why += f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    evidence = {
        "count": len(wrong),
        "above the lowest": above,
        "threshold": LOWEST * look.height,
        "eigenvalues": list(first.eigenvalues),
    }
    action = _in_radians(look, minima)
    if twin and not action:
        action = in_degrees(look) or TELL_APART
    slight = not look.given and (all(_is_slight(look, one) for one in wrong) or is_of_a_mixture(look))
    if (
        (pair := exchanged(look)) is not None
        and (slight or twin)
        and all(any(one.point == other.point for other in pair) for one in wrong)
    ):
        why += f": the lowest with {' and '.join(look.names)} exchanged"
        action = SWAPPED.format(*look.names)
    elif slight:
        share = _ending_at(look, wrong)
        evidence |= {"of the loss's height": above / look.height, "of the descents": share}
        ending = f"{percent(share)} of the descents end" if share else "no descent from over the view ends"
        why += f", {percent(above / look.height)} of its height; {ending} there"
        action = FEW
    return Finding(
        "unexpected_minimum",
        "info" if slight else "warning",
        f"a minimum at {place(look.names, first.point)} (loss {number(first.loss)}), {why}",
        evidence,
        first.point,
        action,
    )


def _ending_at(look: Look, minima: Sequence[CriticalPoint]) -> float:
    """The share of the descents that end at one of some minima; 0 where none are known."""
    if look.descents is None or not len(look.descents.ends):
        return 0.0
    places = torch.tensor([one.point for one in minima], dtype=torch.float64)
    near = ((look.descents.ends[:, None] - places).abs() <= _BESIDE * look.spans).all(-1).any(-1)
    return float(near.double().mean())


def _is_slight(look: Look, one: CriticalPoint) -> bool:
    """Whether a minimum is smooth, and hardly higher than the lowest, or hardly any descent ends in it."""
    if not one.eigenvalues or look.descents is None:
        return False
    return one.loss - look.lowest <= _HARDLY * look.height or _ending_at(look, [one]) < _ENDING


def _in_radians(look: Look, minima: Sequence[CriticalPoint]) -> str:
    """What to do about minima that lie whole turns apart along an axis, as a cosine's of degrees; "" if they do not."""
    for axis, name in enumerate(look.names):
        places = [one.point[axis] for one in minima]
        if sum(any(abs(other - place - math.tau) < _WHOLE for other in places) for place in places) >= _TURNS:
            return (
                f"They lie 2π = 6.283 apart along {name}: sin and cos take radians. If {name} is in degrees, give them "
                f"torch.deg2rad({name})."
            )
    return ""


def _is_reached(look: Look, minima: Sequence[CriticalPoint]) -> bool:
    """Whether a minimum lies at the target that was given, or some descents end there; so where that is not known."""
    if look.descents is None or not len(look.descents.ends) or any(look.in_target(one.point) for one in minima):
        return True
    return float(look.in_targets(look.descents.ends).double().mean()) >= _ENDING


def _lowest_at_target(look: Look, minima: Sequence[CriticalPoint]) -> float:
    """The lowest loss known at the target that was given; infinite where none is."""
    losses = [one.loss for one in minima if look.in_target(one.point)]
    if look.descents is not None and len(look.descents.ends):
        losses += look.descents.losses[look.in_targets(look.descents.ends)].tolist()
    return min(losses, default=math.inf)


def _ends_above(look: Look) -> Finding | None:
    """Descents that end above the lowest loss though no critical point is known there: at an edge, in a kink."""
    descents = look.descents
    if descents is None or not len(descents.ends) or look.close.poles or dead_share(look) >= DEAD_SHARE:
        return None
    if not bool(look.lattice.finite.all()):
        return None  # they may have been stopped by that
    high = descents.settled & (descents.losses > look.lowest + ABOVE * look.height)
    if float(high.double().mean()) >= _ENDING:
        high &= ~as_low_beyond(look, descents, high, look.lowest)
    flat = (descents.gradients == 0).all(-1)
    share = float(high.double().mean())
    if share < _ENDING or not bool((high & ~flat).any()):
        return None
    which = (high & ~flat).nonzero().flatten()
    k = int(which[descents.losses[which].argmin()])
    if look.view.slow:
        further = finish(closer(look.view, descents.ends[k : k + 1]))
        if look.lowest + ABOVE * look.height >= float(further) or float(
            descents.losses[k] - further
        ) > _LEADS_ON * float(descents.losses[k] - look.lowest):
            return None  # its steps were too few for a kink
    edge = bool(descents.at_edge(look.view)[k])
    if edge and any(one.kind == "saddle" for one in look.critical):
        return None  # both ways down from a saddle, which is said
    end, loss, above = descents.ends[k].tolist(), float(descents.losses[k]), float(descents.losses[k]) - look.lowest
    start = descents.starts[k].tolist()
    where = f"{place(look.names, end)}, at the edge of the view" if edge else place(look.names, end)
    return Finding(
        "unexpected_minimum",
        "warning",
        f"a descent from {place(look.names, start)} ends at {where} (loss {number(loss)}), {number(above)} above the "
        f"lowest loss in view, as do {percent(share)} of those from all over the view",
        {"share": share, "above the lowest": above, "threshold": ABOVE * look.height, "on the edge": edge},
        tuple(end),
    )


def stuck_start(look: Look) -> Finding | None:
    """A named start above the lowest loss at which the gradient is zero, in float32 at the latest."""
    if not look.known or look.height == 0 or not look.led:
        return None
    for name, point in look.starts.items():
        loss, gradient = finish(look.view.at(point[None]))
        above = float(loss[0]) - look.lowest
        known = any(one.kind == "saddle" and _same(one.point, point, look) for one in look.critical)
        if known or not (math.isfinite(above) and above > LOWEST * look.height):
            continue
        if look.given and look.in_target(point.tolist()):
            continue
        rounded = _is_zero_in_float32(look, point)
        if rounded or bool((gradient[0] == 0).all()):
            return Finding(
                "stuck_start",
                "warning",
                f"at {name!r} ({place(look.names, point.tolist())}) the gradient is zero{' in float32' * rounded}, and "
                f"the loss is {number(above)} above the lowest in view",
                {"above the lowest": above, "threshold": LOWEST * look.height},
                tuple(point.tolist()),
            )
    return None


def _same(point: Sequence[float], other: Tensor, look: Look) -> bool:
    return bool(((torch.tensor(point, dtype=torch.float64) - other).abs() <= _SAME * look.spans).all())


def _is_zero_in_float32(look: Look, point: Tensor) -> bool:
    """Whether float32 alone has no gradient at a point: where the reference has none either, that is said of both."""
    _, exact = finish(look.view.at(point[None]))
    if bool((exact == 0).all()) or look.own.dtype == torch.float32:
        return False
    try:
        single = look.own.values(point[None], torch.float32).gradient.double()
    except LossError:
        return False
    return bool((single.abs() < torch.finfo(torch.float32).tiny).all())


def off_target(look: Look) -> Finding | None:
    """Descents from over the view do not end in the target that was given."""
    descents = look.descents
    if not look.given or descents is None or not len(descents.ends):
        return None
    reached = look.in_targets(descents.ends)
    beyond = torch.zeros_like(reached)
    if float(reached.double().mean()) < REACHED and bool(reached.any()):
        beyond = as_low_beyond(look, descents, ~reached, float(descents.losses[reached].min()))
        reached = reached | over_a_period(look, descents, beyond)
    share = float(reached.double().mean())
    if share >= REACHED:
        return rejected_twin(look)
    on = followed(look.view, descents.ends[~reached])
    if not look.view.slow:
        on = gone_on(look.view, on.ends)
    arrived, ended = look.in_targets(on.ends), ~on.moving
    share = float((reached.sum() + arrived.sum()) / (len(reached) - int((on.moving & ~arrived).sum()) or 1))
    missed = ended & ~arrived
    if share >= REACHED or not bool(missed.any()):
        return None
    ends, losses = on.ends[missed], on.losses[missed]
    end = _as_known(look, ends[int(losses.argmin())])
    edge = at_edge(look.view, torch.tensor(end, dtype=torch.float64))
    message = (
        f"of the descents from over the view {percent(share)} end in the target: the others end at "
        f"{place(look.names, end)} say{', at the edge of the view' if edge else ''}"
    )
    evidence: dict[str, object] = {"share": share, "threshold": REACHED}
    if bool((reached | beyond).all()):
        message += ", beyond which the loss comes to be as low as at the target"
        return Finding("off_target", "warning", message, evidence, end, ELSEWHERE)
    action = _in_radians(look, [one for one in look.critical if one.kind == "minimum"])
    if not action:
        why, action = why_missed(look, end)
        message += f"; {why}" * bool(why)
    return Finding("off_target", "error", message, evidence, end, action)


def _as_known(look: Look, end: Tensor) -> tuple[float, ...]:
    """Where a descent has ended; as the minimum that is known right there, where one is."""
    known = [one.point for one in look.critical if one.kind == "minimum" and _same(one.point, end, look)]
    return known[0] if known else tuple(end.tolist())


def no_bottom(look: Look) -> Finding | None:
    """A loss that falls without end beyond the view."""
    spike = look.spike if look.height else None
    if spike is not None:
        return _spike(look, spike)
    fall = look.fall if look.height else None
    if fall is None:
        return weighed_away(look) if look.height else None
    evidence: dict[str, object] = {"looked at, doublings of the way": DOUBLINGS}
    where = f"{fall.towards} beyond {place(look.names, fall.point)}".lstrip()
    message = f"the loss falls without end {where}, at the edge of the view"
    term = falling_term(look.own, torch.tensor(fall.point), torch.tensor(fall.beyond)) if fall.beyond else None
    message += f"; {term.sentence}" if term else ""
    evidence["operation"] = term.operation if term else ""
    weight = below_zero(look) if fall.fast else ""
    message += f"; {weight}" * bool(weight)
    # Of descents that miss a target it is the reason; without one it is all that there is to say.
    if look.given or not fall.fast:
        return Finding("no_bottom", "info", message, evidence, fall.point, WEIGHT if weight else "")
    return Finding("no_bottom", "warning", message, evidence, fall.point, WEIGHT if weight else HOLD)


def without_end(saddle: Finding, endless: Finding) -> Finding:
    """A saddle whose way down has no end: one finding of both, with what is done about the end that is missing."""
    message = f"{saddle.message}; its way down has no end: {endless.message}"
    action = endless.action.replace(endless.name, saddle.name)  # which is what it is allowed by
    return replace(saddle, message=message, evidence=saddle.evidence | endless.evidence, action=action)


def _spike(look: Look, spike: Spike) -> Finding:
    """A loss that falls without end beside one point, on ground ever narrower, as a likelihood does."""
    scale, other = look.names[spike.axis], 1 - spike.axis
    where = f"at {place([look.names[other]], [spike.point[other]])}"
    if spike.slants:
        where = f"along a slanting valley through {place(look.names, spike.point)}"
    return Finding(
        "no_bottom",
        "warning",
        f"the loss falls without end as {scale} goes to {spike.target} {where}, on ground ever narrower, "
        f"{percent(spike.width)} of the view at its edge: a spike, as a likelihood has "
        "where it fits a sample exactly",
        {"width at the edge, of the view": spike.width, "narrow below": NARROW},
        spike.point,
        "Give the scale a floor that no step undercuts (σ = 0.01 + softplus(…), say, or a clamp of log σ from below), "
        "or a prior.",
    )


def _values(one: CriticalPoint) -> str:
    return " and ".join(number(value) for value in one.eigenvalues)
