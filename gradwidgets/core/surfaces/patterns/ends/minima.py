"""Saddles, and minima where none should be."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns.data.shared_out import BEGIN_APART, is_of_a_mixture, of_saddles
from gradwidgets.core.surfaces.patterns.data.whole_turns import in_degrees
from gradwidgets.core.surfaces.patterns.ends.beyond import as_low_beyond, over_a_period
from gradwidgets.core.surfaces.patterns.ends.descents import at_edge
from gradwidgets.core.surfaces.patterns.ends.exchanged import APART, SWAPPED, exchanged, is_between
from gradwidgets.core.surfaces.patterns.ends.going_on import gone_on
from gradwidgets.core.surfaces.patterns.ends.newton import followed
from gradwidgets.core.surfaces.patterns.ends.turns import why_missed
from gradwidgets.core.surfaces.patterns.ends.twins import rejected_twin
from gradwidgets.core.surfaces.patterns.look import LOWEST, Look
from gradwidgets.core.surfaces.patterns.stopped_above import ENDING, REACHED, ends_above

_TWIN = 1e-6  # of the loss's height: minima within it are equally low
TELL_APART = (
    "The loss cannot tell the two apart: if one alone is meant, add what does (for an angle 1 − cos of all of it, for "
    "a vector its direction or sign as a term of its own). If either will do, let the target take both."
)
ELSEWHERE = (
    "Does what is out of view count? If it does, as an angle does a turn on, view a whole period, or let the "
    "target take that edge too. If it does not, the loss turns round in view: it must rise all the way to that edge."
)
# Minima that are a turn away from another: so many are too many for a view in radians.
_TURNS, _WHOLE = 3, 0.01
_BESIDE = 0.02  # of the view's widths: a descent that ends so near to a minimum ends in it
_HARDLY = 0.05  # of the loss's height: a minimum is hardly higher than the lowest
FEW = (
    "Where a descent ends depends on where it begins: if the lower one matters, begin from several places and keep the "
    "best."
)
_SAME = 1e-6  # of the view's widths: points within it are the same


def saddle(look: Look) -> Finding | None:
    """A point without a gradient that is a minimum in one direction and a maximum in another."""
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
            return None  # the whole loss misses the target, which off_target reports
        wrong = [one for one in minima if not look.in_target(one.point)]
    else:
        wrong = [one for one in minima if one.loss > look.lowest + LOWEST * look.height]
    if not wrong:
        return ends_above(look)
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
    """The share of the descents that end at one of some minima; 0 if there are no descents."""
    if look.descents is None or not len(look.descents.ends):
        return 0.0
    places = torch.tensor([one.point for one in minima], dtype=torch.float64)
    near = ((look.descents.ends[:, None] - places).abs() <= _BESIDE * look.spans).all(-1).any(-1)
    return float(near.double().mean())


def _is_slight(look: Look, one: CriticalPoint) -> bool:
    """Whether a minimum is smooth, and hardly higher than the lowest, or hardly any descent ends in it."""
    if not one.eigenvalues or look.descents is None:
        return False
    return one.loss - look.lowest <= _HARDLY * look.height or _ending_at(look, [one]) < ENDING


def _in_radians(look: Look, minima: Sequence[CriticalPoint]) -> str:
    """What to do about minima that lie a turn apart along an axis, as with a cosine of degrees; "" if they do not."""
    for axis, name in enumerate(look.names):
        places = [one.point[axis] for one in minima]
        if sum(any(abs(other - place - math.tau) < _WHOLE for other in places) for place in places) >= _TURNS:
            return (
                f"They lie 2π = 6.283 apart along {name}: sin and cos take radians. If {name} is in degrees, give them "
                f"torch.deg2rad({name})."
            )
    return ""


def _is_reached(look: Look, minima: Sequence[CriticalPoint]) -> bool:
    """Whether a minimum lies at the given target, or some descents end there; True if there are no descents."""
    if look.descents is None or not len(look.descents.ends) or any(look.in_target(one.point) for one in minima):
        return True
    return float(look.in_targets(look.descents.ends).double().mean()) >= ENDING


def _lowest_at_target(look: Look, minima: Sequence[CriticalPoint]) -> float:
    """The lowest loss known at the given target; infinite if there is none."""
    losses = [one.loss for one in minima if look.in_target(one.point)]
    if look.descents is not None and len(look.descents.ends):
        losses += look.descents.losses[look.in_targets(look.descents.ends)].tolist()
    return min(losses, default=math.inf)


def stuck_start(look: Look) -> Finding | None:
    """A named start above the lowest loss at which the gradient is zero, at least in float32."""
    if not look.known or look.height == 0 or not look.led:
        return None
    for name, point in look.starts.items():
        loss, gradient = finish(look.view.at(point[None]))
        above = float(loss[0]) - look.lowest
        known = any(one.kind == "saddle" and _are_same(one.point, point, look) for one in look.critical)
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


def _are_same(point: Sequence[float], other: Tensor, look: Look) -> bool:
    return bool(((torch.tensor(point, dtype=torch.float64) - other).abs() <= _SAME * look.spans).all())


def _is_zero_in_float32(look: Look, point: Tensor) -> bool:
    """Whether the gradient at a point is zero in float32 though it is not in float64."""
    _, exact = finish(look.view.at(point[None]))
    if bool((exact == 0).all()) or look.own.dtype == torch.float32:
        return False
    try:
        single = look.own.values(point[None], torch.float32).gradient.double()
    except LossError:
        return False
    return bool((single.abs() < torch.finfo(torch.float32).tiny).all())


def off_target(look: Look) -> Finding | None:
    """Descents from all over the view do not end in the given target."""
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
    end = _at_known_minimum(look, ends[int(losses.argmin())])
    edge = at_edge(look.view, torch.tensor(end, dtype=torch.float64))
    message = (
        f"of the descents from over the view {percent(share)} end in the target: the others end for "
        f"example at {place(look.names, end)}{', at the edge of the view' if edge else ''}"
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


def _at_known_minimum(look: Look, end: Tensor) -> tuple[float, ...]:
    """The point where a descent has ended, or the minimum that is known right there."""
    known = [one.point for one in look.critical if one.kind == "minimum" and _are_same(one.point, end, look)]
    return known[0] if known else tuple(end.tolist())


def _values(one: CriticalPoint) -> str:
    return " and ".join(number(value) for value in one.eigenvalues)
