"""The picture of a report: there is one whatever the loss is, and it shows what it should."""

import io
import warnings

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from gradwidgets.core import sample_surface
from gradwidgets.figures.surface.report_picture import SIZE, report_picture

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}


def pixels(grid, marked=None):
    with Image.open(io.BytesIO(report_picture(grid, marked or {}))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_a_map_shows_a_higher_loss_darker_and_marks_a_place():
    grid = sample_surface(lambda a, b: a + 0 * b, SQUARE, 21)
    plain = pixels(grid)
    middle = plain[plain.shape[0] // 2].sum(-1)
    assert middle[180] > middle[1000] + 100  # pale on the left, dark on the right
    across, down = where(plain, pixels(grid, {"1": (0.0, 0.0)}))
    assert 20 < np.ptp(across) < 60 and 20 < np.ptp(down) < 60
    across, down = where(plain, pixels(grid, {"1": (-1.0, -1.0), "2": (-1.0, -0.99)}))  # both in one
    assert 60 > np.ptp(down) > 20 and np.ptp(across) > np.ptp(down)


def where(one, other):
    """Where two pictures differ by more than their 256 colours do."""
    rows, columns = np.nonzero((np.abs(one - other) > 60).any(-1))
    return columns, rows


HARD = {
    "nowhere finite": (lambda a, b: (a * b - 100).log(), SQUARE),
    "half of it": (lambda a, b: (a + b).log(), SQUARE),
    "only its gradient": (lambda a, b: torch.where(a > 0, a.sqrt(), -a) + b, SQUARE),
    "constant": (lambda a, b: 0 * a * b + 3, SQUARE),
    "huge": (lambda a, b: 1e307 * a * (a + b), {"a": (-5.0, 5.0), "b": (-5.0, 5.0)}),
    "overflowing": (lambda a, b: torch.exp(300 * a) * b, {"a": (-5.0, 5.0), "b": (-5.0, 5.0)}),
    "odd axes": (lambda a, b: a + b, {"a": (1e-300, 2e-300), "b": (1e300, 3e300)}),
    "six decades": (lambda a, b: 10 ** (3 * (a + b)), SQUARE),
    "a curve": (lambda a: a**2, {"a": (-1.0, 1.0)}),
    "a curve, half of it": (lambda a: a.log(), {"a": (-1.0, 1.0)}),
    "a curve, nowhere finite": (lambda a: (a - 5).log(), {"a": (-1.0, 1.0)}),
    "a huge curve": (lambda a: 1e308 * a**3, {"a": (-2.0, 2.0)}),
}


@pytest.mark.parametrize("resolution", [2, 9])
@pytest.mark.parametrize(("loss", "axes"), HARD.values(), ids=HARD)
def test_whatever_a_loss_is_there_is_a_picture(loss, axes, resolution):
    grid = sample_surface(loss, axes, resolution)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        drawn = pixels(grid, {"1": tuple(low for low, _ in axes.values()), "2": (1e9,) * len(axes)})
    assert drawn.shape == (2 * SIZE[1], 2 * SIZE[0], 3)


def test_what_is_not_finite_is_striped():
    finite = pixels(sample_surface(lambda a, b: 0 * a + 0 * b, SQUARE, 21))
    half = pixels(sample_surface(lambda a, b: torch.where(a < 0, float("nan"), 0.0) + 0 * b, SQUARE, 21))
    line, other = half[500, 150:500], finite[500, 150:500]
    changes = (np.abs(np.diff(line.sum(-1))) > 60).sum()
    assert changes > 20 > (np.abs(np.diff(other.sum(-1))) > 60).sum()


def test_drawing_leaves_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    report_picture(sample_surface(lambda a, b: a**2 + b**2, SQUARE, 9), {})
    assert dict(matplotlib.rcParams) == before
