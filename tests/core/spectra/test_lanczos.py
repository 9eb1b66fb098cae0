"""Lanczos on matrices whose eigenvalues are known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import eigsh

from gradwidgets.core.results.slices import finish
from gradwidgets.core.spectra.density import density
from gradwidgets.core.spectra.lanczos import lanczos


def symmetric(size, seed=0):
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (matrix + matrix.T) / 2


def run(matrix, steps, enough=lambda _: False):
    start = torch.ones(len(matrix), dtype=matrix.dtype)
    return finish(lanczos(lambda v: matrix @ v, start, steps, enough))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10_000))
def test_all_steps_give_all_eigenvalues(size, seed):
    matrix = symmetric(size, seed)
    found = run(matrix, size)
    torch.testing.assert_close(found.values, torch.linalg.eigvalsh(matrix), rtol=1e-8, atol=1e-8)
    assert found.weights.sum().item() == pytest.approx(1)


def test_extremes_as_scipy_finds_them():
    matrix = symmetric(400)
    found = run(matrix, 200, lambda r: len(r.values) > 3 and bool((r.bounds[[0, -2, -1]] < 1e-6).all()))
    assert found.converged
    for end, which in ((found.values[-2:], "LA"), (found.values[:2], "SA")):
        expected = sorted(eigsh(matrix.numpy(), 2, which=which, return_eigenvectors=False))
        assert end.tolist() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 15), st.integers(0, 1000))
def test_bounds_hold(steps, seed):
    matrix = symmetric(40, seed)
    found, all_of_them = run(matrix, steps), torch.linalg.eigvalsh(matrix)
    away = (found.values[:, None] - all_of_them).abs().amin(1)
    assert (away <= found.bounds + 1e-9).all()


def test_gauss_quadrature_is_exact_for_low_powers():
    matrix = symmetric(30)
    start = torch.ones(30, dtype=torch.float64) / math.sqrt(30)
    found = run(matrix, 6)
    for power in range(11):
        expected = start @ torch.linalg.matrix_power(matrix, power) @ start
        assert (found.weights * found.values**power).sum().item() == pytest.approx(expected.item(), rel=1e-8)


def test_a_small_krylov_space_ends_early():
    matrix = torch.diag(torch.tensor([1.0, 1.0, 1.0, 3.0, 3.0, -2.0], dtype=torch.float64))
    found = run(matrix, 6)
    assert found.values.tolist() == pytest.approx([-2, 1, 3]) and found.converged
    assert run(torch.zeros(4, 4, dtype=torch.float64), 4).values.tolist() == [0.0]


def test_products_that_are_not_finite():
    assert run(torch.full((3, 3), math.nan, dtype=torch.float64), 3).values.isnan().all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
def test_a_density_has_integral_1_and_the_mean_of_its_values(values):
    values = torch.tensor(values, dtype=torch.float64)
    grid, height = density(values)
    assert torch.trapezoid(height, grid).item() == pytest.approx(1) and (height >= 0).all()
    span = max(float(values.max() - values.min()), 1.0)
    assert torch.trapezoid(height * grid, grid).item() == pytest.approx(values.mean().item(), abs=0.02 * span)
