"""What a monitor notes of the weights between steps, of other optimizers, modes, cut graphs and targets."""

import itertools
import math

import pytest
import torch
from torch import nn

from gradwidgets.core.monitor import GradientHistory, GradientMonitor, diagnose
from gradwidgets.core.monitor.owners import LayerTable
from gradwidgets.core.monitor.pace import Pace
from gradwidgets.core.monitor.training.between import Between
from gradwidgets.core.monitor.training.noted_loss import Striking
from tests.core.monitor.watched import net, sgd, step


@pytest.fixture(autouse=True)
def random_numbers_of_the_test(leaves_torch_as_it_was):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def nobody(before, after):
    return after


def put_back(before, after):
    return before


def a_tenth(before, after):
    return before + 0.1 * (after - before)


def anew(before, after):
    return torch.randn_like(before)


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize(
    ("written", "left"),
    [(nobody, 1.0), (put_back, 0.0), (a_tenth, 0.1), (anew, math.nan)],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_what_is_left_of_a_step_is_measured(written, left, data):
    model, between = nn.Linear(40, 30, dtype=torch.float64), Between()
    between.watch(LayerTable(model, False).owned)
    assert between.begins(1) is None
    between.sampled()
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(torch.randn(30, 40))  # the step
    between.ended()
    with torch.no_grad():
        after = written(before, model.weight.detach().clone())
        if written is not nobody:
            (model.weight.data if data else model.weight).copy_(after)
    assert between.begins(2) == pytest.approx(left, abs=1e-12, nan_ok=True)
    assert between.steps == ([] if written is nobody else [2])


def test_steps_before_which_somebody_wrote_to_the_weights_are_named():
    model = net()
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=4) as monitor:
        for k in range(9):
            step(model, optimizer)
            if k in (2, 5):
                nn.init.normal_(next(model.parameters()))
    assert monitor.history.outside == (4, 7)
    assert monitor.history.left.tolist()[:2] == [1.0, 1.0]  # of steps 1 and 5; that of the last is not known yet


def test_a_gradient_that_two_optimizers_use_is_counted_and_one_that_is_new_is_not():
    model = net()
    optimizer, other = sgd(model), sgd(model)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for k in range(6):
            model.zero_grad()
            model(torch.randn(6, 4)).square().mean().backward()
            optimizer.step()
            if k >= 3:
                other.step()
    told = monitor.history.rivals
    assert told["again"] == 2 and told["names"] == ["SGD", "SGD"]  # from the first on, at which the other is met
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for k in range(6):
            step(model, other if k % 2 else optimizer)
    assert monitor.history.rivals == {}


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.never, self.unused, self.out = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, x):
        with torch.no_grad():
            x = self.never(x)
        return self.out(x)


@pytest.mark.parametrize("held", [True, False])
def test_layers_under_no_grad_are_told_from_unused_ones(held):
    model = Halves()
    optimizer = torch.optim.SGD(model.parameters() if held else model.out.parameters(), 0.1)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for _ in range(4):
            with torch.no_grad():
                model(torch.randn(4, 3))  # a look in between is no pass of the training
            optimizer.zero_grad()
            model(torch.randn(4, 3)).sum().backward()
            optimizer.step()
    assert monitor.history.cut == {"never": "no_grad" if held else "aside"}
    found = {one.name: one.evidence["layers"] for one in diagnose(monitor.history) if one.severity == "warning"}
    assert found == {"unused": ["unused"]} | ({"cut": ["never"]} if held else {})


@pytest.mark.parametrize(("mode", "share"), [("train", 0.0), ("eval", 1.0), ("norms", 0.0)])
def test_the_mode_of_a_model_that_is_trained_is_noted(mode, share):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    model.train(mode != "eval")
    model[1].train(mode == "train")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(4, 3)).sum().backward()
            optimizer.step()
    assert set(monitor.history.evaluating.tolist()) == {share}
    off = {"dropout": 1, "norms": 1, "fresh": 1, "frozen": 0} if share else {}
    assert monitor.history.turned_off == off


def test_what_was_noted_is_kept_in_a_file(tmp_path):
    model = Halves().eval()
    optimizers = [torch.optim.SGD(model.parameters(), 0.1) for _ in range(2)]
    with GradientMonitor(model, optimizers[0], every=1) as monitor:
        for k in range(4):
            model.zero_grad()
            model(torch.randn(4, 3)).sum().backward()
            monitor.note_targets(torch.tensor([0, 1, 1, 0]) if k % 2 else torch.zeros(4, dtype=torch.long))
            for one in optimizers:
                one.step()
    history = monitor.history
    again = GradientHistory.load(history.save(tmp_path / "record"))
    for name in ("outside", "cut", "turned_off", "rivals", "chance"):
        assert getattr(history, name) and getattr(again, name) == getattr(history, name)
    assert again.left.isnan().tolist() == history.left.isnan().tolist()
    assert again.evaluating.tolist() == history.evaluating.tolist() == [1.0] * 4
    assert history.chance["batches of one class"] == 0.5 and history.chance["labels"] == 2


@pytest.mark.parametrize("same", [True, False])
def test_one_batch_that_comes_again_and_again_is_told_of_and_may_be_meant(same):
    model = net()
    optimizer, inputs = sgd(model), torch.randn(20, 6, 4)
    labels = torch.randint(0, 3, (20, 6))
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for k in range(20):
            model(inputs[0 if same else k]).square().mean().backward()
            monitor.note_targets(labels[0 if same else k])
            optimizer.step()
            optimizer.zero_grad()
    (found,) = diagnose(monitor.history)
    assert (found.name, found.severity) == (("same_batch", "info") if same else ("healthy", "ok"))


def test_losses_that_strike_are_few_and_far_above_those_before():
    striking = Striking()
    assert [striking(one) for one in (1.0, 1.1, 2.0, 9.0, math.nan, math.nan, 1.0)] == [False] * 3 + [
        True, True, False, False,
    ]  # fmt: skip
    told = [striking(10.0**k) for k in range(1, 60)]
    assert sum(told) == 15  # sixteen in all


def test_samples_are_spread_over_short_and_long_trainings_alike(monkeypatch):
    """A first sample that pays for all that is done once does not keep others from being taken."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    pace, sampled = Pace("auto", 0.03, 0.05), []
    pace.start()
    for k in range(1, 20_001):
        now[0] += 1e-3
        begin, due = now[0], k == pace.due
        if due:
            now[0] += 0.2 if not sampled else 9e-4
            sampled.append(k)
        pace.passed(k, begin, now[0] - begin, due)
    assert sampled[0] == 1 and sum(k <= 60 for k in sampled) >= 12
    assert max(b / a for a, b in itertools.pairwise(sampled[8:])) <= 1.4
    assert pace.spent <= 0.2 + 0.05 + 0.03 * (pace.elapsed - pace.spent) + 30 * 9e-4
