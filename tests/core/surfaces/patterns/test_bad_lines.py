"""What is not finite is said of a line only where the line is so, and poles elsewhere are told."""

import math

import pytest
import torch

from gradwidgets import check_loss

SQUARE = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}


def found(loss, axes):
    return {one.name: one for one in check_loss(loss, axes, resolution=21).findings}


def test_a_point_at_which_the_loss_is_nan_is_not_said_of_the_line_it_lies_on():
    said = found(lambda a, b: torch.acos(a / torch.sqrt(a * a + b * b)), SQUARE)["non_finite"]
    assert said.message.startswith("not finite all along b 0, only the gradient, which is NaN")
    assert "; at a 0, b 0 the loss itself is NaN too: div makes it" in said.message
    assert "(−1, 1)" in said.action and "divisor" in said.action


def test_half_of_a_line_is_not_all_of_it():
    said = found(lambda a, b: torch.sqrt(b * b + torch.relu(-a)) + a * a, SQUARE)["non_finite"]
    assert said.message.startswith("not finite along much of b 0, only the gradient")


def test_two_lines_are_named_once_each():
    said = found(lambda a, b: torch.sqrt(a * a) + torch.sqrt(b * b), SQUARE)["non_finite"]
    assert said.message.startswith("not finite all along a 0 and b 0, only the gradient")


POLE_ASIDE = {
    "on a curve": (lambda t: 1 / torch.cos(math.pi / 2 * t) ** 2 + torch.sqrt(torch.sin(t) ** 2), {"t": (0, 1)}, "t 1"),
    "on a line": (
        lambda e, t: e**2 / torch.cos(math.pi / 2 * t) ** 2 + torch.sqrt(t),
        {"e": (-3, 3), "t": (0, 1)},
        "t 1",
    ),
    "across ground that is undefined": (
        lambda a, b: torch.log(a) + 1 / torch.sin(b + 3) ** 2,
        SQUARE,
        "b 0.142",
    ),
}


@pytest.mark.parametrize(("loss", "axes", "where"), POLE_ASIDE.values(), ids=POLE_ASIDE)
def test_a_pole_is_told_though_something_is_not_finite_elsewhere(loss, axes, where):
    assert f"towards {where};" in found(loss, axes)["singular"].message


ONE_CAUSE = {
    "the bound of a logarithm": (lambda a, b: -torch.log(a) + b * b, SQUARE),
    "a pole that is infinite itself": (lambda a, b: 1 / a + b * b, SQUARE),
    "a pole along a slanting line": (lambda a, b: 1 / (a - b) ** 2, SQUARE),
    "a root": (lambda t: torch.sqrt(torch.sin(t) ** 2) + t**4, {"t": (-1.0, 1.0)}),
}


@pytest.mark.parametrize(("loss", "axes"), ONE_CAUSE.values(), ids=ONE_CAUSE)
def test_what_is_not_finite_is_not_told_again_as_a_pole(loss, axes):
    names = set(found(loss, axes))
    assert "non_finite" in names and "singular" not in names
