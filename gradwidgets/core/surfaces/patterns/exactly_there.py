"""Gradients that are wrong exactly on a line, or at a point, and right everywhere beside it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.differences import differing
from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.operations.branches import only_there
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.patterns.in_view import finite
from gradwidgets.core.surfaces.patterns.look import Look

_ALONG = 12  # points of a line
_MOST = 0.8  # of them: so many must disagree
_LARGE = 0.02  # of the larger slope: a smaller gap does not count
_STEEP = 1e-3  # of a steep slope of the loss: a smaller gap does not count
_BESIDE = 1e-4  # of the view: how far away it must be right again
_BRANCH = (
    "Give that branch its limit's slope as well as its value: a series in what goes to 0, such as x + x²/2 in "
    "place of 0, "
    "or 2 / w in place of a number that holds for one w alone; or compare with an eps so that the formula goes on."
)
_TIE = (
    "abs, relu, clamp and maximum have a slope of their own choice exactly where they bend: write it in a form that "
    "is smooth there (F.softplus, F.logsigmoid, F.binary_cross_entropy_with_logits), or begin beside it."
)


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a gradient is wrong.

    Attributes:
        point: (P,).
        gap: The gap, relative to the larger slope.
        axis: The axis along which the line has a fixed value; None for a single point.
        name: The name of the start that is the point; "" for none.
    """

    point: Tensor
    gap: float
    axis: int | None = None
    name: str = ""


def wrong_exactly(look: Look) -> Finding | None:
    """A gradient that is wrong where a parameter has a special value, or at a start that was given."""
    if not look.known or look.height == 0:
        return None
    try:
        found = next(_places(look), None)
    except LossError:
        return None
    if found is None:
        return None
    branch = _is_a_branch(look, found)
    where = place(look.names, found.point.tolist())
    if found.axis is not None and len(look.names) > 1:
        where = f"{look.names[found.axis]} {number(float(found.point[found.axis]))} all along, for example {where}"
    at = f"at {found.name!r} ({where})" if found.name else f"exactly at {where}"
    message = f"autograd and central differences disagree {at}, by {percent(found.gap)} of the larger slope, and agree "
    message += "right beside it"
    message += ": a comparison takes a branch there that it takes on neither side, whose gradient is another" * branch
    severity: Severity = "warning" if branch or found.name else "info"
    evidence = {"largest relative gap": found.gap, "threshold": _LARGE}
    spot = tuple(found.point.tolist())
    return Finding("gradient_mismatch", severity, message, evidence, spot, _BRANCH if branch else _TIE)


def _places(look: Look) -> Iterator[_Place]:
    inside = {n: p for n, p in look.starts.items() if bool(((p >= look.view.low) & (p <= look.view.high)).all())}
    if inside:
        points = torch.stack(list(inside.values()))
        for k, gap in _wrong_gradients(look, points):
            if _is_right_beside(look, points[k]):
                yield _Place(points[k], gap, name=list(inside)[k])
    if look.view.slow:
        return
    lines = list(_lines(look))
    gaps = dict(_wrong_gradients(look, torch.cat([points for _, points in lines]))) if lines else {}
    for count, (axis, points) in enumerate(lines):
        own = [gaps.get(count * len(points) + k, 0.0) for k in range(len(points))]
        k = max(range(len(points)), key=own.__getitem__)
        if sum(gap > 0 for gap in own) >= _MOST * len(points) and _is_right_beside(look, points[k]):
            yield _Place(points[k], own[k], axis)


def _lines(look: Look) -> Iterator[tuple[int, Tensor]]:
    """Lines in view at numbers at which losses are often special: the axis and points, (N, P)."""
    special, dims = look.view.special(), len(look.names)
    shares = (torch.arange(_ALONG, dtype=torch.float64) + 0.583) / _ALONG
    for axis in range(dims):
        for value in special[:, axis].unique():
            if not look.view.low[axis] < value < look.view.high[axis]:
                continue
            points = (look.view.low + shares[:, None] * look.spans) if dims > 1 else look.view.low[None].clone()
            points[:, axis] = value
            yield axis, points


def _wrong_gradients(look: Look, points: Tensor) -> list[tuple[int, float]]:
    """The indices of points with a wrong gradient, and the gaps there."""
    loss, own = finish(look.view.at(points))
    good = finite(loss, own)
    if not bool(good.any()):
        return []
    axes = range(points.shape[1])
    found = finish(differing(look.function, points[good], own[good], look.bounds, look.steep, axes))
    large = found.wrong & (found.relative() > _LARGE) & (found.gap * look.spans > _STEEP * look.steep)
    gaps = torch.where(large, found.relative(), 0.0).amax(-1)
    which = good.nonzero().flatten()
    return [(int(which[k]), float(gaps[k])) for k in range(len(gaps)) if gaps[k] > 0]


def _is_right_beside(look: Look, point: Tensor) -> bool:
    away = _BESIDE * look.spans * torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    return not _wrong_gradients(look, look.view.within(point + away))


def _is_a_branch(look: Look, found: _Place) -> bool:
    axes = [found.axis] if found.axis is not None else range(len(look.names))
    steps = torch.diag(_BESIDE * look.spans)
    return any(only_there(look.function, found.point, steps[axis]) for axis in axes)
