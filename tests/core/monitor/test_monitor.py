"""The monitor against torch's own numbers, and training with it against training without."""

import contextlib
import functools
import math

import pytest
import torch
from torch import nn

from gradwidgets.core.monitor.monitor import GradientMonitor
from tests.core.monitor.watched import flat, net, sgd, step


@pytest.fixture(autouse=True)
def random_numbers_of_the_test(leaves_torch_as_it_was):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "SGD foreach": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, foreach=True),
    "Adam": lambda p: torch.optim.Adam(p, 0.01),
    "Adam fused": lambda p: torch.optim.Adam(p, 0.01, fused=True),
    "AdamW": lambda p: torch.optim.AdamW(p, 0.01),
}


def trained(name, accumulated, watch):
    model = net(dropout=0.3)
    optimizer = OPTIMIZERS[name](model.parameters())
    with watch(model, optimizer) as monitor:
        for _ in range(50):
            step(model, optimizer, accumulated)
            if monitor is not None:
                monitor.note_loss(1.0)
    return monitor, [*model.state_dict().values(), torch.get_rng_state()]


@functools.cache
def trained_alone(name, accumulated):
    return trained(name, accumulated, lambda *_: contextlib.nullcontext())[1]


@pytest.mark.parametrize("accumulated", [1, 3])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_is_the_same_to_the_bit(name, given, accumulated):
    def watch(model, optimizer):
        return GradientMonitor(model, optimizer if given else None, every=1, activations=True, updates=True)

    monitor, state = trained(name, accumulated, watch)
    assert all(map(torch.equal, state, trained_alone(name, accumulated)))
    assert monitor.history.steps.tolist() == list(range(1, 51))
    assert monitor.notes == ()


def test_numbers_are_those_of_the_gradient_that_the_optimizer_uses():
    model = net().double()
    optimizer = sgd(model)
    owners = [model[0], model[2], model[4]]
    with GradientMonitor(model, optimizer, every=1, updates=True) as monitor:
        for k in range(4):
            for _ in range(2):  # accumulated, then clipped
                model(torch.randn(6, 4).double()).square().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            layers = [list(owner.parameters()) for owner in owners]
            gradients = [flat(p.grad for p in layer) for layer in layers]
            weights = [flat(layer) for layer in layers]
            optimizer.step()
            optimizer.zero_grad(set_to_none=k % 2 == 0)
            moved = [flat(layer) - before for layer, before in zip(layers, weights, strict=True)]
            sample = monitor.latest
            assert sample.layers == ("0", "2", "4")
            assert sample.kinds == ("Linear", "BatchNorm1d", "Linear")
            assert sample.parameters == (40, 16, 27)
            expected = {
                "norm": [g.norm() for g in gradients],
                "rms": [g.square().mean().sqrt() for g in gradients],
                "largest": [g.abs().max() for g in gradients],
                "weight_norm": [w.norm() for w in weights],
                "update_ratio": [m.norm() / w.norm() for m, w in zip(moved, weights, strict=True)],
                "non_finite": torch.zeros(3),
            }
            for quantity, values in expected.items():
                torch.testing.assert_close(
                    getattr(sample, quantity), torch.tensor([float(v) for v in values], dtype=torch.float64)
                )
            assert math.hypot(*sample.norm.tolist()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("value", "count", "norm"), [(1e-23, 100, 1e-22), (1e19, 100, 1e20), (0.0, 100, 0.0)])
@pytest.mark.parametrize("bias", [True, False])
def test_norms_that_float32_has_no_room_for(value, count, norm, bias):
    layer = nn.Linear(count, 1, bias=False) if not bias else nn.LayerNorm(count)
    optimizer = sgd(layer, lr=0.0)
    for p in layer.parameters():
        p.grad = torch.full_like(p, value)
        p.data.fill_(value)
    with GradientMonitor(layer, optimizer, every=1) as monitor:
        optimizer.step()
    share = math.sqrt(len(list(layer.parameters())))
    assert monitor.latest.norm.item() == pytest.approx(norm * share, rel=1e-6)
    assert monitor.latest.weight_norm.item() == pytest.approx(norm * share, rel=1e-6)
    assert monitor.latest.largest.item() == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_counted(bad):
    model = net()
    optimizer = sgd(model)
    model(torch.randn(6, 4)).sum().backward()
    model[4].weight.grad[0, :2] = bad
    model[4].bias.grad[1] = bad
    with GradientMonitor(model, optimizer, every=1) as monitor:
        optimizer.step()
    assert monitor.latest.non_finite.tolist() == [0, 0, 3]
    assert not monitor.latest.norm[2].isfinite()
    assert math.isnan(bad) == bool(monitor.latest.largest[2].isnan())
    assert monitor.latest.norm[:2].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_measured_in_float32(dtype):
    layer = nn.Linear(64, 64).to(dtype)
    optimizer = sgd(layer, lr=0.0)
    for p in layer.parameters():
        p.grad = torch.full_like(p, 6e4)
    with GradientMonitor(layer, optimizer, every=1, updates=True) as monitor:
        optimizer.step()
    exact = flat(p.grad for p in layer.parameters())
    assert monitor.latest.norm.item() == pytest.approx(exact.norm().item(), rel=1e-5)
    assert monitor.latest.largest.item() == exact.abs().max().item()


def test_complex_gradients_count_by_their_size():
    layer = nn.Linear(3, 2, dtype=torch.complex64)
    optimizer = sgd(layer)
    layer(torch.randn(4, 3, dtype=torch.complex64)).abs().sum().backward()
    gradients = torch.cat([p.grad.flatten() for p in layer.parameters()])
    with GradientMonitor(layer, optimizer, every=1) as monitor:
        optimizer.step()
    assert monitor.latest.norm.item() == pytest.approx(gradients.norm().item(), rel=1e-6)
    assert monitor.latest.largest.item() == pytest.approx(gradients.abs().max().item(), rel=1e-6)


def test_sparse_gradients():
    model = nn.ModuleDict({"sparse": nn.Embedding(10, 3, sparse=True), "dense": nn.Embedding(10, 3)})
    model["dense"].load_state_dict(model["sparse"].state_dict())
    optimizer = sgd(model)
    tokens = torch.tensor([1, 1, 4])
    with GradientMonitor(model, optimizer, every=1, updates=True) as monitor:
        for _ in range(3):
            sum(part(tokens).square().sum() for part in model.values()).backward()
            optimizer.step()
            optimizer.zero_grad()
    for name in ("norm", "rms", "largest", "update_ratio"):
        one, other = getattr(monitor.history, name).unbind(1)
        torch.testing.assert_close(one, other, rtol=1e-6, atol=0)


def test_frozen_unused_shared_and_outside_the_optimizer():
    model = net()
    model[0].requires_grad_(False)
    model.add_module("unused", nn.Linear(2, 2))
    model.add_module("tied", nn.Linear(8, 3))
    model.tied.weight = model[4].weight
    optimizer = torch.optim.SGD([*model[4].parameters(), *model.unused.parameters()], 0.1)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        model[:5](torch.randn(6, 4)).sum().backward()
        optimizer.step()
    sample, notes = monitor.latest, " | ".join(monitor.notes)
    assert sample.layers == ("0", "2", "4", "unused", "tied")
    assert sample.norm.isnan().tolist() == [True, False, False, True, True]
    assert sample.weight_norm.isfinite().all()
    assert "frozen at first, so without a gradient: 0.weight, 0.bias" in notes
    assert "tied.weight is 4.weight" in notes
    assert "not in the optimizer: 2.weight, 2.bias" in notes
    assert "no gradient at step 1" in notes
    assert "unused.weight, unused.bias, tied.bias" in notes


def test_activations_are_those_of_the_sampled_step():
    model = net()
    model.append(nn.Tanh())
    optimizer = sgd(model)
    outputs = []
    model[1].register_forward_hook(lambda module, inputs, output: outputs.append(output.detach().clone()))
    with GradientMonitor(model, optimizer, every=1, activations=True) as monitor:
        for _ in range(3):
            with torch.no_grad():
                model[0].bias[:3] = -100.0  # three dead units, in training alone
            step(model, optimizer)
            with torch.no_grad():
                model(torch.full((6, 4), 200.0))
                model[0].bias[:3] = 100.0
    sample = monitor.latest
    assert sample.layers == ("0", "1", "2", "4", "5")
    assert sample.parameters == (40, 0, 16, 27, 0)
    dead = dict(zip(sample.layers, sample.dead.tolist(), strict=True))
    assert dead["1"] == (outputs[-2] == 0).all(0).double().mean().item() >= 3 / 8
    assert dead["1"] != (outputs[-1] == 0).all(0).double().mean().item()
    assert dead["5"] == 0
    assert all(math.isnan(dead[name]) for name in "024")
    assert sample.norm.isnan().tolist() == [False, True, False, False, True]


@pytest.mark.parametrize("shift", [0.0, 3.0, 300.0, -1e5])
def test_mean_and_spread_of_outputs(shift):
    model = nn.Sequential(nn.Linear(4, 64))
    with torch.no_grad():
        model[0].bias.fill_(shift)
    optimizer = sgd(model, lr=0.0)
    with GradientMonitor(model, optimizer, every=1, activations=True) as monitor:
        for _ in range(4):  # centred at first, then as the spread allows
            batch = torch.randn(32, 4)
            output = model(batch)
            output.sum().backward()
            optimizer.step()
            assert monitor.latest.activation_mean.item() == pytest.approx(
                output.double().mean().item(), rel=1e-5, abs=1e-6
            )
            std = output.double().std(correction=0).item()
            assert monitor.latest.activation_std.item() == pytest.approx(
                std, rel=2e-3 if shift else 1e-5, abs=1e-5 * abs(shift)
            )


def test_a_spread_that_is_lost_beside_the_mean_is_not_made_up():
    layer, offset = nn.Linear(1, 1, bias=False), 0.0
    optimizer = sgd(layer, lr=0.0)
    with GradientMonitor(layer, optimizer, every=1, activations=True) as monitor:
        spreads = []
        for offset in (0.0, 1e6, 1e6):
            layer(torch.randn(64, 1) + offset).sum().backward()
            optimizer.step()
            spreads.append(monitor.latest.activation_std.item())
    assert math.isfinite(spreads[0])
    assert math.isnan(spreads[1])
    assert spreads[2] == pytest.approx(abs(layer.weight.item()), rel=0.3)


def test_units_of_a_convolution_are_channels_and_inplace_activations_work():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(16, 8), nn.ReLU(inplace=True)
    )
    with torch.no_grad():
        model[0].bias[0] = -1e3
        model[3].bias[:2] = -1e3
    optimizer = sgd(model, lr=0.0)
    with GradientMonitor(model, optimizer, every=1, activations=True) as monitor:
        output = model[0](batch := torch.randn(5, 1, 4, 4))
        model(batch).sum().backward()
        optimizer.step()
    assert monitor.latest.dead[[1, 3]].tolist() == [1 / 4, 2 / 8]
    assert monitor.latest.activation_mean[0].item() == pytest.approx(output.mean().item(), rel=1e-5)


def test_reused_modules_and_odd_outputs():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.rnn, self.attention = nn.Linear(4, 4), nn.LSTM(4, 4), nn.MultiheadAttention(4, 1)

        def forward(self, x):
            for _ in range(3):
                x = torch.tanh(self.cell(x))
            x, _ = self.rnn(x)
            x, _ = self.attention(x, x, x, need_weights=False)
            return {"out": x, "none": None}

    model = Odd()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=1, activations=True) as monitor:
        model(torch.randn(3, 2, 4))["out"].sum().backward()
        optimizer.step()
    assert monitor.latest.norm[:3].isfinite().all()
    assert monitor.latest.activation_mean[:3].isfinite().all()


def test_the_next_step_is_sampled_if_that_is_asked_for():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    monitor = GradientMonitor(model, every=100, activations=True)
    with monitor:
        for step in range(1, 6):
            if step == 4:
                monitor.sample_next()
            model.zero_grad()
            model(torch.randn(16, 8)).square().mean().backward()
            monitor.sample(paced=True)
    assert monitor.history.steps.tolist() == [1, 4] and monitor.history.dead[-1].isfinite().any()
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(RuntimeError, match=r"sample_next\(\) works inside"):
        monitor.sample_next()
