"""Maps as bands of equal share."""

import numpy as np
import pytest

from gradwidgets.figures.base.bands import band_edges, band_image
from gradwidgets.figures.base.style import BANDS, DARK, LIGHT


def surface(spread: float) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 31))
    return np.exp(spread * (x**2 + 0.3 * y**2)) - 1


@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0])
def test_the_edges_hold_the_same_shares_whatever_the_loss(spread):
    loss = surface(spread)
    edges = band_edges(loss, 18)
    assert edges.shape == (17,) and (np.diff(edges) > 0).all()
    shares = np.array([(loss < edge).mean() for edge in edges])
    np.testing.assert_allclose(shares, (np.arange(1, 18) / 18) ** 1.7, atol=0.02)


def test_what_is_not_finite_has_no_say_and_a_colour_of_its_own():
    loss = surface(1.0)
    loss[5:10, 5:10] = np.nan
    loss[20:25, 20:25] = np.inf
    edges = band_edges(loss, 18)
    assert np.isfinite(edges).all()
    image = band_image(loss, LIGHT.bands, "#ff00ff", 41, 31)
    assert tuple(image[7, 7]) == tuple(image[22, 22]) == (255, 0, 255, 255)
    assert (image[..., 3] == 255).all()


def test_nothing_finite_is_blank():
    image = band_image(np.full((5, 5), np.nan), LIGHT.bands, "#123456", 20, 10)
    assert image.shape == (10, 20, 4)
    assert (image == (0x12, 0x34, 0x56, 255)).all()


@pytest.mark.parametrize("style", [LIGHT, DARK], ids=["light", "dark"])
def test_low_ground_has_the_first_colour_and_high_ground_the_last(style):
    loss = surface(1.0)
    image = band_image(loss, style.bands, style.plot, 410, 310)
    low, high = (np.rint(style.bands[k][:3] * 255) for k in (0, BANDS - 1))
    assert np.abs(image[155, 205, :3] - low).max() <= 1
    assert np.abs(image[0, 0, :3] - high).max() <= 1


def test_the_first_row_is_the_lowest():
    loss = np.repeat(np.arange(11.0)[:, None], 11, axis=1)
    image = band_image(loss, LIGHT.bands, LIGHT.plot, 30, 60).astype(int).sum(-1)
    assert (np.diff(image[:, 5]) <= 0).all() and image[0, 0] > image[-1, 0]


@pytest.mark.parametrize("loss", [np.zeros((4, 4)), np.full((4, 4), 1e300), np.diag([1e300, -1e300, 0, 1.0])], ids=str)
def test_flat_and_extreme_surfaces_are_painted_without_a_warning(loss):
    assert band_image(loss, LIGHT.bands, LIGHT.plot, 12, 9).shape == (9, 12, 4)
