"""Any loss over one or two axes."""

import pytest
import torch

from gradwidgets.core import OBJECTIVES, sample_surface

SQUARE = {"a": (-1.0, 1.0), "b": (0.0, 2.0)}


def test_rows_are_the_vertical_axis_and_columns_the_horizontal_one():
    grid = sample_surface(lambda a, b: a + 10 * b, SQUARE, 5)
    assert grid.names == ("a", "b") and grid.axes == SQUARE
    assert grid.loss[0, 0] == -1 and grid.loss[0, -1] == 1 and grid.loss[-1, 0] == 19
    assert (grid.grad_x == 1).all() and (grid.grad_y == 10).all()
    assert torch.equal(grid.points[2, 3], torch.stack([grid.x[3], grid.y[2]]))
    turned = sample_surface(lambda a, b: a + 10 * b, dict(reversed(SQUARE.items())), 5)
    assert torch.equal(turned.loss, grid.loss.T) and (turned.grad_x == 10).all()


def test_one_axis_gives_a_curve():
    curve = sample_surface(lambda v: 50 * v**2, {"v": (-1.0, 1.0)}, 81)
    assert curve.y is None and curve.y_name is None and curve.grad_y is None
    assert curve.loss.shape == curve.grad_x.shape == (81,)
    assert curve.loss[60] == 12.5 and curve.grad_x[60] == 50


def test_the_grid_has_81_points_a_side_and_an_objective_101():
    assert sample_surface(lambda a, b: a + b, SQUARE).loss.shape == (81, 81)
    assert sample_surface(OBJECTIVES["beale"]).loss.shape == (101, 101)


def test_a_middle_at_zero_is_zero():
    grid = sample_surface(lambda a: a.abs().log(), {"a": (-1.0, 1.0)}, 81)
    assert grid.x[40] == 0 and grid.loss[40] == -torch.inf


def test_the_way_it_was_computed_is_said():
    assert sample_surface(lambda a, b: a * b, SQUARE, 5).method == "vectorized"
    assert sample_surface(lambda a, b: (a * b).mean(), SQUARE, 5).method == "vmap"
    one = sample_surface(lambda a, b: a * b if a > 0 else b, SQUARE, 5)
    assert one.method == "pointwise" and one.no_path == ()
    assert sample_surface(lambda a, b: b**2, SQUARE, 5).no_path == ("a",)


@pytest.mark.parametrize(
    ("axes", "resolution", "kind", "words"),
    [
        ({"a": (-1, 1), "c": (0, 1)}, 5, ValueError, "no parameter 'c'; its parameters are 'a', 'b'"),
        ({"a": (-1, 1)}, 5, ValueError, "needs 'b' too"),
        ({}, 5, ValueError, "one or two"),
        ({"a": (1, 1), "b": (0, 1)}, 5, ValueError, "low < high"),
        ({"a": (1, 0), "b": (0, 1)}, 5, ValueError, "low < high"),
        ({"a": (0, float("inf")), "b": (0, 1)}, 5, ValueError, "finite"),
        ({"a": ("x", 1), "b": (0, 1)}, 5, TypeError, "two numbers"),
        ([("a", 1)], 5, TypeError, "must map"),
        (SQUARE, 1, ValueError, "from 2 to 2001"),
        (SQUARE, 10**6, ValueError, "from 2 to 2001"),
        (SQUARE, 5.5, TypeError, "whole number"),
    ],
)
def test_bad_axes_and_resolutions_are_refused_in_words(axes, resolution, kind, words):
    with pytest.raises(kind, match=words):
        sample_surface(lambda a, b: a + b, axes, resolution)


def test_an_objective_takes_no_fixed_and_no_text_is_a_loss():
    with pytest.raises(ValueError, match="no parameters to fix"):
        sample_surface(OBJECTIVES["beale"], fixed={"a": 1})
    with pytest.raises(TypeError, match="loss must be callable; got str"):
        sample_surface("mse", SQUARE)
