"""Second derivatives against closed forms, whatever the loss's backward does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import sample_surface
from gradwidgets.core.losses.second_derivatives import hessians_at
from gradwidgets.core.results.slices import finish

AXES = {"a": (-2.0, 2.0), "b": (-1.0, 3.0)}
SPANS = torch.tensor([4.0, 4.0], dtype=torch.float64)


def hessian(loss, *point):
    function = sample_surface(loss, AXES, 11).function
    return finish(hessians_at(function, torch.tensor([point], dtype=torch.float64), SPANS))[0]


class Once(torch.autograd.Function):
    """A square whose backward has no graph."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a**2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.floats(-50, 50)] * 3), st.tuples(st.floats(-1, 1), st.floats(0, 2)))
def test_a_quadratic_has_its_own_matrix(entries, point):
    p, q, r = entries
    found = hessian(lambda a, b: p * a**2 + q * a * b + r * b**2, *point)
    torch.testing.assert_close(found, torch.tensor([[2 * p, q], [q, 2 * r]], dtype=torch.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: Once.apply(a) + b**2,
        lambda a, b: Once.apply(a) * 1.0 + b**2 if float(a.detach()) < 9 else a,
        lambda a, b: Once.apply(a).exp().log() + b**2,
    ],
    ids=["a silent one", "point by point", "one that refuses"],
)
def test_a_backward_without_a_graph_is_found_out(loss):
    found = hessian(loss, 0.7, 0.4)
    torch.testing.assert_close(found, 2 * torch.eye(2, dtype=torch.float64), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("width", [1e-14, 1e-8, 1.0, 1e6])
def test_in_a_view_of_any_width(width):
    function = sample_surface(lambda a, b: a**2 + 3 * b**2, {"a": (1.0, 1.0 + width), "b": (0.0, width)}, 5).function
    point = torch.tensor([[1.0 + 0.5 * width, 0.5 * width]], dtype=torch.float64)
    found = finish(hessians_at(function, point, torch.full((2,), width, dtype=torch.float64)))[0]
    torch.testing.assert_close(found, torch.diag(torch.tensor([2.0, 6.0], dtype=torch.float64)), rtol=1e-5, atol=1e-5)


def test_at_a_kink_autograd_is_believed():
    found = hessian(lambda a, b: a.abs() + b**2, 0.0, 0.5)
    torch.testing.assert_close(found, torch.diag(torch.tensor([0.0, 2.0], dtype=torch.float64)))


def test_where_there_is_none_there_is_none():
    assert hessian(lambda a, b: a.abs().sqrt() + b, 0.0, 0.0).isnan().any()
