"""Whatever the model: after a pass it is as it was, to the last bit, and the certificate says so."""

import hashlib
import math
import pickle

import pytest
import torch
from torch import nn

from gradwidgets.core.layers import FlowError, layer_flow
from gradwidgets.core.subject.held.held import Held
from tests.core.layers.account import everything
from tests.core.layers.zoo import ZOO, Restless, square


@pytest.mark.parametrize("name", ZOO)
def test_every_model_is_measured_and_left_as_it_was(name):
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model, inputs, loss = ZOO[name]()
    before, random = everything(model), torch.get_rng_state()
    flow = layer_flow(model, inputs, None, loss)
    assert everything(model) == before and torch.equal(torch.get_rng_state(), random)
    assert flow.certificate.unchanged and flow.certificate.before == flow.certificate.after
    assert flow.certificate.changed == ()
    torch.set_rng_state(state)
    # Nothing is left out: every module with parameters is there, measured or with the reason.
    owners = [
        n for n, m in model.named_modules() if m._parameters and any(p is not None for p in m._parameters.values())
    ]
    if name not in ("parametrised", "data parallel"):
        assert {n or "(model)" for n in owners} <= {layer.name for layer in flow.layers}
    for layer in flow.layers:
        lacks = layer.gradient not in ("measured", "no weights") or math.isnan(layer.activation_std)
        assert not lacks or layer.note or layer.non_finite
        assert (layer.name in dict(flow.unmeasured)) >= (layer.gradient in ("frozen", "cut off", "not called"))


def test_what_a_restless_model_changes_is_named():
    model, inputs, loss = ZOO["restless"]()
    flow = layer_flow(model, inputs, None, loss)
    wanted = {
        "count of the model",
        "last of the model",
        "cache of the model",
        "seen of the model",
        "buffers of the model",
        "running",
        "layer.weight",
        "the mode of layer",
        "the hooks of layer",
        "the random numbers of torch",
    }
    assert wanted <= set(flow.certificate.put_back)
    assert model.count == 0 and model.cache == [] and model.seen == {} and not hasattr(model, "last")


class Fails(Restless):
    def forward(self, x):
        super().forward(x)
        raise RuntimeError("half-way")


class Interrupted(Restless):
    def forward(self, x):
        super().forward(x)
        raise KeyboardInterrupt


@pytest.mark.parametrize(("kind", "error"), [(Fails, FlowError), (Interrupted, KeyboardInterrupt)])
def test_a_model_that_fails_half_way_is_put_back(kind, error, two_threads):
    model = kind()
    before, random, threads = everything(model), torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(error):
        layer_flow(model, torch.ones(4, 8), None, square)
    assert everything(model) == before and torch.equal(torch.get_rng_state(), random)
    assert torch.get_num_threads() == threads == 2


def test_the_fingerprint_follows_every_bit():
    model = nn.Linear(8, 1)
    x = torch.ones(4, 8)
    first = layer_flow(model, x, None, square).certificate
    assert first == layer_flow(model, x, None, square).certificate
    assert first.compared["tensors"] == 2 and first.compared["bytes"] == 4 * 9 and first.compared["modules"] == 1
    prints = {first.before}
    with torch.no_grad():
        model.weight[0, 0] = torch.nextafter(model.weight[0, 0], torch.tensor(2.0))
    prints.add(layer_flow(model, x, None, square).certificate.before)
    model.eval()
    prints.add(layer_flow(model, x, None, square).certificate.before)
    model.weight.requires_grad_(False)
    prints.add(layer_flow(model, x, None, square).certificate.before)
    model.register_forward_hook(lambda *_: None)
    prints.add(layer_flow(model, x, None, square).certificate.before)
    model.bias.grad = torch.zeros(1)
    prints.add(layer_flow(model, x, None, square).certificate.before)
    assert len(prints) == 6


@pytest.mark.parametrize("width", [8, 1200])  # of which the larger takes more than 4 MB
def test_a_fingerprint_is_of_the_pass_however_late_it_is_read(width):
    model, x = nn.Linear(width, width), torch.ones(4, width)
    at_once = layer_flow(model, x, None, square).certificate.before
    waiting = layer_flow(model, x, None, square).certificate
    with torch.no_grad():
        model.weight.zero_()
    model.eval()
    later = layer_flow(model, x, None, square).certificate
    copied = pickle.loads(pickle.dumps(waiting))
    assert waiting.before == waiting.after == copied.before == waiting.to_dict()["before"] == at_once
    assert later.before != at_once and len(at_once) == 64


def test_the_fingerprint_is_a_sha256_of_the_bits():
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)).eval()
    state = Held(model)
    held = b"".join(
        t.detach().numpy().tobytes() for m in model for t in (*m._parameters.values(), *m._buffers.values())
    )
    text = state.text.encode()
    assert state.put_back().before == hashlib.sha256(text + held + bytes(-len(held) % 8)).hexdigest()


def test_a_loss_that_is_a_module_is_put_back_too():
    loss = nn.BatchNorm1d(1)
    before = everything(loss)

    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = loss

        def forward(self, output, targets):
            return self.norm(output).square().mean() + output.mean()

    assert layer_flow(nn.Linear(8, 1), torch.ones(4, 8), None, Loss()).certificate.unchanged
    assert everything(loss) == before


def test_nan_weights_are_still_the_same():
    model = nn.Linear(8, 1)
    with torch.no_grad():
        model.weight.fill_(float("nan"))
    flow = layer_flow(model, torch.ones(4, 8), None, square)
    assert flow.certificate.unchanged
    assert flow.layers[0].non_finite == ("weight", "activation", "activation gradient", "weight gradient")
