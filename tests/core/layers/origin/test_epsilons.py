"""A small number that was to keep something from 0 and is 0 itself in half precision, named with one that is not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs

SMALL = torch.tensor(1e-9)


def told(run, dtype=torch.float16):
    torch.manual_seed(0)
    model = Runs(run, a=nn.Linear(6, 8), b=nn.Linear(8, 2)).to(dtype)
    x = torch.randn(9, 6)
    x[4] = 0
    return diagnose(layer_flow(model, x.to(dtype), torch.randint(0, 2, (9,)), F.cross_entropy))


def normed(eps):
    return lambda s, x: s.b(torch.tanh(s.a(x / (x.norm(dim=-1, keepdim=True) + eps))))


def deviation(s, x):
    return s.b(torch.tanh(s.a(x / (x.var(1, keepdim=True) + 1e-8).sqrt())))


def root(s, x):
    h = s.a(x) * (x.abs().sum(1, keepdim=True) > 0)
    return s.b(h / (1 + (h.square().sum(1, keepdim=True) + 1e-8).sqrt()))


@pytest.mark.parametrize(
    ("run", "eps"),
    [
        (normed(1e-8), "1e−8"),
        (lambda s, x: s.b(torch.tanh(s.a(F.normalize(x, dim=-1)))), "1e−12"),
        (deviation, "1e−8"),
        (lambda s, x: s.b(torch.tanh(s.a(x / torch.maximum(x.norm(dim=1, keepdim=True), SMALL.half())))), "1e−9"),
        (root, "1e−8"),
        (lambda s, x: s.b(torch.tanh(s.a((x.abs() + 1e-10).log()))), "1e−10"),
    ],
    ids=["norm", "normalize", "deviation", "a tensor", "slope of a root", "logarithm"],
)
def test_an_eps_that_is_0_in_half_precision_is_said_to_be(run, eps):
    finding = next(one for one in told(run) if one.name == "non_finite")
    assert f"the eps of {eps} is 0 in float16, whose smallest number above 0 is 5.96e−8" in finding.message
    assert "as add makes it" not in finding.message
    assert "An eps that float16 holds" in finding.action and "float32" in finding.action


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_eps_is_enough_where_numbers_are_as_small(dtype):
    assert not [one for one in told(normed(1e-8), dtype) if one.name == "non_finite"]


def test_an_eps_that_is_not_0_is_enough_in_half_precision():
    assert not [one for one in told(normed(1e-4)) if one.name == "non_finite"]


def test_a_divisor_that_is_0_without_an_eps_is_not_said_to_have_lost_one():
    finding = told(lambda s, x: s.b(s.a(x / x.norm(dim=-1, keepdim=True))))[0]
    assert finding.name == "non_finite" and "eps of" not in finding.message
    assert "1 of 9 divisors is 0 (the divisor is what norm gives)" in finding.message
