"""A trial works on copies: whatever the model, it stays, and the copies do what the parts of a trial do alone."""

import copy
import json
import random
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import FIXES, FlowError, apply_fix, layer_flow, try_fix, trying_fix
from gradwidgets.core.monitor import diagnose
from gradwidgets.core.results.slices import finish
from tests.core.layers.account import everything
from tests.core.layers.zoo import ZOO, Restless, square

X, Y = (torch.randn(16, k, generator=torch.Generator().manual_seed(k)) for k in (8, 1))


def mlp(layers=3):
    return nn.Sequential(*[m for _ in range(layers) for m in (nn.Linear(8, 8), nn.Sigmoid())], nn.Linear(8, 1))


def trained(model, lr, steps, max_norm=None):
    """The losses of torch's own optimizer on a copy."""
    model = copy.deepcopy(model)
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=lr), []
    for _ in range(steps + 1):
        loss = functional.mse_loss(model(X), Y)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    return losses


@pytest.mark.parametrize("name", FIXES)
def test_both_are_measured_and_trained(name):
    model = nn.Sequential(mlp(), nn.Softplus()) if name == "drop_output_activation" else mlp()
    trial = try_fix(model, X, Y, functional.mse_loss, name, lr=0.3, steps=5)
    fixed = apply_fix(model, name) if FIXES[name].changes_model else model
    assert (trial.fix, trial.options, trial.lr, trial.note) == (name, FIXES[name].options, 0.3, "")
    assert trial.before.layers == layer_flow(model, X, Y, functional.mse_loss).layers
    assert trial.after.layers == layer_flow(fixed, X, Y, functional.mse_loss).layers
    assert (trial.findings_before, trial.findings_after) == (diagnose(trial.before), diagnose(trial.after))
    assert trial.losses_before.tolist() == trained(model, 0.3, 5)
    max_norm = None if FIXES[name].changes_model else 1.0
    assert trial.losses_after.tolist() == trained(fixed, 0.3, 5, max_norm)
    assert {t.dtype for t in (trial.losses_after, trial.norms_before, trial.norms_after)} == {torch.float64}
    assert trial.norms_before.shape == trial.norms_after.shape == (6,)


def test_clipping_clips():
    trial = try_fix(mlp(), X, 100 * Y, functional.mse_loss, "clip", max_norm=0.01, lr=0.1, steps=4)
    assert trial.before.layers == trial.after.layers and trial.norms_after[0] == trial.norms_before[0] > 1
    # At first order a step of length lr·max_norm lowers the loss by that times the slope.
    fall = (trial.losses_after[0] - trial.losses_after[1]).item()
    assert fall == pytest.approx(0.1 * 0.01 * trial.norms_after[0].item(), rel=0.01)


@pytest.mark.parametrize("fix", ["clip", "he", "normalization"])
@pytest.mark.parametrize("name", ZOO)
def test_whatever_the_model_it_stays(name, fix):
    model, inputs, loss = ZOO[name]()
    before, torchs, pythons = everything(model), torch.get_rng_state(), random.getstate()
    try:
        trial = try_fix(model, inputs, None, loss, fix, steps=2)
    except ValueError as error:
        assert "no linear" in str(error)
    else:
        assert trial.certificate.unchanged and trial.losses_after.shape == (3,)
        assert trial.certificate.compared["random generators"] >= 2
    assert everything(model) == before
    assert torch.equal(torch.get_rng_state(), torchs) and random.getstate() == pythons


def test_the_same_random_numbers_for_both():
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1))
    # A bound that no gradient reaches changes nothing but where the random numbers come from.
    trial = try_fix(model, X, Y, functional.mse_loss, "clip", max_norm=1e9, steps=6)
    assert torch.equal(trial.losses_before, trial.losses_after) and len(set(trial.losses_before.tolist())) == 7
    torch.rand(5)
    assert torch.equal(try_fix(model, X, Y, functional.mse_loss, "clip", steps=6).losses_before, trial.losses_before), (
        "the user's random numbers must not matter"
    )


def test_modes_are_kept():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1)).eval()
    trial = try_fix(model, X, Y, functional.mse_loss, "gain", lr=0.1, steps=3)
    assert trial.losses_before.tolist() == trained(model, 0.1, 3)


def test_hooks_see_no_steps():
    model, calls = mlp(), []
    model[0].register_forward_hook(lambda *_: calls.append("forward"))
    model[0].weight.register_hook(lambda _: calls.append("gradient"))
    trial = try_fix(model, X, Y, functional.mse_loss, "he", steps=3)
    assert not calls and "2 hooks of the model were left out" in trial.note
    assert len(model[0]._forward_hooks) == 1


def test_models_that_the_loss_holds_stay():
    model, teacher = mlp(), nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 1))
    before = everything(teacher)
    trial = try_fix(model, X, None, lambda out, _: functional.mse_loss(out, teacher(X)), "he", steps=3)
    assert everything(teacher) == before and "loss_fn holds 1 model," in trial.note
    loss = nn.ModuleList([teacher])
    loss.forward = lambda out, _: functional.mse_loss(out, loss[0](X))
    assert try_fix(model, X, None, loss, "he", steps=3).certificate.unchanged and everything(teacher) == before


def test_a_loss_beyond_all_bounds():
    trial = try_fix(mlp(), X, 1e3 * Y, functional.mse_loss, "clip", lr=1e30, steps=4)
    assert torch.isnan(trial.losses_before[-1]) and "→ beyond all bounds at step" in trial.sentence
    assert json.loads(json.dumps(trial.to_dict()))["losses_before"][-1] is None
    never = try_fix(mlp(), X, Y, lambda out, y: out.sum() * float("nan"), "he", steps=2)
    assert never.losses_after.isnan().all() and "not finite with it, not finite without" in never.sentence


def test_in_words_and_as_a_table():
    model = mlp(6)
    trial = try_fix(model, X, Y, functional.mse_loss, "xavier", lr=0.1, steps=3)

    def told(model):
        losses = trained(model, 0.1, 3)
        functional.mse_loss(model(X), Y).backward()
        first, last = (model[i].weight.grad.square().mean().sqrt().item() for i in (0, -1))
        return f"{losses[0]:.4g} → {losses[-1]:.4g}", first / last

    (before, ratio_before), (after, ratio_after) = told(copy.deepcopy(model)), told(apply_fix(model, "xavier"))
    losses, ratios = trial.sentence.removesuffix(".").split("; ")
    assert losses == f"loss in 3 steps: {after} with it, {before} without"
    start, said = ratios.split(": ")
    assert start == "weight gradient, first / last layer" and said.endswith(" without")
    numbers = [float(part.split()[0].replace("−", "-")) for part in said.split(", ")]
    assert numbers == pytest.approx([ratio_after, ratio_before], rel=0.01)
    frame = trial.to_frame()
    assert frame["step"].tolist() == [0, 1, 2, 3] and frame["losses_after"].tolist() == trial.losses_after.tolist()
    assert "weight gradient" not in try_fix(model, X, Y, functional.mse_loss, "clip", steps=1).sentence


def test_in_slices(two_threads):
    model, before = mlp(), torch.get_num_threads()
    work, shares = trying_fix(model, X, Y, functional.mse_loss, "he", steps=10), []
    while True:
        try:
            shares.append(next(work))
        except StopIteration as end:
            trial = end.value
            break
        assert torch.is_grad_enabled() and torch.get_num_threads() == before == 2
        torch.rand(1)
    assert shares == sorted(set(shares)) and len(shares) >= 2 * 11 and shares[-1] <= 1
    assert trial.certificate.unchanged
    whole = try_fix(model, X, Y, functional.mse_loss, "he", steps=10)
    assert torch.equal(trial.losses_after, whole.losses_after)
    changing = trying_fix(model, X, Y, functional.mse_loss, "he", steps=2)
    next(changing)
    with torch.no_grad():
        model[0].weight.add_(1)
    assert not finish(changing).certificate.unchanged, "somebody changed the model in between"


def test_where_gradients_are_off():
    model = mlp()
    expected = try_fix(model, X, Y, functional.mse_loss, "he", steps=3)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            trial = try_fix(model, X, Y, functional.mse_loss, "he", steps=3)
        assert torch.equal(trial.losses_after, expected.losses_after)


class Tired(nn.Module):
    """Gives up at its third step of training."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.layer, self.norm = nn.Linear(8, 1), nn.BatchNorm1d(8)

    def forward(self, x):
        self.calls += 1
        if self.calls == 3:
            self.layer.weight.data.zero_()
            raise RuntimeError("no more")
        return self.layer(self.norm(x))


def test_a_model_that_raises_half_way():
    model = Tired()
    before, torchs = everything(model), torch.get_rng_state()
    with pytest.raises(FlowError, match="the model raised RuntimeError: no more"):
        try_fix(model, X, Y, functional.mse_loss, "he", steps=5)
    assert everything(model) == before and torch.equal(torch.get_rng_state(), torchs)


def test_models_that_do_not_let_themselves_be_copied():
    locked = mlp()
    locked.lock = threading.Lock()
    weight_norm, inputs, loss = ZOO["weight norm of old"]()
    weight_norm(inputs)  # now its weight is the result of a computation

    class Itself(nn.Linear):
        def __deepcopy__(self, memo):
            return self

    class Refuses(nn.Linear):
        def __reduce_ex__(self, protocol):
            raise TypeError("never")

    for model, x, fn in [
        (locked, X, square),
        (weight_norm, inputs, loss),
        (Itself(8, 1), X, square),
        (Refuses(8, 1), X, square),
    ]:
        before = everything(model)
        trial = try_fix(model, x, None, fn, "clip", lr=0.1, steps=2)
        assert everything(model) == before and trial.certificate.unchanged
        assert trial.losses_before[2] < trial.losses_before[0]


REACHED = {}


def test_what_is_certified_can_fail():
    class Leaky(nn.Module):
        """Reaches, from its copy, the weights of the first."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 1)
            REACHED["weight"] = self.layer.weight

        def forward(self, x):
            REACHED["weight"].data.mul_(2)
            return self.layer(x)

    model = Leaky()
    before = everything(model)
    trial = try_fix(model, X, Y, functional.mse_loss, "he", steps=1)
    assert everything(model) == before and trial.certificate.unchanged
    work = trying_fix(model, X, Y, functional.mse_loss, "he", steps=1)
    next(work)
    with torch.no_grad():
        model.layer.weight.mul_(2)  # by somebody else, in between
    certificate = finish(work).certificate
    assert not certificate.unchanged and certificate.changed == ("numbers",)


WRONG = [
    (("hee", {}), ValueError, "unknown fix 'hee'"),
    (("he", {"speed": 1}), TypeError, "unknown option 'speed'"),
    (("clip", {"max_norm": 0}), ValueError, "max_norm must be finite and above 0"),
    (("he", {"lr": -1}), ValueError, "lr must be finite and ≥ 0; got -1"),
    (("he", {"steps": 1.5}), TypeError, "steps must be a whole number"),
    (("activation", {"to": "Sigmoid"}), ValueError, "every activation between layers is Sigmoid already"),
]


@pytest.mark.parametrize(("arguments", "kind", "words"), WRONG)
def test_what_is_refused_is_named(arguments, kind, words):
    name, options = arguments
    with pytest.raises(kind, match=words):
        try_fix(mlp(), X, Y, functional.mse_loss, name, **options)


def test_what_is_no_model_or_no_loss():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        try_fix(len, X, Y, functional.mse_loss, "he")
    with pytest.raises(TypeError, match="loss_fn must be callable"):
        try_fix(mlp(), X, Y, None, "he")
    with pytest.raises(FlowError, match="loss_fn must return one number"):
        try_fix(mlp(), X, Y, lambda out, y: out, "he")


def test_a_restless_model_is_put_back():
    model = Restless()
    before = everything(model)
    trial = try_fix(model, X, None, square, "gain", steps=3)
    assert everything(model) == before and trial.certificate.put_back == ()
