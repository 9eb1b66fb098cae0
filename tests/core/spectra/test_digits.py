"""A loss that has lost digits is not called cut off, and one that is cut off is, however few digits it keeps."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from gradwidgets.core.spectra import gradient_covariance, gradient_noise_scale, hessian_spectrum
from gradwidgets.core.spectra.slope import slope


class Rounded(torch.autograd.Function):
    """Multiples of a step, straight through."""

    @staticmethod
    def forward(ctx, x, step):
        return (x / step).round() * step

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


FEWER_DIGITS = {
    "float32 in the loss": lambda o, t: functional.cross_entropy(o.float(), t),
    "float32 on the way": lambda o, t: functional.cross_entropy(o.float().double(), t),
    "a sum in float32": lambda o, t: o.float().square().sum(),
    "bfloat16 in the loss": lambda o, t: functional.cross_entropy(o.bfloat16(), t),
    "float16 on the way": lambda o, t: functional.cross_entropy(o.half().float(), t),
    "four places": lambda o, t: functional.cross_entropy(Rounded.apply(o, 1e-4), t),
    "a large constant": lambda o, t: functional.cross_entropy(o, t) + 1e10,
}
CUT_OFF = {
    "detach": lambda o, t: (o * o.detach()).mean(),
    "detach in float32": lambda o, t: (o.float() * o.float().detach()).mean(),
    "a small part": lambda o, t: functional.cross_entropy(o, t) + 0.03 * o.detach().square().mean(),
}


def small(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 4))
    return model, torch.randn(16, 8), torch.randint(0, 4, (16,))


@pytest.mark.parametrize("loss", FEWER_DIGITS)
@pytest.mark.parametrize("seed", range(4))
def test_lost_digits_are_no_cut(loss, seed):
    note = hessian_spectrum(*small(seed), FEWER_DIGITS[loss], k=2).note
    assert "cut off" not in note
    assert ("keeps only about" in note) == (loss != "a large constant")


@pytest.mark.parametrize("loss", CUT_OFF)
@pytest.mark.parametrize("seed", range(3))
def test_a_cut_is_one_whatever_the_digits(loss, seed):
    assert "cut off from the gradient" in hessian_spectrum(*small(seed), CUT_OFF[loss], k=2).note


def test_eigenvalues_of_a_loss_in_float32_are_those_in_float64_and_their_rounding_says_so():
    model, x, t = small(0)
    exact = hessian_spectrum(model, x, t, functional.cross_entropy)
    cast = hessian_spectrum(model, x, t, FEWER_DIGITS["float32 in the loss"])
    assert exact.note == "" and "about 7 digits" in cast.note
    away = (exact.eigenvalues - cast.eigenvalues).abs().max()
    assert exact.rounding < 1e-12 < away < cast.rounding < 1e-3 * exact.largest


def test_a_hidden_factor_of_a_small_loss_is_no_cut():
    """One output a float32 number of a thousand, the loss a small difference of it."""
    model, x = nn.Linear(3, 1), torch.ones(1, 3)
    loss = lambda o, _: ((1000 + o).float().double() - 1001).square().sum()  # noqa: E731
    assert "cut off" not in hessian_spectrum(model, x, None, loss).note


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens):
        return self.out(self.embed(tokens))


def test_a_tied_weight_is_one_parameter():
    torch.manual_seed(0)
    model, tokens = Tied(), torch.arange(20) % 5
    spectrum = hessian_spectrum(model, tokens, tokens, functional.cross_entropy)
    assert spectrum.parameters == len(spectrum.eigenvalues) == 15 and spectrum.note == ""

    def loss(weight):
        return functional.cross_entropy(weight[tokens] @ weight.T, tokens)

    weight = model.embed.weight.detach().double()
    hessian = torch.autograd.functional.hessian(loss, weight).reshape(15, 15)
    torch.testing.assert_close(spectrum.eigenvalues, torch.linalg.eigvalsh(hessian), rtol=1e-9, atol=1e-12)
    covariance = gradient_covariance(model, [(tokens, tokens), (tokens[:7], tokens[:7])], functional.cross_entropy)
    assert [layer.parameters for layer in covariance.layers] == [15]
    noise = gradient_noise_scale(model, tokens, tokens, functional.cross_entropy)
    gradient = torch.stack([torch.autograd.functional.jacobian(lambda w, k=k: functional.cross_entropy(
        w[tokens[k : k + 1]] @ w.T, tokens[k : k + 1]), weight) for k in range(20)]).flatten(1)  # fmt: skip
    assert noise.trace == pytest.approx(float(gradient.var(0).sum()), rel=1e-5)


@given(
    exact=st.floats(0.01, 100) | st.floats(-100, -0.01),
    bend=st.floats(-3, 3),
    digits=st.integers(4, 16),
    offset=st.floats(-3, 3),
)
def test_a_slope_is_not_denied_for_lost_digits_and_half_of_it_is(exact, bend, digits, offset):
    def function(x):
        value = offset + exact * x + bend * x**2
        return round(value, digits) if digits < 16 else value

    found = slope(function, 1e-8, 1.0)
    assert not found.denies(exact, 1e-3)
    resolved = abs(exact) * 0.01 > 40 * 10.0**-digits
    assert not resolved or found.denies(exact / 2, 1e-3)


def test_a_function_that_does_not_move_has_no_slope_but_what_its_digits_hide():
    found = slope(lambda _: 0.1, 1e-8, 1.0)
    assert math.isnan(found.value) and found.denies(1e-3, 1e-3) and not found.denies(1e-17, 1e-3)
    low = float(torch.tensor(0.1, dtype=torch.bfloat16))
    assert not slope(lambda _: low, 1e-8, 1.0).denies(0.05, 1e-3)


@pytest.mark.parametrize("inside", [-1.0, 0.0, 0.3, 2.0])
def test_between_both_sides_of_a_kink_every_slope_will_do(inside):
    found = slope(lambda x: 2 * x if x > 0 else -x * -1.0, 1e-8, 1.0)
    assert not found.denies(max(inside, 1.0), 1e-3) and found.denies(3.0, 1e-3) and found.denies(0.0, 1e-3)
