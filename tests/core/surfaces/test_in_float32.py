"""Losses that hold float32 data or models: their rounding is nobody's mistake."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core import check_gradient, find_patterns, sample_surface
from gradwidgets.core.losses.loss_function import LossFunction

AXES = {"w": (-1.0, 5.0), "b": (-2.0, 4.0)}


def data(dtype):
    x = torch.randn(50, generator=torch.Generator().manual_seed(0)).to(dtype)
    y = 2 * x + 1
    return x, y, (y > 0).to(dtype)


def network(dtype):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)


def losses(dtype):
    x, y, label = data(dtype)
    model, line = network(dtype), network(dtype)[0]
    return {
        "MSE": lambda w, b: ((w * x + b - y) ** 2).mean(),
        "MSE and a float64 penalty": lambda w, b: ((w * x + b - y) ** 2).mean() + 1e-3 * w**2,
        "L1": lambda w, b: (w * x + b - y).abs().mean(),
        "logistic": lambda w, b: functional.binary_cross_entropy_with_logits(w * x + b, label),
        "hinge": lambda w, b: functional.relu(1 - (2 * label - 1) * (w * x + b)).mean(),
        "Gaussian": lambda w, b: functional.gaussian_nll_loss(w * x + b, y, torch.full_like(x, 0.5)),
        "a model after": lambda w, b: ((model(w * x[:, None] + b)[:, 0] - y) ** 2).mean(),
        "a model before": lambda w, b: ((w * model(x[:, None])[:, 0] + b - y) ** 2).mean(),
        "a layer": lambda w, b: (line(w * x[:, None] + b) ** 2).mean(),
    }


@pytest.mark.parametrize("resolution", [20, 33])
@pytest.mark.parametrize("name", losses(torch.float32))
def test_float32_data_make_no_mismatch_and_that_it_is_float32_is_said(name, resolution):
    grid = sample_surface(losses(torch.float32)[name], AXES, resolution)
    assert grid.function.dtype == torch.float32
    assert "computed in float32, as the tensors that it holds are" in grid.notes
    checked = check_gradient(grid)
    assert checked.obstacle == "" and not checked.wrong.any()
    double = sample_surface(losses(torch.float64)[name], AXES, resolution)
    assert double.function.dtype == torch.float64 and not double.notes
    found = [finding.name for finding in find_patterns(grid)]
    assert found == [finding.name for finding in find_patterns(double)]
    assert "gradient_mismatch" not in found
    torch.testing.assert_close(grid.loss, double.loss, rtol=1e-4, atol=1e-5)


def test_data_that_are_handed_over_are_taken_in_float64():
    x, y, _ = data(torch.float32)
    grid = sample_surface(lambda w, b, x, y: ((w * x + b - y) ** 2).mean(), AXES, 40, fixed={"x": x, "y": y})
    assert grid.function.dtype == torch.float64 and not grid.notes
    assert [finding.name for finding in find_patterns(grid)] == ["well_shaped"]


def test_a_mistake_in_float64_is_found_as_ever_and_a_single_number_of_float32_is_no_data():
    two = torch.tensor(2.0)
    grid = sample_surface(lambda w, b: two * w * w.detach() + b**2, AXES, 40)
    assert grid.function.dtype == torch.float64
    assert find_patterns(grid)[0].name == "gradient_mismatch"


def test_other_constants_stay_in_float32():
    x, y, _ = data(torch.float32)
    function = LossFunction(lambda w, b, c: ((w * x + b - y) ** 2).mean() * c, ("w", "b"), {"c": 1.0})
    function.values(torch.zeros(3, 2))
    other = function.with_fixed({"c": 2.0})
    assert other.dtype == torch.float32 and other.notes == function.notes
    assert copy.copy(function).dtype == torch.float32
