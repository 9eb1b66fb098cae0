"""The patterns by name, and the search for all of them."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gradwidgets.core.losses.precision import check_dtype
from gradwidgets.core.results.finding import Finding, worst_first
from gradwidgets.core.results.slices import Slices, finish, part_of, together
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns import broadcast, inputs, jumps_and_cuts, mismatch, no_bottom
from gradwidgets.core.surfaces.patterns.astray.trials import explaining
from gradwidgets.core.surfaces.patterns.data import called_again
from gradwidgets.core.surfaces.patterns.data.signed_limits import with_its_limit
from gradwidgets.core.surfaces.patterns.ends import minima, seams, valley
from gradwidgets.core.surfaces.patterns.ends.target import Target
from gradwidgets.core.surfaces.patterns.flat import ground
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.precision import in_training
from gradwidgets.core.surfaces.patterns.precision.resolution import unresolved
from gradwidgets.core.surfaces.patterns.precision.training_precision import lost_ground
from gradwidgets.core.surfaces.patterns.singular import undefined
from gradwidgets.core.surfaces.patterns.singular.held_divisors import held_divisor
from gradwidgets.core.surfaces.surface import SurfaceGrid

_NARROW = 100.0
_ALIKE = 1e-14  # of the lowest loss: what is above it by less is as low


@dataclass(frozen=True)
class Pattern:
    """Something to see on a loss surface.

    Attributes:
        meaning: What it means for a descent.
        action: What to do about it.
        find: Gives the finding, or None where there is none.
    """

    meaning: str
    action: str
    find: Callable[[Look], Finding | None]


def _well_shaped(look: Look, beside: Iterable[str] = ()) -> Finding:
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
    if not action and any(name in _TO_BE_MEANT for name in beside):
        action = "Ship it, if what is said above is meant."
    if not action and little:
        action = "Ship it, if no training begins on that ground."
    if fall is not None:
        action = "Is it meant to have no bottom? If it is, ship it; if not, something must hold it from below."
    if look.time.left_out:
        message += f"; as far as there was time, without {', '.join(look.time.left_out)}"
        action = "Give it more seconds before you ship it."
    return Finding("well_shaped", "ok", message, evidence, spot, action)


def _as_low_too(look: Look, others: list[CriticalPoint]) -> str:
    """Other minima that are as low as the first, in words."""
    if not others:
        return ""
    more = f" and at {len(others) - 1} more" if len(others) > 1 else ""
    return f", and as low at {place(look.names, others[0].point)}{more}"


def lowest_place(look: Look) -> tuple[tuple[float, ...], float, bool]:
    """Where the loss is lowest of all that is known, how low, and whether at the edge of the view."""
    losses = torch.where(look.finite, look.grid.loss, float("inf"))
    known = float(losses.min())
    if (end := _lowest_end(look, known)) is not None:
        return end
    # Along a parameter that it does not depend on no place is lower but by rounding.
    lowest = losses <= known + (1e-9 * look.height if look.flat else _ALIKE * abs(known))
    inner = lowest & ((look.grid.points > look.bounds[:, 0]) & (look.grid.points < look.bounds[:, 1])).all(-1)
    edge = not bool(inner.any())
    return look.first(lowest if edge else inner), known, edge


def _lowest_end(look: Look, known: float) -> tuple[tuple[float, ...], float, bool] | None:
    """Where a descent has ended lower than any point of the grid, how low, and whether at the edge; None if none."""
    descents = look.descents
    if descents is None or not len(descents.ends):
        return None
    k = int(descents.losses.argmin())
    if not float(descents.losses[k]) < known - 1e-9 * look.height:
        return None
    return tuple(descents.ends[k].tolist()), float(descents.losses[k]), bool(descents.blocked(look.view)[k].any())


def _condition(minimum: CriticalPoint) -> float:
    """The larger of the Hessian's eigenvalues by the smaller; 1 where there are none."""
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
        "the loss is another one than its name says",
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
        "nothing is learnt there",
        "Is so much of it meant to be as good?",
        valley.flat_bottom,
    ),
    "well_shaped": Pattern("the arrows point to the desired region", "Ship it.", _well_shaped),
}


# One cause is said once: where the first stands, the others are left out.
_SAID_BY: dict[str, tuple[str, ...]] = {
    "gradient_mismatch": ("unexpected_minimum", "off_target", "dead_zone", "no_bottom", "precision", "seam"),
    "broadcast": ("unexpected_minimum", "off_target", "wrong_direction"),
    "wrong_input": ("unexpected_minimum", "off_target", "wrong_direction", "no_bottom"),
    "wrong_direction": ("off_target",),
    "unexpected_minimum": ("off_target",),
    "jump": ("seam",),
    "dead_zone": ("stuck_start",),
    "no_gradient_path": ("stuck_start",),
    "vanishes_in_float32": ("stuck_start",),
}

# Which of these tell, where a target is given, that it is missed for that.
_LEADS_ASTRAY = frozenset(name for name, others in _SAID_BY.items() if "off_target" in others) - {"unexpected_minimum"}

# What says that a target is missed, and does not say why.
_MISSED = ("wrong_direction", "off_target")

# Where the loss has no bottom the lowest of its minima is the one that is wanted, and saddles lead away from it.
_BESIDE_A_SPIKE = ("unexpected_minimum", "saddle", "off_target")

# Where the gradient is another function's, or none, places at which it is zero tell nothing.
_ANOTHERS = ("gradient_mismatch", "no_gradient_path")

# What is no fault, but should be known before a loss is used.
_TO_BE_MEANT = ("valley", "flat_bottom", "unexpected_minimum", "not_repeatable")

# What is said of a loss alone that has no fault beside it.
_OF_SOUND_ONES = ("valley", "flat_bottom")

# What a limit that goes below 0 may lead to, the first that is found.
_LIMITED = ("jump", "non_finite", "singular")

# Where a descent may not get as far as an edge of the view it is not told what lies beyond.
_BEFORE_THE_BOTTOM = ("non_finite", "no_gradient_path")


@at_home
def find_patterns(
    grid: SurfaceGrid, *, target: Target | None = None, dtype: torch.dtype | str = "float32"
) -> list[Finding]:
    """Say what is wrong with a loss, or that nothing is.

    No verdict depends on the loss's scale or on a constant added to it, nor on how fine the grid is.

    Args:
        grid: The surface, from `sample_surface`.
        target: Where the loss should lead: a point, a box of (low, high) pairs, or a predicate of the axes; by
            default the lowest region in view.
        dtype: The precision of the training, that the loss is looked at in beside float64: "float32", "float16" or
            "bfloat16", or torch's.

    Returns:
        The findings, worst first; one "well_shaped" where there is none.

    Raises:
        TypeError: `target` is none of the three, or `dtype` is no dtype.
        ValueError: `target` does not fit the axes or lies out of view, or there is no such dtype.
    """
    return finish(surveying(grid, target=target, dtype=dtype)).findings


@dataclass(frozen=True, eq=False)
class Survey:
    """All that was found on a surface.

    Attributes:
        findings: As `find_patterns` gives them.
        critical: The critical points in view.
        dead: Where the ground is dead, of the loss's shape.
        lost: Where the precision of the training loses value or gradient, likewise; None where it does not.
        left_out: What there was no time for, in words.
        look: What they follow from.
    """

    findings: list[Finding]
    critical: list[CriticalPoint]
    dead: Tensor
    lost: Tensor | None = None
    left_out: tuple[str, ...] = ()
    look: Look = field(repr=False, kw_only=True)


def surveying(
    grid: SurfaceGrid,
    *,
    target: Target | None = None,
    dtype: torch.dtype | str = "float32",
    deadline: float | None = None,
    starts: Mapping[str, Tensor] | None = None,
    seconds: float | None = None,
) -> Slices[Survey]:
    """`find_patterns` in slices, with what a picture shows of it.

    Args:
        grid: As there.
        target: As there.
        dtype: As there.
        deadline: When of `time.perf_counter` no further part is begun; None for never.
        starts: Where descents are to begin, name → point, (P,).
        seconds: All the time that there was; None for no limit.
    """
    look = Look(grid, target, check_dtype(dtype), deadline, starts, seconds or 0.0)
    if look.given:
        _ = look.target  # refuse a wrong one before anything else
    nowhere = not bool(look.finite.any()) and not bool(look.lattice.finite.any())
    if nowhere and (finding := undefined.non_finite(look)) is not None:
        return Survey([_with_action(finding)], [], look.dead.still, look=look)
    coarse = unresolved(grid.axes, look.dtype)
    if coarse is not None:
        return Survey([coarse], [], torch.zeros_like(look.finite), look=look)
    yield 0.0
    kept = look.own.kept if look.known else contextlib.nullcontext
    yield from part_of(together(look.looking(), kept), 0.0, 0.8)
    found = yield from part_of(together(_finding(look), kept), 0.8, 0.2)
    blamed = {name for name, finding in found.items() if finding.severity != "info"}
    if look.given and "off_target" in found:
        for name in _LEADS_ASTRAY & blamed:
            found[name] = replace(found[name], message=f"{found[name].message}; and the arrows lead past the target")
    cut = found.get("gradient_mismatch")
    whole = mismatch.is_meant(cut) or mismatch.is_of_a_constant(cut)
    partly = cut is not None and cut.severity != "error" and not whole
    silencing = blamed | {"gradient_mismatch"} if mismatch.is_meant(cut) else blamed
    for name, others in _SAID_BY.items():
        if partly and name == "gradient_mismatch":
            continue  # wrong on a line alone, which leads no descent from elsewhere astray
        for other in others if name in silencing else ():
            if not (other == "precision" and found.get(other) and found[other].severity == "error"):
                found.pop(other, None)  # but what is not finite is no other gradient's
    if mismatch.leads_elsewhere(cut):
        found.pop("wrong_direction", None)  # it is judged by the value alone
    if "wrong_input" in blamed and getattr(found.get("no_gradient_path"), "severity", "") == "info":
        found.pop("no_gradient_path", None)  # what cancels in a softmax that goes the wrong way is flat for that
    for name in _MISSED:
        if name in found and found[name].action == PATTERNS[name].action:
            found[name] = yield from part_of(explaining(look, found[name]), 1.0, 0.0)
    if "jump" in blamed and found["jump"].evidence[jumps_and_cuts.JUMPS] > 1:
        found.pop("unexpected_minimum", None)  # each step has a lowest place of its own
    if str(getattr(found.get("non_finite"), "evidence", {}).get("operation", "")).startswith("linalg_"):
        found.pop("gradient_mismatch", None)  # near to where there is no gradient it is wrong as well
    if getattr(found.get("singular"), "evidence", {}).get("bound"):
        found.pop("dead_zone", None)  # dead beside the slopes of that ground alone
    if (limited := next((name for name in _LIMITED if name in blamed), "")) and limited in found:
        found[limited] = with_its_limit(look, found[limited])
    if look.spike is not None and "no_bottom" in found:
        for other in _BESIDE_A_SPIKE:
            found.pop(other, None)
    elif "no_bottom" in blamed and not any(name in blamed for name in _BEFORE_THE_BOTTOM):
        if "saddle" in found:
            found["saddle"] = no_bottom.without_end(found["saddle"], found.pop("no_bottom"))
    elif any(name in blamed for name in (*_BEFORE_THE_BOTTOM, "saddle")):
        found.pop("no_bottom", None)
    if "no_gradient_path" in found and not look.led:
        found.pop("dead_zone", None)
    if "no_gradient_path" in found and found["no_gradient_path"].severity == "error":
        found.pop("unexpected_minimum", None)  # of descents that could not move one parameter
    if any(finding.severity != "info" for finding in found.values()):
        for name in _OF_SOUND_ONES:
            found.pop(name, None)
    elif mismatch.leads_elsewhere(cut):
        found.pop("no_bottom", None)
    else:
        found.pop("no_bottom", None)
        found["well_shaped"] = _with_action(_well_shaped(look, found))
    if "non_finite" in found and "precision" in found:
        found["precision"] = in_training.beside(found["precision"], found["non_finite"])
    lost = None
    if look.trouble is not None and ("precision" in found or "gradient_mismatch" not in found):
        lost = yield from lost_ground(look.own, look.dtype, look.grid)
    return Survey(
        worst_first(found.values()), look.critical, look.dead.mask, lost, tuple(look.time.left_out), look=look
    )


def _finding(look: Look) -> Slices[dict[str, Finding]]:
    """What the patterns find, by name."""
    found: dict[str, Finding] = {}
    for k, (name, pattern) in enumerate(PATTERNS.items()):
        if name != "well_shaped" and (finding := pattern.find(look)) is not None:
            found[name] = _with_action(finding)
            if name in _ANOTHERS and (finding.severity == "error" or mismatch.is_meant(finding)):
                look.critical = []  # points at which another function's gradient is zero
        yield (k + 1) / len(PATTERNS)
    return found


def _with_action(finding: Finding) -> Finding:
    return finding if finding.action else replace(finding, action=PATTERNS[finding.name].action)
