"""A fix on a copy, its trainings against torch.optim.SGD; a fix on the model, undone to the bit; a step's gradients."""

import copy
import dataclasses
import json
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import (
    FIXES,
    FlowError,
    apply_fix,
    apply_in_place,
    batch_norms,
    build_network,
    parameter_gradients,
    try_fix,
    trying_fix,
)
from gradwidgets.core.layers.fixes import rebuild
from gradwidgets.core.subject.held.held import Held

CHANGING = [name for name, fix in FIXES.items() if fix.changes_model]


def sick(layers: int = 10, fix: str = "") -> tuple[nn.Module, torch.Tensor, torch.Tensor, object]:
    torch.manual_seed(0)
    inner = [layer for _ in range(layers) for layer in (nn.Sigmoid(), nn.Linear(16, 16))]
    inner += [nn.Softplus()] if fix == "drop_output_activation" else []
    return nn.Sequential(nn.Linear(8, 16), *inner), torch.randn(12, 8), torch.randn(12, 16), functional.mse_loss


def by_torch(model, x, y, loss_fn, lr, steps, max_norm=None):
    """Losses and norms of torch's own SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses, norms = [], []
    for _ in range(steps + 1):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        losses.append(float(loss.detach()))
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(grads)))
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    return losses, norms


@pytest.mark.parametrize("name", FIXES)
def test_both_trainings_are_torch_s_own(name):
    model, x, y, loss_fn = sick(fix=name)
    options = {"max_norm": 0.05} if name == "clip" else {}
    trial = try_fix(model, x, y, loss_fn, name, lr=0.3, steps=7, **options)
    losses, norms = by_torch(copy.deepcopy(model), x, y, loss_fn, 0.3, 7)
    assert trial.losses_before.tolist() == losses
    assert trial.norms_before.tolist() == pytest.approx(norms, rel=1e-5)
    fixed = copy.deepcopy(model) if name == "clip" else apply_fix(model, name)
    losses, norms = by_torch(fixed, x, y, loss_fn, 0.3, 7, options.get("max_norm"))
    assert trial.losses_after.tolist() == losses
    assert trial.norms_after.tolist() == pytest.approx(norms, rel=1e-5)
    if name == "clip":
        assert trial.losses_after.tolist() != trial.losses_before.tolist()
    assert len(trial.to_frame()) == 8 and json.dumps(trial.to_dict()) and "7 steps" in trial.sentence


def test_what_helps_is_seen_to_help():
    model, x, y, loss_fn = sick()
    trial = try_fix(model, x, y, loss_fn, "normalization", kind="batch", lr=0.1)
    assert trial.findings_before[0].name == "vanishing" and "vanishing" not in [f.name for f in trial.findings_after]
    assert trial.losses_after[-1] < trial.losses_before[-1]


class Zoo(nn.Module):
    """Dropout, batch statistics, a frozen layer, an unused one, a sparse embedding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 8, sparse=True)
        self.first, self.norm, self.drop = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)
        self.frozen, self.unused, self.last = nn.Linear(8, 8), nn.Linear(3, 3), nn.Linear(8, 2)
        self.frozen.requires_grad_(False)

    def forward(self, words):
        x = self.drop(torch.relu(self.norm(self.first(self.embedding(words)))))
        return self.last(self.frozen(x))


@pytest.mark.parametrize("training", [True, False])
def test_nothing_of_the_model_changes(training):
    torch.manual_seed(0)
    model = Zoo().train(training)
    model.drop.eval()
    model.drop.train(training)
    words, y = torch.randint(0, 10, (16,)), torch.randint(0, 2, (16,))
    functional.cross_entropy(model(words), y).backward()
    calls = []
    model.first.register_forward_hook(lambda *_: calls.append(1))
    model.last.weight.register_hook(lambda g: calls.append(2))
    state, random = Held(model), torch.get_rng_state()
    trial = try_fix(model, words, y, functional.cross_entropy, "he", lr=0.1, steps=3)
    certificate = state.put_back()
    assert certificate.unchanged and not certificate.put_back
    assert torch.equal(random, torch.get_rng_state())
    assert trial.before.certificate.unchanged and len(calls) <= 2  # the one look at the model itself
    assert trial.losses_before.isfinite().all()
    again = try_fix(model, words, y, functional.cross_entropy, "he", lr=0.1, steps=3)
    assert again == trial  # dropout draws the same masks for both, every time


def test_work_comes_in_slices_and_may_be_dropped():
    model, x, y, loss_fn = sick()
    work = trying_fix(model, x, y, loss_fn, "he", steps=5)
    shares = [next(work) for _ in range(6)]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] < 1
    work.close()


def test_a_training_that_diverges_ends_in_nan():
    model, x, y, loss_fn = sick(1)
    trial = try_fix(model, 1e3 * x, y, loss_fn, "activation", to="Identity", lr=10.0)
    assert math.isnan(trial.losses_after[-1]) and "beyond all bounds" in trial.sentence


def test_lazy_layers_take_their_sizes_in_both_copies():
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
    x, y = torch.randn(6, 3), torch.randn(6, 2)
    trial = try_fix(model, x, y, functional.mse_loss, "he", steps=2)
    assert trial.losses_before.isfinite().all() and nn.parameter.is_lazy(model[0].weight)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"model": nn.ReLU}, TypeError, "model must be a torch.nn.Module"),
        ({"loss_fn": None}, TypeError, "loss_fn must be callable"),
        ({"name": "pray"}, ValueError, "unknown fix 'pray'"),
        ({"lr": -1.0}, ValueError, "lr must be"),
        ({"lr": True}, TypeError, "lr must be"),
        ({"lr": math.nan}, ValueError, "lr must be"),
        ({"steps": -1}, ValueError, "steps must be"),
        ({"steps": 1.5}, TypeError, "steps must be"),
        ({"colour": 1}, TypeError, "unknown option 'colour'"),
        ({"x": torch.randn(3, 5)}, FlowError, "the model raised RuntimeError"),
        ({"loss_fn": lambda a, b: a - b}, FlowError, "must return one number"),
        ({"name": "activation", "to": "Sigmoid"}, ValueError, "is Sigmoid already"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_words(change, error, words):
    model, x, y, loss_fn = sick(2)
    given = {"model": model, "x": x, "y": y, "loss_fn": loss_fn, "name": "he", **change}
    first = [given.pop(key) for key in ("model", "x", "y", "loss_fn", "name")]
    state = Held(model)
    with pytest.raises(error, match=words):
        try_fix(*first, **given)
    assert state.put_back().unchanged


@pytest.mark.parametrize("name", CHANGING)
def test_a_fix_in_place_is_the_copy_s_and_is_undone_to_the_bit(name):
    model, x, y, loss_fn = sick(fix=name)
    loss_fn(model(x), y).backward()
    whole = Held(model)
    expected = apply_fix(model, name)
    names = [n for n, _ in model.named_parameters()]
    same_objects = {id(p) for p in model.parameters()}
    applied = apply_in_place(model, name)
    for (n, p), (m, q) in zip(model.named_parameters(), expected.named_parameters(), strict=True):
        assert n == m and torch.equal(p, q)
    only_numbers = name in ("he", "xavier", "orthogonal", "gain")
    assert (applied.note == "") == (only_numbers or name in ("activation", "residual", "drop_output_activation"))
    if only_numbers:
        assert {id(p) for p in model.parameters()} == same_objects
    by_torch(model, x, y, loss_fn, 0.1, 2)  # trained in between
    drawn = torch.rand(3)
    certificate = applied.undo()
    assert certificate.unchanged and certificate.compared["random generators"] == 0
    assert not torch.equal(torch.rand(3), drawn)  # the generators go on
    assert [n for n, _ in model.named_parameters()] == names
    assert whole.put_back().put_back == ()
    with pytest.raises(RuntimeError, match="taken back already"):
        applied.undo()


def test_a_fix_that_fails_half_way_leaves_the_model_as_it_was(monkeypatch):
    model, *_ = sick(2)
    state, draw, drawn = Held(model), nn.init.kaiming_normal_, []

    def fails(weight, **options):
        drawn.append(draw(weight, **options))
        if len(drawn) == 2:
            raise ZeroDivisionError
        return weight

    fix = dataclasses.replace(
        FIXES["he"], plan=lambda model, seed: rebuild.reinitialise(model, fails, seed), check=lambda seed: None
    )
    monkeypatch.setitem(FIXES, "he", fix)
    with pytest.raises(ZeroDivisionError):
        apply_in_place(model, "he")
    assert len(drawn) == 2 and state.put_back().put_back == ()


def test_clipping_is_nothing_to_apply():
    with pytest.raises(ValueError, match="acts on the training"):
        apply_in_place(nn.Linear(2, 2), "clip")
    with pytest.raises(TypeError, match="must be a torch"):
        apply_in_place("model", "he")


def test_gradients_are_backward_s_and_leave_no_trace():
    torch.manual_seed(0)
    model = Zoo()
    words, y = torch.randint(0, 10, (16,)), torch.randint(0, 2, (16,))
    state = Held(model)
    gradients = parameter_gradients(model, words, y, functional.cross_entropy)
    assert state.put_back().put_back == ()
    random = torch.get_rng_state()
    functional.cross_entropy(model(words), y).backward()
    torch.set_rng_state(random)
    assert list(gradients) == [n for n, p in model.named_parameters() if p.requires_grad]
    again = parameter_gradients(model.eval(), words, y, functional.cross_entropy)
    model.zero_grad()
    functional.cross_entropy(model(words), y).backward()
    for name, p in model.named_parameters():
        if p.requires_grad:
            assert (p.grad is None) == (again[name] is None) == name.startswith("unused")
            if p.grad is not None:
                torch.testing.assert_close(again[name].to_dense(), p.grad.to_dense(), rtol=0, atol=0)


def test_norms_of_mini_batches_are_those_of_their_gradients():
    model = build_network("plain", depth=3, width=6, activation="ReLU", init="He")
    x, y = torch.randn(10, 6), torch.randn(10, 1)
    norms = batch_norms(model, x, y, functional.mse_loss, 4)
    expected = []
    for k in range(4):
        model.zero_grad()
        functional.mse_loss(model(x[2 * k : 2 * k + 2]), y[2 * k : 2 * k + 2]).backward()
        expected.append(float(torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])))
    assert norms.tolist() == pytest.approx(expected, rel=1e-5)
    assert len(batch_norms(model, x[:1], y[:1], functional.mse_loss)) == 0  # one sample cannot be cut
    assert len(batch_norms(model, x, y, functional.mse_loss, 99)) == 10
    with pytest.raises(ValueError, match="parts must be"):
        batch_norms(model, x, y, functional.mse_loss, 0)
    with pytest.raises(FlowError, match="the model raised"):
        parameter_gradients(model, torch.randn(2, 3), y, functional.mse_loss)


def test_a_fix_leaves_a_sparse_parameter_alone():
    class Linked(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.links = nn.Linear(6, 3), nn.Parameter(torch.eye(6).to_sparse())

        def forward(self, x):
            return self.layer(torch.sparse.mm(self.links, x))

    trial = try_fix(Linked(), torch.randn(6, 6), torch.randn(6, 3), nn.functional.mse_loss, "he")
    assert trial.changed == 1.0
