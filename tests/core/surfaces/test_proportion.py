"""Rows of the table whose values or gradients are out of all proportion are marked, and no verdict passes over them."""

import math

import pytest
import torch

from gradwidgets import check_loss
from gradwidgets.core.surfaces.proportion import OUT

SPOKEN_OF = {"non_finite", "precision", "singular"}

ABSURD = {
    "an exponential of a product": (
        lambda a, b: torch.exp(a * b) + (a - 1) ** 2 + b**2, {"a": (-9.0, 9.0), "b": (-9.0, 9.0)}, OUT,
    ),
    "a tangent's square at its pole": (
        lambda a: torch.tan(a) ** 2, {"a": (-math.pi / 2, math.pi / 2)}, "overflows in float32",
    ),
    "a logarithm with a tiny eps": (lambda p: -torch.log(p + 1e-12), {"p": (0.0, 1.0)}, OUT),
    "a root with a tiny eps": (lambda a, b: torch.sqrt(a + b + 1e-20), {"a": (0.0, 1.0), "b": (0.0, 2.0)}, OUT),
    "a power that float32 does not hold": (lambda x: x**40, {"x": (-10.0, 10.0)}, "overflows in float32"),
    "the sum of both": (
        lambda a, b: a * a + torch.exp(8 * b) ** 3, {"a": (-2.0, 2.0), "b": (-1.0, 4.0)}, "overflows in float32",
    ),
}  # fmt: skip
IN_PROPORTION = {
    "a bowl": (lambda a, b: a * a + 3 * b * b, {"a": (-2.0, 2.0), "b": (-1.0, 4.0)}),
    "a bowl times 1e25": (lambda a, b: 1e25 * (a * a + 3 * b * b), {"a": (-2.0, 2.0), "b": (-1.0, 4.0)}),
    "a bowl far up": (lambda a: 1e9 + a * a, {"a": (-2.0, 2.0)}),
    "a steep power": (lambda x: x**8, {"x": (-10.0, 10.0)}),
    "an exponential": (lambda x: torch.exp(x) - x, {"x": (-6.0, 9.0)}),
    "a cross entropy down to 1e-4": (lambda p: -torch.log(p), {"p": (1e-4, 1.0)}),
    "a hundredth as wide": (lambda a, b: (100 * a) ** 2 + b * b, {"a": (-2.0, 2.0), "b": (-0.02, 0.02)}),
}


@pytest.mark.parametrize("name", ABSURD)
def test_what_is_absurd_is_marked_and_told(name):
    loss, axes, flag = ABSURD[name]
    report = check_loss(loss, axes)
    assert flag in {row.flag for row in report.rows}
    assert SPOKEN_OF & {one.name for one in report.findings}


@pytest.mark.parametrize("name", IN_PROPORTION)
def test_what_is_in_proportion_is_not(name):
    rows = check_loss(*IN_PROPORTION[name]).rows
    assert {row.flag for row in rows} <= {"", "zero gradient"}


def test_it_blames_nothing_but_tells_where_and_by_how_much():
    report = check_loss(*ABSURD["a logarithm with a tiny eps"][:2])
    (told,) = [one for one in report.findings if one.name == "precision"]
    assert report.ok and told.severity == "info" and told.where == (0.0,)
    assert "p 0" in told.message and "1e12" in told.message
