"""Places that are not finite, or next to which slopes grow, told as the lines across an axis on which they lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import place
from gradwidgets.core.surfaces.patterns.in_view import finite
from gradwidgets.core.surfaces.patterns.look import Look

ON_A_LINE = 3  # places make one
_SAME = 1e-9  # of the view's width: values so near to each other are one, which rounding has moved
_WIDE = 0.45  # of the view: over so much of it places on a line must lie
_LOOKED_AT = 32  # places along a line
ALL, _MUCH = 0.9, 0.25  # of them
_VALUES = 8  # of a line, of which any may be the one that is hit exactly


@dataclass(frozen=True, eq=False)
class BadLine:
    """A line across an axis on which a loss, or only its gradient, is not finite.

    Attributes:
        axis: Which.
        value: There, without what rounding adds.
        whole: Whether that is so all along it.
        loss_too: Whether the loss is not finite along it, or only the gradient.
        on: Which of the places lie on it, (N,).
    """

    axis: int
    value: float
    whole: bool
    loss_too: bool
    on: Tensor


def in_words(lines: Sequence[BadLine], names: Sequence[str]) -> str:
    """Lines in words, those that are bad all along first; "" for none."""
    parts = []
    for whole, how in ((True, "all along"), (False, "along much of")):
        said = [place([names[line.axis]], [line.value]) for line in lines if line.whole == whole]
        parts += [f"{how} {' and '.join(said)}"] if said else []
    return ", and ".join(parts)


def bad_lines(look: Look, places: Tensor) -> list[BadLine]:
    """The lines on which places, (N, P), lie that are not finite; what is so of single ones is not said of a line."""
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
    """At which shares of a line across an axis the loss, and either it or its gradient, is not finite.

    Args:
        look: What is looked at, over two axes.
        axis: Which.
        values: Of the line, (N,): they differ by rounding, and any of them may be it.
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
    """Values that are the same to within rounding, together."""
    single = values.unique()
    cuts = (single.diff() > _SAME * span).nonzero().flatten() + 1
    return list(single.tensor_split(cuts.tolist()))


def _shortest(values: Tensor) -> float:
    """Of values that agree to within rounding, the one that a user may have typed."""
    return min(values.tolist(), key=lambda value: (len(repr(value)), abs(value)))
