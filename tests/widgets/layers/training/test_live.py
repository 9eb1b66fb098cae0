"""A training that is watched: the same to the bit, followed, stopped, left without a trace."""

import gc
import subprocess
import sys
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch import nn
from traitlets import TraitError

from gradwidgets import LayerFlowPanel
from gradwidgets.core.monitor import diagnose_record
from gradwidgets.core.subject.held.held import Held
from gradwidgets.widgets.layers.training import live_run, live_verdict
from gradwidgets.widgets.layers.training.demo import digits
from tests.widgets.inside import buttons_in, is_busy, network_of, press_stop, subject_of, words_of
from tests.widgets.layers.models import sound


@pytest.fixture
def panel():
    made = LayerFlowPanel(*sound())
    yield made
    made.close()


def steps(panel, count, meanwhile=lambda: None, **options):
    """Train the panel's model with torch's Adam; return it and how its losses went."""
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with panel.watch(optimizer, **options) as monitor:
        for _ in range(count):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
            meanwhile()
            losses.append(float(loss.detach()))
    return model, losses


def alone(count):
    model, x, y, loss_fn = sound()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(count):
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    return model


def test_training_is_the_same_to_the_bit(panel):
    plain = alone(30)
    torch.manual_seed(5)
    model, _ = steps(panel, 30, every=1)
    drawn = torch.rand(4)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(4))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), plain.parameters(), strict=True))
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())


def test_the_picture_shows_what_was_recorded(panel):
    model, losses = steps(panel, 25, every=1)
    history, figure = panel.monitor.history, panel.views["live"].figure
    assert panel.view == "live" and history.steps.tolist() == list(range(1, 26))
    linear = [k for k, kind in enumerate(history.kinds) if kind == "Linear"]
    for place, k in enumerate(linear):
        np.testing.assert_allclose(10.0 ** figure.lines[f"layer {place}"].get_data()[1], history.rms[:, k], rtol=1e-9)
    shown = figure.lines["loss"].get_data()[1]
    assert np.allclose(shown, losses, rtol=1e-6) or np.allclose(10.0**shown, losses, rtol=1e-6)
    assert "step 25" in panel.summary and "of the training, drawing" in panel.summary
    assert panel.flow.layers[0].weight_norm == pytest.approx(float(model[0].weight.detach().double().norm()), rel=1e-6)


@pytest.mark.parametrize("quantity", ["weight gradient", "activation", "update/weight", "activation gradient"])
@pytest.mark.parametrize("measure", ["rms", "norm"])
def test_every_quantity_that_is_recorded_can_be_seen(panel, quantity, measure):
    steps(panel, 5, every=1)
    panel.change(quantity=quantity, measure=measure)
    history = panel.monitor.history
    field = {"activation": "activation_std", "update/weight": "update_ratio"}.get(quantity, measure)
    y = panel.views["live"].figure.lines["now"].get_data()[1]
    linear = [k for k, kind in enumerate(history.kinds) if kind == "Linear"]
    np.testing.assert_allclose(10.0**y, getattr(history, field)[-1, linear], rtol=1e-9)


def test_track_gives_every_item_and_takes_stop(panel):
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    for item in panel.track(iter("abcdef")):
        seen.append(item)
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        panel.note_loss(0.5)
        optimizer.step()
        if item == "c":
            press_stop(panel)
    assert seen == ["a", "b", "c"] and "Stopped after 3 batches" in panel.summary
    assert not panel.monitor.active and panel.monitor.steps == 3 and not is_busy(panel)
    assert list(panel.track([1, 2])) == [1, 2]
    assert "no step" not in panel.error


def test_track_inside_watch_uses_its_monitor(panel):
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with panel.watch(optimizer, every=1) as monitor:
        for _ in panel.track(range(4)):
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        assert monitor.active
    assert panel.monitor is monitor and monitor.steps == 4


def test_an_exception_goes_on_its_way_and_nothing_stays(panel):
    model, *_ = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(KeyboardInterrupt), panel.watch(optimizer):
        raise KeyboardInterrupt
    assert not panel.monitor.active and not optimizer._optimizer_step_post_hooks
    assert panel.summary.startswith("Interrupted after 0 steps.")
    with pytest.raises(ZeroDivisionError), panel.watch(optimizer):
        raise ZeroDivisionError("division by zero")
    assert panel.summary.startswith("✗ After 0 steps the loop raised ZeroDivisionError: division by zero")
    for k in panel.track(range(5)):
        if k == 2:
            break
    assert not panel.monitor.active and panel.summary.startswith("The loop was left after 2 of 5 batches.")
    with panel.watch(optimizer):  # the next one works
        assert panel.monitor.active


@pytest.fixture
def cell(panel):
    """Runs a cell that knows `panel`, `optimizer`, `step(...)` and `stop()`; returns its namespace."""
    shell = InteractiveShell.instance()
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(_=None):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        panel.note_loss(loss)
        optimizer.step()

    shell.user_ns.update(panel=panel, step=step, optimizer=optimizer, stop=lambda: press_stop(panel))

    def run(text):
        shell.last = shell.run_cell(text, store_history=True)
        return shell.user_ns

    run.shell = shell
    yield run
    shell.reset()
    InteractiveShell.clear_instance()


def test_a_tracked_loop_that_raises_in_a_cell_ends_with_the_cell(panel, cell):
    cell("for k in panel.track(range(9)):\n    1 / (k - 3)")
    assert cell.shell.last.error_in_exec is not None
    assert not panel.monitor.active and not is_busy(panel)
    left = "The loop was left after 3 of 9 batches. ✗ The cell raised ZeroDivisionError: division by zero"
    assert panel.summary.startswith(left) and "division by zero" in words_of(panel)
    cell("walk = panel.track(range(9))\nfirst = next(walk)")
    assert panel.monitor.active  # it goes on in another cell
    assert cell("rest = list(walk)")["rest"] == list(range(1, 9)) and not panel.monitor.active


def test_the_epochs_of_a_cell_are_one_training_and_another_cell_begins_anew(panel, cell):
    epochs = "for epoch in range(3):\n    for k in panel.track(range(5), every=1):\n        step()"
    cell(epochs)
    assert panel.monitor.steps == 15 and panel.monitor.history.steps.tolist() == list(range(1, 16))
    assert panel.monitor.losses.steps.tolist() == list(range(1, 16)) and "step 15" in panel.summary
    first = panel.monitor
    cell(epochs)
    assert panel.monitor is not first and panel.monitor.steps == 15 and not panel.monitor.active


def test_stop_passes_over_the_epochs_that_follow(panel, cell):
    seen = cell(
        "seen = []\nfor epoch in range(3):\n    for k in panel.track(range(5)):\n        step()\n"
        "        seen.append((epoch, k))\n        if seen[-1] == (1, 2):\n            stop()"
    )["seen"]
    assert seen == [(0, k) for k in range(5)] + [(1, k) for k in range(3)]
    assert panel.summary.startswith("Stopped after 3 of 5 batches.") and panel.monitor.steps == 8
    cell("again = [step() for _ in panel.track(range(2))]")
    assert panel.monitor.steps == 2


def test_a_track_that_was_never_begun_is_in_nobodys_way(panel, cell):
    cell("kept = panel.track([])")
    cell("for k in panel.track(range(7), every=1):\n    step()")
    assert panel.monitor.steps == 7 and "step 7" in panel.summary and not panel.monitor.active
    cell("for k in panel.track(range(3), every=1):\n    step()\n    inner = list(panel.track(range(2)))")
    assert panel.monitor.steps == 3 and not panel.monitor.active


def test_a_loop_without_an_optimizer_s_step_is_told_why_nothing_is_seen(panel):
    assert list(panel.track(range(3))) == [0, 1, 2]
    assert "no optimizer that holds parameters of the model made a step" in panel.summary
    for wrong in (lambda: panel.watch(None, evry=3), lambda: panel.track([], evry=3)):
        with pytest.raises(TypeError, match="unknown option 'evry': there are every, budget"):
            wrong()


def test_a_second_watch_ends_the_first(panel):
    model, *_ = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    other = LayerFlowPanel(*subject_of(panel))
    with panel.watch(optimizer) as first, other.watch(optimizer) as second:
        assert second.active and not first.active  # never two on one model
    assert len(optimizer._optimizer_step_post_hooks) == 0
    other.close()


def test_a_picture_that_fails_does_not_stop_the_training(panel, monkeypatch, caplog):
    monkeypatch.setattr(panel.canvas, "free", lambda: True)
    monkeypatch.setattr(panel.views["live"], "look", lambda run: 1 / 0)
    steps(panel, 3, every=1)
    assert panel.monitor.steps == 3 and "could not follow" in caplog.text and "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    steps(panel, 3, every=1)
    assert panel.error == "" and "step 3" in panel.summary


def test_it_keeps_no_model_alive():
    panel = LayerFlowPanel(depth=3, width=8, steps=2)
    panel.train()
    lesson = weakref.ref(panel.views["live"].run)
    panel.close()
    del panel
    gc.collect()
    assert lesson() is None


def test_the_digits_are_scikit_learn_s_and_are_there_at_once():
    from sklearn.datasets import load_digits

    x, y = digits()
    theirs, classes = load_digits(return_X_y=True)
    theirs = torch.tensor(theirs, dtype=torch.float32)
    assert torch.equal(x, (theirs - theirs.mean()) / theirs.std()) and torch.equal(y, torch.tensor(classes))
    code = (
        "import sys; sys.modules['sklearn'] = None\nfrom gradwidgets.widgets.layers.training import demo\ndemo.digits()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_demonstration_learns_the_digits():
    panel = LayerFlowPanel(depth=3, width=64, init="He", lr=0.1, steps=200)
    panel.train()
    assert panel.view == "live" and panel.error == ""
    share = int(panel.summary.split("After 200 steps: accuracy ")[1].split("%")[0])
    assert share >= 75 and not panel.monitor.active
    history = panel.monitor.history
    assert history.loss[-1] < 0.6 * history.loss[0]
    panel.quantity = "update/weight"
    linear = [k for k, kind in enumerate(history.kinds) if kind == "Linear"]
    shown = 10.0 ** panel.views["live"].figure.lines["now"].get_data()[1]
    np.testing.assert_allclose(shown, (0.1 * history.norm / history.weight_norm)[-1, linear], rtol=1e-9)
    panel.close()


def test_the_demonstration_trains_a_copy_of_a_model_of_one_s_own(panel):
    state = Held(subject_of(panel)[0])
    panel.steps = 20
    panel.train()
    assert state.put_back().put_back == () and "yours is as it was" in panel.summary


def test_after_the_demonstration_its_last_gradient_can_be_looked_at():
    panel = LayerFlowPanel(depth=3, width=16, steps=5)
    panel.train(wait=True)
    gc.collect()
    live = panel.views["live"]
    live.run.look()
    detail = live.training(settled=True).detail
    assert detail.title == "all layers" and detail.counts.sum() > 0
    panel.selected = 1
    live.run.look()
    panel.refresh()
    assert live.training(settled=True).detail.title == "linear_2" and panel.error == ""
    model = live.run.model
    panel.close()
    gc.collect()
    assert model() is None


def test_a_demonstration_that_diverges_says_so():
    panel = LayerFlowPanel(depth=3, width=16, init="He", gain=3, lr=1e4, steps=50)
    panel.train()
    assert "not finite" in panel.summary and panel.error == ""
    panel.lr, panel.gain = 0.01, 1.0
    panel.train()
    assert "not finite" not in panel.summary
    panel.close()


def test_what_cannot_be_watched_is_refused():
    panel = LayerFlowPanel(depth=2, width=4)
    with pytest.raises(ValueError, match="only a model of yours"), panel.watch():
        pass
    with pytest.raises(ValueError, match="only a model of yours"):
        panel.track([1])
    with pytest.raises(RuntimeError, match="inside watch"):
        panel.note_loss(1.0)
    panel.close()
    own = LayerFlowPanel(*sound())
    with pytest.raises(TypeError, match="optimizer must be"), own.watch("adam"):
        pass
    with pytest.raises(TypeError), own.watch(colour=1):
        pass
    with pytest.raises(TypeError, match="not iterable"):
        own.track(5)
    assert not is_busy(own) and own.monitor is None
    own.close()


def test_a_model_without_parameters_or_steps_can_be_watched():
    panel = LayerFlowPanel(
        nn.Flatten(), torch.randn(2, 3, requires_grad=True), torch.randn(2, 3), nn.functional.mse_loss
    )
    with panel.watch():
        pass
    assert "Nothing is being trained" in panel.summary or panel.monitor.steps == 0
    panel.close()


def test_no_training_begins_while_the_picture_is_guessed(panel):
    panel.predict = True
    with pytest.raises(TraitError, match="until the guess is revealed"), panel.watch():
        pass
    with pytest.raises(TraitError, match="until the guess is revealed"):
        panel.train()
    assert panel.monitor is None and panel.view == "flow" and not network_of(panel).elsewhere
    panel.answer = {"fate": "fades"}
    panel.reveal()
    panel.train(wait=True)
    assert panel.monitor.steps == panel.steps


def test_a_refusal_after_a_press_is_said(panel, loop):
    panel.predict = True
    buttons_in(panel.views["live"].body)["Train"].click()
    loop.do(lambda: None)
    assert not loop.errors and "view must be 'flow' until the guess is revealed" in panel.error


def names(panel):
    return [one.name for one in panel.training_findings]


def test_the_verdict_on_the_record_stands_beside_the_numbers(panel):
    steps(panel, 20, every=1)
    assert names(panel) == ["healthy"]
    said = panel.summary.partition(". Looked at: ")
    assert said[0].startswith(
        "ok: healthy: nothing went wrong in what was recorded; the inputs are the very same at all 20 "
    )
    assert said[2].startswith("20 steps")
    assert "of the first batch inputs, weights, targets, loss" in panel.summary
    assert '<div class="card ok">' in words_of(panel) and "step 20, 20 samples kept" in words_of(panel)


def test_the_verdict_is_there_while_the_training_runs(panel, monkeypatch):
    monkeypatch.setattr(panel.canvas, "free", lambda: True)
    monkeypatch.setattr(live_run, "PICTURES", 1e9)  # as if there were time for a picture at each step
    monkeypatch.setattr(live_run, "FIRST", 1e9)
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    for k in panel.track(range(40), every=1):
        loss = loss_fn(model(x), y) * (float("nan") if k == 12 else 1.0)
        optimizer.zero_grad()
        loss.backward()
        panel.note_loss(loss)
        optimizer.step()
        seen.append(names(panel))
    assert all("too_short" in one for one in seen[:2]) and "too_short" not in seen[2], seen
    assert all("non_finite" in one and "healthy" not in one for one in seen[12:]), seen
    assert panel.training_findings[0].evidence["step"] == 13


def test_verdicts_are_at_least_a_second_apart_and_take_a_hundredth_of_the_time(panel, monkeypatch):
    clock, judged, took = [100.0], [], 0.0
    steps(panel, 4, every=1)
    history, losses = panel.monitor.history, panel.monitor.losses

    def judge(*_, **__):
        judged.append(clock[0])
        clock[0] += took
        return []

    monkeypatch.setattr(live_verdict, "diagnose_record", judge)
    monkeypatch.setattr(live_verdict.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(live_verdict.time, "thread_time", lambda: clock[0])
    for each, gap in ((0.001, 1.0), (0.1, 10.0), (3.0, 20.0)):
        took = each
        verdict, start = live_verdict.LiveVerdict(), clock[0]
        judged.clear()
        for k in range(60):
            clock[0] = max(clock[0], start + k * 0.5)
            more = replace(losses, steps=torch.arange(k + 5), values=torch.ones(k + 5).double())
            verdict.judge(history, more, None, now=False)
        apart = np.diff(judged)
        assert len(judged) > 1 and apart.min() >= gap and apart.max() <= gap + 0.5 + each
        verdict.judge(history, more, None, now=True)
        count = len(judged)
        verdict.judge(history, more, None, now=True)
        assert len(judged) == count  # nothing new


def test_a_busy_machine_does_not_put_off_what_is_seen_and_said(panel, monkeypatch):
    """What a picture or a verdict waits for the processor is not its cost: else one slow first one stops the rest."""
    asleep, judged, clock = [0.0], [], time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + asleep[0])

    def judge(*given, **more):
        asleep[0] += 30
        judged.append(panel.monitor.history.steps[-1])
        return diagnose_record(*given, **more)

    def sleep():
        asleep[0] += 1.5

    monkeypatch.setattr(live_verdict, "diagnose_record", judge)
    monkeypatch.setattr(panel.canvas, "free", lambda: True)
    steps(panel, 12, every=1, meanwhile=sleep)
    assert len(judged) >= 12, judged  # and once more at the end

    model, x, y, loss_fn = subject_of(panel)
    panel.measure_curvature("spectrum")
    limit = 2 / panel.views["curvature"].largest
    for lr, momentum, blamed in ((1.5 * limit, 0.0, True), (0.5 * limit, 0.0, False), (1.5 * limit, 0.9, False)):
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
        panel.measure_curvature("spectrum")
        limit_now = 2 / panel.views["curvature"].largest
        optimizer.param_groups[0]["lr"] = lr / limit * limit_now
        for _ in panel.track(range(4), every=1):
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        assert ("beyond_stable" in names(panel)) == blamed
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for told, blamed in ((0.05, True), (0.07, False)):
        for _ in panel.track(range(14), every=1, max_norm=told):
            optimizer.zero_grad()
            (20 * loss_fn(model(x + 0.1 * torch.randn_like(x)), y)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.05)
            optimizer.step()
        assert ("always_clipped" in names(panel)) == blamed


def test_track_tells_which_batch_of_the_epoch_broke(panel, cell):
    cell(
        "for epoch in range(3):\n    for k in panel.track(range(7), every=10):\n        step()\n"
        "        if (epoch, k) == (1, 4):\n            model_breaks()"
    )
    assert cell.shell.last.error_in_exec is not None  # nothing breaks: there is no such name
    model = subject_of(panel)[0]
    cell.shell.user_ns["model_breaks"] = lambda: model[0].weight.data.fill_(float("nan"))
    cell(
        "for epoch in range(3):\n    for k in panel.track(range(7), every=10):\n"
        "        if (epoch, k) == (1, 4):\n            model_breaks()\n        step()"
    )
    found = panel.training_findings[0]
    assert found.name == "non_finite" and (found.evidence["step"], found.evidence["batch"]) == (12, 4)
    assert "first seen at step 12 (batch 4)" in panel.summary


def test_parameters_that_no_optimizer_holds_are_said_in_track(panel):
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    for _ in panel.track(range(12), every=1):
        model.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    assert "unheld" in names(panel) and "healthy" not in names(panel)
    assert panel.summary.count("2.weight") == 1  # the verdict says it, and no note says it again


def test_what_is_wrong_with_the_batch_of_the_loop_is_said_first(panel):
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    for inputs, targets in panel.track([(200 + 50 * x, y)] * 4, every=1):
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        panel.note_loss(loss)
        optimizer.step()
    assert names(panel)[0] == "input_scale" and panel.summary.startswith("warning: input_scale")
    assert panel.monitor.history.looked_at == ("inputs", "weights", "targets", "loss")
    for inputs in panel.track([x + 1] * 3, every=1):
        loss_fn(model(inputs), y).backward()
        optimizer.step()
    assert "targets and loss were not looked at: the loop does not tell them" in panel.summary


def test_a_loop_that_raised_is_not_called_healthy(panel):
    with pytest.raises(ZeroDivisionError):
        steps_then_raise(panel)
    assert "healthy" not in panel.summary and panel.summary.startswith("✗ After 6 steps the loop raised")


def steps_then_raise(panel):
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with panel.watch(optimizer, every=1):
        for k in range(9):
            optimizer.zero_grad()
            loss_fn(model(x) / (6 - k if k < 6 else 1), y).backward()
            optimizer.step()
            if k == 5:
                1 / 0  # noqa: B018


def test_an_earlier_record_is_seen_beside_the_one_that_grows(panel, tmp_path):
    steps(panel, 30, every=1)
    history = panel.monitor.history
    history.save(tmp_path / "monday.npz")
    other = LayerFlowPanel(*sound())
    steps(other, 12, every=1, beside=str(tmp_path / "monday.npz"))
    lines = other.views["live"].figure.lines
    assert lines["twin loss"].get_data()[0].tolist() == list(range(1, 13))  # as far as this one has come
    np.testing.assert_allclose(10.0 ** lines["twin now"].get_data()[1], history.rms[11, [0, 2, 4]], rtol=1e-9)
    assert other.summary.startswith("ok: same: the same to step 12") and "monday by itself: healthy" in other.summary
    assert "monday has 30 steps and this training has 12 steps" in other.summary
    for wrong, kind in ((5, TypeError), (tmp_path / "tuesday.npz", FileNotFoundError), (tmp_path, ValueError)):
        with pytest.raises(kind, match="beside"):
            other.track([], beside=wrong)
    assert not other.views["live"].run.active
    other.close()


def test_a_training_with_a_record_beside_is_the_same_to_the_bit(panel):
    steps(panel, 10, every=1)
    other = LayerFlowPanel(*sound())
    model, _ = steps(other, 30, every=1, beside=panel.monitor)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), alone(30).parameters(), strict=True))
    other.close()


def test_a_quantity_that_is_not_recorded_is_said_and_what_records_it(panel):
    steps(panel, 5, every=1, updates=False)
    for quantity, said in (
        ("activation gradient", "never holds the activation gradient"),
        ("update/weight", "updates=True"),
    ):
        panel.quantity = quantity
        assert "drawn is the weight gradient" in panel.summary and said in panel.summary and said in words_of(panel)
    panel.quantity = "activation"
    assert "drawn is" not in panel.summary
    panel.change(quantity="weight gradient", measure="norm")
    assert "drawn is" not in panel.summary
