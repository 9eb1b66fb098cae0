"""What is said of a training's record: planted faults are named, a clean training is healthy."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gradwidgets.core.monitor import GradientHistory, GradientMonitor, diagnose
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, Known


def trained(fault="", steps=40, lr=0.05, **options):
    torch.manual_seed(0)
    inputs, labels = torch.randn(64, 6), torch.randint(3, (64,))
    inputs[:, :3] += 2 * nn.functional.one_hot(labels, 3)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    held = model[2].parameters() if fault == "unheld" else model.parameters()
    optimizer = torch.optim.SGD(held, lr=lr)
    with GradientMonitor(model, optimizer, every=1, activations=True, updates=True, **options) as monitor:
        for step in range(steps):
            monitor.note_batch(step)
            loss = nn.functional.cross_entropy(model(inputs), labels)
            if fault == "nan" and step == 20:
                loss = loss * float("nan")
            monitor.note_loss(loss)
            loss.backward()
            if fault == "no_gradient":
                optimizer.zero_grad()
            if "clip" in fault:
                nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            optimizer.step()
            if "added_up" not in fault:
                optimizer.zero_grad(set_to_none=fault != "in place")
    return monitor.history


@pytest.mark.parametrize(
    ("fault", "lr", "name"),
    [
        ("", 0.05, "healthy"),
        ("in place", 0.05, "healthy"),
        ("added_up", 0.01, "added_up"),
        ("added_up clip", 0.01, "added_up"),
        ("no_gradient", 0.05, "no_gradient"),
        ("nan", 0.05, "non_finite"),
        ("unheld", 0.05, "unheld"),
        ("clip", 0.05, "always_clipped"),
        ("", 1e-9, "small_updates"),
    ],
)
def test_what_was_planted_is_what_is_named(fault, lr, name, tmp_path):
    history = trained(fault, lr=lr)
    assert [one.name for one in diagnose(history)] == [name]
    history.save(tmp_path / "record")
    assert GradientHistory.load(tmp_path / "record") == history


def test_the_step_and_the_batch_of_the_first_nan_are_told():
    (found,) = diagnose(trained("nan"))
    assert found.evidence["step"] == 21 and found.evidence["batch"] == 20


def test_a_record_of_two_samples_is_too_short():
    assert [one.name for one in diagnose(trained(steps=2))] == ["too_short"]


def test_healthy_says_what_was_looked_at():
    (found,) = diagnose(trained())
    assert "40 steps, 40 samples; loss, gradients, updates, units" in found.message


def test_layers_of_another_optimizer_are_not_taken_for_weights_that_are_lost():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    optimizers = [torch.optim.SGD(layer.parameters(), lr=0.01) for layer in model]
    with GradientMonitor(model, every=1) as monitor:
        for step in range(12):
            model.zero_grad()
            model(torch.ones(8, 4)).square().mean().backward()
            optimizers[step % 2].step()
    assert [one.name for one in diagnose(monitor.history)] == ["healthy"]


def test_a_loss_that_falls_slowly_below_guessing_is_not_blamed():
    steps, layer = 200, 1
    none = torch.ones(steps, layer, dtype=torch.float64)
    base = torch.linspace(2.31, 2.27, steps, dtype=torch.float64)
    history = GradientHistory(
        ("a",), ("Linear",), (3,), (), none, none, none, none, 0 * none, None, None, None, None,
        torch.arange(1, steps + 1), none[:, 0], base, outputs=10,
    )  # fmt: skip
    assert [(one.name, one.severity) for one in diagnose(history)] == [("hardly_learned", "info")]
    assert [one.name for one in diagnose(replace(history, loss=0 * base + 2.31))] == ["guessing"]


def test_a_learning_rate_beyond_two_in_the_curvature_is_told():
    history = trained()
    assert diagnose(history, lr=0.05, largest_curvature=100.0)[0].name == "beyond_stable"
    assert diagnose(history, lr=0.05, largest_curvature=30.0)[0].name == "healthy"


def noted(losses):
    """A record of a training with these losses."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for value in losses:
            optimizer.zero_grad()
            model(torch.randn(4, 3)).square().mean().backward()
            monitor.note_loss(float(value))
            optimizer.step()
    return monitor.history


@pytest.mark.parametrize(
    ("losses", "severity"),
    [
        (torch.linspace(1.1, 7.8, 100), "error"),  # a sign that is turned
        (torch.cat([torch.tensor([1.1, 5.0]), torch.full((30,), 800.0), torch.full((68,), 1.08)]), "warning"),
        (
            torch.cat([torch.tensor([1.1]), torch.full((30,), 800.0), torch.full((69,), 0.1)]),
            "",
        ),  # it came to something
        (torch.cat([torch.full((50,), 1.1), torch.tensor([90.0]), torch.full((49,), 1.0)]), ""),  # one bad batch
        (torch.linspace(1.1, 1.6, 100), ""),
    ],
)
def test_a_loss_that_climbs_or_was_thrown_up_for_nothing_is_named(losses, severity):
    found = [one.severity for one in diagnose(noted(losses)) if one.name == "diverging"]
    assert found == ([severity] if severity else [])


def test_a_gradient_that_is_not_finite_is_not_said_to_be_missing():
    history = trained(lr=1e4, steps=60)
    names = [one.name for one in diagnose(history)]
    assert "non_finite" in names and "no_gradient" not in names


def test_the_rate_that_is_told_gives_the_updates_that_were_not_recorded():
    history = replace(trained(lr=1e-9), update_ratio=None, rates=None)
    assert "small_updates" not in [one.name for one in diagnose(history)]
    assert "small_updates" in [one.name for one in diagnose(history, lr=1e-9)]
    recorded = trained(lr=0.05)
    told = JudgedRecord(replace(recorded, update_ratio=None), Known(lr=0.05)).updates
    assert torch.allclose(told, recorded.update_ratio, rtol=1e-3, equal_nan=True)


@pytest.mark.parametrize("given", [nn.Linear(2, 2), "record.npz", None])
def test_what_is_no_pass_and_no_record_is_refused_in_words(given):
    with pytest.raises(TypeError, match="takes what layer_flow measured or a GradientMonitor's history"):
        diagnose(given)


def test_a_monitor_is_told_from_its_history_and_an_unknown_word_is_refused():
    with pytest.raises(TypeError, match="give its history"):
        diagnose(GradientMonitor(nn.Linear(2, 2)))
    with pytest.raises(TypeError, match=r"may be told losses, lr, .*; got foo"):
        diagnose(trained(steps=4), foo=1)
