"""Several poles are all named, up to three, and the rest counted; one off the axes is named beside another fault."""

import math

import pytest
import torch

from gradwidgets import check_loss

UNIT = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
TURN = {"a": (-math.pi / 2, math.pi / 2)}


def blamed(loss, axes):
    return [one for one in check_loss(loss, axes).findings if one.name in ("non_finite", "singular")]


def said(loss, axes):
    return "; ".join(one.message for one in blamed(loss, axes))


SEVERAL = {
    "a tangent at both ends": (lambda a: torch.tan(a) ** 2, TURN, ("a −1.57", "a 1.57")),
    "a divisor at both ends": (lambda a: 1 / (a * (1 - a)) ** 2, {"a": (0.0, 1.0)}, ("a 0", "a 1")),
    "a cross entropy at both ends": (
        lambda p: -0.3 * torch.log(p) - 0.7 * torch.log(1 - p), {"p": (0.0, 1.0)}, ("p 0", "p 1"),
    ),
    "two between": (lambda a: 1 / (a - 0.313) ** 2 + 1 / (a + 0.4) ** 2, {"a": (-1.0, 1.0)}, ("a 0.313", "a −0.4")),
    "three between": (
        lambda a: 1 / ((a - 0.313) * (a + 0.417) * (a - 0.71)).abs(), {"a": (-1.0, 1.0)},
        ("a 0.313", "a −0.417", "a 0.71"),
    ),
    "of a sine, more than three": (lambda a: 1 / torch.sin(3 * a + 0.1) ** 2, {"a": (-2.7, 2.8)}, ("2 more",)),
    "of a sine, many": (lambda a: 1 / torch.sin(9 * a + 0.1) ** 2, {"a": (-2.7, 2.8)}, ("13 more",)),
    "two lines across": (
        lambda a, b: 1 / (a - 0.313) ** 2 + 1 / (b + 0.417) ** 2, UNIT, ("a 0.313", "b −0.417"),
    ),
    "two lines beside each other": (
        lambda a, b: 1 / (a - 0.313) ** 2 + 1 / (a + 0.617) ** 2 + b * b, UNIT, ("a 0.313", "a −0.617"),
    ),
    "two points": (
        lambda a, b: 1 / torch.hypot(a - 0.313, b - 0.22) + 1 / torch.hypot(a + 0.417, b + 0.51), UNIT,
        ("a 0.313, b 0.22", "a −0.417, b −0.51"),
    ),
}  # fmt: skip
OFF_THE_AXES = {
    "a slanting line beside a root's": (
        lambda a, b: 1 / (a - 2 * b + 0.13) ** 2 + torch.sqrt((a - 0.5) ** 2), UNIT, ("a 0.5", "sqrt", "reciprocal"),
    ),
    "a circle beside a logarithm's": (
        lambda a, b: 1 / (a * a + b * b - 0.5137) ** 2 + torch.log(a + 0.7), UNIT, ("log", "reciprocal", "curve"),
    ),
    "a parabola beside a root's": (
        lambda a, b: torch.log((b - a * a + 0.2137).abs()) + torch.sqrt(b + 0.6), UNIT, ("sqrt", "log"),
    ),
    "a slanting line and one across": (
        lambda a, b: 1 / (a + b - 0.2137).abs() + 1 / (a - 0.5), UNIT, ("a 0.5", "slanting"),
    ),
}  # fmt: skip
# A line that one fault makes is told once, however many of its places are hit exactly.
ONE = {
    "a slanting line": (lambda a, b: 1 / (a - 2 * b) ** 2, UNIT),
    "a circle": (lambda a, b: 1 / (a * a + b * b - 0.5) ** 2, UNIT),
    "a line across": (lambda a, b: 1 / (a - 0.5) ** 2 + b, UNIT),
    "a border": (lambda a, b: torch.log(a - b), UNIT),
    "a curved border": (lambda a, b: torch.log(0.8 - a * a - b * b), UNIT),
}
NONE = {
    "walls of finite height": (
        lambda a, b: 1 / ((a - 0.313) ** 2 + 0.02) + 1 / ((b + 0.417) ** 2 + 0.02), UNIT,
    ),
    "a steep ring": (lambda a, b: torch.sigmoid(60 * (a * a + b * b - 0.5)), UNIT),
    "a slanting valley": (lambda a, b: torch.sqrt((a - 2 * b) ** 2 + 1e-3), UNIT),
}  # fmt: skip


@pytest.mark.parametrize("name", SEVERAL)
def test_all_are_named(name):
    loss, axes, words = SEVERAL[name]
    text = said(loss, axes)
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("name", OFF_THE_AXES)
def test_both_faults_are_named(name):
    loss, axes, words = OFF_THE_AXES[name]
    text = said(loss, axes)
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("name", ONE)
def test_one_fault_is_told_once(name):
    assert len(blamed(*ONE[name])) == 1


@pytest.mark.parametrize("name", NONE)
def test_what_is_only_steep_is_no_pole(name):
    assert blamed(*NONE[name]) == []
