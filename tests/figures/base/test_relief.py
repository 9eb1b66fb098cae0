"""A surface in smooth colours."""

import numpy as np
import pytest

from gradwidgets.figures.base.luminous import levels
from gradwidgets.figures.base.relief import LINES, ramp_at, relief
from gradwidgets.figures.base.style import DARK, LIGHT


def bowl() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 31))
    return levels(x**2 + 0.3 * y**2)


def test_what_is_not_finite_has_a_colour_of_its_own():
    level = bowl()
    level[5:10, 5:10] = np.nan
    image = relief(level, LIGHT.ramp, "#ff00ff", 41, 31)
    assert tuple(image[7, 7]) == (255, 0, 255, 255)
    assert (image[..., 3] == 255).all()


def test_nothing_finite_is_blank():
    image = relief(np.full((5, 5), np.nan), LIGHT.ramp, "#123456", 20, 10)
    assert image.shape == (10, 20, 4)
    assert (image == (0x12, 0x34, 0x56, 255)).all()


@pytest.mark.parametrize("style", [LIGHT, DARK], ids=["light", "dark"])
def test_low_ground_has_the_first_colour_and_high_ground_the_last(style):
    image = relief(bowl(), style.ramp, style.plot, 410, 310)
    low, high = (np.rint(style.ramp[k][:3] * 255) for k in (0, -1))
    assert np.abs(image[155, 205, :3] - low).max() <= 4
    assert np.abs(image[0, 0, :3] - high).max() <= 1


def test_between_the_lines_a_pixel_has_the_colour_of_its_level():
    level = np.linspace(0, 1, 30)[None].repeat(9, axis=0)
    image = relief(level, LIGHT.ramp, LIGHT.plot, 600, 9)[4, :, :3].astype(float)
    at = np.linspace(0, 1, 600)
    away = np.abs(at * (LINES + 1) - np.rint(at * (LINES + 1))) > 0.1
    assert np.abs(image - ramp_at(at, LIGHT.ramp)[:, :3] * 255)[away].max() <= 1.5


@pytest.mark.parametrize("ratio", [1, 2])
def test_there_are_so_many_pale_lines_as_wide_as_the_page_asks(ratio):
    level = np.linspace(0, 1, 30)[None].repeat(9, axis=0)
    image = relief(level, LIGHT.ramp, LIGHT.plot, 600 * ratio, 9, ratio)[4, :, :3].astype(float)
    paler = image.sum(-1) - 255 * ramp_at(np.linspace(0, 1, 600 * ratio), LIGHT.ramp)[:, :3].sum(-1) > 8
    assert (np.diff(paler.astype(int)) == 1).sum() >= LINES - 2  # the first lie on ground as pale as they are
    assert paler.sum() <= 2.2 * ratio * LINES


def test_the_first_row_is_the_lowest():
    level = np.repeat(np.linspace(0, 1, 11)[:, None], 11, axis=1)
    image = relief(level, LIGHT.ramp, LIGHT.plot, 30, 60).astype(int).sum(-1)
    assert image[0, 0] > image[30, 0] > image[-1, 0]


@pytest.mark.parametrize("loss", [np.zeros((4, 4)), np.full((4, 4), 1e300), np.diag([1e300, -1e300, 0, 1.0])], ids=str)
def test_flat_and_extreme_surfaces_are_painted_without_a_warning(loss):
    with np.errstate(all="raise", under="ignore"):
        assert relief(levels(loss), LIGHT.ramp, LIGHT.plot, 12, 9).shape == (9, 12, 4)
