"""The search for all patterns on a surface, and which findings are left out beside others."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gradwidgets.core.losses.precision import check_dtype
from gradwidgets.core.results.finding import Finding, worst_first
from gradwidgets.core.results.slices import Slices, finish, part_of, together
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns import jumps_and_cuts, mismatch, no_bottom
from gradwidgets.core.surfaces.patterns.astray.trials import explaining
from gradwidgets.core.surfaces.patterns.data.signed_limits import with_its_limit
from gradwidgets.core.surfaces.patterns.ends.target import Target
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.looking import looking
from gradwidgets.core.surfaces.patterns.precision import in_training
from gradwidgets.core.surfaces.patterns.precision.resolution import unresolved
from gradwidgets.core.surfaces.patterns.precision.training_precision import lost_ground
from gradwidgets.core.surfaces.patterns.registry import PATTERNS, well_shaped
from gradwidgets.core.surfaces.patterns.singular import undefined
from gradwidgets.core.surfaces.surface import SurfaceGrid

# A cause is reported once: beside the first finding the others are left out.
_COVERED_BY: dict[str, tuple[str, ...]] = {
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

# Those of them that explain why a given target is missed.
_LEADS_ASTRAY = frozenset(name for name, others in _COVERED_BY.items() if "off_target" in others) - {
    "unexpected_minimum"
}

# Findings that a target is missed, without a reason.
_MISSED = ("wrong_direction", "off_target")

# Findings that are left out beside a spike: the lowest minimum is the wanted one, and saddles lead away from it.
_BESIDE_A_SPIKE = ("unexpected_minimum", "saddle", "off_target")

# With these findings the gradient is not the loss's, and points at which it is zero mean nothing.
_NOT_ITS_GRADIENT = ("gradient_mismatch", "no_gradient_path")

# Findings that are reported only if the loss has no faults.
_ONLY_IF_SOUND = ("valley", "flat_bottom")

# Findings to which a limit below 0 may lead; the first that is found is explained by it.
_LIMITED = ("jump", "non_finite", "singular")

# With these findings a descent may not reach an edge of the view, so the fall beyond it is not reported.
_BEFORE_THE_BOTTOM = ("non_finite", "no_gradient_path")


@at_home
def find_patterns(
    grid: SurfaceGrid, *, target: Target | None = None, dtype: torch.dtype | str = "float32"
) -> list[Finding]:
    """Say what is wrong with a loss, or that nothing is.

    No verdict depends on the loss's scale or on a constant added to it, nor on how fine the grid is.

    Args:
        grid: The surface, from `sample_surface`.
        target: Where the loss should lead: a point, which reaches 2 % of the view either way, or, taken as they are
            given, a box of (low, high) pairs or a predicate of the axes; by default the lowest region in view.
        dtype: The precision of the training, in which the loss is evaluated as well as in float64: "float32", "float16"
            or "bfloat16", or torch's dtype.

    Returns:
        The findings, worst first; "well_shaped" alone if nothing is wrong.

    Raises:
        TypeError: `target` is none of the three, or `dtype` is not a dtype.
        ValueError: `target` does not fit the axes or lies out of view, or there is no such dtype.
    """
    return finish(surveying(grid, target=target, dtype=dtype)).findings


@dataclass(frozen=True, eq=False)
class Survey:
    """All that was found on a surface.

    Attributes:
        findings: As `find_patterns` returns them.
        critical: The critical points in view.
        dead: Where the ground is dead, of the loss's shape.
        lost: Where the precision of the training loses value or gradient, likewise; None if it does not.
        left_out: The parts for which there was no time, in words.
        look: The measurements from which the findings follow.
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
    """Do the work of `find_patterns` in slices, and keep what a picture shows.

    Args:
        grid: As in `find_patterns`.
        target: As in `find_patterns`.
        dtype: As in `find_patterns`.
        deadline: The time, of `time.perf_counter`, after which no further part is begun; None for no deadline.
        starts: The user's starting points, name → point, (P,).
        seconds: The total time; None for no limit.
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
    yield from part_of(together(looking(look), kept), 0.0, 0.8)
    found = yield from part_of(together(_finding(look), kept), 0.8, 0.2)
    blamed = {name for name, finding in found.items() if finding.severity != "info"}
    if look.given and "off_target" in found:
        for name in _LEADS_ASTRAY & blamed:
            found[name] = replace(found[name], message=f"{found[name].message}; and the arrows lead past the target")
    cut = found.get("gradient_mismatch")
    _leave_out_covered(found, blamed, cut)
    for name in _MISSED:
        if name in found and found[name].action == PATTERNS[name].action:
            found[name] = yield from part_of(explaining(look, found[name]), 1.0, 0.0)
    _leave_out_caused(look, found, blamed)
    _conclude(look, found, cut)
    if "non_finite" in found and "precision" in found:
        found["precision"] = in_training.beside(found["precision"], found["non_finite"])
    lost = None
    if look.trouble is not None and ("precision" in found or "gradient_mismatch" not in found):
        lost = yield from lost_ground(look.own, look.dtype, look.grid)
    return Survey(
        worst_first(found.values()), look.critical, look.dead.mask, lost, tuple(look.time.left_out), look=look
    )


def _finding(look: Look) -> Slices[dict[str, Finding]]:
    """Ask every pattern, in slices.

    Returns:
        Name of a pattern → its finding.
    """
    found: dict[str, Finding] = {}
    for k, (name, pattern) in enumerate(PATTERNS.items()):
        if name != "well_shaped" and (finding := pattern.find(look)) is not None:
            found[name] = _with_action(finding)
            if name in _NOT_ITS_GRADIENT and (finding.severity == "error" or mismatch.is_meant(finding)):
                look.critical = []  # at these another function's gradient is zero
        yield (k + 1) / len(PATTERNS)
    return found


def _leave_out_covered(found: dict[str, Finding], blamed: set[str], cut: Finding | None) -> None:
    """Leave out findings that another one covers.

    Args:
        found: Name of a pattern → its finding.
        blamed: The patterns with a warning or an error.
        cut: The finding on a wrong gradient, if there is one.
    """
    whole = mismatch.is_meant(cut) or mismatch.is_of_a_constant(cut)
    partly = cut is not None and cut.severity != "error" and not whole
    silencing = blamed | {"gradient_mismatch"} if mismatch.is_meant(cut) else blamed
    for name, others in _COVERED_BY.items():
        if partly and name == "gradient_mismatch":
            continue  # it is wrong only on a line, which leads no descent from elsewhere astray
        for other in others if name in silencing else ():
            if not (other == "precision" and found.get(other) and found[other].severity == "error"):
                found.pop(other, None)  # a loss that is not finite has another cause
    if mismatch.leads_elsewhere(cut):
        found.pop("wrong_direction", None)  # it is judged by the value alone
    if "wrong_input" in blamed and getattr(found.get("no_gradient_path"), "severity", "") == "info":
        found.pop("no_gradient_path", None)  # the parameter cancels because the softmax goes along the wrong axis


def _leave_out_caused(look: Look, found: dict[str, Finding], blamed: set[str]) -> None:
    """Leave out, or merge, findings that follow from a jump, a singularity, a missing bottom or a missing gradient."""
    if "jump" in blamed and found["jump"].evidence[jumps_and_cuts.JUMPS] > 1:
        found.pop("unexpected_minimum", None)  # each step has its own lowest point
    if str(getattr(found.get("non_finite"), "evidence", {}).get("operation", "")).startswith("linalg_"):
        found.pop("gradient_mismatch", None)  # where there is no gradient, it is wrong nearby as well
    if getattr(found.get("singular"), "evidence", {}).get("bound"):
        found.pop("dead_zone", None)  # it is dead only in comparison with the slopes at the bound
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
        found.pop("unexpected_minimum", None)  # its descents could not move one parameter


def _conclude(look: Look, found: dict[str, Finding], cut: Finding | None) -> None:
    """Add that the loss is well shaped if it has no faults; else leave out what is reported only without faults."""
    if any(finding.severity != "info" for finding in found.values()):
        for name in _ONLY_IF_SOUND:
            found.pop(name, None)
    elif mismatch.leads_elsewhere(cut):
        found.pop("no_bottom", None)
    else:
        found.pop("no_bottom", None)
        found["well_shaped"] = _with_action(well_shaped(look, found))


def _with_action(finding: Finding) -> Finding:
    return finding if finding.action else replace(finding, action=PATTERNS[finding.name].action)
