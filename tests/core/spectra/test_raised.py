"""What a model raises while it is measured is said with what was measured and where, and leaves the model as it was."""

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from gradwidgets.core import gradient_covariance, gradient_noise_scale, hessian_spectrum
from gradwidgets.core.layers import FlowError

X, Y = torch.ones(6, 4), torch.zeros(6, 1)
ANALYSES = {
    "hessian_spectrum": lambda model, loss: hessian_spectrum(model, X, Y, loss, k=2),
    "gradient_noise_scale": lambda model, loss: gradient_noise_scale(model, X, Y, loss),
    "gradient_covariance": lambda model, loss: gradient_covariance(model, [(X[:3], Y[:3]), (X[3:], Y[3:])], loss),
}


class Lost(nn.Module):
    def forward(self, x):
        return {}[f"{len(x.shape)} axes"]


class NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise OSError("the way back\nis closed")


class OneWay(nn.Module):
    def forward(self, x):
        return NoWayBack.apply(x)


def refusing(output, targets):
    raise ZeroDivisionError("no loss today")


def model_of(*inner: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Tanh(), *inner), nn.Linear(4, 1))


RAISING = {
    "the model": (lambda: model_of(Lost()), mse_loss, KeyError, "the model raised KeyError in '1.1', a Lost: '2 axes'"),
    "a layer of torch's": (
        lambda: model_of(nn.Linear(7, 4)),
        mse_loss,
        RuntimeError,
        "the model raised RuntimeError in '1.1', a Linear: mat1",
    ),
    "the model itself": (lambda: nn.Bilinear(4, 4, 1), mse_loss, TypeError, "the model raised TypeError: "),
    "the loss": (lambda: model_of(), refusing, ZeroDivisionError, "the loss raised ZeroDivisionError: no loss today"),
    "the way back": (
        lambda: model_of(OneWay()), mse_loss, OSError, "the backward pass raised OSError: the way back is closed"
    ),
}  # fmt: skip


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.parametrize(("make", "loss", "kind", "said"), RAISING.values(), ids=RAISING)
def test_what_is_raised_is_said_with_its_place_and_leaves_the_model(make, loss, kind, said, analysis):
    model = make()
    before = {name: (p, p.detach().clone(), p.grad, p.requires_grad) for name, p in model.named_parameters()}
    attributes = [dict(vars(module)) for module in model.modules()]
    with pytest.raises(FlowError) as caught:
        ANALYSES[analysis](model, loss)
    assert str(caught.value).startswith(f"{analysis}: {said}") and "\n" not in str(caught.value)
    assert type(caught.value.__cause__) is kind
    for name, (parameter, value, grad, trained) in before.items():
        now = model.get_parameter(name)
        assert now is parameter and torch.equal(now, value) and (now.grad, now.requires_grad) == (grad, trained)
    assert [dict(vars(module)) for module in model.modules()] == attributes


@pytest.mark.parametrize("analysis", ANALYSES)
def test_refusals_of_our_own_stay_as_they_are(analysis):
    with pytest.raises(ValueError, match=r"^loss_fn must return one number") as caught:
        ANALYSES[analysis](model_of(), lambda output, targets: output)
    assert type(caught.value) is ValueError
    with pytest.raises(KeyboardInterrupt):
        ANALYSES[analysis](model_of(), lambda output, targets: (_ for _ in ()).throw(KeyboardInterrupt))


class NoWayBackTwice(NoWayBack):
    @staticmethod
    def backward(ctx, grad):
        return NoWayBack.apply(grad)


def test_what_is_raised_in_a_later_slice_is_said_too():
    work = hessian_spectrum.in_slices(
        model_of(), X, Y, lambda output, targets: NoWayBackTwice.apply(output).square().mean()
    )
    assert next(work) == 0.0  # the loss and its gradient are there
    with pytest.raises(FlowError, match="hessian_spectrum: the backward pass raised OSError: the way back is closed"):
        for _ in work:
            pass


class Sparse(nn.Module):
    def __init__(self, trained: bool) -> None:
        super().__init__()
        self.lin, held = nn.Linear(4, 4), torch.eye(4).to_sparse()
        if trained:
            self.weight = nn.Parameter(held)
        else:
            self.register_buffer("weight", held)

    def forward(self, x):
        return torch.sparse.mm(self.weight, self.lin(x).T).T


@pytest.mark.parametrize("analysis", ANALYSES)
def test_sparse_parameters_are_refused_in_a_sentence_and_sparse_buffers_are_none(analysis):
    loss = lambda output, targets: output.square().mean()  # noqa: E731
    with pytest.raises(ValueError, match=r"^parameter 'weight' is sparse; only dense parameters can be measured$"):
        ANALYSES[analysis](Sparse(trained=True), loss)
    assert ANALYSES[analysis](Sparse(trained=False), loss).certificate.unchanged


@pytest.mark.parametrize("analysis", ANALYSES)
def test_a_stop_of_iteration_is_no_end_of_the_work(analysis):
    def ended(output, targets):
        raise StopIteration("no more")

    with pytest.raises(FlowError, match=f"{analysis}: the loss raised StopIteration: no more"):
        ANALYSES[analysis](model_of(), ended)
