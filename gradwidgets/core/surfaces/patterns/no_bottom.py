"""Losses that fall without end: beyond an edge of the view, or in a spike."""

from dataclasses import replace

import torch

from gradwidgets.core.operations.falling import Term, falling_term
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent, place
from gradwidgets.core.surfaces.patterns.ends.bottomless import DOUBLINGS
from gradwidgets.core.surfaces.patterns.ends.turns import WEIGHT, below_zero
from gradwidgets.core.surfaces.patterns.ends.weighed import weighed_away
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.singular.spikes import NARROW, Spike

HOLD = (
    "Something must hold the loss from below: look at the sign of each of its terms, such as a divergence that is "
    'subtracted. If it is meant (a critic, an advantage), allow it: allow=["no_bottom"].'
)
SCORE = (
    "So a generator's loss takes a critic's raw score, which nothing bounds, beside what it is to reconstruct. If {0} "
    "is no such score, something must hold the loss from below."
)
_STRAIGHT = 1e-6  # of its slope: a term whose slope changes by less over the view is linear


def no_bottom(look: Look) -> Finding | None:
    """A loss that falls without end beyond the view."""
    spike = look.spike if look.height else None
    if spike is not None:
        return _spike_finding(look, spike)
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
    # With a target it is only the reason why descents miss it; without one it is the whole finding.
    if look.given or not fall.fast:
        return Finding("no_bottom", "info", message, evidence, fall.point, WEIGHT if weight else "")
    if term is not None and not weight and _is_raw_score(look, term):
        return Finding("no_bottom", "info", message, evidence, fall.point, SCORE.format(term.of[0]))
    return Finding("no_bottom", "warning", message, evidence, fall.point, WEIGHT if weight else HOLD)


def _is_raw_score(look: Look, term: Term) -> bool:
    """Whether the falling term is minus the mean of a raw score, and the other terms have a bottom in view."""
    descents = look.descents
    if term.operation or not (term.subtracted and term.averaged) or len(term.of) != 1 or look.view.dims == 1:
        return False
    axis, slopes = look.names.index(term.of[0]), look.lattice.gradient[look.lattice.finite]
    own = slopes[:, axis]
    straight = float(own.max() - own.min()) <= _STRAIGHT * float(own.abs().max())
    held = descents is not None and not bool(descents.blocked(look.view)[:, 1 - axis].any())
    return straight and held


def without_end(saddle: Finding, endless: Finding) -> Finding:
    """Merge the findings on a saddle and on the fall without end below it; the action is the latter's."""
    message = f"{saddle.message}; its way down has no end: {endless.message}"
    action = endless.action.replace(endless.name, saddle.name)  # the name by which it is allowed
    return replace(saddle, message=message, evidence=saddle.evidence | endless.evidence, action=action)


def _spike_finding(look: Look, spike: Spike) -> Finding:
    """The finding on a loss that falls without end in an ever narrower valley, as a likelihood does."""
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
        "Give the scale a floor that no step undercuts (σ = 0.01 + softplus(…), for example, or a clamp of log σ "
        "from below), or a prior.",
    )
