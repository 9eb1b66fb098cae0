"""Points next to which slopes grow without end, described as points, as lines across an axis, or as a curve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import place
from gradwidgets.core.surfaces.patterns.in_view import finite
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.singular.bad_lines import ON_A_LINE

APART = 1e-3  # of the view: points farther from each other are two
_SAME = 1e-6  # of the view's width: values within it belong to one line
NAMED = 3
_ON_A_CURVE = 4  # points make a curve: three may be due to symmetry
_STRAIGHT = 1e-5  # of the view
_NEAR, _FAR = 1e-6, 1e-4  # of the view: how far beside a line slopes are compared
_GROWS = 5.0  # times from the far distance to the near one: next to a root it is 10
_ALONG, _MOST_OF_IT = 8, 0.75  # points along a line, and the share of them that must show it
_RING = 16  # points around a pole
_CLEAN = 0.85  # of them must be finite: at the edge of ground that is not it is half


@dataclass(frozen=True)
class Spot:
    """A point, a line or a curve at which slopes grow without end, or a loss is not finite.

    Attributes:
        words: The spot in words.
        point: One of its points, (P,).
        places: How many points were found on it.
    """

    words: str
    point: Tensor
    places: int


def in_words(spots: Sequence[Spot]) -> str:
    """The first three spots, and how many more there are."""
    said = [spot.words for spot in spots[:NAMED]]
    said += [f"{len(spots) - NAMED} more"] if len(spots) > NAMED else []
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def spots_of(look: Look, places: Sequence[Tensor], *, lines: bool = True) -> list[Spot]:
    """Group points, (P,) each, into lines across an axis, a curve, and single points.

    Args:
        look: The loss.
        places: The points, which are not finite, or next to which slopes grow.
        lines: Whether to look for lines across an axis.
    """
    left, found = torch.stack(list(places)), []
    for axis in range(len(look.names)) if lines and len(look.names) > 1 else ():
        for value in _values(left[:, axis], float(look.spans[axis])):
            on = (left[:, axis] - value).abs() <= _SAME * look.spans[axis]
            if len(one_of_each(left[on], look)) >= ON_A_LINE and is_a_line(look, axis, float(value)):
                found.append(Spot(place([look.names[axis]], [float(value)]), left[on][0], int(on.sum())))
                left = left[~on]
    points = one_of_each(left, look)
    if len(look.names) == 1:
        points = sorted(points, key=float)
    elif len(points) >= _ON_A_CURVE:
        return [*found, _curve(look, torch.stack(points))]
    return [*found, *(Spot(place(look.names, point.tolist()), point, 1) for point in points)]


def surrounded(look: Look, places: Sequence[Tensor]) -> list[Tensor]:
    """The points, over two axes, around which all is finite, so that they are not at the edge of bad ground."""
    if not len(places):
        return []
    angles = (torch.arange(_RING, dtype=torch.float64) + 0.37) * (2 * torch.pi / _RING)
    ways = torch.stack([angles.cos(), angles.sin()], -1) * APART * look.spans
    points = torch.stack(list(places))[:, None] + ways
    inside = ((points >= look.bounds[:, 0]) & (points <= look.bounds[:, 1])).all(-1)
    loss, gradient = finish(look.view.at(look.view.within(points).flatten(0, 1)))
    good = (finite(loss, gradient).reshape(inside.shape) | ~inside).double().mean(1) >= _CLEAN
    return [one for one, clean in zip(places, good.tolist(), strict=True) if clean]


def _curve(look: Look, points: Tensor) -> Spot:
    """Points, (N, 2), as a curve or a straight line, described by the two that are farthest apart."""
    shares = (points - points.mean(0)) / look.spans
    straight = float(torch.linalg.svdvals(shares)[-1]) <= _STRAIGHT * len(points) ** 0.5
    far = torch.cdist(shares, shares)
    ends = [points[k] for k in divmod(int(far.argmax()), len(points))]
    through = " and ".join(place(look.names, end.tolist()) for end in ends)
    return Spot(f"{'a slanting line' if straight else 'a curve'} through {through}", points[0], len(points))


def one_of_each(places: Iterable[Tensor], look: Look) -> list[Tensor]:
    """Leave out points next to an earlier one."""
    kept: list[Tensor] = []
    for one in places:
        if all(bool(((one - other).abs() > APART * look.spans).any()) for other in kept):
            kept.append(one)
    return kept


def _values(values: Tensor, span: float) -> Tensor:
    """Leave out values that equal an earlier one to within rounding, (N,)."""
    single = values.unique()
    return single[torch.cat([torch.ones(1, dtype=torch.bool), single.diff() > _SAME * span])] if len(single) else single


def is_a_line(look: Look, axis: int, value: float) -> bool:
    """Whether the slope grows towards a line all along it, and not only at points that happen to lie on it."""
    shares = (torch.arange(_ALONG, dtype=torch.float64) + 0.4142) / _ALONG
    places = (look.bounds[:, 0] + shares[:, None] * look.spans).expand(2, 2, -1, -1).clone()
    away = torch.tensor([[-_NEAR, _NEAR], [-_FAR, _FAR]], dtype=torch.float64) * look.spans[axis]
    places[..., axis] = (value + away)[..., None]
    _, gradient = finish(look.view.at(places.reshape(-1, 2)))
    near, far = (gradient * look.spans).norm(dim=-1).nan_to_num(0, 0, 0).reshape(2, 2, -1)
    return float((near > _GROWS * far).any(0).double().mean()) >= _MOST_OF_IT
