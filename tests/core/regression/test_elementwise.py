"""Losses that are given as a function of the residual, LogCosh for one: judged by closed forms and by SciPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from gradwidgets.core import DATASETS, LOSSES, SGD, descend, regression, regressions, sample_surface, script
from gradwidgets.core.regression.elementwise import Elementwise
from gradwidgets.core.regression.losses import log_cosh

RESIDUALS = st.floats(-300, 300, allow_subnormal=False)


@given(st.lists(RESIDUALS, min_size=1, max_size=20))
def test_log_cosh_and_its_derivatives(residuals):
    r = torch.tensor(residuals, dtype=torch.float64)
    loss, near = Elementwise(log_cosh), {"rtol": 1e-12, "atol": 1e-15}
    torch.testing.assert_close(loss.values(r), torch.log(torch.cosh(r)), **near)
    torch.testing.assert_close(loss.slopes(r), torch.tanh(r), **near)
    torch.testing.assert_close(loss.curvatures(r), torch.cosh(r) ** -2, **near)
    torch.testing.assert_close(loss.slopes(r, 0.25), torch.tanh(r) / 4, **near)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_cosh_would_overflow_it_is_straight(dtype):
    far = torch.tensor([-1e30, -1e4, 1e4, 1e30], dtype=dtype)
    torch.testing.assert_close(Elementwise(log_cosh).values(far), far.abs() - math.log(2))
    assert Elementwise(log_cosh).slopes(far).tolist() == [-1, -1, 1, 1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.sampled_from([1e-3, 1.0, 30.0, 1e4]), st.floats(-3, 3))
def test_the_best_line_is_scipys(seed, n, size, slope):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dtype=torch.float64, generator=generator)
    y = slope * x + size * torch.randn(n, dtype=torch.float64, generator=generator) ** 3 + 2
    f = regression(x, y, "LogCosh")
    here = f(f.minima[0]).item()

    def mean(p):
        residuals = np.abs(p[0] * x.numpy() + p[1] - y.numpy())
        return float(np.mean(residuals + np.log1p(np.exp(-2 * residuals)) - math.log(2)))

    found = min(minimize(mean, begin, method="Nelder-Mead", tol=1e-12).fun for begin in ([0, 0], [slope, 2.0]))
    assert here <= found * (1 + 1e-9) + 1e-12
    assert f.value_and_gradient(f.minima[0])[1].abs().max() < 1e-6


@pytest.mark.parametrize("name", ["article", "anscombe I"])
def test_a_map_is_what_its_points_are(name):
    f = regression(*DATASETS[name](), "LogCosh")
    grid = sample_surface(f, resolution=23)
    names = list(f.parameters)
    by_name = dict(zip((grid.x_name, grid.y_name), torch.meshgrid(grid.x, grid.y, indexing="xy"), strict=True))
    points = torch.stack([by_name[parameter] for parameter in names], dim=-1)
    values, gradients = f.value_and_gradient(points)
    torch.testing.assert_close(grid.loss, values, rtol=1e-13, atol=0)
    torch.testing.assert_close(grid.grad_x, gradients[..., names.index(grid.x_name)], rtol=1e-12, atol=1e-13)


def test_beside_the_others_it_is_what_it_is_alone():
    together = regressions(*DATASETS["article"](), losses=LOSSES)
    alone = regression(*DATASETS["article"](), "LogCosh")
    one = sample_surface(together["LogCosh"], resolution=11)
    assert torch.equal(one.loss, sample_surface(alone, resolution=11).loss)


def test_a_long_sample_gives_the_same_to_rounding():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40_000, dtype=torch.float64, generator=generator)
    y = 2 * x + torch.randn(40_000, dtype=torch.float64, generator=generator)
    f = regression(x, y, "LogCosh")
    at = torch.tensor([1.0, 0.5], dtype=torch.float64, requires_grad=True)
    loss = torch.log(torch.cosh(at[0] * x + at[1] - y)).mean()
    loss.backward()
    value, gradient = f.value_and_gradient((1.0, 0.5))
    assert value.item() == pytest.approx(loss.item(), rel=1e-12)
    assert gradient.tolist() == pytest.approx(at.grad.tolist(), rel=1e-11)
    path = descend(f, SGD(lr=0.5), (0.0, 0.0), 60)
    assert path.points[-1].tolist() == pytest.approx(f.minima[0], abs=1e-6)


def test_the_script_brings_its_function_along(capsys):
    f = regression([0.0, 1.0, 2.0], [1.0, 2.0, 4.0], "LogCosh")
    exec(compile(script({"LogCosh": f}, SGD(lr=0.2), (0.0, 0.0), 40), "a script", "exec"), {})
    end = descend(f, SGD(lr=0.2), (0.0, 0.0), 40).points[-1].tolist()
    words = capsys.readouterr().out.split()
    assert (float(words[2]), float(words[4])) == pytest.approx(end, rel=1e-8)


def test_a_setting_of_no_loss_is_refused():
    with pytest.raises(TypeError, match="a loss has no setting 'gamma'; there are delta and beta"):
        regression([1.0], [1.0], "LogCosh", gamma=1.0)
