"""What the monitor keeps, how often it looks, and what it says."""

import itertools
import math

import pytest
import torch
from torch import nn

from gradwidgets.core.monitor import kept_rows as recording
from gradwidgets.core.monitor.kept_rows import Columns, Record
from gradwidgets.core.monitor.monitor import GradientMonitor
from gradwidgets.core.monitor.pace import Pace
from gradwidgets.core.monitor.quantities import QUANTITIES
from tests.core.monitor.watched import flat, net, sgd, step


@pytest.fixture(autouse=True)
def random_numbers_of_the_test(leaves_torch_as_it_was):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


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
    history = record.history(Columns(("a",), ("Linear",), (1,)), ())
    assert (
        history.steps[0] == 1 and history.steps[-1] == 20_000 and torch.equal(history.norm[:, 0].long(), history.steps)
    )
    assert torch.histc(history.steps.float(), 4, 1, 20_000).min() >= 7


def test_memory_is_bounded_whatever_the_model(monkeypatch):
    record = Record(tuple(QUANTITIES), 100, 10_000)
    assert 8 * record.most(500) * 500 * len(QUANTITIES) <= recording.MOST_BYTES
    monkeypatch.setattr(recording, "MOST_BYTES", 20_000)
    for k in range(200):
        record.add(k, 0.0, 0.0, {"norm": [float(k)] * 100}, 100)
    assert len(record) <= record.most(100) == 2
    held = [one for one in vars(record).values() if isinstance(one, torch.Tensor)]
    assert held and sum(one.numel() * one.element_size() for one in held) <= 20_000


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


@pytest.mark.parametrize("turns", [2, 3, 4, 6])
@pytest.mark.parametrize("cost", [1e-5, 5e-5, 1e-4, 3e-4, 1e-3])
def test_no_stride_falls_in_with_steps_that_come_in_turns(monkeypatch, cost, turns):
    """Whichever stride the budget asks for, each of the turns gets at least half of its share of the samples."""
    clock, seen = Clock(), [0] * turns
    monkeypatch.setattr("time.perf_counter", clock)
    pace = Pace("auto", 0.03, 0.05)
    pace.start()
    for k in range(1, 3001):
        clock.now += 1e-3
        begin, due = clock.now, k == pace.due
        clock.now += cost if due else 0
        seen[k % turns] += due
        pace.passed(k, begin, clock.now - begin, due)
    assert min(seen) >= 0.5 * sum(seen) / turns


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
