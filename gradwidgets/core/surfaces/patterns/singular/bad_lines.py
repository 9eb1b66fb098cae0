"""Lines across an axis on which a loss is not finite, or next to which slopes grow."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import place
from gradwidgets.core.surfaces.patterns.in_view import finite
from gradwidgets.core.surfaces.patterns.look import Look

ON_A_LINE = 3  # points make a line
_SAME = 1e-9  # of the view's width: values within it differ by rounding
_WIDE = 0.45  # of the view: the points of a line must extend over so much
_LOOKED_AT = 32  # points along a line
ALL, _MUCH = 0.9, 0.25  # of them
_VALUES = 8  # values of a line that are tried, as any of them may be the exact one


@dataclass(frozen=True, eq=False)
class BadLine:
    """A line across an axis on which a loss, or only its gradient, is not finite.

    Attributes:
        axis: The axis.
        value: The value of the axis, without rounding errors.
        whole: Whether the loss is not finite all along the line.
        loss_too: Whether the loss is not finite along it, or only the gradient.
        on: Which of the bad points lie on it, (N,).
    """

    axis: int
    value: float
    whole: bool
    loss_too: bool
    on: Tensor


def in_words(lines: Sequence[BadLine], names: Sequence[str]) -> str:
    """The lines in words, those that are bad all along first; "" for none."""
    parts = []
    for whole, how in ((True, "all along"), (False, "along much of")):
        said = [place([names[line.axis]], [line.value]) for line in lines if line.whole == whole]
        parts += [f"{how} {' and '.join(said)}"] if said else []
    return ", and ".join(parts)


def bad_lines(look: Look, places: Tensor) -> list[BadLine]:
    """The lines across an axis on which bad points, (N, P), lie, if the loss is bad along much of them."""
    if len(look.names) == 1 or len(places) < ON_A_LINE or not look.known:
        return []
    found = []
    for axis in range(len(look.names)):
        for values in _clusters(places[:, axis], float(look.spans[axis])):
            on = (places[:, axis][:, None] == values).any(1)
            others = places[on][:, 1 - axis]
            if len(others.unique()) < ON_A_LINE or float(others.max() - others.min()) <= _WIDE * look.spans[1 - axis]:
                continue
            of_loss, of_either = shares_along(look, axis, values)
            if of_either >= _MUCH:
                loss_too = of_loss >= _MUCH
                whole = (of_loss if loss_too else of_either) >= ALL
                found.append(BadLine(axis, _shortest(values), whole, loss_too, on))
    return found


def shares_along(look: Look, axis: int, values: Tensor) -> tuple[float, float]:
    """The shares of a line across an axis on which the loss, and on which the loss or its gradient, is not finite.

    Args:
        look: The loss, over two axes.
        axis: The axis.
        values: Values of the line, (N,), that differ by rounding; any of them may be the exact one.
    """
    values = values[torch.linspace(0, len(values) - 1, min(len(values), _VALUES)).round().long()]
    along = (torch.arange(_LOOKED_AT, dtype=torch.float64) + 0.4142) / _LOOKED_AT
    along = look.bounds[1 - axis, 0] + along * look.spans[1 - axis]
    pair = [values[:, None].expand(-1, len(along)), along.expand(len(values), -1)]
    points = torch.stack(pair if axis == 0 else pair[::-1], -1).reshape(-1, 2)
    loss, gradient = finish(look.view.at(points))
    shape = (len(values), len(along))
    bad = ((~loss.isfinite()).reshape(shape), (~finite(loss, gradient)).reshape(shape))
    of_loss, of_either = (float(part.any(0).double().mean()) for part in bad)
    return of_loss, of_either


def _clusters(values: Tensor, span: float) -> list[Tensor]:
    """Group values that are the same to within rounding."""
    single = values.unique()
    cuts = (single.diff() > _SAME * span).nonzero().flatten() + 1
    return list(single.tensor_split(cuts.tolist()))


def _shortest(values: Tensor) -> float:
    """The value with the fewest digits, which a user may have typed, of some that agree to within rounding."""
    return min(values.tolist(), key=lambda value: (len(repr(value)), abs(value)))
