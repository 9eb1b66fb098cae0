"""Steps on a copy against torch.optim.SGD and clip_grad_norm_, to the bit."""

import copy
import math
import random
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import FlowError, training_losses
from gradwidgets.core.results.slices import finish

X, Y = (torch.randn(16, k, generator=torch.Generator().manual_seed(k)) for k in (8, 1))
TOKENS = torch.randint(0, 20, (16, 5), generator=torch.Generator().manual_seed(3))


def judged(model, inputs, targets, loss_fn, lr, steps, clip=None):
    """Losses and norms by torch's own optimizer, on a copy that is given back."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    losses, norms = [], []
    for step in range(steps + 1):
        with torch.random.fork_rng():
            torch.manual_seed(step)
            loss = loss_fn(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        gradients = [p.grad.to_dense() for p in model.parameters() if p.grad is not None]
        losses.append(loss.item())
        norms.append(math.sqrt(sum(float(g.double().square().sum()) for g in gradients)))
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return losses, norms


class Untidy(nn.Module):
    """A frozen layer, an unused one, one that is shared."""

    def __init__(self):
        super().__init__()
        self.first, self.shared, self.unused, self.last = (nn.Linear(8, k) for k in (8, 8, 3, 1))
        self.first.requires_grad_(False)

    def forward(self, x):
        return self.last(self.shared(torch.tanh(self.shared(torch.tanh(self.first(x))))))


MODELS = {
    "mlp": lambda: nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)),
    "double": lambda: nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)).double(),
    "dropout and BatchNorm": lambda: nn.Sequential(
        nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(8, 1)
    ),
    "the same, evaluation": lambda: MODELS["dropout and BatchNorm"]().eval(),
    "untidy": Untidy,
}


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("name", MODELS)
def test_the_steps_are_torchs(name, clip):
    model = MODELS[name]()
    x, y = (t.to(next(model.parameters()).dtype) for t in (X, Y))
    losses, norms = finish(training_losses(model, x, y, functional.mse_loss, lr=0.2, steps=8, clip=clip))
    expected, lengths = judged(model, x, y, functional.mse_loss, 0.2, 8, clip)
    assert losses.dtype == norms.dtype == torch.float64
    assert losses.tolist() == expected
    assert norms.tolist() == pytest.approx(lengths, rel=1e-12)
    assert len(set(expected)) == 9, "the judge must move"


def test_sparse_gradients():
    model = nn.Sequential(nn.Embedding(20, 4, sparse=True), nn.Flatten(), nn.Linear(20, 1))
    losses, norms = finish(training_losses(model, TOKENS, Y, functional.mse_loss, lr=0.2, steps=5))
    expected, lengths = judged(model, TOKENS, Y, functional.mse_loss, 0.2, 5)
    assert losses.tolist() == expected and norms.tolist() == pytest.approx(lengths, rel=1e-6)
    # torch does not clip sparse gradients: the same ones, dense, are the judge.
    clipped, _ = finish(training_losses(model, TOKENS, Y, functional.mse_loss, lr=0.2, steps=5, clip=0.05))
    model[0].sparse = False
    dense, _ = judged(model, TOKENS, Y, functional.mse_loss, 0.2, 5, clip=0.05)
    assert clipped.tolist() == pytest.approx(dense, rel=1e-5) and dense != pytest.approx(expected, rel=1e-3)


def test_a_quadratic_in_closed_form():
    class Point(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.float64))

        def forward(self, _):
            return self.w

    a = torch.tensor([1.0, 3.0], dtype=torch.float64)
    losses, norms = finish(training_losses(Point(), X, a, lambda w, a: 0.5 * (a * w**2).sum(), lr=0.1, steps=10))
    w = torch.tensor([2.0, -1.0], dtype=torch.float64) * (1 - 0.1 * a) ** torch.arange(11.0).double().unsqueeze(1)
    torch.testing.assert_close(losses, 0.5 * (a * w**2).sum(1))
    torch.testing.assert_close(norms, (a * w).norm(dim=1))


def test_what_is_not_finite_is_nan_to_the_end():
    model = MODELS["mlp"]()
    losses, norms = finish(training_losses(model, X, Y, functional.mse_loss, lr=1e12, steps=12))
    expected, _ = judged(model, X, Y, functional.mse_loss, 1e12, 12)
    first = next(k for k, loss in enumerate(expected) if not math.isfinite(loss))
    assert 0 < first < 12 and losses[:first].tolist() == expected[:first]
    assert losses[first:].isnan().all() and norms[first:].isnan().all()


def test_nothing_to_train():
    model = MODELS["mlp"]().requires_grad_(False)
    losses, norms = finish(training_losses(model, X, Y, functional.mse_loss, lr=0.1, steps=3))
    assert losses.tolist() == [functional.mse_loss(model(X), Y).item()] * 4 and norms.tolist() == [0.0] * 4
    losses, _ = finish(training_losses(MODELS["mlp"](), X, Y, functional.mse_loss, lr=0.1, steps=0))
    assert losses.shape == (1,)


def test_every_step_is_a_slice_and_leaves_random_numbers_alone(two_threads):
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 1))
    torchs, pythons, threads = torch.get_rng_state(), random.getstate(), torch.get_num_threads()
    shares = []
    for share in training_losses(model, X, Y, functional.mse_loss, steps=6):
        assert torch.equal(torch.get_rng_state(), torchs) and random.getstate() == pythons
        assert torch.is_grad_enabled() and torch.get_num_threads() == threads == 2
        shares.append(share)
    assert shares == [(k + 1) / 7 for k in range(7)]


def test_it_works_where_gradients_are_off():
    model = MODELS["mlp"]()
    expected, _ = judged(model, X, Y, functional.mse_loss, 0.1, 3)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            losses, _ = finish(training_losses(model, X, Y, functional.mse_loss, lr=0.1, steps=3))
        assert losses.tolist() == expected


def test_inputs_that_the_model_changes_are_copied():
    x = X.clone()
    finish(training_losses(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 1)), x, Y, functional.mse_loss, steps=2))
    assert torch.equal(x, X)


def test_no_optimizer_is_built():
    code = (
        "import sys, torch; from gradwidgets.core import build_network, try_fix\n"
        "m = build_network('plain', depth=2, width=4, activation='ReLU', init='He')\n"
        "try_fix(m, torch.ones(3, 4), torch.ones(3, 1), torch.nn.functional.mse_loss, 'clip', steps=2)\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


WRONG = [
    ({"lr": -1}, ValueError, "lr must be finite and ≥ 0; got -1"),
    ({"lr": math.inf}, ValueError, "lr must be finite"),
    ({"lr": "fast"}, TypeError, "lr must be a number ≥ 0; got 'fast'"),
    ({"lr": True}, TypeError, "lr must be a number"),
    ({"steps": -1}, ValueError, "steps must be from 0 to 10000; got -1"),
    ({"steps": 2.5}, TypeError, "steps must be a whole number"),
    ({"clip": 0}, ValueError, "clip must be finite and above 0; got 0"),
]


@pytest.mark.parametrize(("wrong", "kind", "words"), WRONG)
def test_wrong_settings(wrong, kind, words):
    with pytest.raises(kind, match=words):
        finish(training_losses(MODELS["mlp"](), X, Y, functional.mse_loss, **wrong))


LOSSES = [
    (lambda out, y: out.mean().item(), "loss_fn must return a tensor; it returned float"),
    (lambda out, y: out, r"loss_fn must return one number; it returned shape \(16, 1\)"),
    (lambda out, y: out.sum().long(), "loss_fn must return a real number of floating point"),
    (lambda out, y: out.nothing, "the loss raised AttributeError"),
]


@pytest.mark.parametrize(("loss", "words"), LOSSES)
def test_losses_that_are_none(loss, words):
    with pytest.raises(FlowError, match=words):
        finish(training_losses(MODELS["mlp"](), X, Y, loss))
    with pytest.raises(TypeError, match="loss_fn must be callable"):
        finish(training_losses(MODELS["mlp"](), X, Y, None))
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        finish(training_losses("model", X, Y, functional.mse_loss))


def test_a_parameter_that_no_optimizer_can_move_is_named():
    model = nn.Sequential(nn.Linear(8, 4, bias=False), nn.Linear(4, 1))
    model[0].weight = nn.Parameter(torch.ones(4, 1).expand(4, 8))
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.optim.SGD(model.parameters(), lr=0.1).step(lambda: functional.mse_loss(model(X), Y).backward())
    with pytest.raises(FlowError, match=r"parameter '0\.weight' takes no step, here or from an optimizer: unsupported"):
        finish(training_losses(model, X, Y, functional.mse_loss, steps=1))
    assert model[0].weight.stride() == (1, 0) and bool((model[0].weight == 1).all())
