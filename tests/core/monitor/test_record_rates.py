"""The learning rate of every step, and what is only told, not blamed, of frozen parts, rounding and sums in turn."""

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.training.parts.rate_course import RateCourse
from gradwidgets.core.monitor.training.parts.writes_in_turn import every


def trained(model, optimizer, after=lambda step: None, steps=60, type=torch.float32, **watch):
    torch.manual_seed(0)
    inputs, labels = torch.randn(steps, 16, 8), torch.randint(3, (steps, 16))
    with GradientMonitor(model, optimizer, **watch) as monitor:
        for step in range(steps):
            loss = F.cross_entropy(model(inputs[step].to(type)).float(), labels[step])
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
            after(step)
    return monitor.history


def of(history, name):
    return next((one for one in diagnose(history) if one.name == name), None)


def test_the_rate_of_every_step_is_known_though_few_are_sampled(tmp_path):
    model = nn.Linear(8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def after(step):
        optimizer.zero_grad()
        optimizer.param_groups[0]["lr"] = 0.1 - 0.004 * step

    history = trained(model, optimizer, after, every=50)
    assert len(history.steps) == 2 and len(history.rate_steps) == 59  # the first rate holds for two steps
    assert of(history, "negative_rate").evidence["step"] == 28
    again = History.load(history.save(tmp_path / "record"))
    assert torch.equal(again.highest_rates, history.highest_rates)


def test_a_rate_that_stays_is_kept_once_and_a_tensor_is_not_looked_at():
    course = RateCourse()
    for step in range(1, 9):
        course.step([{"lr": 0.1}, {"lr": 0.2}], step)
    assert course.told["rate_steps"].tolist() == [1] and course.told["lowest_rates"].tolist() == [0.1]
    tensor = RateCourse()
    tensor.step([{"lr": torch.tensor(0.1)}], 1)
    assert tensor.told == {}


def test_calls_between_the_losses_of_a_step_are_counted():
    course, rate = RateCourse(), 1.0
    for _ in range(4):
        for waiting in (1, 2, 3):
            course.noted([{"lr": rate}], waiting)
            rate /= 2
        course.passed(3)
    assert course.calls == {"of": 4, "steps": 4, "changes": 8}


def test_frozen_norms_that_go_on_are_told():
    body = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    for _ in range(20):
        body(torch.randn(64, 8) + 3)
    model = nn.Sequential(body.requires_grad_(False), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)
    moved = trained(model, optimizer, lambda step: optimizer.zero_grad())
    assert of(moved, "frozen_norms").severity == "info" and "0.1" in of(moved, "frozen_norms").message
    body.eval()
    assert of(trained(model, optimizer, lambda step: optimizer.zero_grad()), "frozen_norms") is None


def test_vectors_that_rounding_holds_are_told():
    model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 3)).bfloat16()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    history = trained(model, optimizer, lambda step: optimizer.zero_grad(), type=torch.bfloat16, every=4)
    assert history.rounded["held"]["names"] == ["1.weight"] and of(history, "rounding").severity == "info"


def test_what_comes_every_few_steps_alone():
    assert every([False, True, False, True] * 4) == 2
    assert every([True] * 16) == 0 and every([False, True, True, False] * 4) == 0


def test_steps_by_sums_in_turn_are_told():
    model = nn.Linear(8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for to_none in (True, False):
        history = trained(model, optimizer, lambda step: step % 4 == 3 and optimizer.zero_grad(set_to_none=to_none))  # noqa: B023
        found = of(history, "added_up")
        assert "once in 4 steps" in found.message or "several steps" in found.message
