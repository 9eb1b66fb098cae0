"""Values that are not finite, poles, jumps, gradients that are cut off."""

import torch

from gradwidgets.core.cancellation import rounded_there
from gradwidgets.core.cuts import Cuts, cuts_of
from gradwidgets.core.divisors import divisor_turns
from gradwidgets.core.finding import Finding
from gradwidgets.core.loss_call import LossError
from gradwidgets.core.non_finite import blame, largest_growth
from gradwidgets.core.patterns.lattice import nearest_to_middle
from gradwidgets.core.patterns.look import Look
from gradwidgets.core.patterns.view import finite
from gradwidgets.core.remedies import TURNS, action_for
from gradwidgets.core.slices import finish
from gradwidgets.core.wording import number, percent, place

_KEEP_INSIDE = "The loss refuses these points: keep the view, and the training, inside what it takes."
_REFUSED = {
    "returned nothing": "One way through it ends without a return: give a value there too.",
    "cholesky": (
        "The matrix is not positive definite there: make it so by its making (L Lᵀ with a positive diagonal), or add a "
        "small multiple of the identity."
    ),
}
_MANY_BAD = 441  # points
_ON_A_LINE = 3  # places that are not finite make it one
_LOWEST_POINTS = 3
_STEPS_BESIDE = 4.0  # numbers of float32: no nearer to a jump it is looked for in that


def non_finite(look: Look) -> Finding | None:
    """NaN or infinity in the loss or its gradient, with the operation that makes it."""
    share = look.share(~look.lattice.finite)
    spots = [*_bad_on_grid(look), *look.close.bad]
    if share > 0 and not spots:
        spots = [torch.tensor(_middle_of(look), dtype=torch.float64)]
    if not spots:
        return None
    bad, alone = look.lattice.points[~look.lattice.finite], share == 0
    lines, point = _lines(look, spots)
    if not alone and len(bad):
        point = torch.tensor(_middle_of(look), dtype=torch.float64)
    spot = tuple(point.tolist())
    culprit = None if look.function is None else blame(look.function, point)
    loss_too, kind = _what_is_bad(look, point)
    where = place(look.names, spot)
    what = f"the loss is {kind}" if loss_too else f"only the gradient, which is {kind}"
    if alone:
        found_at = f"all along {' and '.join(lines)}" if lines else f"at {where}"
        message = f"not finite {found_at}, {what}{'' if loss_too else _at_minimum(look, point)}"
    else:
        message = f"{percent(share)} of the view is not finite, {what}, at {where} say"
    evidence: dict[str, object] = {"share": share, "threshold": 0.0}
    if look.grid.failed:
        return _refused(look, message, spot, evidence)
    if culprit is None:
        return Finding("non_finite", "error", message, evidence, spot)
    message += f"; {culprit.sentence}"
    evidence |= {"operation": culprit.operation, "in": culprit.which}
    turns = culprit.action == action_for(culprit.operation) and divisor_turns(look.function, point, look.spans)
    return Finding("non_finite", "error", message, evidence, spot, TURNS if turns else culprit.action)


def _refused(look: Look, message: str, spot: tuple[float, ...], evidence: dict[str, object]) -> Finding:
    """Points at which the loss raises, or gives nothing."""
    (sentence, count), failed = next(iter(look.grid.failed.items())), sum(look.grid.failed.values())
    evidence |= {"calls that raised": failed}
    if failed == int((~look.finite).sum()):
        share = max(float(evidence["share"]), failed / look.finite.numel())
        message = f"in {percent(share)} of the view, at {place(look.names, spot)} say, {sentence}"
    else:
        message += f"; at {count} points {sentence}"
    action = next((action for part, action in _REFUSED.items() if part in sentence), _KEEP_INSIDE)
    return Finding("non_finite", "error", message, evidence, spot, action)


def _lines(look: Look, spots: list[torch.Tensor]) -> tuple[list[str], torch.Tensor]:
    """Lines across an axis on which several places lie, in words, and a place that is typical: on one line at most."""
    if len(spots) < _ON_A_LINE or len(look.names) == 1:
        return [], spots[0]
    places, lines = torch.stack(spots), []
    on_lines = torch.zeros(len(places), dtype=torch.float64)
    for axis, name in enumerate(look.names):
        for value in places[:, axis].unique().tolist():
            on = (places[:, axis] - value).abs() <= 1e-9 * look.spans[axis]
            others = places[on][:, 1 - axis]
            if len(others.unique()) >= _ON_A_LINE and float(others.max() - others.min()) > 0.5 * look.spans[1 - axis]:
                lines.append(place([name], [value]))
                on_lines += on
    typical = places[on_lines == 1]
    return lines, typical[0] if lines and len(typical) else spots[0]


def _bad_on_grid(look: Look) -> list[torch.Tensor]:
    """Some grid points that are not finite, in the reference either."""
    points = look.grid.points[~look.finite]
    if not len(points):
        return []
    if len(points) > _MANY_BAD:
        points = points[torch.linspace(0, len(points) - 1, _MANY_BAD, dtype=torch.float64).long()]
    if look.view is not None and not look.grid.failed:
        loss, gradient = finish(look.view.at(points))
        points = points[~finite(loss, gradient)]
        if not len(points):
            return []
    middle = nearest_to_middle(points, look.spans)
    return [torch.tensor(middle, dtype=torch.float64)]


def _middle_of(look: Look) -> tuple[float, ...]:
    return nearest_to_middle(look.lattice.points[~look.lattice.finite], look.spans)


def _what_is_bad(look: Look, point: torch.Tensor) -> tuple[bool, str]:
    """Whether the loss at a point is not finite, or else the gradient; and what it is, in words."""
    if look.view is None:
        loss, gradient = look.grid.loss[~look.finite][:1], look.grid.gradient[~look.finite][:1]
    else:
        loss, gradient = finish(look.view.at(point[None]))
    bad = not bool(loss.isfinite().all())
    return bad, "NaN" if bool((loss if bad else gradient).isnan().any()) else "infinite"


def _at_minimum(look: Look, point: torch.Tensor) -> str:
    """Whether the loss is lowest at a point, in words."""
    loss, _ = finish(look.view.at(point[None], gradient=False))
    return ", where the loss is lowest" if float(loss[0]) <= look.lowest + 1e-6 * look.height else ""


def singular(look: Look) -> Finding | None:
    """A slope that grows without end towards a point or a line, next to which a step leads anywhere."""
    places = look.close.poles or look.close.roots
    if not places or look.close.bad or not bool(look.lattice.finite.all()):
        return None
    point = places[0]
    name = largest_growth(look.function, point, look.spans)
    said = f"; it is {name} that grows so" if name else ""
    bounded = "" if look.close.poles else ", slowly, as a root's does"
    return Finding(
        "singular",
        "error" if look.close.poles else "info",
        f"the slope grows without end towards {_point_or_line(look, places)}{bounded}{said}",
        {"operation": name, "places": len(places)},
        tuple(point.tolist()),
        TURNS if divisor_turns(look.function, point, look.spans) else action_for(name),
    )


def _point_or_line(look: Look, places: list[torch.Tensor]) -> str:
    """A place in words; of several on a line across an axis, the line."""
    gaps = (torch.stack(places) - places[0]).abs() / look.spans
    for axis, name in enumerate(look.names):
        others = [other for other in range(len(look.names)) if other != axis]
        on_line = (gaps[:, axis] < 1e-6) & (gaps[:, others] > 1e-3).all(-1)
        if others and bool(on_line.any()):
            return place([name], [float(places[0][axis])])
    return place(look.names, places[0].tolist())


def jump(look: Look) -> Finding | None:
    """A step of the loss that no gradient knows of."""
    jumps = [one for one in look.close.jumps if _is_meant(look, *one)]
    if not jumps:
        return None
    point, height = max(jumps, key=lambda one: one[1])
    spot = tuple(float(f"{value:.6g}") for value in point.tolist())
    return Finding(
        "jump",
        "warning",
        f"the loss jumps by {number(height, 3)} at {place(look.names, spot)}, and no gradient knows of it",
        {"height": height, "of the loss's height": height / look.height if look.height else 1.0},
        spot,
    )


def _is_meant(look: Look, point: torch.Tensor, height: float) -> bool:
    """Whether a jump is the formula's: one that rounding makes lies elsewhere in another precision."""
    far = torch.maximum(1e-4 * look.spans, _STEPS_BESIDE * torch.finfo(torch.float32).eps * point.abs())
    beside = point + far * torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    try:
        losses = look.own.values(look.view.within(beside), torch.float32).loss.double()
    except LossError:
        return True
    if bool(losses.isfinite().all()):
        return float((losses[1] - losses[0]).abs()) > 0.5 * height
    return not rounded_there(look.function, point, look.spans)


def _between(look: Look, axis: int) -> bool:
    """Whether a parameter has a gradient in the cells around the lowest points, between the grid's points."""
    if look.function is None:
        return False
    grid, dims = look.grid, len(look.names)
    losses = torch.where(look.finite, grid.loss, float("inf")).flatten()
    lowest = grid.points.flatten(0, -2)[losses.argsort()[:_LOWEST_POINTS]]
    cell = look.spans / (torch.tensor(grid.loss.shape[::-1], dtype=torch.float64) - 1)
    # Off the middle and each other's distances: a step must not hide behind symmetry.
    shares = 0.93 * torch.linspace(-1, 1, 8 if dims == 2 else 24, dtype=torch.float64) + 0.0171
    offsets = torch.cartesian_prod(*[shares] * dims).reshape(-1, dims) * cell
    places = (lowest[:, None] + offsets).flatten(0, 1)
    inside = ((places >= look.bounds[:, 0]) & (places <= look.bounds[:, 1])).all(-1)
    try:
        slopes = look.function.values(places[inside]).gradient[:, axis]
    except LossError:
        return False
    return bool((slopes.isfinite() & (slopes != 0)).any())


def no_gradient_path(look: Look) -> Finding | None:
    """The loss depends on a parameter that gets no gradient, or does not depend on it at all."""
    lattice = look.lattice
    for axis, name in enumerate(look.names):
        part = lattice.gradient[lattice.finite, axis]
        reached = name not in look.grid.no_path
        if not len(part) or (reached and bool((part != 0).any())):
            continue
        lines = [torch.where(lattice.finite, lattice.loss, end) for end in (torch.inf, -torch.inf)]
        shape = [lattice.count] * len(look.names)
        lowest, highest = lines[0].reshape(shape).amin(axis), lines[1].reshape(shape).amax(axis)
        change = float((highest - lowest).clamp_min(0).max())
        if change <= 1e-12 * float(lattice.loss[lattice.finite].abs().max()):
            if reached and look.height == 0:
                continue  # a constant: that is the dead zone's to say
            return Finding(
                "no_gradient_path",
                "warning",
                f"the loss does not depend on {name}: it is the same all along that axis, and {name} gets no gradient",
                {"change of the loss along the axis": change},
                action=f"Is {name} used at all? Multiplied by zero, or the wrong variable?",
            )
        if reached and _between(look, axis):
            continue
        cause = "is exactly zero everywhere: it is rounded, compared or cut to a sign" if reached else "does not exist"
        cuts = Cuts() if look.function is None else cuts_of(look.function, lattice.points[lattice.finite][0])
        cause += f": {cuts.sentence}" if cuts.constant else ""
        return Finding(
            "no_gradient_path",
            "error",
            f"the loss changes by {number(change)} along {name}, yet its gradient {cause}",
            {"change of the loss along the axis": change, "gradient path": reached},
            action=cuts.action,
        )
    return None
