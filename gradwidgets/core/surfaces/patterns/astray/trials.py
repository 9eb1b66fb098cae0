"""Why a loss is lowest elsewhere than at its target, by trial: small changes that make it lead there."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import torch
from torch import Tensor

from gradwidgets.core.operations.falling import slopes_of_terms
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.core.results.wording import counted, number, percent, place
from gradwidgets.core.surfaces.patterns.astray.chance import is_chance, is_symmetric
from gradwidgets.core.surfaces.patterns.astray.comparisons import undecided
from gradwidgets.core.surfaces.patterns.astray.edits import MOST, edits_of
from gradwidgets.core.surfaces.patterns.astray.exchanges import scalars_of
from gradwidgets.core.surfaces.patterns.astray.outliers import outliers_of, without
from gradwidgets.core.surfaces.patterns.astray.views import FORMS, Exchanged, Negated, Reformed, edited, with_data
from gradwidgets.core.surfaces.patterns.ends.bottomless import finding_fall
from gradwidgets.core.surfaces.patterns.ends.descents import Descents, descending
from gradwidgets.core.surfaces.patterns.ends.of_note import target_point
from gradwidgets.core.surfaces.patterns.ends.target import POINT
from gradwidgets.core.surfaces.patterns.in_view import View
from gradwidgets.core.surfaces.patterns.look import Look

_POINTS = {1: 401, 2: 31}  # along each axis
_POINTS_SLOW = {1: 101, 2: 15}
_REACHED = 0.9  # of the descents must arrive, as for a loss that leads to its target
_FIRST = 3  # points at which a changed loss is called first
_LEVEL = 1e-4  # of the loss's height over a width of the view: a smaller slope counts as none
_STEP = 1e-5  # of the view: how far apart slopes are measured
_TERMS = 4  # terms that are named at most
_NAMED = 2  # causes that are named at most
_AFFINE = 1e-6  # of the loss: how much it may differ from a straight line
_POSITIVE = 0.6  # of an axis: if so much lies above 0, a logarithm of the parameter is tried
_SECONDS = 10.0  # for all trials
_MASK = "Is it a number that stands for what is not known? Leave such items out by a mask, or clean the data."
_TRY = (
    "That was found by trial: of {0} single changes tried only this one leads there. Is it what the formula should be? "
    "If not, look at the target."
)
_GUESSES = (
    "These were found by trial of {0} single changes: is any of them what the formula should be? If not, look at the "
    "target."
)
_NONE = (
    "The formula is wrong, or the target, and the cause was not found: {0} small changes were tried, a sign, a "
    "logarithm, a swapped argument{1} among them, and none of them alone leads there."
)


@dataclass(frozen=True, eq=False)
class Cause:
    """A change that makes a loss lead to its target.

    Attributes:
        words: The change in words, to follow "with".
        lowest: Where the changed loss is lowest, (P,).
    """

    words: str
    lowest: Tensor


def explaining(look: Look, finding: Finding) -> Slices[Finding]:
    """Add to a finding that a target is missed the reason, if one is found by trial.

    Args:
        look: The loss.
        finding: The finding.
    """
    if not look.given or not look.known or look.own.costly or look.view.function.is_recorded:
        return finding
    if (known := _outliers_to_blame(look)) is not None:
        return replace(finding, message=f"{finding.message}; {known}", action=_MASK)
    tried, causes, began = 0, [], time.perf_counter()
    for changed in (_changed_operations, _changed_arguments, _changed_forms):
        for words, view in changed(look):
            if time.perf_counter() - began > _SECONDS:
                break
            lowest, tried = _leads_there(look, view), tried + 1
            if lowest is not None and is_chance(look, view):
                continue
            causes += [] if lowest is None else [Cause(words, lowest)]
            yield min(1.0, tried / MOST)
        if causes:
            break  # another form of a parameter can move the lowest point anywhere
    return _explained(look, finding, tried, causes)


def _explained(look: Look, finding: Finding, tried: int, causes: list[Cause]) -> Finding:
    finding = replace(finding, message=finding.message + undecided(look))
    if not causes:
        labels = ", swapped labels" * any(_are_labels(one) for one in look.own.fixed.values())
        message = finding.message + _slopes_at_target(look)
        return replace(finding, message=message, action=_NONE.format(tried, labels))
    said = [f"with {one.words}, it is lowest at {place(look.names, one.lowest.tolist())}" for one in causes[:_NAMED]]
    more = len(causes) - _NAMED
    beside = f"; and so with {counted(more, 'other change')}" if more > 0 else ""
    evidence = finding.evidence | {"tried": tried, "leading there": [one.words for one in causes]}
    message = f"{finding.message}; {', and '.join(said)}, in the target{_of_a_point(look)}{beside}"
    return replace(
        finding, message=message, evidence=evidence, action=(_TRY if len(causes) == 1 else _GUESSES).format(tried)
    )


def _of_a_point(look: Look) -> str:
    """By how much a target that is a point is widened, in words; "" for any other."""
    point = bool(list(target_point(look.wanted, look.names)))
    return f", a point that is taken {percent(POINT)} of the view wide either way" if point else ""


def _slopes_at_target(look: Look) -> str:
    """The slope of each term at a target that is a point, in words; "" if it is not known."""
    for point in target_point(look.wanted, look.names):
        values = look.view.function.values(point[None])
        slopes = values.gradient[0].double().abs() * look.spans
        axis = int(slopes.argmax())
        if not float(slopes[axis]) > _LEVEL * look.height:
            return ""
        terms = slopes_of_terms(look.view.function, point, axis, _STEP * float(look.spans[axis]))[:_TERMS]
        if len(terms) < 2:
            return ""
        name, own = look.names[axis], float(values.gradient[0, axis])
        parts = " and ".join(f"{number(slope, 3)} of {term.name}" for term, slope in terms)
        return f"; at the target the slope along {name} is {number(own, 3)}: {parts}, which do not balance"
    return ""


def _outliers_to_blame(look: Look) -> str | None:
    """The data with a few outliers because of which the loss misses its target, in words; None if there are none."""
    for one in outliers_of(look):
        rest = without(look, one)
        if rest is None:
            if one.certain:
                return one.words
        elif _leads_there(look, with_data(look.view, rest)) is not None:
            return f"{one.words}; without them it leads to the target"
    return None


def _changed_operations(look: Look) -> Iterator[tuple[str, View]]:
    """The loss with labels swapped, with one operation changed, and with another sign."""
    for name, p in scalars_of(dict(look.own.fixed)).items():
        yield f"1 − {name} in place of {name}", with_data(look.view, {name: 1 - p})
    negated, some = ("the whole of it negated", Negated(look.view)), look.lattice.points[look.lattice.finite]
    # A loss that is never below 0 hardly has the wrong sign, so that is tried last.
    below = bool((look.lattice.loss[look.lattice.finite] < 0).any())
    yield from (negated,) if below else ()
    yield from _swapped(look, some)
    for edit in edits_of(look.own, some[len(some) // 2]):
        yield edit.words, edited(look.view, edit)
    yield from () if below else (negated,)


def _swapped(look: Look, points: Tensor) -> Iterator[tuple[str, View]]:
    """The loss with labels of 0 and 1 swapped, which weigh one term by y and another by 1 − y."""
    some = points[torch.linspace(0, len(points) - 1, _FIRST + 2, dtype=torch.float64).long()]
    for name, one in look.own.fixed.items():
        if not isinstance(one, Tensor | float) or not _are_labels(one):
            continue
        views = [look.view, *(with_data(look.view, {name: form}) for form in (1 - one, one * 0 + 0.5))]
        try:
            own, swapped, half = (finish(view.at(some, gradient=False))[0] for view in views)
        except Exception:
            continue
        size = float(own.abs().max() + swapped.abs().max())
        if float((own + swapped - 2 * half).abs().max()) <= _AFFINE * size < float((own - swapped).abs().max()):
            yield f"1 − {name} in place of {name}", views[1]


def _are_labels(one: object) -> bool:
    if isinstance(one, Tensor):
        return one.is_floating_point() and bool(((one == 0) | (one == 1)).all())
    return type(one) is float and one in (0.0, 1.0)


def _changed_arguments(look: Look) -> Iterator[tuple[str, View]]:
    """The loss with arguments exchanged, and with data in another form."""
    if len(look.names) == 2:
        yield f"{look.names[0]} and {look.names[1]} exchanged", Exchanged(look.view)
    data = {n: one for n, one in look.own.fixed.items() if isinstance(one, Tensor) and one.is_floating_point()}
    for name, other in combinations(data, 2):
        if data[name].shape == data[other].shape:
            yield f"{name} and {other} exchanged", with_data(look.view, {name: data[other], other: data[name]})
    signed = FORMS[:4] if not is_symmetric(look) else FORMS[1:4]
    for name, one in data.items():
        for form in signed:
            yield f"{form.words.format(name)} in place of {name}", with_data(look.view, {name: form.of(one)})


def _changed_forms(look: Look) -> Iterator[tuple[str, View]]:
    """The loss with a parameter in another form."""
    symmetric = is_symmetric(look)
    for axis, name in enumerate(look.names):
        low, high = look.bounds[axis].tolist()
        above = high / (high - min(low, 0.0))
        for form in FORMS[symmetric:]:
            if not form.positive or above >= _POSITIVE:
                yield f"{form.words.format(name)} in place of {name}", Reformed(look.view, axis, form)


def _leads_there(look: Look, view: View) -> Tensor | None:
    """Where a changed loss is lowest, if that is in the target and descents end there; else None."""
    points = view.lattice((_POINTS_SLOW if view.slow else _POINTS)[view.dims])
    try:
        view.function.values(points[:: len(points) // _FIRST])  # raises early if the changed loss cannot be called
        losses, _ = finish(view.at(points, gradient=False))
        if _share_lost(losses) > _share_lost(look.lattice.loss) or not bool(losses.isfinite().any()):
            return None
        # Between two points of the lattice may lie all of a box; a point reaches further than that by itself.
        off = 0.0 if _of_a_point(look) else 1 / _POINTS_SLOW[view.dims]
        if not bool(look.in_targets(_lowest(points, losses)[None], off)):
            return None
        descents = finish(descending(view))
        if _loses_its_bottom(look, view, descents):
            return None
    except Exception:
        return None
    if not len(descents.ends) or float(look.in_targets(descents.ends).double().mean()) < _REACHED:
        return None
    return _lowest(descents.ends, descents.losses)


def _share_lost(losses: Tensor) -> float:
    """The share of the view in which a loss is not finite."""
    return float((~losses.isfinite()).double().mean())


def _loses_its_bottom(look: Look, view: View, descents: Descents) -> bool:
    """Whether a changed loss falls without end beyond the view, as fast as a line, though the loss itself does not."""
    if look.fall is not None and look.fall.fast:
        return False
    fall = finish(finding_fall(view, descents))
    return fall is not None and fall.fast


def _lowest(points: Tensor, losses: Tensor) -> Tensor:
    return points[int(losses.nan_to_num(torch.inf, torch.inf, torch.inf).argmin())]
