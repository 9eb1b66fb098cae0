"""The view and the start for fitting a line."""

import math

from gradwidgets.core.objectives.axes import Axes
from gradwidgets.core.regression.datasets import DATASETS
from gradwidgets.core.regression.sample import Sample

_ARTICLE_VIEW = {"bias": (-5.0, 8.0), "weight": (-5.0, 8.0)}
_ARTICLE_START = (6.0, -3.0)


def line_view(sample: Sample) -> tuple[Axes, tuple[float, float]]:
    """A view in which the mean squared residual rises about as much along weight as along bias.

    With s the standard deviation of y, the bias extends 4 s to each side of the least-squares fit and the
    weight 4 s / rms(x): MSE(fit + Δ) − MSE(fit) is mean(x²) Δw² along the weight and Δb² along the bias. The
    start lies at the upper left, where the line has too large a weight and too small a bias.

    Args:
        sample: The data.

    Returns:
        The view, bias first (horizontal), with bounds rounded outwards; and the start (weight, bias). For the
        dataset "article" they are those of its source: −5 to 8 on both axes, from (6, −3).
    """
    if _is_article(sample):
        return dict(_ARTICLE_VIEW), _ARTICLE_START
    weight, bias = sample.least_squares
    scale = math.sqrt(sample.covariances[2]) or abs(sample.y_mean) or 1.0
    bias_reach = 4 * scale
    rms = math.hypot(math.sqrt(sample.covariances[0]), sample.x_mean)
    weight_reach = bias_reach / rms if rms > 0 else bias_reach
    view = {"bias": _round_outwards(bias, bias_reach), "weight": _round_outwards(weight, weight_reach)}
    start = (_round(weight + 0.75 * weight_reach, weight_reach), _round(bias - 0.75 * bias_reach, bias_reach))
    return view, start


def _is_article(sample: Sample) -> bool:
    return sample.n == 50 and sample.same_as(Sample(*DATASETS["article"]()))


def _tick(reach: float) -> float:
    return 10.0 ** math.floor(math.log10(reach) - 0.3)


def _round_outwards(centre: float, reach: float) -> tuple[float, float]:
    # A reach below the rounding of the centre would give low = high.
    reach = max(reach, 1e-9 * abs(centre), 1e-150)
    tick = _tick(reach)
    return _clean(math.floor((centre - reach) / tick), tick), _clean(math.ceil((centre + reach) / tick), tick)


def _round(value: float, reach: float) -> float:
    tick = _tick(max(reach, 1e-9 * abs(value), 1e-150)) / 10
    return _clean(round(value / tick), tick)


def _clean(count: int, tick: float) -> float:
    # 3 · 0.1 is 0.30000000000000004; rounding gives the intended decimal, 0.3.
    return float(f"{count * tick:.12g}")
