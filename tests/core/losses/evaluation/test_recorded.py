"""A loss that takes gradients itself is had at many points at once, with the numbers that single calls give."""

import pytest
import torch

from gradwidgets import check_loss
from gradwidgets.core.losses.loss_function import LossFunction

VIEW = {"a": (-1.0, 1.0), "b": (-2.0, 3.0)}
POINTS = torch.tensor([[0.3, 0.7], [-0.8, 2.1], [0.05, -1.4], [0.9, 0.2], [-0.4, -0.6], [0.61, 1.3]]).double()


def slope_of(u, x):
    return torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)[0]


def first_order(a, b):
    x = torch.linspace(0, 1, 16, dtype=a.dtype).requires_grad_()
    u = a * torch.sin(b * x)
    return ((slope_of(u, x) + u) ** 2).mean()


def second_order(a, b):
    x = torch.linspace(0, 1, 16, dtype=a.dtype).requires_grad_()
    u = torch.tanh(a * x + b)
    return ((slope_of(slope_of(u, x), x) + u) ** 2).mean()


def gradient_penalty(a, b):
    x = torch.linspace(-1, 1, 9, dtype=a.dtype).reshape(3, 3).requires_grad_()
    score = torch.nn.functional.softplus(a * x.sum(1) + b * x[:, 0])
    return (slope_of(score, x).norm(dim=1) - 1).square().mean() - score.mean()


def cut_on_the_way(a, b):
    x = torch.linspace(0, 1, 5, dtype=a.dtype).requires_grad_()
    u = a * x**2
    with torch.no_grad():
        weight = (b * x).cos()
    return (weight * slope_of(u, x)).square().mean() + b.detach() * a


def at_single_points(function, points):
    """Loss and gradient by plain calls."""
    losses, gradients = [], []
    for point in points:
        leaves = [number.clone().requires_grad_() for number in point.unbind()]
        value = function(*leaves)
        losses.append(value.detach())
        slopes = torch.autograd.grad(value, leaves, allow_unused=True)
        gradients.append(torch.stack([torch.zeros(()).double() if one is None else one for one in slopes]))
    return torch.stack(losses), torch.stack(gradients)


@pytest.mark.parametrize("loss", [first_order, second_order, gradient_penalty, cut_on_the_way])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_numbers_are_those_of_single_calls(loss, dtype):
    function = LossFunction(loss, ("a", "b"))
    function.values(POINTS)
    values = function.values(POINTS, dtype)
    assert function.method == "vmap"
    known, slopes = at_single_points(loss, POINTS)
    assert torch.allclose(values.loss.double(), known, rtol=1e-4, atol=1e-5)
    assert torch.allclose(values.gradient.double(), slopes, rtol=1e-3, atol=1e-4)


def by_branch(a, b):
    x = torch.linspace(0, 1, 4, dtype=a.dtype).requires_grad_()
    return slope_of(a * x**2, x).square().mean() + (b if b > 0.5 else -b)


def by_numpy(a, b):
    x = torch.linspace(0, 1, 4, dtype=a.dtype).requires_grad_()
    return slope_of(a * x**2, x).square().mean() + float(b.detach().numpy()) * a


def counting(a, b, calls=torch.zeros(())):  # noqa: B008
    calls += 1
    x = torch.linspace(0, 1, 4, dtype=a.dtype).requires_grad_()
    return slope_of(a * x**2, x).square().mean() + b * b


@pytest.mark.parametrize("loss", [by_branch, by_numpy])
def test_what_depends_on_values_is_called_point_by_point(loss):
    function = LossFunction(loss, ("a", "b"))
    values = function.values(POINTS)
    assert function.method == "pointwise"
    assert torch.allclose(values.loss, at_single_points(loss, POINTS)[0])


def test_what_the_loss_holds_is_as_it_was():
    before = counting.__defaults__[0].clone()
    check_loss(counting, VIEW, resolution=11)
    assert torch.equal(counting.__defaults__[0], before)


def test_a_parameter_without_a_path_is_told():
    assert LossFunction(cut_on_the_way, ("a", "b")).values(POINTS).reached == (True, False)


def test_constants_are_those_of_the_call():
    def scaled(a, scale):
        x = torch.linspace(0, 1, 4, dtype=a.dtype).requires_grad_()
        return (scale * slope_of(a * x**2, x)).square().mean()

    function = LossFunction(scaled, ("a",), {"scale": 2.0})
    two = function.values(POINTS[:, :1]).loss
    assert torch.allclose(function.with_fixed({"scale": 4.0}).values(POINTS[:, :1]).loss, 4 * two)
