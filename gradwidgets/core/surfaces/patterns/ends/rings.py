"""False minima at tips: where branches tie, autograd takes half of each slope, and the sum may be 0."""

import math
from collections.abc import Sequence

import torch

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns.in_view import View

_AWAY = (1e-3, 1e-4)  # of the view's widths
_AS_A_LINE = (5.0, 20.0)  # how many times as far the loss falls at the farther ring, which is ten times as far away
_SLOPE = 1e-2  # of a steep slope: if the loss falls less steeply, a minimum was not hit exactly
_WAYS = 16


def without_tips(view: View, critical: Sequence[CriticalPoint], steep: float) -> Slices[list[CriticalPoint]]:
    """Leave out the minima from which the loss falls at once, as a line does.

    Args:
        view: The loss over its axes.
        critical: The critical points.
        steep: A steep slope in view, per width of the view.
    """
    minima = [one for one in critical if one.kind == "minimum" and one.eigenvalues]
    if not minima or view.dims == 1 or view.slow:
        return list(critical)
    angles = (torch.arange(_WAYS, dtype=torch.float64) + 0.37) * (2 * math.pi / _WAYS)
    ways = torch.stack([angles.cos(), angles.sin()], -1) * view.spans
    places = torch.tensor([one.point for one in minima], dtype=torch.float64)
    rings = torch.cat([places[:, None] + far * ways for far in _AWAY], 1)
    losses, _ = yield from view.at(rings.flatten(0, 1), gradient=False)
    here = torch.tensor([one.loss for one in minima], dtype=torch.float64)
    far, near = (here - losses.nan_to_num(torch.inf).reshape(len(minima), 2, -1).amin(-1).T).unbind(0)
    low, high = _AS_A_LINE
    falls = (far > _SLOPE * steep * _AWAY[0]) & (near > 0) & (far >= low * near) & (far <= high * near)
    wrong = {one.point for one, is_tip in zip(minima, falls.tolist(), strict=True) if is_tip}
    return [one for one in critical if one.kind != "minimum" or one.point not in wrong]
