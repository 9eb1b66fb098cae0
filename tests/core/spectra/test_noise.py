"""The noise scale against the closed form of linear regression, brute force, and simulation."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn
from torch.nn import functional

from gradwidgets.core.spectra import gradient_noise_scale
from gradwidgets.core.spectra.ratio import ratio, student

DIMS, SIGMA = 5, 1.0


def half_square(out, target):
    return 0.5 * functional.mse_loss(out, target)


def regression(seed, error, samples=200):
    """A model that is off by `error` in a random direction, x ~ N(0, I), noise σ = 1."""
    generator = torch.Generator().manual_seed(seed)
    x, delta, noise = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((samples, DIMS), (DIMS,), (samples, 1))
    )
    model = nn.Linear(DIMS, 1, bias=False).double()
    model.weight.data = 1 + (error * delta / delta.norm())[None]
    return model, x, x.sum(1, keepdim=True) + SIGMA * noise


def truth(error):
    """tr Σ and |G|²."""
    return (DIMS + 1) * error**2 + DIMS * SIGMA**2, error**2


def brute_force(model, x, y):
    """Unbiased tr Σ and |G|² from every sample's own backward."""
    rows = []
    for i in range(len(x)):
        model.zero_grad()
        half_square(model(x[i : i + 1]), y[i : i + 1]).backward()
        rows.append(torch.cat([p.grad.reshape(-1) for p in model.parameters()]))
    gradients = torch.stack(rows)
    trace = gradients.var(0).sum()
    return trace.item(), (gradients.mean(0).square().sum() - trace / len(x)).item()


def test_it_is_what_every_sample_s_backward_gives():
    model, x, y = regression(0, 1.0)
    found = gradient_noise_scale(model, x, y, half_square)
    trace, squared = brute_force(model, x, y)
    assert found.trace == pytest.approx(trace, rel=1e-9) and found.squared_norm == pytest.approx(squared, rel=1e-9)
    assert found.value == pytest.approx(trace / squared) and found.samples == 200
    assert found.method.startswith("per-sample gradients, many at a time; 95 % interval by Fieller's theorem")
    assert found.low < found.value < found.high and not found.reason and not found.note


@pytest.mark.parametrize("error", [0.5, 1.0, 3.0])
def test_linear_regression_in_closed_form(error):
    found = gradient_noise_scale(*regression(1, error, 20_000), half_square)
    trace, squared = truth(error)
    assert found.trace == pytest.approx(trace, rel=0.05) and found.squared_norm == pytest.approx(squared, rel=0.1)
    assert found.low < trace / squared < found.high


@pytest.mark.parametrize("sizes", [{}, {"small": 4}, {"small": 2, "large": 40}, {"large": 50}])
def test_the_interval_covers_as_often_as_it_says(sizes):
    trace, squared = truth(1.0)
    found = [gradient_noise_scale(*regression(seed, 1.0), half_square, **sizes) for seed in range(40)]
    covered = sum(one.low <= trace / squared <= one.high for one in found)
    # Fewer than 33 of 40 happen once in 200 times at 95 %.
    assert covered >= 33
    for name, true in (("trace", trace), ("squared_norm", squared)):
        values = torch.tensor([getattr(one, name) for one in found], dtype=torch.float64)
        assert abs(values.mean() - true) < 4 * values.std() / math.sqrt(40)


def test_the_interval_by_direct_simulation():
    generator = torch.Generator().manual_seed(0)
    covered = refused = 0
    for _ in range(400):
        x = torch.randn(200, DIMS, generator=generator, dtype=torch.float64)
        gradients = (x[:, 0] + torch.randn(200, generator=generator, dtype=torch.float64))[:, None] * x
        found = ratio(gradients.square().sum(1)[None], (gradients @ gradients.sum(0))[None])
        covered += found.low <= 11 <= found.high
        refused += not found.certain
    assert 0.91 <= covered / 400 <= 0.98 and refused == 0


def test_at_the_minimum_it_refuses():
    refused = [gradient_noise_scale(*regression(seed, 0.0), half_square) for seed in range(20)]
    assert sum(math.isnan(one.value) for one in refused) >= 18
    one = refused[0]
    assert math.isnan(one.value) and math.isinf(one.high) and one.low > 10
    assert "|G|² cannot be told from 0 with 200 samples" in one.reason
    assert one.sentence.startswith("No noise scale: |G|²") and "It is at least about" in one.sentence


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-6, 1e6), st.integers(3, 12), st.integers(1, 3), st.integers(0, 1000))
def test_the_ratio_knows_no_units(scale, groups, batches, seed):
    generator = torch.Generator().manual_seed(seed)
    gradients = 1 + torch.randn(batches, groups, 4, generator=generator, dtype=torch.float64)
    sums = gradients.sum(1, keepdim=True)
    squares, products = gradients.square().sum(-1), (gradients * sums).sum(-1)
    one, other = ratio(squares, products), ratio(scale**2 * squares, scale**2 * products)
    assert other.certain == one.certain and other.low == pytest.approx(one.low, rel=1e-6, abs=1e-9)
    assert other.high == pytest.approx(one.high, rel=1e-5)
    trace = gradients.var(1).sum(-1).mean().item()
    assert one.trace == pytest.approx(trace) and other.trace == pytest.approx(scale**2 * trace)


@pytest.mark.parametrize("freedom", [2, 3, 5, 10, 100, 10_000])
def test_student_s_point(freedom):
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.08 if freedom == 2 else 0.02)


def test_equal_gradients_have_no_noise():
    model = nn.Linear(2, 1)
    found = gradient_noise_scale(model, torch.ones(8, 2), None, lambda out, _: out.mean())
    assert found.value == 0 and found.sentence.startswith("Single samples agree on the gradient")


def test_a_sum_has_the_noise_scale_of_the_mean():
    model, x, y = regression(0, 1.0)
    for sizes in ({}, {"small": 4}):
        mean = gradient_noise_scale(model, x, y, nn.MSELoss(), **sizes)
        total = gradient_noise_scale(model, x, y, nn.MSELoss(reduction="sum"), **sizes)
        assert "a sum over samples" in total.note
        for name in ("value", "trace", "squared_norm", "low", "high"):
            assert getattr(total, name) == pytest.approx(getattr(mean, name))


def test_batch_norm_takes_two_batch_sizes_and_says_so():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    x = torch.randn(96, 4)
    found = gradient_noise_scale(model, x, 5 + x[:, :1], functional.mse_loss)
    assert found.method.startswith("two batch sizes, 6 and 96") and found.small == 6
    assert "with BatchNorm single samples have no gradient" in found.note and found.value > 0
    still = gradient_noise_scale(model.eval(), x, 5 + x[:, :1], functional.mse_loss)
    assert still.method.startswith("per-sample") and not still.note


def test_a_loss_over_the_batch_takes_groups():
    def pulled_apart(out, _):
        return (out.var() - 1) ** 2 + out.mean() ** 2

    found = gradient_noise_scale(nn.Linear(4, 1), torch.randn(64, 4), None, pulled_apart)
    assert found.small == 4 and "is not the mean of its parts' losses" in found.note
    assert (
        "does not take single samples"
        in gradient_noise_scale(
            nn.Sequential(nn.Linear(4, 2), Alone()), torch.randn(64, 4), None, lambda out, _: out.square().mean()
        ).note
    )


class Alone(nn.Module):
    def forward(self, x):
        if len(x) < 2:
            raise ValueError("more than one, please")
        return x


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x):
        return self.layer(x) if x.sum().item() > 0 else self.layer(2 * x)


def test_a_model_that_decides_takes_samples_one_by_one():
    found = gradient_noise_scale(Branching(), torch.randn(40, 4).abs(), torch.randn(40, 1), functional.mse_loss)
    assert "one by one" in found.method and found.small == 1


def test_gradients_that_do_not_fit_are_computed_twice(monkeypatch):
    model, x, y = regression(0, 1.0)
    at_once = gradient_noise_scale(model, x, y, half_square)
    monkeypatch.setattr("gradwidgets.core.spectra.group_gradients.MAX_ELEMENTS", 100)
    twice = gradient_noise_scale(model, x, y, half_square)
    assert twice.value == pytest.approx(at_once.value) and twice.high == pytest.approx(at_once.high)


def test_the_words_and_the_dict():
    found = gradient_noise_scale(*regression(0, 1.0), half_square)
    assert found.sentence.startswith("A batch of about 11 (8.6 to 20) has as much noise as gradient; larger batches")
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["sentence"] == found.sentence and plain["value"] == found.value
    assert found.to_frame().iloc[0].value == found.value


def test_work_comes_in_slices():
    shares = list(gradient_noise_scale.in_slices(*regression(0, 1.0, 2000), half_square))
    assert shares == sorted(shares) and len(shares) > 3 and 0 <= shares[0] <= shares[-1] <= 1


WRONG = {
    "small": ({"small": 0}, ValueError, "small must be a whole number from 1 to 200; got 0"),
    "half a sample": ({"small": 0.5}, TypeError, "small must be a whole number; got 0.5"),
    "large": ({"small": 10, "large": 20}, ValueError, "large must be a whole number from 30 to 200; got 20"),
    "too large": ({"large": 201}, ValueError, "large must be a whole number from 3 to 200; got 201"),
}


@pytest.mark.parametrize(("sizes", "kind", "words"), WRONG.values(), ids=WRONG)
def test_wrong_sizes(sizes, kind, words):
    with pytest.raises(kind, match=words):
        gradient_noise_scale(*regression(0, 1.0), half_square, **sizes)


def test_axes_that_differ():
    with pytest.raises(ValueError, match=r"first axis .* got shapes \[\(200, 5\), \(10, 1\)\]"):
        model, x, y = regression(0, 1.0)
        gradient_noise_scale(model, x, y[:10], half_square)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_samples_have_a_reason(count):
    model, x, y = regression(0, 1.0, count)
    found = gradient_noise_scale(model, x, y, half_square)
    assert math.isnan(found.value) and "too few" in found.reason


def test_one_bad_sample_is_named():
    model, x, y = regression(0, 1.0)
    x[7, 0] = math.inf
    assert gradient_noise_scale(model, x, y, half_square).reason == "the loss is infinite"
