"""What a monitor and the verdict on its record refuse, and what they note and go on."""

import math
import time

import numpy as np
import pytest
import torch
from torch import nn

from gradwidgets.core.monitor import GradientMonitor, diagnose
from gradwidgets.core.monitor.pace import Pace
from gradwidgets.core.monitor.training.noted_loss import loss_value
from tests.core.monitor.field.training import mlp


def recorded(steps=12):
    model = mlp(4, 8, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()
            monitor.note_loss(loss)
    return monitor


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "True"),
        (torch.tensor(True), "truth value"),
        (np.ones(1, dtype=bool), "True"),
        (torch.tensor(1 + 1j), "complex"),
        (1 + 1j, "1\\+1j"),
        (torch.ones(2), "shape \\(2,\\)"),
        (np.ones(2), "array"),
        (torch.ones((), device="meta"), "meta"),
        ("1", "'1'"),
    ],
)
def test_what_is_no_loss_is_refused(value, words):
    with pytest.raises(TypeError, match=words):
        loss_value(value)


def test_one_number_is_a_loss_in_whatever_it_is_wrapped():
    for one in (2, 2.0, np.float32(2), np.full((1, 1), 2.0), torch.full((1, 1, 1), 2.0), torch.tensor(2)):
        assert loss_value(one) == 2
    with pytest.raises(ValueError, match="beyond all of them"):
        loss_value(-(10**400))


@pytest.mark.parametrize(
    ("name", "value"), [("scaler", object()), ("activations", "yes"), ("updates", 1), ("preflight", None)]
)
def test_an_argument_of_the_wrong_type_is_named(name, value):
    with pytest.raises(TypeError, match=name):
        GradientMonitor(nn.Linear(2, 2), **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("lr", "0.1", TypeError), ("lr", math.nan, ValueError), ("lr", -1.0, ValueError), ("classes", 2.5, TypeError),
        ("classes", -3, ValueError), ("max_norm", 0, ValueError), ("max_norm", -1.0, ValueError),
        ("largest_curvature", math.inf, ValueError), ("losses", [1, 2], TypeError), ("losses", "abc", TypeError),
    ],
)  # fmt: skip
def test_a_verdict_that_is_told_nonsense_says_of_what(name, value, error):
    history = recorded(4).history
    with pytest.raises(error, match=name):
        diagnose(history, **{name: value})


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ((torch.tensor([1 + 1j]),), "complex"),
        ((torch.tensor([math.nan, 1.0]),), "not finite"),
        ((torch.tensor([1, 2]), torch.tensor([0.5, 1.0])), "whole numbers"),
    ],
)
def test_targets_of_which_nothing_can_be_told_are_noted(batches, words):
    monitor = GradientMonitor(mlp(4, 8, 2))
    for one in batches:
        monitor.note_targets(one)
    assert words in monitor.notes[-1] and not monitor.history.chance


def test_a_sample_without_a_gradient_is_none_and_is_noted():
    model = mlp(4, 8, 2)
    with GradientMonitor(model) as monitor:
        assert monitor.sample() is None
        assert any("call sample() after backward()" in one for one in monitor.notes)
        model(torch.randn(3, 4)).sum().backward()
        assert monitor.sample() is not None


def test_a_model_that_nobody_holds_is_said_to_be_gone():
    with pytest.raises(ValueError, match="the model of this monitor is gone"), GradientMonitor(nn.Linear(2, 2)):
        pass


def test_a_dozen_samples_are_taken_however_slow_the_machine_is_now_and_then():
    pace, taken = Pace("auto", 0.03, 0.05), []
    began = time.perf_counter()
    pace.start()
    for step in range(1, 31):
        due = step == pace.due
        taken += [step] * due
        # Each second sample is held up for a hundred times as long as the others take.
        pace.passed(step, began + 1e-3 * step, (0.05 if len(taken) % 2 else 5e-4) if due else 0.0, due)
    assert len(taken) >= 12


def test_samples_that_cost_more_than_the_grace_are_left_to_the_budget():
    pace, taken = Pace("auto", 0.03, 0.05), []
    began = time.perf_counter()
    pace.start()
    for step in range(1, 31):
        due = step == pace.due
        taken += [step] * due
        pace.passed(step, began + 1e-3 * step, 0.1 if due else 0.0, due)
    assert len(taken) <= 3
