"""Jumps of a loss, and parameters that get no gradient because it is cut off."""

from dataclasses import dataclass

import torch

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.operations.cancellation import rounded_there
from gradwidgets.core.operations.cuts import DETACHED, Cuts, cure_for, cuts_of, cutting_along
from gradwidgets.core.operations.jumping import jumping_at
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.patterns.astray.comparisons import without_abs
from gradwidgets.core.surfaces.patterns.flat.carrying import carrying
from gradwidgets.core.surfaces.patterns.inputs import over_samples
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.singular.undefined import singular

JUMPS = "jumps along the axis"
_LOWEST_POINTS = 3
_ALONG = 4001  # points of a line on which jumps are counted
_HIGH, _ALIKE = 0.05, 0.8  # of the highest jump on it: a lower one does not count; higher ones are about equal
_SHARP = 100.0  # times the median change on that line
_RIGHT_BESIDE = 1e-7  # of the view
_ABS_TOO = "Take the abs in both comparisons: what one of them leaves the other must take."
_NO_CAUSE = "; no single operation was found that makes it"
_COUNTED = 200  # jumps: with more of them a line may miss some
_ROUNDING = ("round", "floor", "ceil", "trunc")
_NOTHING = 1e-9  # of the view: a jump so near to 0 is at 0
_AT_A_POLE = 1e-6  # of the view: a jump so near to a pole is the pole itself
_ON_A_LINE = 4  # jumps: so many at the same value of an axis are a line
_STEPS_BESIDE = 4.0  # steps between float32 numbers: how near to a jump float32 is compared at least


def jump(look: Look) -> Finding | None:
    """A step of the loss, which the gradient does not contain."""
    jumps = _off_poles(look, [one for one in look.close.jumps if _is_of_the_formula(look, *one)])
    if not jumps:
        return None
    found, height = max(jumps, key=lambda one: one[1])
    point = torch.where(found.abs() < _NOTHING * look.spans, 0.0, found)
    spot = tuple(float(f"{value:.6g}") for value in point.tolist())
    cause = jumping_at(look.function, point, look.spans)
    steps = _steps_through(look, point)
    along = _cut_through(look, point, jumps) if len(steps.heights) < 2 else ""
    where = f"{place(look.names, spot)}{along}"
    message = f"the loss jumps by {_in_words(steps, height)} {where}, and no gradient knows of it"
    one_sided = without_abs(look, point, _axis_of(look, point)) if cause and not look.view.slow else ""
    reason = f": {cause.sentence}{one_sided or cause.line}" if cause else _NO_CAUSE
    message += reason * look.known
    evidence: dict[str, object] = {
        "height": height,
        JUMPS: max(1, len(steps.heights)),
        "of the loss's height": height / look.height if look.height else 1.0,
        "operation": cause.operation if cause else "",
    }
    action = _ABS_TOO if one_sided else cause.action if cause else ""
    cuts = cuts_of(look.function, point) if cause else Cuts()
    if cuts.own:
        action = 'It has a backward of its own: if that is meant to lead over the step, allow it: allow=["jump"].'
    elif cause and cause.operation in _ROUNDING and DETACHED in cuts.operations and look.led:
        action = 'It is detached, a straight-through form as it seems: if that is meant, allow it: allow=["jump"].'
    return Finding("jump", "warning", message, evidence, spot, action)


def _off_poles(look: Look, jumps: list[tuple[torch.Tensor, float]]) -> list[tuple[torch.Tensor, float]]:
    """Jumps without those at a pole, at which all lines seem to jump; all jumps if the pole is not reported."""
    near = _AT_A_POLE * look.spans
    off = [one for one in jumps if not any(bool(((one[0] - pole).abs() <= near).all()) for pole in look.close.poles)]
    return off if off or singular(look) is not None else jumps


def _cut_through(look: Look, point: torch.Tensor, jumps: list[tuple[torch.Tensor, float]]) -> str:
    """The line through a point all along which the loss jumps, in words; "" if there is none."""
    if len(look.names) == 1:
        return ""
    across = _axis_of(look, point)
    on = [one for one, _ in jumps if float((one - point).abs()[across]) <= _AT_A_POLE * float(look.spans[across])]
    if len(on) < _ON_A_LINE:
        return ""
    values, other = [float(one[1 - across]) for one in on], look.names[1 - across]
    ends = f"{other} {number(min(values), 3)} to {number(max(values), 3)}"
    return f", for example, along {look.names[across]} {number(float(point[across]), 3)} from {ends} at least"


@dataclass(frozen=True)
class _Steps:
    """The jumps on the line through one of them, along the axis on which that one is highest.

    Attributes:
        heights: The height of each.
        name: The name of that axis.
    """

    heights: list[float]
    name: str = ""


def _steps_through(look: Look, point: torch.Tensor) -> _Steps:
    """All jumps along the line through one; none for a slow loss."""
    if not look.known or look.view.slow:
        return _Steps([])
    axis = _axis_of(look, point)
    line = point.expand(_ALONG, -1).clone()
    line[:, axis] = look.bounds[axis, 0] + torch.linspace(0, 1, _ALONG, dtype=torch.float64) * look.spans[axis]
    loss, gradient = finish(look.view.at(line))
    step = look.spans[axis] / (_ALONG - 1)
    # The part of a change that the slopes at both of its ends do not explain.
    left = (loss.diff() - step * (gradient[1:, axis] + gradient[:-1, axis]) / 2).abs().nan_to_num(0)
    high = left > _HIGH * float(left.max())
    heights = left[high & ~torch.cat([torch.zeros(1, dtype=torch.bool), high[:-1]])].tolist()
    sharp = float(left.max()) > _SHARP * float(left.median())
    return _Steps(heights if sharp else [], look.names[axis])


def _axis_of(look: Look, point: torch.Tensor) -> int:
    """The axis along which the loss jumps most at a point."""
    steps = torch.diag(_RIGHT_BESIDE * look.spans)
    loss, _ = finish(look.view.at(look.view.within(torch.cat([point - steps, point + steps])), gradient=False))
    below, above = loss.chunk(2)
    return int((above - below).abs().nan_to_num(0).argmax())


def _in_words(steps: _Steps, height: float) -> str:
    count = len(steps.heights)
    if not 1 < count <= _COUNTED:
        return f"{number(height, 3)} at"
    low, high = min(steps.heights), max(steps.heights)
    if low > _ALIKE * high:
        return f"about {number(high, 3)} at {count} places along {steps.name}, one of them"
    return f"up to {number(max(high, height), 3)} at {count} places along {steps.name}, most at"


def _is_of_the_formula(look: Look, point: torch.Tensor, height: float) -> bool:
    """Whether a jump belongs to the formula: one that rounding makes is elsewhere in another precision."""
    far = torch.maximum(1e-4 * look.spans, _STEPS_BESIDE * torch.finfo(torch.float32).eps * point.abs())
    beside = point + far * torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    try:
        losses = look.own.values(look.view.within(beside), torch.float32).loss.double()
    except LossError:
        return True
    if bool(losses.isfinite().all()):
        return float((losses[1] - losses[0]).abs()) > 0.5 * height
    return not rounded_there(look.function, point, look.spans)


def _has_slope_between(look: Look, axis: int) -> bool:
    """Whether a parameter has a gradient in the cells around the lowest points, between the grid's points."""
    if not look.known:
        return False
    grid, dims = look.grid, len(look.names)
    losses = torch.where(look.finite, grid.loss, float("inf")).flatten()
    lowest = grid.points.flatten(0, -2)[losses.argsort()[:_LOWEST_POINTS]]
    cell = look.spans / (torch.tensor(grid.loss.shape[::-1], dtype=torch.float64) - 1)
    # Not symmetric around the middle, so that no step is missed for symmetry.
    shares = 0.93 * torch.linspace(-1, 1, 8 if dims == 2 else 24, dtype=torch.float64) + 0.0171
    offsets = torch.cartesian_prod(*[shares] * dims).reshape(-1, dims) * cell
    places = (lowest[:, None] + offsets).flatten(0, 1)
    inside = ((places >= look.bounds[:, 0]) & (places <= look.bounds[:, 1])).all(-1)
    try:
        slopes = look.function.values(places[inside]).gradient[:, axis]
    except LossError:
        return False
    return bool((slopes.isfinite() & (slopes != 0)).any())


def _cutting_operations(look: Look, axis: int) -> dict[str, str]:
    """The operations without a gradient between a parameter and the loss, each with its line."""
    if not look.known:
        return {}
    point = look.lattice.points[look.lattice.finite][0]
    other = point.clone()
    middle = look.bounds[axis].mean()
    other[axis] = middle + 0.37 * (1 if point[axis] < middle else -1) * look.spans[axis]
    cutting = cutting_along(look.own, point, other)
    return {name: cutting[name] for name in carrying(look.own, other, axis, cutting)}


def _change_on_grid(look: Look, axis: int) -> float:
    """The largest change of the loss along an axis, on the grid, which includes the ends of the view."""
    lines = [torch.where(look.finite, look.grid.loss, end) for end in (torch.inf, -torch.inf)]
    return float((lines[1].amax(-1 - axis) - lines[0].amin(-1 - axis)).clamp_min(0).max())


def _flat_direction(look: Look, name: str) -> Finding:
    """The finding on a parameter that cancels in the loss, as a shift does in a variance or in a softmax."""
    size = float(look.lattice.gradient[look.lattice.finite, look.flat[0]].abs().max())
    action = over_samples(look)
    return Finding(
        "no_gradient_path",
        "info",
        f"the loss does not depend on {name}: it is the same all along that axis but for rounding, and so is the "
        f"gradient of {name}, {number(size, 2)} at most",
        {"largest gradient, all of it rounding": size},
        action=action
        or f"A flat direction, no fault of the loss's: {name} stays about where it begins. Fix it, or leave it.",
    )


def no_gradient_path(look: Look) -> Finding | None:
    """The loss depends on a parameter that gets no gradient, or does not depend on it at all."""
    lattice = look.lattice
    if look.flat:
        return _flat_direction(look, look.names[look.flat[0]])
    for axis, name in enumerate(look.names):
        part = lattice.gradient[lattice.finite, axis]
        reached = name not in look.grid.no_path
        if not len(part) or (reached and bool((part != 0).any())):
            continue
        lines = [torch.where(lattice.finite, lattice.loss, end) for end in (torch.inf, -torch.inf)]
        shape = [lattice.count] * len(look.names)
        lowest, highest = lines[0].reshape(shape).amin(axis), lines[1].reshape(shape).amax(axis)
        change = max(float((highest - lowest).clamp_min(0).max()), _change_on_grid(look, axis))
        if change <= 1e-12 * float(lattice.loss[lattice.finite].abs().max()):
            if reached and look.height == 0:
                continue  # a constant is reported as a dead zone
            return Finding(
                "no_gradient_path",
                "warning",
                f"the loss does not depend on {name}: it is the same all along that axis, and {name} gets no gradient",
                {"change of the loss along the axis": change},
                action=f"Is {name} used at all? Multiplied by zero, or the wrong variable?",
            )
        if reached and _has_slope_between(look, axis):
            continue
        cuts = cuts_of(look.function, lattice.points[lattice.finite][0]) if look.known else Cuts()
        cause = "is exactly zero everywhere" if reached else "does not exist"
        cutting: dict[str, str] = {}
        if cuts.constant:
            cause += f": {cuts.sentence}"
        elif cutting := _cutting_operations(look, axis):
            cause += f": {' and '.join(cutting)} on the way cut{'s' * (len(cutting) == 1)} it off"
            cause += next(iter(cutting.values()))
        elif reached:
            cause += ": it is rounded, compared or cut to a sign"
        return Finding(
            "no_gradient_path",
            "error",
            f"the loss changes by {number(change)} along {name}, yet its gradient {cause}",
            {"change of the loss along the axis": change, "gradient path": reached},
            action=cuts.action or cure_for(tuple(cutting)),
        )
    return None
