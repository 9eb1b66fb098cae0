"""A fix applied in place: the numbers of `apply_fix`'s copy, and the way back against an account of our own."""

import copy
import random
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import FIXES, apply_fix, apply_in_place
from tests.core.layers.account import everything
from tests.core.layers.zoo import ZOO

ON_MODELS = [name for name, fix in FIXES.items() if fix.changes_model]
NEW = {"normalization"}  # fixes that bring parameters of their own
X, Y = (torch.randn(16, k, generator=torch.Generator().manual_seed(k)) for k in (8, 1))


def mlp():
    """With all that a way back has to find: modes, hooks, gradients, buffers, a shared and a frozen layer."""
    shared = nn.Linear(8, 8)
    parts = [nn.Linear(8, 8), nn.Tanh(), shared, nn.Tanh(), shared, nn.Tanh(), nn.Linear(8, 8), nn.BatchNorm1d(8)]
    model = nn.Sequential(*parts, nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1), nn.Softplus())
    model[6].requires_grad_(False)
    functional.mse_loss(model(X), Y).backward()
    model[9].eval()
    model[0].register_forward_hook(lambda *_: None)
    model.words, model.list = "mine", [1]
    return model


def train(model, steps=3):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.mse_loss(model(X), Y).backward()
        optimizer.step()


def told(model):
    """What two models that are the same have in common: names, bits, modes, kinds; copies have no gradients."""
    account = everything(model)
    del account["gradients"]
    return [(name, held) for name, _, held in account.pop("state")], account


@pytest.mark.parametrize("name", ON_MODELS)
def test_it_does_what_is_done_to_a_copy(name):
    model = mlp()
    expected, torchs = apply_fix(model, name), torch.get_rng_state()
    before = dict(model.named_parameters())
    done = apply_in_place(model, name)
    assert told(model) == told(expected) and torch.equal(torch.get_rng_state(), torchs)
    assert (done.name, done.options) == (name, FIXES[name].options)
    after = {id(p) for p in model.parameters()}
    assert {id(p) for p in before.values()} <= after, "parameters keep their identity"
    assert (len(after) > len(before)) == bool(done.note) == (name in NEW)


@pytest.mark.parametrize("name", ON_MODELS)
def test_the_way_back_after_training(name):
    model = mlp()
    before = everything(model)
    done = apply_in_place(model, name)
    changed = everything(model)
    train(model)
    model(X)
    assert everything(model) not in (before, changed)
    torch.rand(1)
    torchs, pythons = torch.get_rng_state(), random.getstate()
    certificate = done.undo()
    assert everything(model) == before
    assert certificate.unchanged and certificate.before == certificate.after and certificate.put_back
    assert torch.equal(torch.get_rng_state(), torchs) and random.getstate() == pythons
    assert certificate.compared["random generators"] == 0
    train(model)  # it is a whole model again


def test_back_from_whatever_was_done_to_it():
    model = mlp()
    before = everything(model)
    done = apply_in_place(model, "normalization")
    model.train().double().requires_grad_(True)
    model.zero_grad()
    model.append(nn.Linear(1, 1))
    model[1].register_forward_hook(lambda *_: None)
    model.more, model.words = 1, "other"
    model.list.append(2)
    model[-2].weight = nn.Parameter(torch.zeros(1, 8))
    assert done.undo().unchanged and everything(model) == before
    assert (model.words, model.list, hasattr(model, "more")) == ("mine", [1], False)


def test_an_optimizer_goes_on_where_parameters_stay():
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    apply_in_place(model, "he")
    expected = copy.deepcopy(model)
    for one, steps in ((model, optimizer), (expected, torch.optim.SGD(expected.parameters(), lr=0.1))):
        torch.manual_seed(0)
        steps.zero_grad()
        functional.mse_loss(one(X), Y).backward()
        steps.step()
    assert told(model)[0] == told(expected)[0]


def test_new_parameters_are_named():
    model = nn.Sequential(nn.Linear(8, 8), nn.PReLU(), nn.Linear(8, 8), nn.PReLU(), nn.Linear(8, 1))
    assert apply_in_place(copy.deepcopy(model), "gain").note == ""
    assert apply_in_place(copy.deepcopy(model), "activation").note == (
        "parameters gone: 1.weight, 3.weight; make a new optimizer"
    )
    assert apply_in_place(model, "normalization").note == (
        "new parameters: 0.norm.weight, 0.norm.bias, 2.norm.weight and 1 more; make a new optimizer"
    )


def test_it_is_taken_back_once():
    done = apply_in_place(mlp(), "he")
    assert repr(done) == "<AppliedFix: He re-initialisation>"
    done.undo()
    assert repr(done) == "<AppliedFix: He re-initialisation, taken back>"
    with pytest.raises(RuntimeError, match="He re-initialisation was taken back already"):
        done.undo()


def test_one_after_the_other():
    model = mlp()
    states = [everything(model)]
    done = []
    for name in ("he", "activation", "residual", "normalization", "gain"):
        done.append(apply_in_place(model, name))
        states.append(everything(model))
    for one, state in zip(reversed(done), reversed(states[:-1]), strict=True):
        one.undo()
        assert everything(model) == state


def test_a_change_that_fails_half_way(monkeypatch):
    def plan(model, gain):
        def change():
            torch.rand(1)
            FIXES["activation"].change(model, to="ReLU", which=None)
            FIXES["he"].change(model, seed=0)
            model.train()
            raise KeyboardInterrupt

        return change

    monkeypatch.setitem(FIXES, "gain", replace(FIXES["gain"], plan=plan))
    model = mlp()
    before = everything(model)
    with pytest.raises(KeyboardInterrupt):
        apply_in_place(model, "gain")
    assert everything(model) == before


@pytest.mark.parametrize("name", ZOO)
def test_every_model_comes_back(name):
    model, _, _ = ZOO[name]()
    before = everything(model)
    for fix in ("he", "normalization", "residual"):
        try:
            done = apply_in_place(model, fix)
        except ValueError as error:
            assert "no linear" in str(error) or "no nn.Sequential" in str(error) or "lazy layers" in str(error)
        else:
            assert everything(model) != before
            assert done.undo().unchanged
        assert everything(model) == before


def test_the_module_inside_is_changed():
    inner = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    apply_in_place(nn.DataParallel(inner), "activation", to="GELU")
    assert isinstance(inner[1], nn.GELU)


def test_the_numbers_memory_stays():
    model = mlp()
    places = [p.data_ptr() for p in model.parameters()]
    done = apply_in_place(model, "xavier")
    assert [p.data_ptr() for p in model.parameters()] == places
    model.double()
    done.undo()
    assert [p.data_ptr() for p in model.parameters()] == places


WRONG = [
    (("hee", {}), ValueError, "unknown fix 'hee'"),
    (("he", {"speed": 1}), TypeError, "unknown option 'speed'"),
    (("gain", {"gain": -1}), ValueError, "gain must be finite"),
    (("clip", {}), ValueError, "acts on the training, between backward and step"),
    (("activation", {"to": "Tanh"}), ValueError, "every activation between layers is Tanh already"),
]


@pytest.mark.parametrize(("arguments", "kind", "words"), WRONG)
def test_what_is_refused_is_named(arguments, kind, words):
    name, options = arguments
    model = mlp()
    before = everything(model)
    with pytest.raises(kind, match=words):
        apply_in_place(model, name, **options)
    assert everything(model) == before


def test_what_cannot_be_changed():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        apply_in_place("model", "he")
    model, _, _ = ZOO["lazy"]()
    with pytest.raises(ValueError, match="lazy layers, which have no weights yet: run it once"):
        apply_in_place(model, "normalization")
