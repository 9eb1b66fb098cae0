"""What a record says is so at the step, the number and the parameter that it names."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose


def batches(steps):
    """Inputs and labels of four classes."""
    rows = torch.randn(256, 20)
    labels = (rows @ torch.randn(20, 4)).argmax(1)
    for _ in range(steps):
        some = torch.randint(256, (32,))
        yield rows[some], labels[some]


def mlp():
    """A small model with dropout."""
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4))


def train(monitor, model, rules, steps=60, before=None, factor=1.0, note=True):
    """A loop of cross-entropy, of which each optimizer steps."""
    for step, (inputs, labels) in enumerate(batches(steps), 1):
        if before:
            before(step)
        for one in rules:
            one.zero_grad()
        loss = F.cross_entropy(model(inputs) * factor, labels)
        loss.backward()
        if note:
            monitor.note_loss(loss)
        for one in rules:
            one.step()


def sentence(history, name):
    """What is said under that name."""
    return next(str(one) for one in diagnose(history) if one.name == name)


@pytest.mark.parametrize("at", [8, 31, 85])
def test_evaluation_mode_is_known_to_the_step(at):
    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.05)
    with GradientMonitor(model, rule) as monitor:
        train(monitor, model, [rule], 120, lambda step: model.eval() if step == at else None)
    assert f"from step {at} on" in sentence(monitor.history, "evaluation")


def test_the_rate_that_is_named_is_that_of_the_step_that_is_named():
    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.1)
    with GradientMonitor(model, rule, every=1) as monitor:
        train(
            monitor,
            model,
            [rule],
            200,
            lambda step: [one.update(lr=0.1 * 0.8 ** (step - 1)) for one in rule.param_groups],
        )
    said = next(one for one in diagnose(monitor.history) if "learning rate there" in one.evidence).evidence
    assert said["learning rate there"] == pytest.approx(0.1 * 0.8 ** (said["step"] - 1))
    assert said["learning rate"] == pytest.approx(0.1 * 0.8**199)


@pytest.mark.parametrize("steps", [10, 50])
def test_two_optimizers_are_counted_from_the_first_step_on(steps):
    model = mlp()
    rules = [torch.optim.SGD(model.parameters(), 0.05), torch.optim.SGD(model[0].parameters(), 0.05)]
    with GradientMonitor(model) as monitor:
        train(monitor, model, rules, steps)
    assert monitor.history.rivals["again"] == steps


def test_layers_that_were_replaced_are_told_from_those_that_nobody_holds():
    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.05)

    def replace(step):
        if step == 20:
            model[3] = nn.Linear(32, 4)

    with GradientMonitor(model, rule) as monitor:
        train(monitor, model, [rule], 80, replace)
    assert "replaced" in sentence(monitor.history, "unheld")
    assert any("replaced after the start: 3.weight, 3.bias" in one for one in monitor.notes)
    assert not any("unused" in one for one in monitor.notes)


def test_parameters_under_no_grad_are_not_said_to_be_unused():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(20, 16), nn.Linear(16, 4)

        def forward(self, inputs):
            with torch.no_grad():
                held = self.body(inputs)
            return self.head(held)

    model = Cut()
    rule = torch.optim.SGD(model.parameters(), 0.05)
    with GradientMonitor(model, rule) as monitor:
        train(monitor, model, [rule])
    assert any("though they are used" in one and "body.weight" in one for one in monitor.notes)
    assert not any("unused" in one for one in monitor.notes)


def test_an_output_times_0_is_not_a_gradient_that_was_cleared():
    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.05)
    with GradientMonitor(model, rule) as monitor:
        train(monitor, model, [rule], factor=0.0)
    said = sentence(monitor.history, "no_gradient")
    assert "factor or a mask of 0" in said and "zero_grad() before backward()" not in said


@pytest.mark.parametrize("none", [True, False])
def test_a_gradient_that_was_cleared_is_not_an_output_times_0(none):
    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.05)
    with GradientMonitor(model, rule) as monitor:
        for inputs, labels in batches(40):
            loss = F.cross_entropy(model(inputs), labels)
            loss.backward()
            monitor.note_loss(loss)
            rule.zero_grad(set_to_none=none)
            rule.step()
    assert "Call zero_grad() before backward()" in sentence(monitor.history, "no_gradient")


def test_losses_outside_of_the_block_are_not_recorded_and_said_to_be_dropped():
    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.05)
    monitor = GradientMonitor(model, rule)
    monitor.note_loss(9.0)
    with monitor:
        train(monitor, model, [rule], 10)
    last = list(monitor.losses)[-1]
    monitor.note_loss(7.0)
    assert list(monitor.losses)[-1] == last and len(monitor.losses) == 10 and 9.0 not in list(monitor.losses)
    assert "2 losses noted outside of the block: not recorded" in monitor.notes


def test_one_loss_of_many_steps_is_said_to_be_one():
    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.05)
    with GradientMonitor(model, rule) as monitor:
        train(monitor, model, [rule], note=False)
        monitor.note_loss(0.3)
    assert "the loss of 1 step" in sentence(monitor.history, "healthy")
    assert monitor.losses[0] == 0.3 and monitor.losses[-1:] == [0.3]


def test_a_fault_in_a_look_costs_no_sample(monkeypatch):
    def fails(*_):
        raise RuntimeError("a fault of ours")

    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.05)
    for name in ("rule_of", "settings_of", "writes_of", "of_last_bias"):
        monkeypatch.setattr(f"gradwidgets.core.monitor.sampling.sampler.{name}", fails)
    with GradientMonitor(model, rule) as monitor:
        train(monitor, model, [rule])
    assert len(monitor.history.steps) > 5 and any("a fault of ours" in one for one in monitor.notes)
    assert all(one.name != "no_step" for one in diagnose(monitor.history))


def test_samples_that_fail_are_not_steps_that_never_came(monkeypatch):
    def fails(*_):
        raise RuntimeError("a fault of ours")

    model = mlp()
    rule = torch.optim.SGD(model.parameters(), 0.05)
    monkeypatch.setattr("gradwidgets.core.monitor.sampling.sampler.gradient_numbers", fails)
    with GradientMonitor(model, rule) as monitor:
        train(monitor, model, [rule])
    found = diagnose(monitor.history)
    assert all(one.name != "no_step" for one in found) and "a fault of ours" in str(found[0])
