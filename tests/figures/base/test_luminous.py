"""The colours of a loss from low to high."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gradwidgets.figures.base.luminous import LEVELS, levels
from gradwidgets.figures.base.marks import NIGHT
from gradwidgets.figures.base.style import LIGHT, MARKS, STYLES, contrast, loss_line
from tests.figures.base.test_style import BLIND, linear

LOSSES = ("MSE", "L1", "Huber", "SmoothL1", "LogCosh", "one", "another", "third")


@pytest.fixture(params=STYLES.values(), ids=STYLES)
def ramp(request) -> np.ndarray:
    return request.param.ramp


def oklab(color) -> np.ndarray:
    """OKLab by the matrices from sRGB that its author published; ours are those of the other direction."""
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(lab) @ np.cbrt(np.array(cones) @ linear(color))


def test_the_ramp_is_what_its_recipe_says():
    assert LIGHT.ramp.shape == (LEVELS, 4) and (LIGHT.ramp[:, 3] == 1).all()
    ends = {name: [oklab(style.ramp[k]) for k in (0, -1)] for name, style in STYLES.items()}
    light = {name: [round(float(lab[0]), 3) for lab in pair] for name, pair in ends.items()}
    assert light == {"light": [0.975, 0.3], "dark": [0.95, 0.215]}
    hue = [np.degrees(np.arctan2(*oklab(LIGHT.ramp[k])[:0:-1])) % 360 for k in (0, 85, 170, 255)]
    assert hue == pytest.approx([98, 178, 232, 278], abs=1.0)


def test_steps_look_alike(ramp):
    steps = np.linalg.norm(np.diff([oklab(color) for color in ramp], axis=0), axis=1)
    assert steps.min() > 0.9 * steps.mean() and steps.max() < 1.1 * steps.mean()


@pytest.mark.parametrize("matrix", [np.eye(3), *map(np.array, BLIND.values())], ids=["all", *BLIND])
def test_higher_is_darker_for_every_reader(ramp, matrix):
    seen = np.clip([matrix @ linear(color) for color in ramp], 0, 1) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(seen) < 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_path_stands_out_at_every_level(ramp, name):
    """By its white casing or its night edge; and its line stands out from the casing."""
    assert min(max(contrast(color[:3], "#ffffff"), contrast(color[:3], NIGHT)) for color in ramp) >= MARKS
    assert all(contrast(to_rgb(loss_line(name, k, LIGHT)[0]), "#ffffff") >= MARKS for k in range(3))


@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0])
def test_the_median_lies_in_the_middle_and_the_order_stays(spread):
    x, y = np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 31))
    loss = np.exp(spread * (x**2 + 0.3 * y**2)) - 1
    level = levels(loss)
    assert (level.min(), level.max()) == (0, 1) and np.median(level) == pytest.approx(0.56, abs=1e-3)
    assert (np.diff(level.ravel()[np.argsort(loss, axis=None)]) >= 0).all()


def test_what_is_not_finite_has_no_level_and_no_say():
    loss = np.array([[0.0, 1.0, np.inf], [4.0, np.nan, -np.inf]])
    assert np.isnan(levels(loss)[~np.isfinite(loss)]).all()
    assert levels(loss)[np.isfinite(loss)] == pytest.approx([0, 0.56, 1])


@pytest.mark.parametrize("loss", [np.zeros((3, 3)), np.full((2, 2), np.nan), np.diag([1e308, -1e308, 0.0])], ids=str)
def test_flat_blank_and_extreme_surfaces_have_levels_without_a_warning(loss):
    with np.errstate(all="raise"):
        level = levels(loss)
    assert ((level >= 0) & (level <= 1) | np.isnan(level)).all()
