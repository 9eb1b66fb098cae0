"""Even bands with level lines between them, against a plain painting of the same surface."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.figures.base.style import LIGHT
from gradwidgets.figures.surface.even_bands import even_bands

BANDS = len(LIGHT.aside)
COLORS = (LIGHT.aside[:, :3] * 255).round().astype(int)


def nearest(image: np.ndarray) -> np.ndarray:
    """The band whose colour is nearest to each pixel's."""
    return np.abs(image[..., None, :3].astype(int) - COLORS).sum(-1).argmin(-1)


def plane(across: float, down: float, offset: float, size: int = 9) -> np.ndarray:
    x = np.linspace(0, 1, size)
    return offset + across * x[None, :] + down * x[:, None]


@settings(max_examples=40, deadline=None)
@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(-2, BANDS + 2))
def test_between_the_lines_a_pixel_has_its_own_band_s_colour(across, down, offset):
    place = plane(across, down, offset)
    image = even_bands(place, LIGHT.aside, "#ff00ff", 120, 90)
    x, y = np.linspace(0, 1, 120), np.linspace(0, 1, 90)
    wanted = offset + across * x[None, :] + down * y[:, None]
    slope = np.hypot(across / 119, down / 89)
    away = np.abs(wanted - wanted.round()) > 1.6 * slope + 1e-3
    band = np.clip(np.floor(wanted), 0, BANDS - 1).astype(int)
    assert (nearest(image)[away] == band[away]).all()
    assert (image[..., 3] == 255).all()


def test_a_level_line_is_a_darker_pixel_or_two():
    image = even_bands(plane(4.0, 0.0, 6.5), LIGHT.aside, "#ff00ff", 400, 3).astype(int)
    brightness = image[1, :, :3].sum(-1)
    beside = np.minimum(np.roll(brightness, 5), np.roll(brightness, -5))
    dark = np.flatnonzero((brightness < beside - 15)[5:-5]) + 5
    assert set(np.round(6.5 + 4.0 * dark / 399).astype(int)) == {7, 8, 9, 10}
    assert len(dark) <= 12


def test_a_plateau_on_a_level_is_no_line_and_a_cliff_is_no_smear():
    flat = even_bands(np.full((5, 5), 7.0), LIGHT.aside, "#ff00ff", 50, 40)
    assert len(np.unique(flat.reshape(-1, 4), axis=0)) == 1 and nearest(flat)[0, 0] in (6, 7)
    cliff = even_bands(np.array([[0.2, 0.2, 17.5, 17.5]] * 2), LIGHT.aside, "#ff00ff", 31, 4)
    assert {0, BANDS - 1} <= set(nearest(cliff).ravel())


def test_what_is_missing_is_blank_and_the_first_row_is_the_lowest():
    place = np.full((9, 9), 1.5)
    place[5:] = 15.5
    place[:, 8] = np.nan
    image = even_bands(place, LIGHT.aside, "#ff00ff", 90, 90)
    assert (image[:, -5:, :3] == (255, 0, 255)).all()
    assert nearest(image)[5, 5] == 1 and nearest(image)[-5, 5] == 15


@pytest.mark.parametrize(
    "place", [np.full((3, 3), np.nan), np.array([[1e300, -1e300], [np.inf, 0.0]]), np.ones((2, 2))]
)
def test_extremes_are_painted_without_a_warning(place):
    assert even_bands(place, LIGHT.aside, LIGHT.plot, 12, 9).shape == (9, 12, 4)
