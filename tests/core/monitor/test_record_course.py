"""What happens in the course of a training: sums that are noted, odd batches, gradients that are gone, bad passes."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientHistory, GradientMonitor, diagnose


def trained(loss, model, steps=60, rate=0.05, noted=lambda loss: loss):
    """A monitor of a training by plain descent on `loss(step)`."""
    optimizer = torch.optim.SGD(model.parameters(), rate)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for step in range(steps):
            value = loss(step)
            optimizer.zero_grad()
            value.backward()
            monitor.note_loss(noted(value))
            optimizer.step()
    return monitor


def test_a_running_sum_is_judged_by_its_increments():
    """Labels by lot: the sum is noted, and yet the loss is said to stay at a guess."""
    torch.manual_seed(0)
    model, total = nn.Linear(6, 4), []

    def noted(loss):
        total.append(float(loss.detach()))
        return sum(total)

    monitor = trained(
        lambda step: F.cross_entropy(model(0.1 * torch.randn(64, 6)), torch.randint(4, (64,))), model, 200, noted=noted
    )
    names = {one.name: str(one) for one in diagnose(monitor.history)}
    assert names.keys() >= {"running_sum", "guessing"} and "stays at 1." in names["guessing"]
    first = total[:8]
    found = next(one for one in diagnose(monitor.history, losses=monitor.losses) if one.name == "running_sum")
    assert found.evidence["at first"] == pytest.approx(sorted(first)[3], rel=1e-6)


@pytest.mark.parametrize("grows", [1.0, 1.2])
def test_a_loss_that_rises_by_itself_is_no_running_sum(grows):
    model = nn.Linear(2, 1)
    levels = [2.0]
    for step in range(1, 60):
        levels.append(levels[-1] + (0.05 if grows == 1 else 0.05 * grows**step))
    monitor = trained(lambda step: model(torch.ones(1, 2)).square().sum(), model, noted=lambda loss: levels.pop(0))
    assert "running_sum" not in [one.name for one in diagnose(monitor.history)]


def test_a_loss_that_rises_while_no_weight_moves_is_not_blamed_on_the_steps():
    model, levels = nn.Linear(2, 1), [1.1**step for step in range(60)]
    monitor = trained(lambda step: model(torch.ones(1, 2)).sum() * 0, model, noted=lambda loss: levels.pop(0))
    names = [one.name for one in diagnose(monitor.history)]
    assert "diverging" not in names and "leap" not in names and "no_gradient" in names


def test_the_batch_whose_inputs_are_larger_is_named_with_its_number_and_sizes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))

    def loss(step):
        rows = torch.randn(32, 4)
        return F.mse_loss(model(rows * (1e5 if step == 40 else 1)), rows.sum(1, keepdim=True))

    found = diagnose(trained(loss, model).history)[0]
    assert "batch of step 41" in found.message and found.evidence.get("odd from step", 41) == 41
    assert "those before were" in found.message and "too long" not in str(found)


def test_a_gradient_that_is_gone_is_an_error_and_one_that_is_not_needed_any_more_is_none():
    model = nn.Linear(1, 1)

    def hinge(kept):
        with torch.no_grad():
            model.weight.fill_(0.0)
            model.bias.fill_(0.0)
        return lambda step: (
            F.relu(1 - model(torch.ones(4, 1))).mean() if step < 12 or kept else 0 * model.bias.sum() + 1
        )

    done = diagnose(trained(hinge(True), model, 100).history)
    assert not [one for one in done if one.severity in ("warning", "error")]
    lost = diagnose(trained(hinge(False), model, 100, rate=1e-3).history)
    assert [one.name for one in lost if one.severity == "error"] == ["no_gradient"] and lost[0].evidence["step"] == 13


class Divided(nn.Module):
    """A mean that may be of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(3, 2)

    def forward(self, rows, mask):
        return self.out((rows * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def spoilt(at=20):
    torch.manual_seed(0)
    model = Divided()

    def loss(step):
        mask = torch.ones(4, 5)
        mask[1] *= step != at
        return F.cross_entropy(model(torch.randn(4, 5, 3), mask=mask), torch.randint(2, (4,)))

    return trained(loss, model, 40), model


def test_the_operation_that_makes_a_loss_not_finite_is_told_and_kept_in_a_file(tmp_path):
    monitor, _ = spoilt()
    history = monitor.history
    told = history.bad_pass
    assert told["step"] == 21 and told["operation"] == "div" and "0 / 0" in told["why"]
    found = diagnose(history)[0]
    assert found.name == "non_finite" and told["why"] in found.message and found.action == told["cure"]
    again = GradientHistory.load(history.save(tmp_path / "record"))
    assert again.bad_pass == told and [str(one) for one in diagnose(again)] == [str(one) for one in diagnose(history)]


def test_looking_at_a_bad_pass_leaves_the_training_as_it_is():
    """Weights, gradients and random numbers are those of a training that nobody watches."""

    def run(watched):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        monitor = GradientMonitor(model, optimizer) if watched else None
        with monitor or torch.enable_grad():
            for step in range(12):
                rows = torch.randn(4, 3) if step != 10 else torch.full((4, 3), 1e38) * 1e10
                loss = model(rows).square().mean()
                optimizer.zero_grad()
                loss.backward()
                if monitor:
                    monitor.note_loss(loss)
                if step != 10:
                    optimizer.step()
        return [one.detach() for one in model.parameters()], torch.random.get_rng_state()

    (ours, state), (plain, other) = run(True), run(False)
    assert all(map(torch.equal, ours, plain)) and torch.equal(state, other)


def test_large_inputs_are_not_kept_alive_and_none_is_behind_the_block():
    model = nn.Linear(1024, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with GradientMonitor(model, optimizer):
        large, small = torch.randn(128, 1024), torch.randn(2, 1024)
        refs = [weakref.ref(large), weakref.ref(small)]
        model(large).sum().backward()
        del large
        gc.collect()
        assert refs[0]() is None
        model(small).sum().backward()
        optimizer.step()
    del small
    gc.collect()
    assert refs[1]() is None


def test_gradients_that_are_never_finite_are_told_where_no_step_comes():
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(12):
            loss = model(torch.ones(2, 3)).square().mean() + 1
            optimizer.zero_grad()
            (loss * 1e38 * 1e10).backward()
            monitor.note_loss(loss)
    assert monitor.history.optimizers["overflow"] == {"of": 8, "lost": 8, "passes": 1}
    assert "not finite" in diagnose(monitor.history)[0].message


def test_the_share_that_looking_takes_is_explained_where_it_is_above_the_budget():
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with GradientMonitor(model, optimizer, budget=1e-6) as monitor:
        for _ in range(20):
            model(torch.ones(2, 3)).sum().backward()
            optimizer.step()
    assert "the first steps are looked at more closely" in repr(monitor)
