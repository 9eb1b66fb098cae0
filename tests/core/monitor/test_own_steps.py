"""Which steps are sampled where several optimizers step, and what is told of those that hold the same."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from gradwidgets.core.monitor import GradientMonitor
from gradwidgets.core.monitor.pace import Pace
from gradwidgets.core.monitor.training.parts.loop_order import clip_ahead
from gradwidgets.core.monitor.training.parts.own_steps import InTurn
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.record_order import blending
from tests.core.monitor.watched import net


def optimizers(model, count=2):
    """One for each of the layers with weights."""
    layers = [one for one in model if isinstance(one, nn.Linear)][:count]
    return [torch.optim.SGD(one.parameters(), 0.1) for one in layers]


def sampled(rounds, of_round, **watch):
    """The steps that were sampled; `of_round(k)` gives those that step in that round, by their numbers."""
    model = net()
    both = optimizers(model)
    with GradientMonitor(model, **watch) as monitor:
        for k in range(rounds):
            model.zero_grad()
            model(torch.randn(6, 4)).square().mean().backward()
            for one in of_round(k):
                both[one].step()
    return monitor.history


@pytest.mark.parametrize("every", [2, 3, 4, 6])
def test_two_that_step_in_turn_are_sampled_each_at_its_own_steps(every):
    history = sampled(24, lambda k: (0, 1), every=every)
    own = range(0, 24, every)
    assert history.steps.tolist() == [2 * k + one for k in own for one in (1, 2)]


def test_one_by_itself_is_sampled_as_if_it_were_told():
    assert sampled(9, lambda k: (0,), every=4).steps.tolist() == [1, 5, 9]


def test_one_that_steps_seldom_is_met():
    history = sampled(40, lambda k: (0, 1) if k % 10 == 9 else (0,), every=2)
    assert history.steps.tolist()[-2:] != [42, 44]
    seldom = ~history.norm[:, -1].isnan()
    assert int(seldom.sum()) == 2  # its first of four steps, and its third
    history = sampled(40, lambda k: (0, 1) if k == 30 else (0,))
    assert int((~history.norm[:, -1].isnan()).sum()) == 1


def test_activations_are_there_at_the_steps_that_are_sampled():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    both = optimizers(model)
    with GradientMonitor(model, every=3, activations=True) as monitor:
        for _ in range(12):
            for one in both:
                model.zero_grad()
                model(torch.randn(6, 4)).square().mean().backward()
                one.step()
    known = ~monitor.history.activation_mean.isnan().any(1)
    assert known.sum() >= len(known) - 1  # of the second one's first step nobody could know before


def test_those_made_anew_in_each_others_place_are_one():
    model = net()
    with GradientMonitor(model, every=4) as monitor:
        for _ in range(16):
            model.zero_grad()
            model(torch.randn(6, 4)).square().mean().backward()
            torch.optim.SGD(model.parameters(), 0.1).step()
    assert monitor.history.steps.tolist() == [1, 5, 9, 13]


@pytest.mark.parametrize("cycle", [(0, 1), (0, 0, 0, 1), (0, 1, 2), (0, 0, 1, 1)])
def test_a_budget_is_spent_on_all_in_turn(cycle, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    turns, pace = InTurn(), Pace("auto", 0.03)
    lines = [turns.line((one,)) for one in range(3)]
    pace.start()
    for step in range(1, 2001):
        clock[0] += 1e-3
        turns.step(lines[cycle[step % len(cycle)]], step)
        begin, taken = clock[0], pace.takes(step, turns)
        clock[0] += 1e-4 * taken
        pace.passed(step, begin, 1e-4 * taken, taken, turns)
    for one in set(cycle):
        share = lines[one].samples / sum(each.samples for each in lines)
        assert share == pytest.approx(cycle.count(one) / len(cycle), rel=0.25)
    assert pace.share < 0.03


def test_one_that_steps_no_more_is_not_waited_for():
    turns = InTurn()
    first, second = turns.line((1,)), turns.line((2,))
    taken = []
    for step in range(1, 41):
        turns.step(first if step <= 20 and step % 2 else second, step)
        if step % 4 == 0 and not turns.waits(step):
            turns.is_sampled()
            taken.append(step)
    assert taken[-5:] == [24, 28, 32, 36, 40]


def loop(order):
    """What is told of a loop with calls in that order, and nothing else."""
    code = {"z": "one.zero_grad()", "c": "clip_grad_norm_([], 1.0)", "b": "one.backward()"}
    lines = ["def run(one):", "    for _ in range(2):", *(f"        {code[key]}" for key in order)]
    names = {"clip_grad_norm_": lambda *_: None, "told": [], "__name__": "loop"}
    exec("\n".join([*lines, "        told.append(one.step())"]), names)
    one = type(
        "One", (), dict.fromkeys(("zero_grad", "backward"), lambda self: None) | {"step": lambda self: clip_ahead()}
    )
    names["run"](one())
    return names["told"][-1]


@pytest.mark.parametrize("order", ["zcb", "cbz", "bzc"])
def test_a_clip_between_zero_grad_and_backward_is_seen(order):
    assert loop(order) == {"clip": 3 + order.index("c"), "backward": 3 + order.index("b")}


@pytest.mark.parametrize("order", ["zbc", "bcz", "czb", "zb", "zcbc", "zbcb", "cb"])
def test_a_clip_elsewhere_is_none_of_it(order):
    assert loop(order) == {}


def rivals(hold, each, steps=30, clip=False):
    """What is told of an optimizer of all, and of another one that steps by a loss of its own, or by the same."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    first, second = torch.optim.SGD(model.parameters(), 0.01), torch.optim.SGD(hold(model), 0.01)
    with GradientMonitor(model, first) as monitor:
        for k in range(steps):
            inputs = torch.randn(6, 4)
            model.zero_grad()
            model(inputs).sum().backward()
            first.step()
            if each:
                model.zero_grad()
                (each * model(inputs).sum()).backward()
            if clip:
                clip_grad_norm_(model.parameters(), 1e-3)
            if each or k % 3 == 0:
                second.step()
    return monitor.history.rivals


def test_those_that_hold_the_same_are_told_by_what_they_step_by():
    part = lambda model: model[0].parameters()  # noqa: E731
    for clip in (False, True):
        told = rivals(part, 0, clip=clip)
        # A clip between the first two, one of which is met only then, is not seen through.
        assert told["again"] == 10 - clip and told["steps"] == 20
    told = rivals(part, -1.0)
    assert told["again"] == 0 and told["more"] == "SGD" and told["along"] < -0.5
    assert rivals(lambda model: model.parameters(), -1.0) == {}  # neither holds more


def test_an_order_of_classes_is_info_where_the_loss_comes_down():
    def judged(labels, losses):
        model = nn.Linear(4, 6)
        optimizer = torch.optim.SGD(model.parameters(), 0.0)
        with GradientMonitor(model, optimizer, every=1) as monitor:
            for step in range(60):
                monitor.note_targets(labels(step))
                loss = nn.functional.cross_entropy(model(torch.randn(30, 4)), labels(step))
                loss.backward()
                monitor.note_loss(losses(step))
                optimizer.step()
                optimizer.zero_grad()
        return [one.severity for one in blending(JudgedRecord(monitor.history))]

    slides = lambda step: (torch.arange(30) // 15 + step // 10) % 6  # noqa: E731
    assert judged(slides, lambda step: 1.8) == ["warning"]
    assert judged(slides, lambda step: 1.8 / (1 + step)) == ["info"]
    assert judged(lambda step: torch.arange(30) % 6, lambda step: 1.8) == []
    torch.manual_seed(0)
    drawn = torch.stack([torch.randperm(6)[:2].repeat(15) for _ in range(60)])
    assert judged(partial(drawn.__getitem__), lambda step: 1.8) == []


def test_such_as_are_made_anew_are_counted_together():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    with GradientMonitor(model) as monitor:
        for k in range(24):
            if k % 3 == 0:
                both = [torch.optim.SGD(model.parameters(), 0.01) for _ in range(2)]
            model.zero_grad()
            model(torch.randn(6, 4)).square().mean().backward()
            for one in both:
                one.step()
    assert monitor.history.rivals["again"] == 24 and monitor.history.rivals["steps"] == 48
