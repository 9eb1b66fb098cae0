"""Tips of cones, such as a distance's: points around which the gradient takes every direction."""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.patterns.in_view import View, finite

_TIPS = 8  # candidates that are followed
_ACROSS = 7  # points of a window along an axis; the next window is three times narrower
_WINDOWS, _CERTAIN = 34, 20  # windows to the last digit of float64; windows after which it is certain to be a tip
_SETTLED = 4  # windows in which the turn of the smooth rest fades
_STAYS = 0.45  # of the turn in the window before: of a smooth turn a third is left, of a tip's more
_DIGITS = 12  # significant digits of a number as people write it
_ULPS = 3  # around the last window


def following_tips(view: View, mesh: Tensor, gradient: Tensor) -> Slices[list[Tensor]]:
    """Follow every point at which the gradient turns, and not all along a line, to its last digit.

    Args:
        view: The loss over two axes.
        mesh: Points, (N, N, 2).
        gradient: The gradient at these points, of the same shape.

    Returns:
        Points met on the way, (2,) each, at which the loss or the gradient is not finite.
    """
    at = _candidates(mesh, gradient * view.spans)
    before = torch.zeros(len(at), dtype=torch.float64)
    share = torch.linspace(-1, 1, _ACROSS, dtype=torch.float64)
    offsets = torch.stack(torch.meshgrid(share, share, indexing="ij"), -1).reshape(-1, 2)
    reach = view.spans / (len(mesh) - 1)
    bad: list[Tensor] = []
    for window in range(_WINDOWS):
        if not len(at):
            return bad
        places = view.within(at[:, None] + offsets * reach)
        losses, gradients = yield from view.at(places.reshape(-1, 2))
        good = finite(losses, gradients).reshape(len(at), -1)
        bad += [places[k][~good[k]][0] for k in (~good).any(1).nonzero().flatten().tolist()]
        turns = _turns((gradients * view.spans).reshape(len(at), _ACROSS, _ACROSS, 2)).flatten(1)
        most, where = turns.max(1)
        decides = _SETTLED < window < _CERTAIN
        stays = good.all(1) & ((most > _STAYS * before) | (not decides))
        corners = places.reshape(len(at), _ACROSS, _ACROSS, 2)
        middles = ((corners[:, :-1, :-1] + corners[:, 1:, 1:]) / 2).reshape(len(at), -1, 2)
        at = middles[torch.arange(len(at)), where][stays]
        before, reach = most[stays], reach * 2 / (_ACROSS - 1)
        yield (window + 1) / _WINDOWS
    bad += yield from _to_the_digit(view, at)
    return bad


def _candidates(mesh: Tensor, slopes: Tensor) -> Tensor:
    """The middles of the cells, (M, 2), in which the gradient turns more than in those around them."""
    turns = _turns(slopes)[None, None]
    above = turns - avg_pool2d(turns, 5, 1, 2, count_include_pad=False)
    peaks = (turns == max_pool2d(turns, 3, 1, 1)) & (above > 1e-9 * turns.max())
    above = torch.where(peaks, above, 0.0).flatten()
    values, which = above.topk(min(_TIPS, len(above)))
    return ((mesh[:-1, :-1] + mesh[1:, 1:]) / 2).reshape(-1, 2)[which[values > 0]]


def _turns(slopes: Tensor) -> Tensor:
    """The least spread, over all directions, of the gradients at the corners of a cell.

    At a kink there are two gradients, which lie on a line, so the spread is 0; around a tip they lie on no line.

    Args:
        slopes: Gradients at points of a grid, (…, N, M, 2).

    Returns:
        A value for each cell, (…, N − 1, M − 1); 0 where a gradient is not finite.
    """
    parts = (slopes[..., :-1, :-1, :], slopes[..., :-1, 1:, :], slopes[..., 1:, :-1, :], slopes[..., 1:, 1:, :])
    corners = torch.stack(parts, -2)
    spread = corners - corners.mean(-2, keepdim=True)
    x, y = spread.unbind(-1)
    xx, yy, xy = (x * x).mean(-1), (y * y).mean(-1), (x * y).mean(-1)
    least = (xx + yy) / 2 - (((xx - yy) / 2) ** 2 + xy**2).sqrt()
    return least.nan_to_num(0, 0, 0).clamp_min(0).sqrt()


def _to_the_digit(view: View, at: Tensor) -> Slices[list[Tensor]]:
    """Evaluate the floats right around points, and round numbers near them, which a user may have typed."""
    steps = torch.arange(-_ULPS, _ULPS + 1, dtype=torch.float64)
    near = torch.cartesian_prod(steps, steps) * torch.finfo(torch.float64).eps
    bad = []
    for point in at:
        written = torch.tensor(
            [_written(float(x), float(s)) for x, s in zip(point, view.spans, strict=True)], dtype=torch.float64
        )
        places = torch.cat([point * (1 + near), written[None], written.float().double()[None]])
        losses, gradients = yield from view.at(view.within(places))
        good = finite(losses, gradients)
        bad += list(view.within(places)[~good][-1:])
    return bad


def _written(value: float, span: float) -> float:
    return round(value, _DIGITS - math.floor(math.log10(span))) + 0.0
