"""The laws of noise, beside simulations and SciPy's Lyapunov equation."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradwidgets.core import (
    DATASETS,
    LOSSES,
    SGD,
    Adam,
    descend_runs,
    hover,
    quadratic,
    regression,
    regressions,
    stationary_variance,
)
from tests.core.judge import torch_line

shares, positive = st.floats(0, 0.99), st.floats(1e-3, 1e3)


@settings(max_examples=200, deadline=None)
@given(shares, positive, st.floats(0, 1e3), st.floats(0.001, 0.999))
def test_the_law_is_the_solution_of_the_lyapunov_equation(momentum, curvature, noise, part):
    lr = part * 2 * (1 + momentum) / curvature
    # b = momentum · b + λ x + ξ, x = x − lr · b
    step = np.array([[1 - lr * curvature, -lr * momentum], [curvature, momentum]])
    assume(np.abs(np.linalg.eigvals(step)).max() < 1 - 1e-6)
    kick = np.array([[-lr], [1.0]])
    expected = scipy.linalg.solve_discrete_lyapunov(step, noise * kick @ kick.T, method="direct")[0, 0]
    assert stationary_variance(lr, curvature, noise, momentum) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("lr", "momentum"), [(0.1, 0.0), (0.9, 0.0), (0.05, 0.9), (0.3, 0.5)])
def test_the_law_is_what_torchs_sgd_does(lr, momentum):
    curvature, noise = 1.7, 0.49
    generator = torch.Generator().manual_seed(0)
    point = torch.zeros(4000, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([point], lr=lr, momentum=momentum)
    found = []
    for k in range(700):
        point.grad = curvature * point.detach() + math.sqrt(noise) * torch.randn(
            4000, dtype=torch.float64, generator=generator
        )
        optimizer.step()
        found += [float(point.detach().square().mean())] if k >= 200 else []
    assert np.mean(found) == pytest.approx(stationary_variance(lr, curvature, noise, momentum), rel=0.05)


def test_half_the_lr_or_a_double_batch_halves_it():
    whole = stationary_variance(1e-4, 2.0, 1.0, 0.9)
    assert stationary_variance(5e-5, 2.0, 1.0, 0.9) == pytest.approx(whole / 2, rel=1e-3)
    assert stationary_variance(1e-4, 2.0, 0.5, 0.9) == pytest.approx(whole / 2)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ((0.0, 1.0, 1.0), ValueError, "lr must be above 0; got 0.0"),
        ((0.1, -1.0, 1.0), ValueError, "curvature must be above 0"),
        ((0.1, 1.0, -1.0), ValueError, "noise must be ≥ 0"),
        ((0.1, 1.0, math.nan), ValueError, "noise must be ≥ 0"),
        ((0.1, 1.0, 1.0, 1.0), ValueError, "momentum must be below 1"),
        ((2.0, 1.0, 1.0), ValueError, "lr must be below 2, from which on nothing settles; got 2.0"),
        (("a", 1.0, 1.0), TypeError, "lr must be a number"),
    ],
)
def test_what_the_law_does_not_cover_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        stationary_variance(*wrong)


def simulated(line, optimizer, size, centre):
    runs = descend_runs({"": line}, optimizer, centre, 2500, batch_size=size, seeds=range(60))[""]
    return math.sqrt(float((runs.points[300:] - centre).square().sum(-1).mean()))


@pytest.mark.parametrize("loss", ["MSE", "Huber", "LogCosh"])
@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.05), SGD(0.02, 0.8), SGD(0.02, 0.8, nesterov=True), SGD(0.05, 0.5, dampening=0.3, weight_decay=0.2)],
)
@pytest.mark.parametrize("size", [4, 8, 20])
def test_a_regression_hovers_where_it_is_said(loss, optimizer, size):
    line = regressions(*DATASETS["article"](), losses=[loss])[loss]
    found = hover(line, optimizer, size)
    assert found.note == "" and found.radius == pytest.approx(math.sqrt(float(found.covariance.trace())))
    assert found.radius == pytest.approx(simulated(line, optimizer, size, found.centre), rel=0.05)


def test_with_long_epochs_it_is_the_law():
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(30_000, dtype=torch.float64, generator=generator)
    x = (x - x.mean()) / x.std(correction=0)
    line = regression(x, 3 * x + torch.randn(30_000, dtype=torch.float64, generator=generator))
    for optimizer, size in ((SGD(0.02), 10), (SGD(0.01, 0.5), 20)):
        found = hover(line, optimizer, size)
        law = [
            stationary_variance(optimizer.lr, 2.0, float(noise), optimizer.momentum)
            for noise in found.gradient_noise.diagonal()
        ]
        assert found.covariance.diagonal().tolist() == pytest.approx(law, rel=0.1)


def test_the_noise_is_that_of_batches(four):
    line = four["MSE"]
    found = hover(line, SGD(0.1), 8)
    x, y = line.sample.x, line.sample.y
    picks = torch.stack([torch.randperm(50, generator=torch.Generator().manual_seed(k))[:8] for k in range(20_000)])
    slopes = 2 * (found.centre[0] * x[picks] + found.centre[1] - y[picks])
    gradients = torch.stack([(slopes * x[picks]).mean(-1), slopes.mean(-1)])
    torch.testing.assert_close(torch.cov(gradients), found.gradient_noise, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_single_data_are_torchs(name, dtype):
    x, y = (column.to(dtype) for column in DATASETS["article"]())
    line, point = regression(x, y, name), torch.tensor([0.5, 1.5], dtype=dtype)
    found = line.sample_gradients(point)
    for i in range(50):
        leaf = point.clone().requires_grad_()
        torch_line(x[i : i + 1], y[i : i + 1], name)(leaf).backward()
        torch.testing.assert_close(found[i], leaf.grad)
    torch.testing.assert_close(found.mean(0), line.value_and_gradient(point)[1])


def test_all_data_have_no_noise(four):
    for size in (50, 51):
        found = hover(four["MSE"], SGD(0.1), size)
        assert found.radius == pytest.approx(0, abs=1e-9) and float(found.gradient_noise.abs().max()) < 1e-9


def test_where_there_is_no_law_it_says_why(four):
    for line, optimizer, why in (
        (four["MSE"], Adam(0.1), "the law holds for SGD only"),
        (four["L1"], SGD(0.1), "no law: straight except at kinks"),
        (four["MSE"], SGD(5.0), "nothing settles: the step does not contract"),
        (four["MSE"], SGD(0.1, maximize=True), "nothing settles"),
        (regression([1.0, 1.0], [1.0, 2.0]), SGD(0.1), "nothing settles"),
        (four["MSE"], SGD(0.6), "nothing settles: curvature differs too much from batch to batch"),
    ):
        found = hover(line, optimizer, 1)
        assert found.note.startswith(why) and math.isnan(found.radius)
    with pytest.raises(ValueError, match="batch_size should be"):
        hover(four["MSE"], SGD(0.1), 0)
    with pytest.raises(ValueError, match="batch_size needs data"):
        hover(quadratic(), SGD(0.1), 3)
