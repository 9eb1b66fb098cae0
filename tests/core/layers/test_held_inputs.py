"""A loss that holds the input itself, as one does that differentiates by it: copies keep what was one tensor one."""

import functools

import pytest
import torch
from torch import nn

from gradwidgets.core import GradientMonitor, gradient_covariance, hessian_spectrum
from gradwidgets.core.layers import layer_flow, preflight, try_fix
from gradwidgets.core.monitor import diagnose

X = torch.linspace(0, 1, 8)[:, None].requires_grad_(True)
PLAIN = torch.linspace(0, 1, 8)[:, None]
SLOPE = torch.ones(8, 1)


def residual(output, targets, x):
    slope = torch.autograd.grad(output.sum(), x, create_graph=True)[0]
    return ((slope - targets) ** 2).mean()


class Problem:
    def __init__(self, x):
        self.parts = {"x": x}

    def __call__(self, output, targets):
        return residual(output, targets, self.parts["x"])


class Loss(nn.Module):
    def __init__(self):
        super().__init__()
        self.x = X

    def forward(self, output, targets):
        return residual(output, targets, self.x)


class Asking(nn.Sequential):
    """Asks for its input's gradient in its forward."""

    def forward(self, x):
        return super().forward(x.requires_grad_())


def made(x):
    return lambda output, targets: residual(output, targets, x)


PROBLEM, MADE, BATCH = Problem(X), made(X), {"x": X}


def of_global(output, targets):
    return residual(output, targets, X)


def of_plain_global(output, targets):
    return residual(output, targets, PLAIN)


def of_dict(output, targets):
    return residual(output, targets, BATCH["x"])


def of_object(output, targets):
    return PROBLEM(output, targets)


def of_made(output, targets):
    return MADE(output, targets)


def of_default(output, targets, x=X):
    return residual(output, targets, x)


HELD = {
    "a global": of_global,
    "a global's entry": of_dict,
    "a global object": of_object,
    "a global function's closure": of_made,
    "a closure": made(X),
    "a default": of_default,
    "an attribute": Loss(),
    "an object": Problem(X),
    "a partial": functools.partial(residual, x=X),
}


def network(kind=nn.Sequential):
    torch.manual_seed(0)
    return kind(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


@pytest.mark.parametrize("where", HELD)
def test_a_loss_that_holds_the_input_finds_the_copy_where_it_looks_for_it(where):
    model, loss_fn = network(), HELD[where]
    X.grad = torch.full_like(X, 3.0)
    flow = layer_flow(model, X, SLOPE, loss_fn)
    assert flow.loss == pytest.approx(loss_fn(model(X), SLOPE).item())
    assert flow.certificate.unchanged and [one.name for one in diagnose(flow)] == ["healthy"]
    assert bool((X.grad == 3).all()) and X._version == 0


def test_one_tensor_given_as_inputs_and_targets_is_one_tensor():
    model, loss_fn = network(), lambda output, x: residual(output, SLOPE, x)
    assert layer_flow(model, X, X, loss_fn).loss == pytest.approx(loss_fn(model(X), X).item())
    assert hessian_spectrum(model, X, X, loss_fn).eigenvalues is not None


def test_an_input_that_forward_asks_a_gradient_of_is_left_without():
    flow = layer_flow(network(Asking), PLAIN, SLOPE, of_plain_global)
    assert flow.loss > 0 and flow.certificate.unchanged and not PLAIN.requires_grad


@pytest.mark.parametrize("where", ["a global", "a closure"])
def test_every_analysis_takes_such_a_loss(where):
    model, loss_fn = network(), HELD[where]
    value = loss_fn(model(X), SLOPE).item()
    assert preflight(model, X, SLOPE, loss_fn) == []
    assert try_fix(model, X, SLOPE, loss_fn, "clip", steps=1).losses_before[0] == pytest.approx(value)
    assert hessian_spectrum(model, X, SLOPE, loss_fn).loss == pytest.approx(value)
    assert gradient_covariance(model, [(X, SLOPE)] * 2, loss_fn).batches == 2
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with GradientMonitor(model, optimizer) as monitor:
        monitor.expect(X, SLOPE, loss_fn)
        loss = loss_fn(model(X), SLOPE)
        loss.backward()
        monitor.note_loss(loss)
        optimizer.step()
    assert "loss" in monitor.history.looked_at and "raised" not in str(diagnose(monitor.history))
