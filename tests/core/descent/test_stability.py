import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradwidgets.core import OBJECTIVES, SGD, as_objective, descend, quadratic, regression, stability
from tests.core.judge import torch_run


def bowl(low, high):
    return as_objective(lambda a, b: (low * a**2 + high * b**2) / 2, start=(1, 1), minima=((0, 0),))


def step_matrix(sgd, curvature):
    """SGD's own step on λθ²/2 as a matrix acting on (θ, buffer), column by column."""
    if sgd.momentum == 0:  # the buffer plays no part
        return np.array(
            [[sgd.step(torch.ones(1, dtype=torch.float64), torch.full((1,), curvature, dtype=torch.float64))[0].item()]]
        )
    columns = []
    for state in torch.eye(2, dtype=torch.float64):
        point, buffer = state
        after, buffer_after = sgd.step(point, curvature * point, buffer)
        columns.append([after.item(), 0.0 if buffer_after is None else buffer_after.item()])
    return np.array(columns).T


def radius_by_numpy(sgd, curvatures):
    return max(np.abs(np.linalg.eigvals(step_matrix(sgd, value))).max() for value in curvatures)


curvature = st.one_of(st.sampled_from([0.1, 1.0, 4.0]), st.floats(1e-3, 1e3))
kinds = st.one_of(
    st.just({}),
    st.builds(lambda m, d: {"momentum": m, "dampening": d}, st.floats(0.01, 0.99), st.floats(-1, 0.95)),
    st.builds(lambda m: {"momentum": m, "nesterov": True}, st.floats(0.01, 0.99)),
)


@settings(max_examples=150, deadline=None)
@given(curvature, curvature, st.floats(1e-3, 10), kinds, st.one_of(st.just(0.0), st.floats(0, 5)), st.booleans())
def test_radius_is_that_of_the_step_matrix(low, high, lr, kind, decay, maximize):
    sgd = SGD(lr, weight_decay=decay, maximize=maximize, **kind)
    result = stability(bowl(low, high), sgd)
    assert result.curvatures.tolist() == pytest.approx(sorted((low, high)), rel=1e-12)
    # At a double eigenvalue numpy's are good to half the digits.
    assert result.spectral_radius == pytest.approx(radius_by_numpy(sgd, (low, high)), rel=1e-6)


@settings(max_examples=150, deadline=None)
@given(curvature, curvature, kinds, st.one_of(st.just(0.0), st.floats(0, 5)))
def test_limit_and_optimum_by_the_step_matrix(low, high, kind, decay):
    result = stability(bowl(low, high), SGD(0.1, weight_decay=decay, **kind))
    limit, best = result.lr_limit, result.optimal_lr

    def radius(lr):
        return radius_by_numpy(SGD(lr, weight_decay=decay, **kind), (low, high))

    assert radius(0.999 * limit) < 1 + 1e-9
    assert radius(1.001 * limit) > 1
    assert 0 < best < limit
    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 1.5):
        assert radius(best) <= radius(factor * best) + 1e-6


@settings(max_examples=12, deadline=None)
@given(curvature, kinds, st.one_of(st.just(0.0), st.floats(0.01, 5)))
def test_torchs_own_runs_shrink_below_the_limit_and_grow_above(value, kind, decay):
    f = bowl(value, value)
    limit = stability(f, SGD(0.1, weight_decay=decay, **kind)).lr_limit
    for factor, grows in ((0.99, False), (1.01, True)):
        start = torch.ones(2, dtype=torch.float64)
        settings_ = {"lr": factor * limit, "weight_decay": decay, **kind}
        radius = stability(f, SGD(**settings_)).spectral_radius
        assume(abs(math.log(radius)) > 1e-2)
        steps = int(12 / abs(math.log(radius)))
        sizes = torch.linalg.vector_norm(
            torch_run(lambda p: (value * p**2).sum() / 2, start, steps, **settings_)[0], dim=1
        )
        last = sizes[-5:].max()
        assert bool(last > 10) is grows
        assert bool(last < 0.1) is not grows


@pytest.mark.parametrize(
    ("optimizer", "limit"),
    [
        (SGD(0.1), 2 / 4),
        (SGD(0.1, 0.9), 2 * 1.9 / 4),
        (SGD(0.1, 0.9, 0.5), 2 * 1.9 / 0.5 / 4),
        (SGD(0.1, 0.5, nesterov=True), 2 * 1.5 / 2 / 4),
        (SGD(0.1, weight_decay=4), 2 / 8),
    ],
)
def test_known_limits(optimizer, limit):
    assert stability(quadratic(), optimizer).lr_limit == pytest.approx(limit, rel=1e-14)


def test_four_is_the_largest_curvature_of_the_default_quadratic():
    start = (0.0, 1.0)
    sizes = [descend(quadratic(), SGD(lr), start, 100).end.abs().max().item() for lr in (0.49, 0.50, 0.51)]
    assert sizes[0] < 0.2
    assert sizes[1] == 1.0
    assert sizes[2] > 5
    assert [stability(quadratic(), SGD(lr)).stable for lr in (0.49, 0.50, 0.51)] == [True, False, False]


def test_in_the_complex_regime_heavy_ball_contracts_by_the_root_of_momentum():
    assert stability(bowl(1, 2), SGD(0.5, 0.81)).spectral_radius == pytest.approx(0.9, rel=1e-14)


def test_anscombe_and_huber(article):
    from gradwidgets.core import DATASETS

    x, y = DATASETS["anscombe I"]()
    mse = stability(regression(x, y), SGD(0.01))
    assert mse.lr_limit == pytest.approx(0.0108824, abs=5e-8)
    wide = stability(regression(x, y, "Huber", delta=100), SGD(0.01))
    assert wide.lr_limit == pytest.approx(2 * mse.lr_limit)


def test_l1_says_that_it_has_no_limit(four):
    result = stability(four["L1"], SGD(0.1))
    assert math.isnan(result.spectral_radius)
    assert result.lr_limit is result.optimal_lr is None
    assert not result.stable
    assert result.curvatures.tolist() == [0, 0]
    assert "straight except at kinks" in result.note
    assert result.to_dict()["spectral_radius"] is None


@pytest.mark.parametrize(
    ("objective", "optimizer", "words"),
    [
        (OBJECTIVES["saddle"], SGD(0.1), "curvature below 0"),
        (OBJECTIVES["product"], SGD(0.1, 0.9, nesterov=True), "curvature below 0"),
        (quadratic(), SGD(0.1, maximize=True), "uphill is away"),
        (quadratic(), SGD(0.1, 1.0), "momentum 1"),
        (quadratic(), SGD(0.1, 1.5), "momentum 1.5"),
        (quadratic(), SGD(0.1, 0.9, dampening=1), "dampening 1"),
        (quadratic(), SGD(0.1, 0.9, dampening=1.5), "dampening 1.5 is above 1"),
        (as_objective(lambda a, b: a + b), SGD(0.1), "no curvature here"),
    ],
)
def test_where_no_lr_contracts(objective, optimizer, words):
    result = stability(objective, optimizer)
    assert result.lr_limit is result.optimal_lr is None
    assert not result.stable
    assert words in result.note
    assert result.spectral_radius >= 1
    # And none does.
    for lr in (1e-3, 1e-2, 0.1, 1.0, 10.0):
        sgd = SGD(lr, **{k: getattr(optimizer, k) for k in ("momentum", "dampening", "nesterov", "maximize")})
        assert stability(objective, sgd).spectral_radius >= 1 - 1e-12


def test_maximizing_with_enough_weight_decay_contracts():
    result = stability(bowl(1, 2), SGD(0.1, weight_decay=5, maximize=True))
    assert result.lr_limit == pytest.approx(2 / 4)
    assert result.stable


def test_nesterov_contracts_even_with_momentum_above_one_in_a_window():
    # T = (1 + m)(1 − a) and D = m (1 − a) stay inside the stable triangle for 1 − 1/m < a < 2 (1 + m)/(1 + 2 m).
    result = stability(bowl(1, 1), SGD(1.0, 1.2, nesterov=True))
    assert result.stable
    assert result.lr_limit == pytest.approx(4.4 / 3.4)
    assert radius_by_numpy(SGD(0.99 * result.lr_limit, 1.2, nesterov=True), (1, 1)) < 1
    assert not stability(bowl(1, 1), SGD(0.1, 1.2, nesterov=True)).stable
    apart = stability(bowl(1, 100), SGD(0.1, 1.5, nesterov=True))
    assert apart.lr_limit is None
    assert "never along both directions" in apart.note


def test_a_flat_direction_is_left_out_of_the_limit():
    f = regression([3.0, 3.0], [1.0, 2.0])
    result = stability(f, SGD(0.01))
    assert result.curvatures.tolist() == pytest.approx([0, 20])
    assert result.lr_limit == pytest.approx(0.1)
    assert result.optimal_lr == pytest.approx(0.05)
    assert result.spectral_radius == 1
    assert result.stable
    assert "flat along one direction" in result.note


def test_at_another_point():
    f = OBJECTIVES["rosenbrock"]
    assert stability(f, SGD(1e-3)).lr_limit == pytest.approx(2 / 1001.60064, rel=1e-6)
    elsewhere = stability(f, SGD(1e-3), at=(0.0, 0.0))
    assert elsewhere.curvatures.tolist() == pytest.approx([2, 200])
    assert stability(OBJECTIVES["saddle"], SGD(0.1)).curvatures.tolist() == [-2, 2]
    with pytest.raises(ValueError, match="point must be a single point"):
        stability(f, SGD(0.1), at=torch.zeros(3, 2))


def test_curvature_that_is_not_finite():
    f = as_objective(lambda a, b: torch.sqrt(a) + b**2)
    result = stability(f, SGD(0.1), at=(0.0, 0.0))
    assert result.note == "the curvature here is not finite"
    assert result.lr_limit is None


def test_the_hessian_at_the_minimum_is_asked_for_once(four, monkeypatch):
    calls = []
    true = type(four["MSE"]).hessian
    monkeypatch.setattr(type(four["MSE"]), "hessian", lambda self, p: calls.append(p) or true(self, p))
    for lr in (0.1, 0.2, 0.3):
        stability(four["MSE"], SGD(lr))
    assert len(calls) == 1
