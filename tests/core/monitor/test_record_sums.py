"""Gradients that are added up from some step on or for a while, used twice, never used, or used in vain."""

import copy

import pytest
import torch
from torch import nn

from gradwidgets.core.monitor import GradientHistory, GradientMonitor, diagnose


def trained(zero, steps=60, every=1, micro=1, backward=lambda step: True, after=lambda model: None, step=True, lr=0.01):
    """A training whose gradients `zero(optimizer, step)` takes away before the backward pass."""
    torch.manual_seed(0)
    inputs, labels = torch.randn(256, 6), torch.randint(3, (256,))
    inputs[:, :3] += 2 * nn.functional.one_hot(labels, 3)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    with GradientMonitor(model, optimizer, every=every, updates=True) as monitor:
        for now in range(steps):
            zero(optimizer, now)
            for _ in range(micro(now) if callable(micro) else micro):
                some = torch.randint(256, (32,))
                loss = nn.functional.cross_entropy(model(inputs[some]), labels[some])
                if backward(now):
                    loss.backward()
            monitor.note_loss(loss)
            if step:
                optimizer.step()
            after(model)
    return monitor.history


def found(history):
    return [(one.name, one.severity) for one in diagnose(history) if one.severity not in ("ok", "info")]


def always(optimizer, step):
    optimizer.zero_grad()


def early(optimizer, step):
    if step < 30:
        optimizer.zero_grad()


@pytest.mark.parametrize("micro", [1, 3])
@pytest.mark.parametrize("every", [1, 4])
def test_sums_from_the_middle_on_are_told_with_the_step_that_they_began_at(every, micro, tmp_path):
    history = trained(early, every=every, micro=micro)
    assert found(history) == [("added_up", "error")]
    assert diagnose(history)[0].evidence["since step"] == 30  # the last that zero_grad came before
    history.save(tmp_path / "record")
    assert found(GradientHistory.load(tmp_path / "record")) == [("added_up", "error")]


def test_sums_from_the_middle_on_are_told_in_memory_that_is_kept_too():
    def in_place(optimizer, step):
        if step < 30:
            optimizer.zero_grad(set_to_none=False)

    assert found(trained(in_place)) == [("added_up", "error")]


def test_sums_of_several_steps_that_are_taken_away_now_and_then_are_a_warning():
    history = trained(lambda optimizer, step: optimizer.zero_grad() if step % 10 == 0 else None)
    assert found(history) == [("added_up", "warning")]
    assert diagnose(history)[0].evidence["most steps at once"] == 10


def test_sums_for_a_while_are_a_warning():
    history = trained(lambda optimizer, step: None if 20 <= step < 40 else optimizer.zero_grad(), steps=100)
    assert found(history) == [("added_up", "warning")]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    "micro", [4, lambda step: 1 if step % 5 == 4 else 4, lambda step: 1 + step // 20, lambda step: 1 + (7 * step) % 5]
)
def test_batches_that_are_added_up_for_one_step_are_no_sums_of_steps(micro, in_place):
    history = trained(lambda optimizer, step: optimizer.zero_grad(set_to_none=not in_place), micro=micro)
    assert found(history) == []


@pytest.mark.parametrize("first", [False, True])
def test_memory_that_is_kept_from_some_step_on_or_up_to_it_is_no_sum(first):
    history = trained(lambda optimizer, step: optimizer.zero_grad(set_to_none=(step < 30) == first))
    assert found(history) == []


def test_a_gradient_that_is_used_again_is_told():
    def third(step):
        return step % 3 == 0

    history = trained(lambda optimizer, step: optimizer.zero_grad() if third(step) else None, backward=third)
    assert found(history) == [("stale", "warning")]
    assert diagnose(history)[0].evidence["share of samples"] == pytest.approx(2 / 3, abs=0.02)


def test_the_monitor_keeps_no_gradient_alive_to_know_it_again():
    history = trained(always)
    assert bool((history.written[1:] == 1).all()) and bool(history.written[0].isnan())


def test_losses_without_a_step_are_told():
    (one,) = diagnose(trained(always, step=False))
    assert (one.name, one.severity) == ("no_step", "error") and "60 losses" in one.message


def test_weights_that_are_put_back_after_each_step_are_told():
    kept = {}

    def put_back(model):
        kept.update(kept or copy.deepcopy(model.state_dict()))
        model.load_state_dict(kept)

    history = trained(always, after=put_back, lr=0.1)
    assert found(history) == [("put_back", "error")]
    assert found(trained(always, lr=0.1)) == []
