import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.linear_model import HuberRegressor

from gradwidgets.core import DATASETS, LOSSES, regression, regressions
from gradwidgets.core.regression.line_fits import pivoted
from tests.core.judge import torch_line


def test_anscombe_one():
    f = regression(*DATASETS["anscombe I"]())
    (weight, bias), *_ = f.minima
    assert (round(weight, 6), round(bias, 6)) == (0.500091, 3.000091)
    assert f((weight, bias)).item() == pytest.approx(1.251154, abs=5e-7)
    assert torch.linalg.eigvalsh(f.hessian(f.minima[0])).tolist() == pytest.approx([0.217649, 183.782351], abs=5e-7)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_is_autograds_of_torchs_loss_bit_for_bit(article, loss, dtype):
    x, y = (column.to(dtype) for column in article)
    f = regression(x, y, loss, delta=0.7, beta=0.3)
    points = torch.randn(5, 2, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 3
    values, gradients = f.value_and_gradient(points)
    assert values.dtype == gradients.dtype == dtype
    for point, value, gradient in zip(points, values, gradients, strict=True):
        p = point.clone().requires_grad_()
        expected = torch_line(x, y, loss, delta=0.7, beta=0.3)(p)
        expected.backward()
        assert torch.equal(gradient, p.grad)
        torch.testing.assert_close(value, expected.detach(), rtol=1e-6 if dtype == torch.float32 else 1e-14, atol=0)
        assert torch.equal(f(point), value)


@pytest.mark.parametrize("loss", LOSSES)
def test_shapes_of_points(article, loss):
    f = regression(*article, loss)
    points = torch.randn(4, 1, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values, gradients = f.value_and_gradient(points)
    assert f(points).shape == values.shape == (4, 1, 3)
    assert gradients.shape == (4, 1, 3, 2)
    torch.testing.assert_close(values[2, 0, 1], f(points[2, 0, 1]), rtol=1e-14, atol=0)
    assert f(torch.zeros(0, 2)).shape == (0,)
    assert f((1, 2)).dtype == torch.float64


@pytest.mark.parametrize("loss", ["MSE", "Huber", "SmoothL1", "LogCosh"])
def test_hessian_is_the_slope_of_the_gradient(article, loss):
    f = regression(*article, loss, delta=0.7, beta=0.3)
    at = torch.tensor([1.1, 2.2], dtype=torch.float64)
    h = 1e-7
    columns = [
        (f.value_and_gradient(at + h * e)[1] - f.value_and_gradient(at - h * e)[1]) / (2 * h)
        for e in torch.eye(2, dtype=torch.float64)
    ]
    torch.testing.assert_close(f.hessian(at), torch.stack(columns), rtol=1e-6, atol=1e-8)


def test_l1_has_no_curvature_and_says_so(article):
    assert not regression(*article, "L1").smooth
    assert not regression(*article, "SmoothL1", beta=0).smooth
    assert regression(*article, "SmoothL1", beta=0.1).smooth
    assert not regression(*article, "L1").hessian((1.0, 1.0)).any()


def test_the_articles_view_and_start(four):
    for f in four.values():
        assert f.view == {"bias": (-5.0, 8.0), "weight": (-5.0, 8.0)}
        assert list(f.view) == ["bias", "weight"]
        assert f.start == (6.0, -3.0)
        assert f.parameters == ("weight", "bias")


@pytest.mark.parametrize(
    ("x", "y"),
    [
        DATASETS["anscombe I"](),
        DATASETS["anscombe IV"](),
        DATASETS["hubble 1929"](),
        (range(1990, 2021), [0.02 * k for k in range(31)]),
        ([1.0], [2.0]),
        ([3.0, 3.0], [1.0, 2.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([1e30, 2e30, 4e30], [1e30, 0.0, 5e30]),
        ([1e-30, 2e-30], [1e-30, 5e-30]),
        ([1.0, 2.0, 3.0], [7.0, 7.0, 7.0]),
        ([1e15, 1e15 + 2, 1e15 + 4], [1.0, 2.0, 4.0]),
    ],
)
def test_a_view_holds_the_fit_and_the_start_and_rises_both_ways(x, y):
    f = regression(x, y)
    view, start, fit = f.view, f.start, f.minima[0]
    for name, at, best in zip(f.parameters, start, fit, strict=True):
        low, high = view[name]
        assert low < high
        assert low <= at <= high
        assert low <= best <= high
        assert len(f"{low:g}") < 13
    if f.flat_direction is None and max(map(abs, fit)) < 1e12:
        rises = [
            f((fit[0] + (view["weight"][1] - view["weight"][0]) / 2, fit[1])) - f(fit),
            f((fit[0], fit[1] + (view["bias"][1] - view["bias"][0]) / 2)) - f(fit),
        ]
        assert 0.2 < rises[0] / rises[1] < 5


numbers = st.one_of(st.integers(-4, 4).map(float), st.floats(-100, 100))
samples = st.integers(2, 25).flatmap(
    lambda n: st.tuples(st.lists(numbers, min_size=n, max_size=n), st.lists(numbers, min_size=n, max_size=n))
)


@settings(max_examples=100, deadline=None)
@given(samples)
def test_least_squares_is_numpys(xy):
    x, y = map(np.array, xy)
    f = regression(x, y)
    design = np.stack([x, np.ones_like(x)], axis=1)
    expected = np.linalg.lstsq(design, y, rcond=None)[0]
    here, there = f(f.minima[0]).item(), f(expected).item()
    assert here <= there + 1e-12 * (y**2).max()
    if f.flat_direction is not None or np.ptp(x) > 1e-3 * np.abs(x).max():
        assert f.minima[0] == pytest.approx(tuple(expected), rel=1e-7, abs=1e-7 * (1 + np.abs(y).max()))


def test_least_squares_far_from_the_origin():
    # x about 1e8 with a spread of 1: the normal equations in float64 would know nothing.
    x = torch.arange(20, dtype=torch.float64) + 1e8
    y = 3 * (x - 1e8) + 5
    assert regression(x, y).minima[0][0] == pytest.approx(3, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(samples)
def test_l1_is_the_best_line_through_two_points(xy):
    x, y = map(np.array, xy)
    f = regression(x, y, "L1")
    best = f(f.minima[0]).item()
    i, j = map(list, zip(*itertools.combinations(range(len(x)), 2), strict=True))
    apart = np.abs(x[i] - x[j]) > 1e-9
    i, j = np.array(i)[apart], np.array(j)[apart]
    weight = (y[j] - y[i]) / (x[j] - x[i])
    lines = torch.tensor(np.stack([weight, y[i] - weight * x[i]], axis=-1))
    assert (best <= f(lines).numpy() + 1e-9 * (1 + np.abs(weight))).all()


@pytest.mark.parametrize("seed", range(5))
def test_l1_is_what_linear_programming_finds(seed):
    generator = np.random.default_rng(seed)
    n = 40
    x, y = generator.normal(size=n), generator.standard_cauchy(size=n)
    # minimize Σ t over −t ≤ w x + b − y ≤ t
    a = np.block([[x[:, None], np.ones((n, 1)), -np.eye(n)], [-x[:, None], -np.ones((n, 1)), -np.eye(n)]])
    solved = optimize.linprog(np.r_[0, 0, np.ones(n)], a, np.r_[y, -y], bounds=[(None, None)] * 2 + [(0, None)] * n)
    f = regression(x, y, "L1")
    assert f(f.minima[0]).item() * n == pytest.approx(solved.fun, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(samples, st.one_of(st.sampled_from([1.0, 0.5]), st.floats(1e-3, 50)))
def test_hubers_minimum_has_no_gradient(xy, delta):
    f = regression(*xy, "Huber", delta=delta)
    gradient = f.value_and_gradient(f.minima[0])[1].abs()
    x, y = (torch.tensor(column).abs().max().item() for column in xy)
    weight = abs(f.minima[0][0])
    rounding = 1e-13 * (y + weight * x)
    assert gradient[1] <= 1e-12 * delta + rounding
    assert gradient[0] <= (1e-12 * delta + rounding) * max(x, 1e-300)


def test_huber_is_what_scipy_and_sklearn_find(article):
    f = regression(*article, "Huber", delta=0.5)
    found = optimize.minimize(
        lambda p: f(p).item(),
        (0, 0),
        method="BFGS",
        jac=lambda p: f.value_and_gradient(p)[1].numpy(),
        options={"gtol": 1e-10},
    )
    assert f.minima[0] == pytest.approx(tuple(found.x), abs=1e-7)
    # sklearn fits a scale too: with its threshold at delta over that scale, the line is the same.
    x, y = (column.numpy() for column in article)
    theirs = HuberRegressor(epsilon=1.35, alpha=0, tol=1e-10, max_iter=1000).fit(x[:, None], y)
    ours = regression(x, y, "Huber", delta=1.35 * theirs.scale_).minima[0]
    assert ours == pytest.approx((theirs.coef_[0], theirs.intercept_), abs=1e-5)


def test_smooth_l1_shares_hubers_minimum(article):
    assert regression(*article, "SmoothL1", beta=0.3).minima == regression(*article, "Huber", delta=0.3).minima
    assert regression(*article, "SmoothL1", beta=0).minima == regression(*article, "L1").minima


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("x", "y"), [([2.0], [3.0]), ([2.0, 2.0, 2.0], [1.0, 2.0, 6.0]), ([0.0], [1.0])])
def test_one_point_or_constant_x_is_flat_one_way(loss, x, y):
    f = regression(x, y, loss)
    a, b = f.flat_direction
    assert math.hypot(a, b) == pytest.approx(1)
    at = f.minima[0]
    here = f(at).item()
    assert f((at[0] + 5 * a, at[1] + 5 * b)).item() == pytest.approx(here, abs=1e-12)
    # Of all of them the nearest to the origin, hence across the flat direction from it.
    assert at[0] * a + at[1] * b == pytest.approx(0, abs=1e-12)
    for away in (-1e-3, 1e-3):
        assert f((at[0] - away * b, at[1] + away * a)).item() >= here - 1e-12


def test_no_flat_direction_otherwise(article):
    assert regression(*article).flat_direction is None


def test_large_samples_have_exact_minima():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40_001, dtype=torch.float64, generator=generator)
    y = x + torch.randn(40_001, dtype=torch.float64, generator=generator) ** 3
    four = regressions(x, y)
    for name in ("Huber", "SmoothL1"):
        assert four[name].value_and_gradient(four[name].minima[0])[1].abs().max() < 1e-12
    weight, bias = four["L1"].minima[0]
    r = weight * x + bias - y
    on_line = int((r.abs() < 1e-12).sum())
    assert on_line == 2
    # 0 is a subgradient: the two points on the line can make up for the rest.
    assert abs(int(r.sign()[r.abs() >= 1e-12].sum())) <= on_line


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        np.array,
        torch.tensor,
        pd.Series,
        lambda v: pd.Series(v, dtype="Float64"),
        lambda v: np.array(v, dtype=np.int16),
        lambda v: torch.tensor(v).to(torch.float16),
        lambda v: np.array(v)[::-1].copy()[::-1],
        lambda v: np.array(v, dtype=">f4"),
        lambda v: np.array(v, dtype=object),
        lambda v: np.broadcast_to(np.array(v), (3,)),
    ],
)
def test_kinds_of_data(convert):
    x, y = convert([1, 2, 3]), convert([2, 4, 7])
    f = regression(x, y)
    assert f.sample.x.dtype == torch.float64
    assert f.sample.y.tolist() == [2.0, 4.0, 7.0]


def test_data_are_copied():
    x, y = torch.tensor([1.0, 2.0], dtype=torch.float64), np.array([1.0, 2.0])
    f = regression(x, y)
    x[0], y[0] = 9, 9
    assert f.sample.x[0] == f.sample.y[0] == 1


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ([1, 2], [1], ValueError, "x and y must have the same length; got 2 and 1"),
        ([], [], ValueError, "x is empty; at least one value is needed"),
        (
            [1, math.nan, math.nan],
            [1, 2, 3],
            ValueError,
            "x must be finite; 2 of 3 values are NaN or infinite, the first is nan at position 1",
        ),
        ([1, 2], [1, -math.inf], ValueError, "y must be finite; 1 of 2 .* first is -inf at position 1"),
        (
            [[1], [2]],
            [1, 2],
            ValueError,
            r"x must be one-dimensional, shape \(n,\); got shape \(2, 1\); pass one column",
        ),
        (3.0, [1], TypeError, "x must be a sequence of numbers; got float 3.0"),
        (torch.tensor(3.0), [1], ValueError, r"x must be one-dimensional, shape \(n,\); got shape \(\)"),
        ("12", [1, 2], TypeError, "x must be a sequence of numbers; got str '12'"),
        ([1, "2"], [1, 2], TypeError, "x must be a sequence of numbers; got str '2' at position 1"),
        ([1, None], [1, 2], TypeError, "x must be a sequence of numbers; got NoneType None at position 1"),
        (np.array(["a", "b"]), [1, 2], TypeError, "x must be a sequence of numbers; got .*'a'.* at position 0"),
        (np.array([1, 2], dtype="datetime64[D]"), [1, 2], TypeError, "x must be a sequence of numbers"),
        (pd.Series(pd.date_range("2024", periods=2)), [1, 2], TypeError, "got dates or times, dtype datetime64"),
        (pd.Series(["a", "b"]), [1, 2], TypeError, "x must be a sequence of numbers"),
        (pd.Series([1, None]), [1, 2], ValueError, "x must be finite; 1 of 2"),
        (pd.Series([1, None], dtype="Int64"), [1, 2], ValueError, "x must be finite; 1 of 2"),
        ([1j, 2], [1, 2], TypeError, "x must be real; got complex numbers"),
        (np.array([1j, 2]), [1, 2], TypeError, "x must be real; got complex numbers"),
        ({"a": 1}, [1], TypeError, "x must be a sequence of numbers; got dict"),
        (None, [1], TypeError, "x must be a sequence of numbers; got NoneType None"),
        (
            [1, 2],
            [1, 1e101],
            ValueError,
            r"y must stay within ±1e\+100, beyond which squared residuals overflow; got 1e\+101",
        ),
        ([10**400, 2], [1, 1], TypeError, "x must be a sequence of numbers; got int 1000.* at position 0"),
    ],
)
def test_bad_data(x, y, error, message):
    with pytest.raises(error, match=message):
        regression(x, y)


def test_huge_values_give_numbers_not_crashes():
    f = regression([1e30, 2e30, 3e30], [1e30, 5e30, 2e30])
    value, gradient = f.value_and_gradient(f.minima[0])
    assert value.item() == pytest.approx(2e60, rel=0.5)
    assert gradient.isfinite().all()


def test_siblings_share_their_data(four):
    assert len({id(f.sample) for f in four.values()}) == 1
    assert repr(four["Huber"]) == "<Regression Huber, delta=1>"
    assert four["MSE"].with_loss("Huber", delta=2).constants == {"delta": 2.0}


@pytest.mark.parametrize("kind", ["cubed noise", "integers", "two groups", "many on one line"])
def test_large_l1_fits_are_what_pivoting_through_all_points_finds(kind):
    generator = torch.Generator().manual_seed(1)
    n = 50_000

    def noise():
        return torch.randn(n, dtype=torch.float64, generator=generator)

    x, y = {
        "cubed noise": lambda: (noise(), noise() ** 3),
        "integers": lambda: (torch.arange(n) % 9 - 4.0, torch.randint(-9, 9, (n,), generator=generator) * 1.0),
        "two groups": lambda: (noise(), torch.where(torch.arange(n) % 2 == 0, noise() + 50, noise())),
        "many on one line": lambda: (noise(), torch.zeros(n, dtype=torch.float64)),
    }[kind]()
    f = regression(x, y, "L1")
    here = f(f.minima[0]).item()
    every = pivoted(*f.sample.centred, (0.0, 0.0))
    there = (every[0] * f.sample.centred[0] + every[1] - f.sample.centred[1]).abs().mean().item()
    assert here == pytest.approx(there, rel=1e-10, abs=1e-12)
