"""What is told of parts of a training, as notes and in the record: groups, memory, closures, answers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientHistory, GradientMonitor, diagnose
from gradwidgets.core.monitor.training.given.answers import Answers
from tests.core.monitor.field.trainings_alike import other_labels, policy
from tests.core.monitor.watched import hooks, net, sgd, step


def test_a_policy_that_is_sure_too_soon_is_a_note():
    (found,) = policy(lambda some: torch.optim.Adam(some, 0.2))
    assert (found.name, found.severity) == ("collapsed", "info") and "baseline" in found.action
    assert found.evidence["step"] < 50 and found.evidence["gradient left"] < 1e-2


def test_labels_that_mean_something_else_from_a_step_on_are_a_note_on_what_comes_from_there():
    (found,) = other_labels()
    assert (found.name, found.severity) == ("leap", "info")
    assert "from step 91 on" in found.message and "batch of step" not in found.message


def test_what_is_told_of_parts_is_kept_in_a_file(tmp_path):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 10.0}, {"params": model[2].parameters()}], 0.01
    )
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for _ in range(20):
            model[0].zero_grad()
            loss = F.cross_entropy(model(torch.randn(16, 4)), torch.randint(3, (16,)))
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    history = monitor.history
    kept = history.parts["kept"]
    assert kept["0"] == {"of": 11, "kept": 0, "writes": 1} and kept["2"] == {"of": 11, "kept": 11, "writes": 1.0}
    assert [one["rate"] for one in history.parts["groups"]] == [10.0, 0.01]
    assert history.answers["width"] == 3 and history.answers["steps"][:3] == [1, 2, 3]
    history.save(tmp_path / "run.npz")
    read = GradientHistory.load(tmp_path / "run.npz")
    assert read == history and list(map(str, diagnose(read))) == list(map(str, diagnose(history)))


def test_rates_that_are_about_alike_are_not_looked_at():
    model = net()
    groups = [{"params": [one], "lr": 0.1 * 1.5**place} for place, one in enumerate(model.parameters())]
    with GradientMonitor(model, optimizer := torch.optim.SGD(groups), every=1) as monitor:
        for _ in range(5):
            step(model, optimizer)
    assert monitor.history.parts["groups"] == []


@pytest.mark.parametrize("raises", [False, True])
def test_no_hook_is_left_where_no_step_came(raises):
    model = net()
    optimizer = sgd(model)
    before = hooks(model, optimizer)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(8):
            optimizer.zero_grad()
            monitor.note_loss(1.0)
            model(torch.randn(6, 4)).square().mean().backward()
        if raises:
            with pytest.raises(RuntimeError, match="shapes"):
                model(torch.randn(6, 5))
    assert hooks(model, optimizer) == before and monitor.history.optimizers["overflow"]["lost"] == 0


def test_answers_are_few_however_long_the_training():
    model, answers = nn.Linear(3, 5), Answers()
    for place in range(1000):
        answers.begins(model, torch.randn(10, 3))
        model(torch.randn(10, 3))
        answers.step(place + 1, sampled=True)
    told = answers.told
    assert 12 <= len(told["steps"]) < 24 and told["steps"][0] == 1 and told["steps"][-1] > 900
    assert not model._forward_hooks or answers.handles
    answers.forget()
    assert not model._forward_hooks


def test_directions_are_apart_by_what_their_mean_cosine_says():
    model, answers = nn.Identity(), Answers()
    rows = torch.randn(32, 6) + 2
    answers.begins(model, rows)
    model(rows)
    answers.step(1, sampled=True)
    normal = F.normalize(rows.double(), dim=1)
    cosine = float((normal @ normal.T).mean())  # each with itself counted in
    assert answers.told["apart"][0] == pytest.approx((1 - cosine) ** 0.5)
    assert answers.told["sure"][0] == pytest.approx(float(rows.softmax(1).amax(1).mean()))


@pytest.mark.parametrize("zeroed", [True, False])
def test_calls_of_a_closure_are_counted_behind_the_first(zeroed):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.01, max_iter=4)
    inputs = torch.randn(20, 3)
    calls = []

    def closure():
        calls.append(None)
        if zeroed or not calls[1:]:
            optimizer.zero_grad()
        loss = model(inputs).square().mean()
        loss.backward()
        return loss

    with GradientMonitor(model, optimizer, every=1) as monitor:
        for _ in range(3):
            optimizer.step(closure)
    told = monitor.history.optimizers["closure"]
    assert told == ({} if zeroed else {"of": len(calls) - 3, "added": len(calls) - 3})


def test_a_flag_that_freezes_nothing_is_told_of_a_short_training():
    model = net()
    model[0].requires_grad = False
    optimizer = sgd(model)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for _ in range(4):
            step(model, optimizer)
    assert monitor.history.setting["flags"] == {"0": "requires_grad"}
    assert "not_frozen" in [one.name for one in diagnose(monitor.history)]
