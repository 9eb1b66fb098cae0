"""Whether a change that makes a loss lead to its target does so by chance: because of these very data."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.astray.edits import edits_of
from gradwidgets.core.surfaces.patterns.astray.views import FORMS, Changed, with_data
from gradwidgets.core.surfaces.patterns.ends.target import POINT, parts_of
from gradwidgets.core.surfaces.patterns.in_view import View
from gradwidgets.core.surfaces.patterns.look import Look

_POINTS, _POINTS_SLOW = {1: 401, 2: 31}, {1: 101, 2: 15}  # along each axis
_DRAWS, _ROWS = 2, 8  # times other rows are drawn; rows, from which on they are
_NEAR = 0.05  # of the view: so far beside its target a loss of other rows may be lowest
_SYMMETRIC = 0.03  # of the view: the lowest place moves by less, of data that lie about 0 alike
_EXACT = 1e-9  # of the loss: no statistics
_MOVED = 0.3  # of the way to the farther end of the axis: where a number that is the target is put


def is_chance(look: Look, view: View) -> bool:
    """Whether a changed loss, which leads to the target, does not so with other data, or other numbers, of that kind.

    Args:
        look: What is known of the loss.
        view: The changed loss.
    """
    if (follows := _follows_its_number(look, view)) is not None:
        return not follows
    draws = [drawn for seed in range(_DRAWS) if (drawn := _drawn(view.function.fixed, seed))]
    return bool(draws) and not any(_is_near(look, with_data(view, drawn)) for drawn in draws)


def is_symmetric(look: Look) -> bool:
    """Whether a tensor of data lies about 0 so alike that the loss is lowest at the same place with its sign changed.

    A change of sign then tells nothing. Where the loss is the same to the last digit, it is no matter of the data.
    """
    at = _lowest(look.view)
    if at is None:
        return False
    for name, one in look.view.function.fixed.items():
        if not isinstance(one, Tensor) or not one.is_floating_point() or one.numel() < _ROWS:
            continue
        other = with_data(look.view, {name: FORMS[0].of(one)})
        there = _lowest(other)
        if there is None or bool(((there - at).abs() > _SYMMETRIC * look.spans).any()):
            continue
        own, turned = (
            _loss_at(view, look.lattice.points[:: len(look.lattice.points) // 7]) for view in (look.view, other)
        )
        if bool(((own - turned).abs() > _EXACT * own.abs().max()).any()):
            return True
    return False


def _follows_its_number(look: Look, view: View) -> bool | None:
    """Whether the lowest place goes along where a number of `fixed` that is the target is changed; None for none."""
    if callable(look.wanted) or look.wanted is None:
        return None
    for axis, part in enumerate(parts_of(look.wanted, look.names)):
        own = [name for name, value in look.own.fixed.items() if type(value) is float and value == part]
        if isinstance(part, tuple) or len(own) != 1 or view.function.fixed.get(own[0]) != part:
            continue
        low, high = look.bounds[axis].tolist()
        moved = part + _MOVED * ((high - part) if high - part > part - low else (low - part))
        there = _lowest(_with_number(look, view, {own[0]: moved}))
        reach = POINT + 1 / (_POINTS_SLOW if view.slow else _POINTS)[view.dims]
        return there is not None and abs(float(there[axis]) - moved) <= reach * (high - low)
    return None


def _with_number(look: Look, view: View, number: dict[str, float]) -> View:
    """A changed loss with another number in `fixed`, which the change itself may hold."""
    if not isinstance(view, Changed):
        return with_data(view, number)
    base, points = with_data(look.view, number), look.lattice.points[look.lattice.finite]
    own = (view.edit.words, view.edit.places)
    alike = (one for one in edits_of(base.function, points[len(points) // 2]) if (one.words, one.places) == own)
    edit = next(alike, None)
    return with_data(view, number) if edit is None else Changed(base, edit)


def _drawn(fixed: Mapping[str, object], seed: int) -> dict[str, object]:
    """Other rows of the data: the same of all tensors of as many, in the order they have."""
    drawn: dict[str, object] = {}
    for name, one in fixed.items():
        if not isinstance(one, Tensor) or not one.ndim or len(one) < _ROWS:
            continue
        count = len(one)
        rows = (
            torch.randint(count, (count,), generator=torch.Generator().manual_seed(1000 * seed + count)).sort().values
        )
        drawn[name] = one[rows][:, rows] if one.ndim > 1 and one.shape[1] == count else one[rows]
    return drawn


def _is_near(look: Look, view: View) -> bool:
    at = _lowest(view)
    return at is not None and bool(look.in_targets(at[None], _NEAR)[0])


def _lowest(view: View) -> Tensor | None:
    points = view.lattice((_POINTS_SLOW if view.slow else _POINTS)[view.dims])
    losses = _loss_at(view, points)
    return (
        points[int(losses.nan_to_num(torch.inf, torch.inf, torch.inf).argmin())]
        if bool(losses.isfinite().any())
        else None
    )


def _loss_at(view: View, points: Tensor) -> Tensor:
    try:
        return finish(view.at(points, gradient=False))[0]
    except Exception:
        return torch.full((len(points),), torch.nan, dtype=torch.float64)
