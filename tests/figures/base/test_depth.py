"""Layers' colours can be told apart and read on both grounds."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gradwidgets.figures.base.depth_colors import depth_colors
from gradwidgets.figures.base.style import STYLES


def luminance(color) -> float:
    rgb = np.array(to_rgb(color))
    return float(np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_lightness_alone_tells_the_depth(style):
    ramp = [luminance(color) for color in depth_colors(12, style)]
    assert (np.diff(ramp) > 0).all()
    ground = luminance(style.plot)
    for shade in ramp:
        assert (max(shade, ground) + 0.05) / (min(shade, ground) + 0.05) > 2.2
