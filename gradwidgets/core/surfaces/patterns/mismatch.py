"""Gradients that are not the loss's: in how much of the view, and where most."""

from dataclasses import dataclass

import torch

from gradwidgets.core.losses.differences import MISMATCH, sharp
from gradwidgets.core.operations.cuts import cuts_of
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent, place
from gradwidgets.core.surfaces.patterns.exactly_there import wrong_exactly
from gradwidgets.core.surfaces.patterns.look import Look

MISMATCH_SHARE = 0.05
_SMALL_SHARE = 0.004  # from here on, where it is seen what cuts the gradient there, and it is no small gap
_LARGE_GAP = 0.02


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
    # Whoever cuts on purpose, straight through or to stop a gradient, has a loss that follows its input all the same.
    said += '; if this is meant, allow it: allow=["gradient_mismatch"]'
    return Finding(
        "gradient_mismatch",
        "error",
        f"autograd and central differences disagree in {percent(found.share)} of the view, most at "
        f"{place(look.names, found.point)}: {said}",
        {
            "share": found.share,
            "threshold": MISMATCH_SHARE,
            "largest relative gap": found.gap,
            "gap counted from": MISMATCH,
        },
        found.point,
        cuts.action,
    )
