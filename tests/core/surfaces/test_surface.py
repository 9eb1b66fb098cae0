import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import (
    OBJECTIVES,
    as_objective,
    regression,
    regressions,
    sample_surface,
    sample_surfaces,
    sampling_each,
)
from gradwidgets.core.regression import regression_surface


def by_hand(objective, grid):
    """The same grid, every point through `value_and_gradient`."""
    vertical, horizontal = torch.meshgrid(grid.y, grid.x, indexing="ij")
    in_order = [horizontal, vertical] if objective.parameters[0] == grid.x_name else [vertical, horizontal]
    values, gradients = objective.value_and_gradient(torch.stack(in_order, dim=-1))
    first, second = gradients.unbind(-1)
    return values, *((first, second) if objective.parameters[0] == grid.x_name else (second, first))


def assert_right(objective, grid, rtol=1e-9):
    for ours, theirs in zip((grid.loss, grid.grad_x, grid.grad_y), by_hand(objective, grid), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=rtol * 1e-2 * float(theirs.abs().max()))


@pytest.mark.parametrize(
    "axes", [None, {"weight": (-2.0, 3.0), "bias": (0.0, 0.5)}, {"bias": (-1, 1), "weight": (100, 200)}]
)
def test_a_regressions_map_is_the_residuals_map(four, axes):
    for name, grid in sample_surfaces(four, axes, 33).items():
        assert (grid.x_name, grid.y_name) == tuple(axes or ("bias", "weight"))
        assert grid.loss.shape == (33, 33)
        assert_right(four[name], grid)


def test_the_sources_grid(four):
    grid = sample_surface(four["MSE"])
    assert grid.loss.shape == (101, 101)
    assert (grid.x[0], grid.x[-1], grid.y[0], grid.y[-1]) == (-5, 8, -5, 8)
    assert four["MSE"]((grid.y[85].item(), grid.x[15].item())).item() == pytest.approx(grid.loss[85, 15].item())


numbers = st.one_of(st.integers(-4, 4).map(float), st.floats(-10, 10).map(lambda value: round(value, 3)))
samples = st.integers(1, 40).flatmap(
    lambda n: st.tuples(st.lists(numbers, min_size=n, max_size=n), st.lists(numbers, min_size=n, max_size=n))
)


@settings(max_examples=40, deadline=None)
@given(samples, st.floats(0.05, 20), st.one_of(st.just(0.0), st.floats(0.05, 20)))
def test_any_data_kinks_and_ties_included(xy, delta, beta):
    # Integer data on an integer grid: residuals of exactly 0 and ±threshold are everywhere.
    four = regressions(*xy, delta=delta, beta=beta)
    for name, grid in sample_surfaces(four, {"bias": (-4.0, 4.0), "weight": (-2.0, 2.0)}, 17).items():
        ours = grid.loss, grid.grad_x, grid.grad_y
        theirs = by_hand(four[name], grid)
        size = 1 + float(theirs[0].abs().max())
        torch.testing.assert_close(ours[0], theirs[0], rtol=1e-10, atol=1e-12 * size)
        # At a kink, where rounding decides the sign of a residual, L1's gradient may be off by that residual's share.
        vertical, horizontal = torch.meshgrid(grid.y, grid.x, indexing="ij")
        r = vertical[..., None] * four[name].sample.x + horizontal[..., None] - four[name].sample.y
        clear = ((r.abs() > 1e-9) | (r == 0)).all(-1)
        for a, b in zip(ours[1:], theirs[1:], strict=True):
            torch.testing.assert_close(a[clear], b[clear], rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize("n", [1000, 5000, 40_000])
def test_large_samples(n):
    generator = torch.Generator().manual_seed(n)
    x = torch.randn(n, dtype=torch.float64, generator=generator)
    y = 0.75 * x**2 + x + 2 + 0.3 * torch.randn(n, dtype=torch.float64, generator=generator)
    four = regressions(x, y, delta=0.3, beta=2.0)
    for name, grid in sample_surfaces(four, None, 9).items():
        assert_right(four[name], grid)


def test_large_samples_of_integers_tie_exactly():
    x = torch.arange(40_000, dtype=torch.float64) % 7 - 3
    y = torch.arange(40_000, dtype=torch.float64) % 11 - 5
    four = regressions(x, y)
    for name, grid in sample_surfaces(four, {"bias": (-4, 4), "weight": (-4, 4)}, 9).items():
        assert_right(four[name], grid)


def test_data_far_from_the_origin_lose_no_digits():
    x = torch.linspace(1990, 2020, 300, dtype=torch.float64)
    y = 0.02 * (x - 2000) + torch.sin(x)
    four = regressions(x, y)
    for name, grid in sample_surfaces(four, None, 21).items():
        assert_right(four[name], grid, rtol=1e-8)


def test_one_point_and_constant_x():
    for xy in (([2.0], [3.0]), ([2.0, 2.0], [1.0, 5.0])):
        four = regressions(*xy)
        for name, grid in sample_surfaces(four, None, 11).items():
            assert_right(four[name], grid)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_other_objectives(name):
    f = OBJECTIVES[name]
    assert_right(f, sample_surface(f, resolution=31), rtol=1e-14)
    a, b = f.parameters
    turned = sample_surface(f, {b: (-1, 1), a: (-2, 0)}, 7)
    assert (turned.x_name, turned.y_name) == (b, a)
    assert_right(f, turned, rtol=1e-14)


def test_own_functions_and_mixtures(four):
    own = as_objective(lambda weight, bias: weight**2 * bias)
    grids = sample_surfaces({"own": own, "line": four["L1"]}, {"bias": (-1, 1), "weight": (0, 1)}, 70)
    assert list(grids) == ["own", "line"]
    assert_right(own, grids["own"])
    assert grids["line"] == sample_surface(four["L1"], {"bias": (-1, 1), "weight": (0, 1)}, 70)
    assert sample_surfaces({}) == {}


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ({"bias": (0, 1)}, ValueError, "axes must name 'weight' and 'bias'; got 'bias'"),
        ({"bias": (0, 1), "slope": (0, 1)}, ValueError, "axes must name 'weight' and 'bias'; got 'bias', 'slope'"),
        (
            {"bias": (1, 1), "weight": (0, 1)},
            ValueError,
            r"axes\['bias'\] must be finite with low < high; got \(1, 1\)",
        ),
        ({"bias": (0, 1), "weight": (0, math.inf)}, ValueError, r"axes\['weight'\] must be finite"),
        ({"bias": (0, math.nan), "weight": (0, 1)}, ValueError, r"axes\['bias'\] must be finite"),
        ({"bias": (-1.7e308, 1.7e308), "weight": (0, 1)}, ValueError, "wider than a float"),
        ({"bias": (0, "1"), "weight": (0, 1)}, TypeError, r"axes\['bias'\] must be two numbers"),
        ({"bias": 3, "weight": (0, 1)}, TypeError, r"axes\['bias'\] must be \(low, high\)"),
        ([("bias", (0, 1))], TypeError, "axes must map"),
    ],
)
def test_bad_axes(four, axes, error, message):
    with pytest.raises(error, match=message):
        sample_surface(four["MSE"], axes)
    with pytest.raises(error, match=message):
        sample_surfaces({"a": four["MSE"], "b": four["L1"]}, axes)


@pytest.mark.parametrize(
    ("resolution", "error"), [(1, ValueError), (2002, ValueError), (10.0, TypeError), (True, TypeError)]
)
def test_bad_resolution(four, resolution, error):
    with pytest.raises(error, match="resolution must be a whole number from 2 to 2001"):
        sample_surface(four["MSE"], resolution=resolution)


def test_slices_report_progress_and_return_the_same(monkeypatch):
    monkeypatch.setattr(regression_surface, "SLICE", 1e-4)  # else a fast machine is done at once
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 200_000, dtype=torch.float64, generator=generator)
    four, axes = regressions(x, y), {"bias": (-1, 1), "weight": (-1, 1)}
    work, shares = sampling_each(four, axes, 12), []
    while True:
        try:
            shares.append(next(work))
        except StopIteration:
            break
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] <= 1
    assert end_of(sampling_each(four, axes, 12)) == sample_surfaces(four, axes, 12)


def end_of(work):
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_a_narrow_view_far_from_the_data(four):
    # Every bin's edge falls into one cell of the table, or none of the data into any.
    for axes in ({"bias": (1e6, 1e6 + 1e-3), "weight": (0, 1)}, {"bias": (0, 1e-13), "weight": (0, 1)}):
        for name, grid in sample_surfaces(four, axes, 9).items():
            assert_right(four[name], grid, rtol=1e-7)


def test_huge_values():
    f = regression([1e30, 2e30], [1e30, -1e30], "Huber")
    assert sample_surface(f, resolution=5).loss.isfinite().all()


def test_results_print_and_turn_into_json(four):
    grid = sample_surface(four["L1"], resolution=3)
    assert repr(grid).startswith("SurfaceGrid(x_name='bias', y_name='weight', x=[-5.0, 1.5, 8.0]")
    assert json.loads(json.dumps(grid.to_dict()))["loss"][0][0] == grid.loss[0, 0].item()
