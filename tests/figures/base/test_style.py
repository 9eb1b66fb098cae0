"""One family of colours that all readers can tell apart."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gradwidgets.core import LOSSES
from gradwidgets.figures.base.style import STYLES, loss_line

# Machado, Oliveira and Fernandes 2009, severity 1.
BLIND = {
    "red-blind": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green-blind": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "blue-blind": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(color) -> np.ndarray:
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(color) -> float:
    return float(linear(color) @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_text_can_be_read(style):
    for ink in (style.ink, style.muted):
        for ground in (style.face, style.plot):
            low, high = sorted((luminance(ink), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_height_is_lightness_for_every_reader(style):
    for matrix in (np.eye(3), *map(np.array, BLIND.values())):
        light = [float(np.clip(matrix @ linear(color), 0, 1) @ (0.2126, 0.7152, 0.0722)) for color in style.ramp]
        assert (np.diff(light) < 0).all()


@pytest.mark.parametrize("matrix", BLIND.values(), ids=BLIND)
def test_losses_are_told_apart_by_colour_or_line(matrix):
    lines = [loss_line(name, k) for k, name in enumerate(LOSSES)]
    for (one, dashes), (other, more_dashes) in combinations(lines, 2):
        gap = np.abs(np.array(matrix) @ (linear(one) - linear(other))).max()
        assert gap > 0.1 or dashes != more_dashes


def test_losses_are_told_apart_without_colour():
    assert len({loss_line(name, k)[1] for k, name in enumerate(LOSSES)}) == len(LOSSES)


def test_a_loss_keeps_its_line_wherever_it_stands():
    assert {loss_line("MSE", k) for k in range(4)} == {loss_line("MSE", 0)}
    assert loss_line("rosenbrock", 0) != loss_line("beale", 1)


def test_a_loss_alone_is_a_solid_line_in_its_own_colour():
    for name in ("MSE", "L1", "Huber", "SmoothL1"):
        color, dashes = loss_line(name, 0, STYLES["light"], alone=True)
        assert dashes == "-" and color == loss_line(name, 0, STYLES["light"])[0]
