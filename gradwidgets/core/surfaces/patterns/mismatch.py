"""Gradients that are not the loss's: in how much of the view, and where most."""

from dataclasses import dataclass

import torch

from gradwidgets.core.losses.differences import MISMATCH, sharp
from gradwidgets.core.operations.cuts import cuts_of
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent, place
from gradwidgets.core.surfaces.patterns.ends.along import arriving
from gradwidgets.core.surfaces.patterns.exactly_there import wrong_exactly
from gradwidgets.core.surfaces.patterns.look import Look

MISMATCH_SHARE = 0.05
_SMALL_SHARE = 0.004  # from here on, where it is seen what cuts the gradient there, and it is no small gap
_LARGE_GAP = 0.02
REACHED = 0.9  # of the descents along autograd's gradient, for a cut to be taken for one that is meant
_ALL_OVER = 0.5  # of the view: a factor that is held is held all over
ARRIVING = "arriving all the same"
_AS_A_FACTOR = (
    "A weight, a normaliser or a target that is held so teaches nothing itself: leave it as it is, if that is meant."
)


@dataclass(frozen=True)
class Disagreement:
    """How far autograd and central differences disagree, at points that no grid decides.

    Attributes:
        share: In how much of the view.
        gap: The largest gap, relative to the larger of the two slopes.
        point: Where, in the order of the axes.
    """

    share: float
    gap: float
    point: tuple[float, ...]


def disagreement(look: Look, least: float = MISMATCH_SHARE) -> Disagreement | None:
    """Return how far they disagree; None where that is in less of the view, or where nothing can be compared."""
    if look.function is None or look.compared is None:
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
    """Autograd's gradient is not the slope that central differences of the loss have."""
    found = disagreement(look, _SMALL_SHARE)
    if found is None:
        return wrong_exactly(look)
    cuts = cuts_of(look.function, torch.tensor(found.point, dtype=torch.float64))
    if found.share < MISMATCH_SHARE and not ((cuts.own or cuts.operations) and found.gap > _LARGE_GAP):
        return wrong_exactly(look)
    said = cuts.sentence or "something on the way is detached, rounded, or has a backward of its own"
    evidence: dict[str, object] = {
        "share": found.share,
        "threshold": MISMATCH_SHARE,
        "largest relative gap": found.gap,
        "gap counted from": MISMATCH,
    }
    arrived = arriving(look) if cuts.holds and found.share >= _ALL_OVER else 0.0
    if meant := arrived >= REACHED:
        evidence[ARRIVING] = arrived
        goal = "in the target" if look.given else "where the loss is lowest"
        said += f"; steps along autograd's gradient end {goal} all the same, {percent(arrived)} of them"
    # Whoever cuts on purpose, straight through or to stop a gradient, has a loss that follows its input all the same.
    said += '; if this is meant, allow it: allow=["gradient_mismatch"]'
    return Finding(
        "gradient_mismatch",
        "info" if meant else "error",
        f"autograd and central differences disagree in {percent(found.share)} of the view, most at "
        f"{place(look.names, found.point)}: {said}",
        evidence,
        found.point,
        _AS_A_FACTOR if meant else cuts.action,
    )


def is_meant(finding: Finding | None) -> bool:
    """Whether a finding is of a gradient that is cut and leads to the lowest loss all the same."""
    return finding is not None and ARRIVING in finding.evidence
