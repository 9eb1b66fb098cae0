"""The monitor against torch's own numbers, and training with it against training without."""

import contextlib
import copy
import functools
import gc
import io
import itertools
import math
import pickle
import subprocess
import sys
import weakref

import pytest
import torch
from torch import nn

from gradwidgets.core.layers import monitor_history
from gradwidgets.core.layers.monitor import GradientMonitor
from gradwidgets.core.layers.monitor_history import QUANTITIES, Record
from gradwidgets.core.layers.monitor_pace import Pace

GLOBAL = sys.modules[torch.optim.Optimizer.__module__]


@pytest.fixture(autouse=True)
def random_numbers_of_the_test(leaves_torch_as_it_was):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def net(dropout=0.0, width=8):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, width), nn.ReLU(), nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Linear(width, 3)
    )


def sgd(model, **settings):
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, **settings})


def step(model, optimizer, batches=1):
    for _ in range(batches):
        model(torch.randn(6, 4)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


def hooks(model, *optimizers):
    """Every hook that stands anywhere."""
    found = [GLOBAL._global_optimizer_pre_hooks, GLOBAL._global_optimizer_post_hooks]
    found += [one for name, one in vars(nn.modules.module).items() if name.startswith("_global_") and "hook" in name]
    for thing in (*model.modules(), *optimizers):
        found += [one for name, one in vars(thing).items() if name.endswith("_hooks") or "_hooks_" in name]
    found += [p._post_accumulate_grad_hooks for p in model.parameters()]
    found += [p._backward_hooks for p in model.parameters()]
    return sum(len(one) for one in found if isinstance(one, dict))


def flat(tensors):
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors])


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


def test_hooks_stand_during_sampled_steps_only():
    model = net()
    optimizer = sgd(model)
    bare = hooks(model, optimizer)
    assert bare == 0
    with GradientMonitor(model, optimizer, every=3, activations=True):
        counts = [hooks(model)]
        for _ in range(7):
            step(model, optimizer)
            counts.append(hooks(model))
    assert counts == [4, 0, 0, 4, 0, 0, 4, 0]  # steps 1, 4 and 7
    assert hooks(model, optimizer) == 0


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("options", [{}, {"activations": True, "updates": True}])
def test_an_exception_goes_on_its_way_and_no_hook_is_left(given, options):
    model = net()
    optimizer = sgd(model)
    with pytest.raises(KeyboardInterrupt), GradientMonitor(model, optimizer if given else None, **options) as monitor:
        step(model, optimizer)
        assert hooks(model, optimizer) > 0
        raise KeyboardInterrupt
    assert hooks(model, optimizer) == 0
    assert not monitor.active
    assert len(monitor.history.steps) == 1
    monitor.close()


def test_copies_and_pickles_report_to_nobody():
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=1, activations=True) as monitor:
        saved = io.BytesIO()
        torch.save(model, saved)
        saved.seek(0)
        others = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(saved, weights_only=False)]
        copy.deepcopy(optimizer)
        for other in others:
            theirs = sgd(other)
            for _ in range(3):
                step(other, theirs)
        assert monitor.steps == 0
        assert not any(reading is not None for reading in monitor._sampler.taps._readings)
        step(model, optimizer)
        assert monitor.steps == 1
        assert monitor.latest.activation_mean.isfinite().any()


def test_a_model_saved_meanwhile_loads_without_this_package(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with GradientMonitor(model, activations=True):
        torch.save(model, tmp_path / "model.pt")
    script = (
        "import sys; sys.modules['gradwidgets'] = None; import torch; "
        "m = torch.load(sys.argv[1], weights_only=False); print(tuple(m(torch.ones(1, 2)).shape))"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "model.pt"], capture_output=True, text=True)
    assert done.stdout.strip() == "(1, 2)", done.stderr


def test_running_the_cell_again_ends_the_first_monitor():
    model = net()
    optimizer = sgd(model)
    first = GradientMonitor(model, optimizer, every=1, activations=True).__enter__()
    step(model, optimizer)
    with GradientMonitor(model, optimizer, every=1, activations=True) as second:
        assert not first.active
        assert "a newer monitor" in " ".join(first.notes)
        step(model, optimizer)
        first.__exit__(None, None, None)
        step(model, optimizer)
        assert (first.steps, second.steps) == (1, 2)
        assert len(optimizer._optimizer_step_pre_hooks) == 1
    assert hooks(model, optimizer) == 0


def test_two_models_are_two_monitors():
    models = [net(), net(width=5)]
    optimizers = [sgd(model) for model in models]
    with GradientMonitor(models[0], every=1) as first, GradientMonitor(models[1], every=1) as second:
        step(models[0], optimizers[0])
        for _ in range(2):
            step(models[1], optimizers[1])
    assert (first.steps, second.steps) == (1, 2)
    assert hooks(models[0], *optimizers) == 0


def test_two_optimizers_of_one_model_are_told_apart():
    model = net()
    optimizers = [sgd(model[:3]), sgd(model[3:])]
    with GradientMonitor(model, every=1) as monitor:
        model(torch.randn(6, 4)).sum().backward()
        for optimizer in optimizers:
            optimizer.step()
    assert monitor.history.norm.isnan().tolist() == [[False, False, True], [True, True, False]]


def test_nothing_is_kept_alive():
    for given, inside in itertools.product([True, False], [True, False]):
        model = net()
        optimizer = sgd(model)
        monitor = GradientMonitor(model, optimizer if given else None, every=1, activations=True, updates=True)
        with monitor:
            step(model, optimizer)
        if inside:
            monitor.__enter__()  # and never left
            step(model, optimizer)
            held = weakref.ref(monitor)
            del monitor
            gc.collect()
            assert held() is None
            assert hooks(model, optimizer) == 0
        gone = [weakref.ref(model), weakref.ref(optimizer), *map(weakref.ref, model.parameters())]
        del model, optimizer
        gc.collect()
        assert [one() for one in gone if one() is not None] == []
        if not inside:
            with pytest.raises(ValueError, match="gone"):
                monitor.__enter__()


def test_a_monitor_can_be_entered_again_and_goes_on():
    model = net()
    optimizer = sgd(model)
    monitor = GradientMonitor(model, optimizer, every=2)
    for _ in range(2):
        with monitor:
            for _ in range(3):
                step(model, optimizer)
    assert monitor.history.steps.tolist() == [1, 3, 5]


def test_columns_stay_where_they_are_when_the_model_changes_between_two_blocks():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    monitor = GradientMonitor(model, every=1, activations=True)
    with monitor:
        step(model, sgd(model))
    model.insert(0, nn.Linear(4, 4))
    del model[2]
    with monitor:
        step(model, sgd(model))
        step(model, sgd(model))
    assert monitor.history.layers == ("0", "1")
    model.append(nn.ReLU())
    with monitor:
        step(model, sgd(model))
    assert monitor.history.layers == ("0", "1", "2")
    assert monitor.latest.dead.isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("make", [lambda p: torch.optim.LBFGS(p, 0.1, max_iter=4), lambda p: torch.optim.SGD(p, 0.1)])
@pytest.mark.parametrize("by_name", [True, False])
def test_with_a_closure_the_gradient_is_that_of_its_first_call(make, by_name):
    def run(watch):
        model = nn.Sequential(nn.Linear(4, 3))
        with torch.no_grad():
            for p in model.parameters():
                p.fill_(0.3)
        optimizer, batch = make(model.parameters()), torch.arange(24.0).reshape(6, 4) / 24
        norms, losses, monitor = [], [], GradientMonitor(model, optimizer, every=1, activations=True, updates=True)

        def closure():
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            norms[-1].append(flat(p.grad for p in model.parameters()).norm().item())
            losses[-1].append(loss.item())
            if watch:
                monitor.note_loss(loss)
            return loss

        if watch:
            monitor.__enter__()
        returned = []
        for _ in range(3):
            norms.append([])
            losses.append([])
            returned.append(optimizer.step(closure=closure) if by_name else optimizer.step(closure))
        monitor.close()
        if watch:
            torch.testing.assert_close(
                monitor.history.norm[:, 0], torch.tensor([n[0] for n in norms], dtype=torch.float64)
            )
            assert monitor.history.loss.tolist() == pytest.approx([one[0] for one in losses])
            assert (monitor.history.update_ratio > 0).all()
            assert monitor.notes == ()
        return [p.detach().clone() for p in model.parameters()], [one.item() for one in returned]

    assert str(run(True)) == str(run(False))
    assert all(map(torch.equal, run(True)[0], run(False)[0]))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("way", ["step", "unscale first", "forgotten"])
def test_scaled_gradients_are_recorded_unscaled(fused, way):
    def run(scaled):
        model = nn.Linear(4, 3)
        with torch.no_grad():
            for p in model.parameters():
                p.fill_(0.3)
        optimizer = torch.optim.Adam(model.parameters(), 0.0, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12, enabled=scaled)
        with GradientMonitor(model, optimizer, every=1, scaler=scaler) as monitor:
            for _ in range(3):
                scaler.scale(model(torch.ones(6, 4)).square().mean()).backward()
                if way == "unscale first":
                    scaler.unscale_(optimizer)
                if way == "forgotten":
                    optimizer.step()
                else:
                    scaler.step(optimizer)
                    scaler.update()
                optimizer.zero_grad()
        return monitor

    plain, scaled = run(False), run(True)
    torch.testing.assert_close(scaled.history.norm, plain.history.norm)
    torch.testing.assert_close(scaled.history.largest, plain.history.largest)
    assert plain.notes == ()
    assert ("4096 times too large" in " ".join(scaled.notes)) == (way == "forgotten")


def test_a_step_that_the_scaler_skips_is_none():
    model = net()
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu")
    with GradientMonitor(model, optimizer, every=1) as monitor:
        scaler.scale(model(torch.randn(6, 4)).sum() * math.inf).backward()
        scaler.step(optimizer)
        scaler.update()
    assert monitor.steps == 0


def test_layers_that_are_added_or_replaced_later():
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=1, activations=True) as monitor:
        step(model, optimizer)
        model.append(nn.Linear(3, 3))
        optimizer.add_param_group({"params": model[5].parameters()})
        early = monitor.history
        step(model, optimizer)
        step(model, optimizer)
    history = monitor.history
    assert early.layers == ("0", "1", "2", "4")
    assert history.layers == ("0", "1", "2", "4", "5")
    assert history.norm[:, 4].isnan().tolist() == [True, False, False]
    assert history.activation_mean[:, 4].isnan().tolist() == [True, True, False]
    assert "added after the start: 5" in " ".join(history.notes)
    model[0] = nn.Linear(4, 8)
    new = sgd(model)
    with GradientMonitor(model, every=1) as monitor:
        step(model, new)
        model[0] = nn.Linear(4, 8)
        newest = sgd(model)
        step(model, newest)
    assert monitor.history.norm.isfinite().all()
    assert "replaced" in " ".join(monitor.notes)


def test_lazy_layers_count_from_their_first_pass():
    model = nn.Sequential(nn.LazyLinear(3))
    monitor = GradientMonitor(model, every=1)
    assert "no size yet" in monitor.notes[0]
    with monitor:
        model(torch.randn(6, 4)).sum().backward()
        sgd(model).step()
    assert monitor.latest.parameters == (15,)
    assert monitor.latest.norm.isfinite().all()
    assert monitor.notes == ()


def test_a_failure_is_a_note_and_training_goes_on(monkeypatch):
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        monkeypatch.setattr(monitor._sampler._record, "add", lambda *_: 1 / 0)
        before = model[0].weight.clone()
        for _ in range(10):
            step(model, optimizer)
    assert "could not be recorded: ZeroDivisionError" in " ".join(monitor.notes)
    assert monitor.latest is None
    assert not torch.equal(before, model[0].weight)


def test_a_compiled_model_says_what_cannot_be_seen():
    model = net()
    wrapped = torch.compile(model, backend="eager")
    optimizer = sgd(wrapped)
    with GradientMonitor(wrapped, optimizer, every=1, activations=True) as monitor:
        model(torch.randn(6, 4)).sum().backward()
        optimizer.step()
    assert monitor.latest.layers == ("0", "1", "2", "4")
    assert monitor.latest.norm[[0, 2, 3]].isfinite().all()
    assert "cannot be seen in a compiled module" in " ".join(monitor.notes)
    assert hooks(model, optimizer) == 0


def test_loops_without_a_torch_optimizer():
    model = net()
    with GradientMonitor(model, every=1, activations=True) as monitor:
        for _ in range(2):
            model(torch.randn(6, 4)).sum().backward()
            sample = monitor.sample()
            assert sample.norm[0].item() == pytest.approx(flat(p.grad for p in model[0].parameters()).norm().item())
            assert sample.activation_mean[0].isfinite()
            model.zero_grad()
    assert monitor.history.steps.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="with block"):
        monitor.sample()
    with GradientMonitor(model) as monitor:
        pass
    assert "no optimizer" in monitor.notes[0]


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("every", [1, 3])
def test_the_loss_goes_to_its_step_wherever_it_is_noted(after, every):
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=every) as monitor:
        for k in range(7):
            if not after:
                monitor.note_loss(torch.tensor([float(k)], requires_grad=True))
            step(model, optimizer)
            if after:
                monitor.note_loss(k)
    assert monitor.history.loss.tolist() == list(range(0, 7, every))
    for wrong in ("1", None, True, torch.ones(2)):
        with pytest.raises(TypeError, match="value must be a number"):
            monitor.note_loss(wrong)


@pytest.mark.parametrize("after", [True, False])
def test_every_loss_is_kept_with_its_step_the_last_too(after):
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=4) as monitor:
        for k in range(7):
            if not after:
                monitor.note_loss(k)
            step(model, optimizer)
            if after and k != 2:
                monitor.note_loss(k + 0.5)
                monitor.note_loss(k)  # the last one counts
    kept = [k for k in range(7) if k != 2 or not after]
    assert monitor.losses.values.tolist() == kept and monitor.losses.steps.tolist() == [k + 1 for k in kept]
    assert monitor.history.loss.tolist() == [0, 4]


def test_losses_that_are_not_finite_are_kept_and_many_grow_coarser():
    model = net()
    with GradientMonitor(model, every=10**6) as monitor:
        for k in range(50_001):
            monitor.note_loss(math.inf if k == 50_000 else float(k))
            monitor.sample(paced=True)
    losses = monitor.losses
    assert len(losses.steps) <= 20_001 and losses.values[-1] == math.inf and losses.steps[0] == 1
    assert (losses.values[:-1] == losses.steps[:-1] - 1).all() and (losses.steps.diff() > 0).all()
    assert losses.steps.diff()[-1] == 1 and losses.steps.diff().max() <= 8
    early, later = ((losses.steps // 10_000 == part).sum() for part in (0, 3))
    assert 0.6 * later < early < 1.7 * later  # the beginning is not thinned again and again


def test_no_loss_is_not_the_last_loss():
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        monitor.note_loss(1.0)
        step(model, optimizer)
        step(model, optimizer)
    assert monitor.history.loss.isnan().tolist() == [False, True]


def test_old_samples_grow_coarse_and_histories_that_were_given_out_stay():
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=1, keep=8) as monitor:
        given, copies = [], []
        for _ in range(40):
            step(model, optimizer)
            given.append(monitor.history)
            copies.append((given[-1].steps.tolist(), given[-1].norm.clone()))
            assert len(given[-1].steps) <= 8
    for history, (steps, norm) in zip(given, copies, strict=True):
        assert history.steps.tolist() == steps
        assert torch.equal(history.norm, norm)
    steps = monitor.history.steps
    assert steps[0] == 1
    assert steps[-1] == 40
    assert len(steps) >= 4


def test_a_long_training_keeps_its_past():
    record = Record(("norm",), 1, 100)
    for k in range(1, 20_001):
        record.add(k, 0.0, 0.0, {"norm": [float(k)]}, 1)
    history = record.history(("a",), ("Linear",), (1,), ())
    assert (
        history.steps[0] == 1 and history.steps[-1] == 20_000 and torch.equal(history.norm[:, 0].long(), history.steps)
    )
    assert torch.histc(history.steps.float(), 4, 1, 20_000).min() >= 7


def test_memory_is_bounded_whatever_the_model(monkeypatch):
    record = Record(tuple(QUANTITIES), 100, 10_000)
    assert 8 * record.most(500) * 500 * len(QUANTITIES) <= monitor_history.MOST_BYTES
    monkeypatch.setattr(monitor_history, "MOST_BYTES", 20_000)
    for k in range(200):
        record.add(k, 0.0, 0.0, {"norm": [float(k)] * 100}, 100)
    assert len(record) <= record.most(100) == 2
    assert record._rows.numel() * 8 <= 20_000


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("budget", [0.01, 0.03, 0.2])
@pytest.mark.parametrize("cost", [1e-5, 1e-3, 0.1])
def test_samples_stay_within_the_budget(monkeypatch, cost, budget):
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    pace, sampled = Pace("auto", budget), []
    pace.start()
    for step_number in range(1, 20_001):
        clock.now += 1e-3 if step_number % 1000 else 5.0  # with a validation now and then
        begin = clock.now
        sample = step_number == pace.due
        clock.now += cost if sample else 0
        pace.passed(step_number, begin, clock.now - begin, sample)
        if sample:
            sampled.append(step_number)
        if len(sampled) > 1:
            assert pace.share <= budget * 1.001
    assert sampled[0] == 1
    # Within one validation's spare time no burst: never closer than the cost of one allows.
    closest = max(1, math.ceil(cost / (budget * 1e-3 * 4.5)))
    assert min(b - a for a, b in itertools.pairwise(sampled)) >= closest
    if cost < 0.1:
        assert len(sampled) >= min(9_000, 0.5 * budget * 20 / cost)


def test_a_short_training_is_seen_by_grace(monkeypatch):
    """A step takes 2 ms, a sample 2 ms: 400 steps give a dozen samples on a budget of 3 %, and many more by grace."""
    sampled = {}
    for grace in (0.0, 0.1):
        clock = Clock()
        monkeypatch.setattr("time.perf_counter", clock)
        pace, sampled[grace] = Pace("auto", 0.03, grace), []
        pace.start()
        for step_number in range(1, 20_001):
            clock.now += 2e-3
            begin = clock.now
            if step_number == pace.due:
                sampled[grace].append(step_number)
                clock.now += 2e-3
            pace.passed(step_number, begin, clock.now - begin, step_number == pace.due)
        assert pace.spent <= grace + 0.03 * (pace.elapsed - pace.spent)
    early = {grace: sum(k <= 400 for k in steps) for grace, steps in sampled.items()}
    assert early[0.0] <= 13 and early[0.1] >= 45
    assert len(sampled[0.1]) - len(sampled[0.0]) <= 0.1 / 2e-3 + 2  # afterwards the budget holds


@pytest.mark.parametrize("wrong", [-1, math.inf, math.nan, "1", True])
def test_a_grace_that_is_none_is_refused(wrong):
    with pytest.raises((TypeError, ValueError), match="grace must be a number ≥ 0"):
        GradientMonitor(net(), grace=wrong)


def test_every_so_many_steps():
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=4) as monitor:
        for _ in range(10):
            step(model, optimizer)
    assert monitor.history.steps.tolist() == [1, 5, 9]
    assert 0 < monitor.overhead < math.inf


def test_frames_and_words():
    model = nn.Linear(2, 1)
    optimizer = sgd(model)
    monitor = GradientMonitor(model, optimizer, every=1)
    assert monitor.latest is None
    assert monitor.history.to_frame().empty
    assert math.isnan(monitor.overhead)
    with monitor:
        for _ in range(3):
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
    frame = monitor.history.to_frame()
    assert frame["step"].tolist() == [1, 2, 3]
    assert set(frame["layer"]) == {"(Linear)"}
    assert frame["norm"].tolist() == monitor.history.norm[:, 0].tolist()
    assert monitor.latest.to_frame()["parameters"].tolist() == [3]
    assert "1 layer, 3 samples of 3 steps" in repr(monitor)
    assert monitor.history == monitor.history
    assert monitor.latest.to_dict()["step"] == 3
    assert all(quantity.about for quantity in QUANTITIES.values())


@pytest.mark.parametrize(
    ("error", "words", "arguments"),
    [
        (TypeError, "model must be", {"model": 3}),
        (TypeError, "optimizer must be", {"optimizer": 3}),
        (TypeError, 'every must be a whole number ≥ 1 or "auto"; got 1.5', {"every": 1.5}),
        (ValueError, "every must be", {"every": 0}),
        (TypeError, "every must be", {"every": "often"}),
        (ValueError, "budget must be", {"budget": 0}),
        (ValueError, "budget must be", {"budget": math.nan}),
        (TypeError, "budget must be", {"budget": "much"}),
        (ValueError, "keep must be", {"keep": 1}),
    ],
)
def test_bad_arguments_are_named(error, words, arguments):
    with pytest.raises(error, match=words):
        GradientMonitor(**{"model": nn.Linear(1, 1), **arguments})


def test_a_model_without_parameters():
    model, other = nn.ReLU(), net()
    with GradientMonitor(model, every=1) as monitor:
        step(other, sgd(other))
    assert monitor.history.layers == ()
    assert monitor.history.to_frame().empty
