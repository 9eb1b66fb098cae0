"""The patterns by name, with what each of them means and what to do about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns import inputs, jumps_and_cuts, mismatch, no_bottom
from gradwidgets.core.surfaces.patterns.data import broadcast, called_again
from gradwidgets.core.surfaces.patterns.ends import minima, seams, valley
from gradwidgets.core.surfaces.patterns.flat import ground
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.precision import in_training
from gradwidgets.core.surfaces.patterns.singular import undefined
from gradwidgets.core.surfaces.patterns.singular.held_divisors import held_divisor

_NARROW = 100.0
_ALIKE = 1e-14  # of the lowest loss: a loss above it by less is as low
# Findings that are no faults, but should be known before a loss is used.
_MAY_BE_MEANT = ("valley", "flat_bottom", "unexpected_minimum", "not_repeatable")


@dataclass(frozen=True)
class Pattern:
    """Something that can be wrong with a loss surface.

    Attributes:
        meaning: What it means for a descent.
        action: What to do about it.
        find: Returns the finding, or None if there is none.
    """

    meaning: str
    action: str
    find: Callable[[Look], Finding | None]


def well_shaped(look: Look, beside: Iterable[str] = ()) -> Finding:
    """The finding on a loss without faults.

    Args:
        look: The surface.
        beside: The names of the findings that are reported beside it, all of them infos.
    """
    low = look.lowest + 1e-9 * look.height
    minima = [one for one in look.critical if one.kind == "minimum" and one.loss <= low]
    spot, lowest, edge = (minima[0].point, minima[0].loss, False) if minima else lowest_place(look)
    message = f"the arrows lead to the lowest loss, {number(lowest)} at {place(look.names, spot)}"
    fall = look.fall if edge else None
    message += ", on the edge of the view" if edge else ""
    message += _as_low_too(look, minima[1:])
    message += "" if fall is None else f", beyond which it falls without end {fall.towards}".rstrip()
    both = look.grid.y is not None and not look.flat and "valley" not in beside
    little = ground.little_dead(look)
    message += f"; {little or 'no dead ground'}, all finite" + ", both axes comparable" * both
    message += ", each over its view" if ground.axis_imbalance(look) is not None else ""
    evidence: dict[str, object] = {"lowest loss": lowest, "on the edge": edge, "falls without end": fall is not None}
    condition = _condition(minima[0]) if minima else 1.0
    if condition > _NARROW:
        message += f"; the valley is narrow: the Hessian's condition number at the lowest point is {number(condition)}"
        evidence |= {"condition number": condition, "narrow from": _NARROW}
    action = "The lowest loss may lie beyond the view: widen it to see." if edge else ""
    if not action and any(name in _MAY_BE_MEANT for name in beside):
        action = "Nothing to change, if what is said above is intended."
    if not action and little:
        action = "Nothing to change, if no training begins on that ground."
    if fall is not None:
        action = "Is it meant to have no bottom? If so, nothing to change; if not, something must hold it from below."
    if look.time.left_out:
        message += f"; as far as there was time, without {', '.join(look.time.left_out)}"
        action = "Give it more seconds before you rely on it."
    return Finding("well_shaped", "ok", message, evidence, spot, action)


def _as_low_too(look: Look, others: list[CriticalPoint]) -> str:
    """Other minima that are as low as the first, in words."""
    if not others:
        return ""
    more = f" and at {len(others) - 1} more" if len(others) > 1 else ""
    return f", and as low at {place(look.names, others[0].point)}{more}"


def lowest_place(look: Look) -> tuple[tuple[float, ...], float, bool]:
    """The point where the loss is lowest, its loss, and whether it is at the edge of the view."""
    losses = torch.where(look.finite, look.grid.loss, float("inf"))
    known = float(losses.min())
    if (end := _lowest_end(look, known)) is not None:
        return end
    # Along a parameter on which it does not depend, the loss differs only by rounding.
    lowest = losses <= known + (1e-9 * look.height if look.flat else _ALIKE * abs(known))
    inner = lowest & ((look.grid.points > look.bounds[:, 0]) & (look.grid.points < look.bounds[:, 1])).all(-1)
    edge = not bool(inner.any())
    return look.first(lowest if edge else inner), known, edge


def _lowest_end(look: Look, known: float) -> tuple[tuple[float, ...], float, bool] | None:
    """The lowest end of a descent, its loss, and whether it is at the edge; None if it is no lower than the grid."""
    descents = look.descents
    if descents is None or not len(descents.ends):
        return None
    k = int(descents.losses.argmin())
    if not float(descents.losses[k]) < known - 1e-9 * look.height:
        return None
    return tuple(descents.ends[k].tolist()), float(descents.losses[k]), bool(descents.blocked(look.view)[k].any())


def _condition(minimum: CriticalPoint) -> float:
    """The Hessian's largest eigenvalue divided by its smallest; 1 if there are none."""
    if not minimum.eigenvalues:
        return 1.0
    return minimum.eigenvalues[-1] / minimum.eigenvalues[0]


PATTERNS: dict[str, Pattern] = {
    "non_finite": Pattern(
        "NaN or infinity ends the training at once",
        "Use eps, clamp, log1p, or the function's stable form.",
        undefined.non_finite,
    ),
    "singular": Pattern(
        "the nearer to it, the longer the steps: one of them leads anywhere",
        "Keep away from it: add a small eps, clamp, or use another form.",
        lambda look: undefined.singular(look) or held_divisor(look),
    ),
    "no_gradient_path": Pattern(
        "a parameter that the gradient never reaches stays as it is",
        "Look for detach, item, numpy, round, argmax or comparisons on its way; use a soft or a straight-through form.",
        jumps_and_cuts.no_gradient_path,
    ),
    "gradient_mismatch": Pattern(
        "autograd follows another function than the loss",
        "Look for detach and custom backward functions; torch.autograd.gradcheck tells which.",
        mismatch.gradient_mismatch,
    ),
    "broadcast": Pattern(
        "it is lowest where every output is the targets' mean",
        "Give both the same shape: squeeze(-1) the input, or unsqueeze(-1) the target.",
        broadcast.broadcast,
    ),
    "wrong_input": Pattern(
        "the loss is not what its name says",
        "Look at what that operation takes: logits, shares, or logarithms of shares.",
        inputs.wrong_input,
    ),
    "not_repeatable": Pattern(
        "a value is no measure of the next one",
        "Work on copies of the data, and keep what is remembered out of the loss.",
        called_again.not_repeatable,
    ),
    "precision": Pattern(
        "training in this precision meets NaN, infinity or a gradient that is lost or wrong",
        "Use the stable form (logsumexp, logsigmoid, softplus, log1p), or compute this part in float32 or float64.",
        in_training.precision,
    ),
    "jump": Pattern(
        "a descent knows nothing of the step",
        "Look for a comparison, a rounding, or a wrong constant in a piecewise loss: make the pieces meet.",
        jumps_and_cuts.jump,
    ),
    "wrong_direction": Pattern(
        "a descent leaves the place that it should reach",
        "The formula is wrong: look for a sign, a swapped argument, a maximum instead of a minimum.",
        ground.wrong_direction,
    ),
    "off_target": Pattern(
        "training ends somewhere else",
        "The formula is wrong, or the target: look for a missing log, a swapped argument, a sign.",
        minima.off_target,
    ),
    "dead_zone": Pattern(
        "a descent that begins there never moves",
        "Add curvature, change the initialisation, or reparameterize.",
        ground.dead_zone,
    ),
    "vanishes_in_float32": Pattern(
        "training in float32 gets no gradient where float64 has one",
        "Work with logarithms, scale the loss, or use its stable form.",
        in_training.vanishes_in_float32,
    ),
    "axis_imbalance": Pattern(
        "no learning rate suits both parameters",
        "Rescale, go to log-space, or normalize the parameters.",
        ground.axis_imbalance,
    ),
    "saddle": Pattern(
        "descents slow down beside it, as for a product near zero",
        "Begin away from it; where it comes from a product near zero, go additive: log A + log B instead of A·B.",
        minima.saddle,
    ),
    "unexpected_minimum": Pattern(
        "a descent that begins nearby ends there",
        "Is the formula right? If it is, begin elsewhere, or smooth the loss.",
        minima.unexpected_minimum,
    ),
    "seam": Pattern(
        "a descent ends where two formulas are joined, not where either is lowest",
        "Is the constant that joins them right, and the slope? Where one formula goes on for the other, both agree.",
        seams.seam,
    ),
    "stuck_start": Pattern(
        "a descent that begins exactly there never moves",
        "Begin beside it: a small random part in the initialisation is enough at a maximum or a saddle.",
        minima.stuck_start,
    ),
    "no_bottom": Pattern(
        "training goes on for ever",
        "If that is not meant, something must hold the loss from below.",
        no_bottom.no_bottom,
    ),
    "valley": Pattern(
        "where a descent ends is where it begins",
        "If one place alone is meant, add what tells it from the others.",
        valley.valley,
    ),
    "flat_bottom": Pattern(
        "nothing is learned there",
        "Is so much of it meant to be as good?",
        valley.flat_bottom,
    ),
    "well_shaped": Pattern("the arrows point to the desired region", "Nothing to change.", well_shaped),
}
