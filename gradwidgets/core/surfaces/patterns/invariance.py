"""Losses that stay the same if all of their parameters are scaled, or shifted, together."""

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.look import Look

_ASKED = 400  # points
_SAME = 1e-2  # of the loss's height
_NEARLY_ALL = 0.97  # of the points: near 0 the eps of a norm counts
_UNLIKE = 0.2  # of the height: so far from the median is another value
_SOME = 0.1  # of the points: so many must have another value, since a constant loss proves nothing
_SCALES, _SHIFT = (0.6, 1.7), 0.31  # of the width


def invariance(look: Look) -> str:
    """How both parameters can be changed together without changing the loss: "scaled", "shifted", or ""."""
    if not look.known or look.view.slow or look.view.dims == 1 or not look.height:
        return ""
    points, loss = look.lattice.points[look.lattice.finite], look.lattice.loss[look.lattice.finite]
    chosen = torch.linspace(0, len(points) - 1, min(len(points), _ASKED), dtype=torch.float64).round().long()
    points, loss = points[chosen], loss[chosen]
    varies = (loss - loss.median()).abs() > _UNLIKE * look.height
    if float(varies.double().mean()) < _SOME:
        return ""
    if all(_is_same(look, points * scale, loss) for scale in _SCALES):
        return "scaled"
    shift = _SHIFT * look.spans.min()
    return "shifted" if all(_is_same(look, points + sign * shift, loss) for sign in (-1, 1)) else ""


def _is_same(look: Look, points: Tensor, known: Tensor) -> bool:
    loss, _ = finish(look.view.at(points, gradient=False))
    return float(((loss - known).abs() <= _SAME * look.height).double().mean()) >= _NEARLY_ALL
