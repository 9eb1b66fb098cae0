"""Gradients by name and norms of mini-batches against backward and differences."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import FlowError, batch_norms, parameter_gradients
from tests.core.layers.account import everything
from tests.core.layers.zoo import ZOO

X, Y = (torch.randn(16, k, generator=torch.Generator().manual_seed(k)) for k in (8, 1))
# Of these a copy is another thing: without sizes yet, with parameters that are no leaves, or none at all.
NOT_COPIED = ("weight norm of old", "restless", "data parallel", "lazy", "scripted", "traced")


def mlp():
    return nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def by_backward(model, inputs, targets, loss):
    model = copy.deepcopy(model)
    for p in model.parameters():
        # A scripted module's copy has parameters that are no leaves.
        p.retain_grad() if p.requires_grad and not p.is_leaf else setattr(p, "grad", None)
    output = model(**inputs) if hasattr(inputs, "keys") else model(*(inputs if isinstance(inputs, tuple) else [inputs]))
    value = loss(output, targets)
    if value.requires_grad:
        value.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", [name for name in ZOO if name not in NOT_COPIED])
def test_they_are_backwards(name):
    model, inputs, loss = ZOO[name]()
    before, random = everything(model), torch.get_rng_state()
    found = parameter_gradients(model, inputs, None, loss)
    assert everything(model) == before and torch.equal(torch.get_rng_state(), random)
    expected = by_backward(model, inputs, None, loss)
    assert list(found) == list(expected)
    for key, gradient in expected.items():
        assert (found[key] is None) == (gradient is None)
        if gradient is not None:
            torch.testing.assert_close(found[key].to_dense(), gradient.to_dense(), equal_nan=True)


@pytest.mark.parametrize("name", NOT_COPIED)
def test_models_that_are_left_as_they_were(name):
    model, inputs, loss = ZOO[name]()
    before = everything(model)
    found = parameter_gradients(model, inputs, None, loss)
    assert everything(model) == before and all(g is not None for g in found.values()) and found


def test_they_are_slopes():
    model, x, y = mlp().double(), X.double(), Y.double()
    found = parameter_gradients(model, x, y, functional.mse_loss)
    for name, parameter in model.named_parameters():
        flat, slopes = parameter.data.view(-1), []
        for k in range(len(flat)):
            at = flat[k].item()
            sides = []
            for moved in (at + 1e-5, at - 1e-5):
                flat[k] = moved
                sides.append(functional.mse_loss(model(x), y).item())
            flat[k] = at
            slopes.append((sides[0] - sides[1]) / 2e-5)
        torch.testing.assert_close(found[name].view(-1), torch.tensor(slopes).double(), rtol=1e-5, atol=1e-8)


def test_names():
    layer = nn.Linear(8, 8)
    model = nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(8, 1))
    model[3].bias.requires_grad_(False)
    assert list(parameter_gradients(model, X, Y, functional.mse_loss)) == ["0.weight", "0.bias", "3.weight"]
    unused = nn.ModuleDict({"used": mlp(), "unused": nn.Linear(2, 2)})
    unused.forward = lambda x: unused["used"](x)
    found = parameter_gradients(unused, X, Y, functional.mse_loss)
    assert found["unused.weight"] is None and found["used.2.bias"].shape == (1,)


def test_hooks_on_gradients_are_not_run():
    model, calls = mlp(), []
    expected = by_backward(model, X, Y, functional.mse_loss)
    model[0].weight.register_hook(lambda g: calls.append(1) or 2 * g)
    model[0].register_full_backward_hook(lambda *_: calls.append(1))
    found = parameter_gradients(model, X, Y, functional.mse_loss)
    assert not calls
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("call", [parameter_gradients, batch_norms])
def test_what_is_refused(call):
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        call(len, X, Y, functional.mse_loss)
    with pytest.raises(TypeError, match="loss_fn must be callable"):
        call(mlp(), X, Y, "mse")
    with pytest.raises(FlowError, match="loss_fn must return one number"):
        call(mlp(), X, Y, lambda out, y: out)
    with pytest.raises(FlowError, match="the model raised RuntimeError"):
        call(mlp(), X[:, :3], Y, functional.mse_loss)


def norms_by_hand(model, parts, size):
    norms = []
    for k in range(parts):
        rows = slice(k * size, (k + 1) * size)
        gradients = by_backward(model, X[rows], Y[rows], functional.mse_loss)
        norms.append(torch.cat([g.double().flatten() for g in gradients.values()]).norm().item())
    return norms


@pytest.mark.parametrize(("parts", "count", "size"), [(1, 1, 16), (3, 3, 5), (8, 8, 2), (100, 16, 1)])
def test_norms_of_mini_batches(parts, count, size):
    model = mlp()
    before, random = everything(model), torch.get_rng_state()
    found = batch_norms(model, X, Y, functional.mse_loss, parts)
    assert everything(model) == before and torch.equal(torch.get_rng_state(), random)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(norms_by_hand(model, count, size), rel=1e-6)


def test_norms_in_closed_form():
    # loss (w − y)² of one number each: the gradient is 2(w − y).
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor(3.0, dtype=torch.float64))

        def forward(self, x):
            return self.w.expand(len(x))

    y = torch.arange(6.0, dtype=torch.float64)
    found = batch_norms(One(), torch.zeros(6), y, functional.mse_loss, 6)
    assert found.tolist() == [6, 4, 2, 0, 2, 4]


def test_every_tensor_is_cut():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 1)

        def forward(self, x, more, scale=1.0):
            return (self.layer(x) + more) * scale

    model, more = Two(), Y * 3
    plain = batch_norms(model, (X, more), Y, functional.mse_loss, 4)
    named = batch_norms(model, {"x": X, "more": more, "scale": torch.tensor(1.0)}, Y, functional.mse_loss, 4)
    assert len(plain) == 4 and plain.tolist() == named.tolist()
    expected = by_backward(model, (X[:4], more[:4]), Y[:4], functional.mse_loss)
    assert plain[0].item() == pytest.approx(torch.cat([g.flatten() for g in expected.values()]).norm().item())


def test_batches_that_cannot_be_cut():
    class WithMask(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 1)

        def forward(self, x, mask):
            return self.layer(x * mask[0])

    none = [
        batch_norms(mlp(), X[:1], Y[:1], functional.mse_loss),
        batch_norms(WithMask(), (X, torch.ones(3, 8)), Y, functional.mse_loss),
        # BatchNorm takes no single sample, this view no other batch.
        batch_norms(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)), X[:4], X[:4], functional.mse_loss),
        batch_norms(nn.Sequential(nn.Linear(8, 1), nn.Unflatten(0, (2, 8))), X, None, lambda out, _: out.sum()),
    ]
    assert [(tuple(norms.shape), norms.dtype) for norms in none] == [((0,), torch.float64)] * 4


@pytest.mark.parametrize(("parts", "kind"), [(0, ValueError), (2.0, TypeError), (True, TypeError)])
def test_wrong_parts(parts, kind):
    with pytest.raises(kind, match="parts must be"):
        batch_norms(mlp(), X, Y, functional.mse_loss, parts)


def test_large_and_small_gradients_have_norms():
    model = nn.Linear(8, 1, bias=False)
    for scale in (1e-30, 1e30):
        found = batch_norms(model, X, None, lambda out, _, s=scale: out.sum() * s, 1)
        assert found.item() == pytest.approx(X.sum(0).double().norm().item() * scale, rel=1e-5)
