"""Networks of every kind: their sizes, their beginnings, and what is refused."""

import copy
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradwidgets.core.layers import ACTIVATIONS, INITS, NETWORKS, NORMALIZATIONS, build_network

SMALL = {"depth": 3, "width": 8, "activation": "ReLU", "init": "He"}
PAIRS = [(kind, init) for kind in NETWORKS for init in INITS if kind in INITS[init].kinds]


def weights(model):
    return [m.weight for m in model.modules() if isinstance(m, nn.Linear)]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_runs_forward_and_backward(kind, activation, normalization):
    model = build_network(kind, **SMALL | {"activation": activation}, inputs=5, outputs=2, normalization=normalization)
    output = model(torch.linspace(-1, 1, 20).reshape(4, 5))
    assert output.shape == (4, 2)
    output.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert pickle.loads(pickle.dumps(model))(torch.ones(4, 5)).shape == (4, 2)
    assert copy.deepcopy(model).training


@settings(max_examples=40)
@given(st.sampled_from(list(NETWORKS)), *(st.integers(1, 9),) * 4)
def test_the_number_of_weights_is_known_before(kind, depth, width, inputs, outputs):
    model = build_network(
        kind, depth=depth, width=width, activation="Tanh", init="Xavier", inputs=inputs, outputs=outputs, bias=False
    )
    assert sum(w.numel() for w in weights(model)) == NETWORKS[kind].weights(depth, width, inputs, outputs)
    assert sum(p.numel() for p in model.parameters()) == NETWORKS[kind].weights(depth, width, inputs, outputs)


@pytest.mark.parametrize(("kind", "init"), PAIRS)
def test_seeded_and_torchs_numbers_left_alone(kind, init):
    before = torch.get_rng_state()
    a, b, c = (build_network(kind, **SMALL | {"init": init}, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a(torch.ones(1, 8)), c(torch.ones(1, 8)))


def reference(fill):
    torch_state = torch.get_rng_state()
    layer = nn.Linear(400, 300)
    fill(layer.weight)
    torch.set_rng_state(torch_state)
    return float(layer.weight.detach().std())


JUDGES = {
    "default": lambda w: None,
    "Xavier": nn.init.xavier_normal_,
    "He": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
    "normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
    "small normal": lambda w: nn.init.normal_(w, std=0.01),
}


@pytest.mark.parametrize("init", JUDGES)
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_the_spread_of_the_weights_is_torchs(init, gain):
    model = build_network("plain", depth=1, width=8, activation="ReLU", init=init, gain=gain, inputs=400, outputs=300)
    model.requires_grad_(False)
    (weight,) = weights(model)
    assert float(weight.std()) == pytest.approx(gain * reference(JUDGES[init]), rel=0.02)
    bound = 1 / math.sqrt(400)
    bias = model[0].bias
    assert (0.95 * bound < float(bias.abs().max()) <= bound) if init == "default" else not bias.any()
    if init == "default":
        assert float(weight.abs().max()) <= gain * bound


def test_orthogonal_turns_without_stretching():
    weight = weights(build_network("plain", **SMALL | {"init": "orthogonal"}, gain=3.0))[0].double()
    assert torch.allclose(weight @ weight.T, 9 * torch.eye(8, dtype=torch.float64), atol=1e-5)


def test_a_zero_branch_begins_as_the_identity():
    model = build_network("residual", **SMALL | {"init": "zero branch"})
    x = torch.linspace(-1, 1, 16).reshape(2, 8)
    stem = model.stem(x)
    assert torch.equal(model.block_3(model.block_2(model.block_1(stem))), stem)


ROWS = {
    "B2": ("plain", {"depth": 50, "width": 100, "activation": "Sigmoid", "init": "default"}, 50),
    "B3": (
        "plain",
        {"depth": 30, "width": 64, "activation": "Identity", "init": "normal", "gain": 1.5, "bias": False},
        30,
    ),
    "B6": ("residual", {"depth": 50, "width": 128, "activation": "ReLU", "init": "default"}, 102),
    "B7": ("dense", {"depth": 20, "width": 32, "activation": "ReLU", "init": "He", "inputs": 784, "outputs": 10}, 21),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_sources_networks(row):
    kind, arguments, layers = ROWS[row]
    found = weights(build_network(kind, **arguments))
    assert len(found) == layers
    if row == "B3":
        assert found[5].std().item() == pytest.approx(1.5 / math.sqrt(64), rel=0.03)
    if row == "B7":
        assert [w.shape[1] for w in found] == [784 + 32 * k for k in range(21)]


WRONG = [
    ({"kind": "deep"}, ValueError, "unknown network 'deep': choose one of 'plain', 'residual', 'dense'"),
    ({"activation": "relu"}, ValueError, "choose one of 'Sigmoid'"),
    ({"init": "xavier"}, ValueError, "choose one of 'default'"),
    ({"init": "zero branch"}, ValueError, "is for residual networks"),
    ({"normalization": "group"}, ValueError, "None, 'layer', 'batch'"),
    ({"depth": 0}, ValueError, "depth must be from 1 to 1000; got 0"),
    ({"depth": 10**6}, ValueError, "depth must be from 1 to 1000"),
    ({"depth": 2.0}, TypeError, "depth must be a whole number"),
    ({"depth": True}, TypeError, "depth must be a whole number"),
    ({"width": 0}, ValueError, "width must be from 1 to 4096"),
    ({"width": 5000}, ValueError, "width must be from 1 to 4096"),
    ({"gain": float("nan")}, ValueError, "gain must be finite and above 0; got nan"),
    ({"gain": 0}, ValueError, "gain must be finite and above 0"),
    ({"gain": float("inf")}, ValueError, "gain must be finite"),
    ({"gain": "1"}, TypeError, "gain must be a number"),
    ({"inputs": 0}, ValueError, "inputs must be from 1"),
    ({"outputs": -1}, ValueError, "outputs must be from 1"),
    ({"seed": -1}, ValueError, "seed must be from 0"),
    ({"bias": 1}, TypeError, "bias must be True or False"),
    ({"depth": 1000, "width": 4096}, ValueError, "100,000,000 is the most"),
]


@pytest.mark.parametrize(("arguments", "kind", "words"), WRONG)
def test_what_is_refused_is_named(arguments, kind, words):
    with pytest.raises(kind, match=words):
        build_network(**{"kind": "plain"} | SMALL | arguments)
