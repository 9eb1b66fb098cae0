"""Gradients that are not the loss's slope: in how much of the view, and where most."""

from dataclasses import dataclass

import torch

from gradwidgets.core.losses.differences import MISMATCH, sharp
from gradwidgets.core.operations.cuts import Cuts, cuts_of, only_added, only_weighs
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.patterns.astray.by_value import elsewhere
from gradwidgets.core.surfaces.patterns.ends.along import Arrival, arriving
from gradwidgets.core.surfaces.patterns.exactly_there import wrong_exactly
from gradwidgets.core.surfaces.patterns.look import Look

MISMATCH_SHARE = 0.05
_SMALL_SHARE = 0.004  # enough if an operation is known to cut the gradient and the gap is large
_LARGE_GAP = 0.02
REACHED = 0.9  # of the descents along autograd's gradient must arrive for a cut to count as meant
_ALL_OVER = 0.5  # of the view: a factor that is detached on purpose is so everywhere
ARRIVING = "arriving all the same"
WEIGHING, CONSTANT = "only weighs", "the value is the same everywhere"
APART = "where autograd's gradient ends, above the lowest by"
_A_TERM = (
    "What is detached there is a term of the sum: it counts in the value and teaches nothing, as a regulariser without "
    "a gradient does. Remove the detach, .data or no_grad; if it is there to be watched alone, log it by itself."
)
IF_MEANT = '; if this is meant, allow it: allow=["gradient_mismatch"]'
_WATCH_ANOTHER = (
    "Nothing of a training shows in such a value, and nothing can be said of its surface: look at the loss before it "
    "is divided, or subtracted, by itself, and log that one."
)
_AS_A_FACTOR = (
    "A weight, a normaliser or a target that is held so teaches nothing itself: leave it as it is, if that is meant."
)


@dataclass(frozen=True)
class Disagreement:
    """How far autograd and central differences disagree, at points that do not depend on the grid.

    Attributes:
        share: The share of the view in which they disagree.
        gap: The largest gap, relative to the larger of the two slopes.
        point: Where that gap is, in the order of the axes.
    """

    share: float
    gap: float
    point: tuple[float, ...]


def disagreement(look: Look, least: float = MISMATCH_SHARE) -> Disagreement | None:
    """Return how far they disagree; None if in less than `least` of the view, or if nothing can be compared."""
    if not look.known or look.compared is None:
        return None
    (points, exact), found = look.sample, look.compared
    bad = found.wrong.any(-1)
    share = float((bad & sharp(exact, look.single, look.spans, look.steep)).double().mean())
    if share < least:
        return None
    gaps = torch.where(bad, found.relative().amax(-1), 0.0)
    at = int(gaps.argmax())
    return Disagreement(share, float(gaps[at]), tuple(points[at].tolist()))


def gradient_mismatch(look: Look) -> Finding | None:
    """Autograd's gradient is not the slope that central differences of the loss show."""
    found = disagreement(look, _SMALL_SHARE)
    if found is None:
        return wrong_exactly(look)
    cuts = cuts_of(look.own, torch.tensor(found.point, dtype=torch.float64))
    if found.share < MISMATCH_SHARE and not ((cuts.own or cuts.operations) and found.gap > _LARGE_GAP):
        return wrong_exactly(look)
    said = cuts.sentence or "something on the way is detached, rounded, or has a backward of its own"
    evidence: dict[str, object] = {
        "share": found.share,
        "threshold": MISMATCH_SHARE,
        "largest relative gap": found.gap,
        "gap counted from": MISMATCH,
    }
    if look.height == 0:
        return _of_a_constant(look, found, cuts, evidence)
    at = torch.tensor(found.point, dtype=torch.float64)
    weighs = cuts.holds and only_weighs(look.own, at)
    arrival = arriving(look) if weighs or (cuts.holds and found.share >= _ALL_OVER) else Arrival(0.0)
    apart = elsewhere(look, arrival) if cuts.holds else None
    meant, line = arrival.share >= REACHED, only_added(look.own, at) if apart and apart.far and not weighs else None
    if apart is not None and line is not None:
        return _of_a_term(look, found, f"{apart.words}; what is detached is a term of the sum{line}", evidence)
    if meant and apart is not None:
        evidence[ARRIVING], evidence[APART] = arrival.share, apart.above
        said += f"; what is minimised is not the loss whose value is shown: {apart.words}"
    elif meant:
        evidence[ARRIVING] = arrival.share
        goal = "in the target" if look.given else "where the loss is lowest"
        said += f"; steps along autograd's gradient end {goal} all the same, {percent(arrival.share)} of them"
    elif meant := weighs and not look.given:
        evidence[WEIGHING] = True
        said += "; what is cut off does nothing but weigh the rest, as an advantage does"
        said += _where_it_leads(look, arrival)
    # A cut may be meant, as in a straight-through estimator or with a stopped gradient.
    said += IF_MEANT
    return Finding(
        "gradient_mismatch",
        "info" if meant else "error",
        f"autograd and central differences disagree in {percent(found.share)} of the view, most at "
        f"{place(look.names, found.point)}: {said}",
        evidence,
        found.point,
        _AS_A_FACTOR if meant else cuts.action,
    )


def _of_a_term(look: Look, found: Disagreement, said: str, evidence: dict[str, object]) -> Finding:
    """A term that the value has and the gradient has not."""
    message = (
        f"autograd and central differences disagree in {percent(found.share)} of the view, most at "
        f"{place(look.names, found.point)}: {said}{IF_MEANT}"
    )
    return Finding("gradient_mismatch", "error", message, evidence, found.point, _A_TERM)


def _where_it_leads(look: Look, arrival: Arrival) -> str:
    """Where autograd's gradient leads, in words, if it does not lead to the lowest loss."""
    if arrival.together is None:
        return "; what is minimised is not the loss whose value is shown"
    above = number(arrival.loss - look.lowest)
    return (
        "; what is minimised is not the loss whose value is shown: autograd's gradient leads to "
        f"{place(look.names, arrival.together)}, where the value is {above} above its lowest"
    )


def _of_a_constant(look: Look, found: Disagreement, cuts: Cuts, evidence: dict[str, object]) -> Finding:
    """The finding on a value that is the same all over the view, though it has a gradient."""
    value = number(float(look.lattice.loss[look.lattice.finite].median()))
    message = f"the value is {value} all over the view, the same whatever the parameters are, and its gradient is not 0"
    message += f": {cuts.sentence}" if cuts.sentence else ""
    held = look.own.changes[1]
    first = f"; each call that is looked at is a first one, as what it keeps, {held[0]}, is put back" if held else ""
    message = f"{message}{first}{IF_MEANT}"
    evidence[CONSTANT] = True
    return Finding("gradient_mismatch", "warning", message, evidence, found.point, _WATCH_ANOTHER)


def is_meant(finding: Finding | None) -> bool:
    """Whether a finding is on a gradient that may be cut on purpose."""
    return finding is not None and (ARRIVING in finding.evidence or WEIGHING in finding.evidence)


def leads_elsewhere(finding: Finding | None) -> bool:
    """Whether a finding is on a gradient that seems cut on purpose, and leads elsewhere than to the lowest value."""
    return finding is not None and (WEIGHING in finding.evidence or APART in finding.evidence)


def is_of_a_constant(finding: Finding | None) -> bool:
    """Whether a finding is on a value that is the same all over the view, though it has a gradient."""
    return finding is not None and CONSTANT in finding.evidence
