"""What a guess costs that never looks at the inputs, and losses that stay there; records of single samples."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientHistory, GradientMonitor, diagnose
from gradwidgets.core.monitor.training.given.target_levels import TargetRecord


def recorded(losses, targets, outputs=4, size=16, **options):
    """A record with these losses; `targets(step)` were told."""
    torch.manual_seed(0)
    model = nn.Linear(3, outputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with GradientMonitor(model, optimizer, every=1, **options) as monitor:
        for step, loss in enumerate(losses):
            optimizer.zero_grad()
            model(torch.randn(size, 3)).square().mean().backward()
            told = targets(step)
            if told is not None:
                monitor.note_targets(told)
            monitor.note_loss(loss(told) if callable(loss) else loss)
            optimizer.step()
    return monitor.history


def said(history):
    return [one.name for one in diagnose(history) if one.severity != "ok"]


UNEQUAL = torch.tensor([0.7, 0.1, 0.1, 0.1])


def labels(step):
    return torch.multinomial(UNEQUAL, 16, replacement=True)


def of_frequencies(told):
    return float(F.cross_entropy(UNEQUAL.log().expand(16, 4), told))


def test_a_guess_by_frequencies_costs_what_torch_says_of_it():
    record, batches = TargetRecord(), [labels(step) for step in range(50)]
    for one in batches:
        record.add(one)
    shares = torch.bincount(torch.cat(batches)).double() / 800
    assert record.chance["frequencies"] == pytest.approx(float(torch.distributions.Categorical(shares).entropy()))
    assert record.chance["largest share"] == pytest.approx(float(shares.max()))
    expected = F.nll_loss(shares.log().expand(16, 4), batches[-1])
    assert record.cost[0] == pytest.approx(float(expected)) and math.isnan(record.cost[1])


def test_a_guess_of_zeros_and_ones_and_of_numbers_costs_what_torch_says_of_it():
    rows = (torch.rand(400, 3) < torch.tensor([0.1, 0.5, 0.8])).double()
    record = TargetRecord()
    for part in rows.split(40):
        record.add(part)
    mean = rows.mean(0).expand(40, 3)
    assert record.cost[1] == pytest.approx(float(F.binary_cross_entropy(mean, rows[-40:])))
    assert record.cost[2] == pytest.approx(float(F.mse_loss(mean, rows[-40:])))
    assert record.chance["base rate"] == pytest.approx(float(F.binary_cross_entropy(rows.mean(0).expand(400, 3), rows)))
    assert record.chance["variance"] == pytest.approx(float(rows.var(0, correction=0).mean()))


def test_rows_that_sum_to_one_are_classes_in_parts():
    rows = torch.rand(64, 5).double().softmax(1)
    record = TargetRecord()
    record.add(rows)
    assert record.cost[0] == pytest.approx(float(F.cross_entropy(rows.mean(0).log().expand(64, 5), rows)))
    assert math.isnan(record.cost[1])


def test_labels_that_are_ignored_are_not_counted():
    record = TargetRecord()
    record.add(torch.tensor([-100, 0, 1, 1, -100]))
    assert record.chance["largest share"] == pytest.approx(2 / 3)
    record.add(torch.tensor([-100]))
    assert math.isnan(record.cost[0])


@pytest.mark.parametrize(
    "odd", [torch.tensor(1.0), torch.randn(4, 2), torch.empty(0), torch.randn(2, dtype=torch.cfloat)]
)
def test_targets_of_another_kind_than_before_leave_nothing_to_say(odd):
    record = TargetRecord()
    record.add(torch.tensor([0, 1]))
    record.add(odd)
    assert record.chance == {} or record.chance["largest share"] == 0.5


def test_a_loss_at_the_level_of_frequencies_is_told_with_both_numbers(tmp_path):
    history = recorded([of_frequencies] * 160, labels)
    (found,) = [one for one in diagnose(history) if one.severity == "warning"]
    assert found.name == "guessing" and "guessing by the frequencies of the classes" in found.message
    assert found.evidence["loss"] == pytest.approx(found.evidence["guess"], rel=0.02)
    assert found.evidence["guess"] < 0.8 * math.log(4)
    history.save(tmp_path / "record")
    again = GradientHistory.load(tmp_path / "record")
    assert again == history and said(again) == ["guessing"]


@pytest.mark.parametrize(
    ("losses", "noted"),
    [
        ([of_frequencies] * 60, []),  # too short
        ([lambda told: of_frequencies(told) - 0.02] * 160, ["hardly_learned"]),  # it knows a little
        ([lambda told, step=step: of_frequencies(told) + 0.1 - 0.001 * step for step in range(160)], []),  # it falls
        ([lambda told: of_frequencies(told) + 0.2] * 160, []),  # another level
    ],
)
def test_a_loss_that_is_not_there_or_does_not_stay_is_not_blamed(losses, noted):
    history = recorded(losses, labels)
    assert said(history) == noted and all(one.severity in ("info", "ok") for one in diagnose(history))


def test_of_frequencies_nobody_told_nothing_is_said():
    torch.manual_seed(1)
    history = recorded([lambda _: of_frequencies(labels(0))] * 160, lambda step: None)
    assert said(history) == [] and history.chance == {}


def test_a_mean_square_at_the_variance_is_told_and_a_slow_fall_below_it_is_not():
    def numbers(step):
        return 3 + 2 * torch.randn(16)

    mean = [lambda told: float((told - 3).square().mean())] * 160
    assert said(recorded(mean, numbers, outputs=1)) == ["guessing"]
    slow = [lambda told, step=step: float((told - 3).square().mean()) * (1 - 5e-4 * step) for step in range(160)]
    assert said(recorded(slow, numbers, outputs=1)) == []


def test_targets_must_be_a_tensor():
    monitor = GradientMonitor(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="targets must be a tensor; got list"):
        monitor.note_targets([1, 2])


def wavering(step):
    return 2.0 + 0.5 * math.sin(7.0 * step * step)


@pytest.mark.parametrize(
    ("size", "loss", "told"),
    [
        (1, wavering, ["single_samples"]),
        (16, wavering, []),
        (1, lambda step: wavering(step) * 0.99**step, []),  # it falls well
        (1, lambda step: wavering(step) - 2.0, []),  # of a policy, say
    ],
)
def test_single_samples_are_noted_where_the_loss_wavers_and_does_not_fall(size, loss, told):
    history = recorded([loss(step) for step in range(100)], lambda step: None, size=size)
    found = [one for one in diagnose(history) if one.severity != "ok"]
    assert [one.name for one in found] == told
    assert all(one.severity == "info" and "add up the gradients" in one.action for one in found)


def test_single_samples_whose_gradients_are_added_up_are_a_batch():
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for step in range(60):
            optimizer.zero_grad()
            for _ in range(8):
                model(torch.randn(1, 3)).square().mean().backward()
            monitor.note_loss(wavering(step))
            optimizer.step()
    assert said(monitor.history) == []
