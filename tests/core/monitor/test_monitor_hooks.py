"""When the monitor watches what: hooks, cells, copies, closures, scalers, models that change."""

import copy
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

from gradwidgets.core.monitor.kept_rows import Record
from gradwidgets.core.monitor.monitor import GradientMonitor
from tests.core.monitor.watched import flat, hooks, net, sgd, step


@pytest.fixture(autouse=True)
def random_numbers_of_the_test(leaves_torch_as_it_was):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


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
    # Steps 1, 4 and 7; at first one more, with its flag, for what goes in; throughout one for other optimizers' steps
    # and one, with its flag, that knows the last batch.
    assert counts == [9, 3, 3, 7, 3, 3, 7, 3]
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
    alone = copy.deepcopy(model)
    with GradientMonitor(model, optimizer, every=1, activations=True) as monitor:
        saved = io.BytesIO()
        torch.save(model, saved)
        saved.seek(0)
        others = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(saved, weights_only=False)]
        copy.deepcopy(optimizer)
        for other in others:
            nn.init.constant_(other[0].bias, 9.0)  # what it would report is not what the model is
            theirs = sgd(other)
            for _ in range(3):
                step(other, theirs)
        assert monitor.steps == 0
        torch.manual_seed(1)
        step(model, optimizer)
        assert monitor.steps == 1
    torch.manual_seed(1)
    with GradientMonitor(alone, every=1, activations=True) as expected:
        step(alone, sgd(alone))
    for name in ("activation_mean", "activation_std", "dead"):
        torch.testing.assert_close(getattr(monitor.latest, name), getattr(expected.latest, name), equal_nan=True)
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
    assert "added after the start: '5'" in " ".join(history.notes)
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
        monkeypatch.setattr(Record, "add", lambda *_: 1 / 0)
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
