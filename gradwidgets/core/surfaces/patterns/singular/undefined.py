"""Values and gradients that are not finite, and slopes that grow without end."""

import torch
from torch import Tensor

from gradwidgets.core.operations.cancellation import root_of_squares
from gradwidgets.core.operations.divisors import divisor_turns, turning, zero_of
from gradwidgets.core.operations.growth import largest_growth
from gradwidgets.core.operations.non_finite import Culprit, blame
from gradwidgets.core.operations.remedies import (
    EVERYWHERE,
    OF_SQUARES,
    PIT,
    ROOTED,
    SIGNED,
    action_for,
    is_below,
)
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import percent, place
from gradwidgets.core.surfaces.patterns.in_view import finite
from gradwidgets.core.surfaces.patterns.lattice import nearest_to_middle
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.readable import readable
from gradwidgets.core.surfaces.patterns.singular.bad_lines import (
    ALL,
    ON_A_LINE,
    BadLine,
    bad_lines,
    in_words,
    shares_along,
)
from gradwidgets.core.surfaces.patterns.singular.branch_taken import points_along, taken_elsewhere
from gradwidgets.core.surfaces.patterns.singular.logarithms import CURE, FALLS, falls_as_logarithm
from gradwidgets.core.surfaces.patterns.singular.poles import APART, NAMED, is_a_line, one_of_each, spots_of, surrounded
from gradwidgets.core.surfaces.patterns.singular.poles import in_words as spots_in_words

_KEEP_INSIDE = "The loss refuses these points: keep the view, and the training, inside what it takes."
_POSITIVE = "give it exp(…) of what is free, such as a log-variance, or softplus(…) + eps"
_LOGITS = "Give it logits in place of probabilities: they have no bounds (logits=…, or the loss with_logits)."
_REFUSED = {
    "var has negative": f"It takes the variance itself, which is never below zero: {_POSITIVE}.",
    "GreaterThan": f"That parameter must be above zero: {_POSITIVE}.",
    "constraint Interval(lower_bound=0.0, upper_bound=1.0)": _LOGITS,
    "Simplex": _LOGITS,
    "between 0 and 1": _LOGITS,
    "within the support": "That distribution cannot give these values: clamp them inside, or take another one.",
    "PositiveDefinite": (
        "The matrix is not positive definite there: give the distribution scale_tril, a triangle L whose diagonal is "
        "positive (softplus + eps, or exp), in place of the covariance. A correlation stays inside (−1, 1) as tanh(r)."
    ),
    "returned nothing": "One way through it ends without a return: give a value there too.",
    "cholesky": (
        "The matrix is not positive definite there: make it so by its making (L Lᵀ with a positive diagonal). A small "
        "multiple of the identity helps only where rounding alone has made it indefinite."
    ),
}
_MANY_BAD, _FEW_BAD = 441, 20  # points at most; fewer for a costly loss
_OTHERS = 4  # points beside the first at which another cause is looked for
_HARDLY = 0.2  # of the points that are not finite
_ON_LINE = 1e-6  # of the view


def non_finite(look: Look) -> Finding | None:
    """NaN or infinity in the loss or its gradient, with the operation that makes it."""
    share = look.share(~look.lattice.finite)
    spots = [*_bad_on_grid(look), *look.close.bad]
    if share > 0 and not spots:
        spots = [torch.tensor(_middle_of(look), dtype=torch.float64)]
    if not spots:
        return None
    alone = share == 0
    places, lines, point = torch.stack(spots), [], spots[0]
    if not alone:
        point = torch.tensor(_middle_of(look), dtype=torch.float64)
    else:
        lines = bad_lines(look, places)
        point = _typical_point(look, places, lines)
    point, where = readable(look, point)
    spot = tuple(point.tolist())
    culprit = blame(look.function, point) if look.known else None
    if alone and culprit is not None and culprit.operation == "where":
        taken = taken_elsewhere(look, [*points_along(look, lines), *_few_of(places)], point, culprit)
        point, where, culprit = taken or (point, where, culprit)
        spot = tuple(point.tolist())
    loss_too, kind = _what_is_bad(look, point)
    what = f"the loss is {kind}" if loss_too else f"only the gradient, which is {kind}"
    if alone:
        lines = [line for line in lines if line.loss_too == loss_too]
        found_at = in_words(lines, look.names) or f"at {_all_alike(look, places, point, loss_too)}"
        message = f"not finite {found_at}, {what}{'' if loss_too else _at_minimum(look, point)}"
    else:
        in_shares = _in_shares(look, what, loss_too)
        message = f"{percent(share)} of the view is not finite{in_shares}, for example at {where}"
    evidence: dict[str, object] = {"share": share, "threshold": 0.0}
    if look.grid.failed and (culprit is None or not _hardly_raises(look)):
        return _refused(look, message, spot, share)
    if culprit is None:
        message += "; no single operation was found that makes it" * look.known
        return Finding("non_finite", "error", message, evidence, spot)
    message += f"; {culprit.sentence}"
    message += FALLS * (alone and kind == "minus infinite" and falls_as_logarithm(look, point))
    evidence |= {"operation": culprit.operation, "in": culprit.which}
    action = EVERYWHERE if share == 1 and is_below(culprit.action) else _cure_at(look, culprit, point)
    if alone and (other := _another_cause(look, places, lines, point, culprit)) is not None:
        sentence, cure = other
        message += sentence
        action += f" {cure}" * (cure not in action)
    return Finding("non_finite", "error", message, evidence, spot, action)


def _all_alike(look: Look, places: Tensor, point: Tensor, loss_too: bool) -> str:
    """All points, (N, P), that are not finite in the same way as a point, in words."""
    loss, _ = finish(look.view.at(places, gradient=False)) if look.known else (None, None)
    alike = [] if loss is None else list(places[~loss.isfinite() if loss_too else loss.isfinite()])
    return spots_in_words(spots_of(look, [point, *alike], lines=False))


def _in_shares(look: Look, what: str, loss_too: bool) -> str:
    """What is not finite, in words, with the shares of the view if both the loss and the gradient are not."""
    of_loss, of_gradient = (look.share(mask) for mask in _kinds(look))
    if not of_loss or not of_gradient:
        return f", {what}"
    both = [f"{percent(of_loss)} the loss itself", f"{percent(of_gradient)} only the gradient"]
    first, other = both if loss_too else reversed(both)
    return f", in {first} and in {other}: {what}"


def _kinds(look: Look) -> tuple[Tensor, Tensor]:
    """Which points of the lattice have no finite loss, and which only no finite gradient, (N,) both."""
    of_loss = ~look.lattice.loss.isfinite()
    return of_loss, ~look.lattice.finite & ~of_loss


def _cure_at(look: Look, culprit: Culprit, point: Tensor) -> str:
    known = action_for(culprit.operation)
    if _what_is_bad(look, point)[1] == "minus infinite" and falls_as_logarithm(look, point):
        return CURE
    if not culprit.action.startswith(known):
        return culprit.action
    if known == action_for("sqrt") and root_of_squares(look.function, point, look.spans):
        return OF_SQUARES
    divides, more = known == action_for("div"), culprit.action.removeprefix(known)
    made = zero_of(look.function, point) if divides else ""
    if made == "sign":
        return SIGNED
    if divisor_turns(look.function, point, look.bounds):
        return turning(look.function, point)
    if divides and _what_is_bad(look, point)[1] == "minus infinite":
        return PIT
    return ROOTED + more if made == "root" else culprit.action


def _another_cause(
    look: Look, places: Tensor, lines: list[BadLine], point: Tensor, first: Culprit
) -> tuple[str, str] | None:
    """Another point that is not finite because of another operation, or in the loss itself, in words, with its cure."""
    if not look.known:
        return None
    loss, _ = finish(look.view.at(places, gradient=False))
    alike = loss.isfinite() == (first.which == "gradient")
    near = ((places - point).abs() <= APART * look.spans).all(-1)
    reported = alike & torch.stack([near, *(line.on for line in lines)]).any(0)
    for one in one_of_each([*_plainest(places[~reported & ~alike]), *_plainest(places[~reported & alike])], look)[
        :_OTHERS
    ]:
        culprit = blame(look.function, one)
        if culprit is None or first.operation in culprit.steep:
            continue
        if culprit.operation == first.operation and culprit.which in (first.which, "gradient"):
            continue
        loss_too, kind = _what_is_bad(look, one)
        what = f"the loss itself is {kind}" if loss_too else f"the gradient is {kind}"
        said = f"; at {readable(look, one)[1]} {what} too: {culprit.sentence}"
        return said, _cure_at(look, culprit, one)
    return None


def _plainest(places: Tensor) -> list[Tensor]:
    """Sort points, round numbers first, which a user may have typed."""
    return sorted(places, key=lambda one: len(repr(one.tolist())))


def _typical_point(look: Look, places: Tensor, lines: list[BadLine]) -> Tensor:
    """A point that shows what is reported: if that is a line, a point on that line alone, and as bad as the line."""
    if not lines:
        return places[0]
    loss, gradient = finish(look.view.at(places))
    whole = [line for line in lines if line.loss_too] or lines
    counts = torch.stack([line.on for line in lines]).sum(0)
    for line in whole:
        alike = line.on & (loss.isfinite() != line.loss_too) & (~finite(loss, gradient))
        for chosen in (alike & (counts == 1), alike):
            if bool(chosen.any()):
                return places[chosen][0]
    return places[0]


def _hardly_raises(look: Look) -> bool:
    """Whether the loss raises at few of the points that are not finite."""
    return sum(look.grid.failed.values()) < _HARDLY * int((~look.finite).sum())


def _refused(look: Look, message: str, spot: tuple[float, ...], share: float) -> Finding:
    """The finding on points at which the loss raises, or returns nothing."""
    (sentence, count), failed = next(iter(look.grid.failed.items())), sum(look.grid.failed.values())
    evidence = {"share": share, "threshold": 0.0, "calls that raised": failed}
    if failed == int((~look.finite).sum()):
        share = max(share, failed / look.finite.numel())
        message = f"in {percent(share)} of the view, for example at {place(look.names, spot)}, {sentence}"
    else:
        message += f"; at {count} points {sentence}"
    action = next((action for part, action in _REFUSED.items() if part in sentence), _KEEP_INSIDE)
    return Finding("non_finite", "error", message, evidence, spot, action)


def _bad_on_grid(look: Look) -> list[torch.Tensor]:
    """Some grid points that are not finite in float64 either."""
    points = look.grid.points[~look.finite]
    if not len(points):
        return []
    most = _FEW_BAD if look.known and look.own.costly else _MANY_BAD
    if len(points) > most:
        points = points[torch.linspace(0, len(points) - 1, most, dtype=torch.float64).long()]
    if look.known and not look.grid.failed:
        loss, gradient = finish(look.view.at(points))
        points = points[~finite(loss, gradient)]
        if not len(points):
            return []
    middle = nearest_to_middle(points, look.spans)
    return [torch.tensor(middle, dtype=torch.float64)]


def _middle_of(look: Look) -> tuple[float, ...]:
    """A point of the lattice where the loss is not finite, or only the gradient, whichever is more frequent."""
    kind = max(_kinds(look), key=lambda mask: int(mask.sum()))
    return nearest_to_middle(look.lattice.points[kind], look.spans)


def _what_is_bad(look: Look, point: torch.Tensor) -> tuple[bool, str]:
    """Whether the loss at a point is not finite, or only the gradient; and what it is, in words."""
    if not look.known:
        loss, gradient = look.grid.loss[~look.finite][:1], look.grid.gradient[~look.finite][:1]
    else:
        loss, gradient = finish(look.view.at(point[None]))
    bad = not bool(loss.isfinite().all())
    if bad and bool((loss == -torch.inf).any()):
        return bad, "minus infinite"
    return bad, "NaN" if bool((loss if bad else gradient).isnan().any()) else "infinite"


def _at_minimum(look: Look, point: torch.Tensor) -> str:
    """That the loss is lowest at a point, in words; "" if it is not."""
    loss, _ = finish(look.view.at(point[None], gradient=False))
    return ", where the loss is lowest" if float(loss[0]) <= look.lowest + 1e-6 * look.height else ""


def singular(look: Look) -> Finding | None:
    """A slope that grows without end towards a point or a line, so that a step from beside it leads anywhere."""
    sound = not look.close.bad and bool(look.lattice.finite.all())
    places = look.close.poles or look.close.roots if sound else _poles_apart(look)
    if not places:
        return None
    spots = spots_of(look, places)
    cures = _growths(look, [spot.point for spot in spots[:NAMED]])
    names = [name for name in cures if name]
    said = f"; it is {' and '.join(names)} that grow{'s' * (len(names) == 1)} so" if names else ""
    bounded = "" if look.close.poles else ", slowly, as a root's does"
    return Finding(
        "singular",
        "error" if look.close.poles else "info",
        f"the slope grows without end towards {spots_in_words(spots)}{bounded}{said}",
        {"operation": names[0] if names else "", "places": len(spots)},
        tuple(spots[0].point.tolist()),
        " ".join(dict.fromkeys(cures.values())),
    )


def _growths(look: Look, points: list[Tensor]) -> dict[str, str]:
    """The operations whose slopes grow most towards points, each with its cure."""
    cures: dict[str, str] = {}
    for point in points:
        name = largest_growth(look.function, point, look.spans)
        turns = divisor_turns(look.function, point, look.bounds)
        cures[name] = turning(look.function, point) if turns else cures.get(name) or action_for(name)
    return cures


def _poles_apart(look: Look) -> list[Tensor]:
    """Poles that are not at the edge of bad ground elsewhere in view: points of a curve, lines across an axis."""
    if not look.known or not look.close.poles:
        return []
    bad = torch.stack([*_bad_on_grid(look), *look.close.bad, *look.lattice.points[~look.lattice.finite]])
    poles = torch.stack(look.close.poles)
    if len(look.names) == 1:
        return [one for one in poles if bool(((bad - one).abs() > APART * look.spans).all())]
    bad = torch.stack(look.close.bad) if look.close.bad else bad[:0]
    apart, left = [], torch.ones(len(poles), dtype=torch.bool)
    for axis in range(len(look.names)):
        for value in poles[:, axis].unique():
            on = (poles[:, axis] - value).abs() <= _ON_LINE * look.spans[axis]
            if int(on.sum()) < ON_A_LINE or not is_a_line(look, axis, float(value)):
                continue
            left &= ~on
            near = (bad[:, axis] - value).abs() <= APART * look.spans[axis]
            if len(bad[near][:, 1 - axis].unique()) < ON_A_LINE and _is_no_edge(look, axis, value):
                apart += list(poles[on])
    return apart + _off_the_axes(look, list(poles[left]), bad)


def _off_the_axes(look: Look, poles: list[Tensor], bad: Tensor) -> list[Tensor]:
    """Poles on no line across an axis that are neither at the edge of bad points, (N, P), nor have the same cause."""
    lines = bad_lines(look, bad) if len(bad) else []
    single = bad[~torch.stack([line.on for line in lines]).any(0)] if lines else bad
    apart = [one for one in surrounded(look, poles) if bool(((bad - one).abs() > APART * look.spans).any(-1).all())]
    for line in lines:
        beside = APART * float(look.spans[line.axis])
        apart = [one for one in apart if abs(float(one[line.axis]) - line.value) > beside]
    if bool(look.lattice.finite.all()):
        reported = list(_few_of(single)) if len(single) else []
    else:
        reported = [torch.tensor(_middle_of(look), dtype=torch.float64)]
    if not apart or not reported:
        return apart
    # A curve is bad where some numbers hit it exactly, and a pole elsewhere.
    causes = {None if (made := blame(look.function, one)) is None else made.operation for one in reported}
    return [] if largest_growth(look.function, apart[0], look.spans) in causes else apart


def _few_of(points: Tensor) -> Tensor:
    return points[torch.linspace(0, len(points) - 1, min(len(points), _OTHERS), dtype=torch.float64).long()]


def _is_no_edge(look: Look, axis: int, value: Tensor) -> bool:
    """Whether as much is not finite on a line as right beside it, so that it is not an edge of bad ground."""
    beside = [value, value - APART * look.spans[axis], value + APART * look.spans[axis]]
    low, high = look.bounds[axis]
    shares = {shares_along(look, axis, at[None])[1] for at in beside if low <= at <= high}
    return len(shares) == 1 and max(shares) < ALL
