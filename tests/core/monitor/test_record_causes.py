"""What a record knows beside its numbers: the optimizer's settings, what the first loss is made of, who moves what."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientHistory, GradientMonitor, diagnose
from gradwidgets.core.monitor.training.first_graph import StandStill, of_loss, span_of


def recorded(model, optimizer, loss, steps=6, **options):
    with GradientMonitor(model, optimizer, every=1, **options) as monitor:
        for _ in range(steps):
            optimizer.zero_grad()
            value = loss()
            value.backward()
            monitor.note_loss(value)
            optimizer.step()
    return monitor.history


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda o, y: F.cross_entropy(o, y), ["classes"]),
        (lambda o, y: -F.cross_entropy(o, y), ["classes", "negated"]),
        (lambda o, y: -2 * F.cross_entropy(o, y), ["classes", "negated"]),
        (lambda o, y: torch.neg(-F.cross_entropy(o, y)), ["classes"]),
        (lambda o, y: F.cross_entropy(o, y, reduction="sum"), ["classes", "sum"]),
        (lambda o, y: F.cross_entropy(o, y, reduction="none").sum(), ["classes", "sum"]),
        (lambda o, y: F.cross_entropy(o, y, reduction="none").mean(), ["classes"]),
        (lambda o, y: F.cross_entropy(o, y, reduction="sum") / len(y), ["classes"]),
        (lambda o, y: F.mse_loss(o[:, 0], y.float(), reduction="sum"), ["numbers", "sum"]),
        (lambda o, y: (o[:, 0] - y).square().sum(), ["sum", "no classes"]),
        (lambda o, y: F.cross_entropy(o, y) + F.cross_entropy(-o, y), ["softmax", "terms"]),
        (lambda o, y: -(o.log_softmax(1)[torch.arange(8), y]).mean(), ["softmax"]),
        (lambda o, y: -(o.sigmoid()[:, 0] + 1e-8).log().mean(), ["logarithm"]),
        (lambda o, y: (o[:, 0] - y).square().mean() + o.abs().mean(), ["no classes", "terms"]),
    ],
)
def test_what_a_loss_is_made_of_is_read_from_its_graph(loss, words):
    model = nn.Linear(4, 3)
    value = loss(model(torch.randn(8, 4)), torch.arange(8) % 3)
    assert of_loss(value, model) == words
    value.backward()  # which lets go of what the graph has saved
    assert set(of_loss(value, model)) >= set(words) - {"negated"}


def test_a_penalty_on_most_weights_is_seen_and_one_on_the_output_is_not():
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)), torch.randn(8, 4)
    loss = F.cross_entropy(model(x), torch.zeros(8, dtype=torch.long))
    assert of_loss(loss + 0.1 * sum(p.pow(2).sum() for p in model.parameters()), model) == [
        "softmax",
        "penalty",
        "terms",
    ]
    assert of_loss(loss + 0.1 * model[1].bias.abs().sum(), model) == ["softmax", "terms"]
    assert of_loss(loss + 0.1 * model(x).square().mean(), model) == ["softmax", "terms"]


def test_no_cross_entropy_is_above_the_span_and_the_logarithm_of_the_classes():
    output = 10 * torch.randn(64, 7)
    assert F.cross_entropy(output, output.argmin(1)) <= span_of(output) + math.log(7)
    assert span_of((output, output)) != span_of((output, output))  # NaN: it is not known which is meant


def test_settings_of_the_optimizer_are_kept_and_read_again(tmp_path):
    model = nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1)
    history = recorded(model, optimizer, lambda: model(torch.randn(8, 4)).square().mean())
    again = GradientHistory.load(history.save(tmp_path / "record"))
    assert torch.equal(again.rates, torch.full((6,), 1e-3, dtype=torch.float64)) and float(again.decays[0]) == 0.1
    assert again.rule == history.rule and again.rule["scaled"] and again.rule["decoupled"]
    assert again.span == history.span and again.of_loss == history.of_loss
    assert [str(one) for one in diagnose(again)] == [str(one) for one in diagnose(history)]


def test_only_what_nobody_moves_is_said_to_be_held_by_nobody():
    still, tensor = StandStill(), torch.ones(3)
    assert list(still([("one", tensor)])) == ["one"] == list(still([("one", tensor)]))
    tensor[0] = 2.0
    assert list(still([("one", tensor)])) == []
    tensor[0] = 1.0
    assert list(still([("one", tensor)])) == []  # once moved is moved


def test_layers_in_a_list_are_named_by_where_they_hang():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.out, self.hidden = nn.Linear(4, 3), [nn.Linear(4, 4)]

        def forward(self, x):
            return self.out(self.hidden[0](x).tanh())

    model, x = Listed(), torch.randn(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    assert recorded(model, optimizer, lambda: model(x).square().mean()).strays == ("hidden[0].weight", "hidden[0].bias")
    optimizer = torch.optim.SGD([*model.parameters(), *model.hidden[0].parameters()], 0.1)
    assert recorded(model, optimizer, lambda: model(x).square().mean()).strays == ()


def test_what_another_optimizer_trains_is_not_said_to_be_unused():
    model = nn.ModuleDict({"one": nn.Linear(4, 1), "other": nn.Linear(4, 1)})
    first, second = (torch.optim.SGD(part.parameters(), 0.1) for part in model.values())

    def loss():
        model["other"](torch.randn(8, 4)).square().mean().backward()
        second.step()
        second.zero_grad()
        return model["one"](torch.randn(8, 4)).square().mean()

    names = [one.name for one in diagnose(recorded(model, first, loss, 12))]
    assert "unused" not in names and "unheld" not in names


def _found(make, schedule=None, steps=80):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), torch.randn(64, 8)
    y, optimizer = x[:, :4].argmax(1), make(model.parameters())
    if schedule is not None:
        scheduler = schedule(optimizer)
        optimizer.register_step_post_hook(lambda *_: scheduler.step())

    def loss():
        return F.cross_entropy(model(x), y)

    return {one.name: one for one in diagnose(recorded(model, optimizer, loss, steps, updates=True))}


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_an_optimizer_that_climbs_a_loss_is_told_and_one_that_descends_is_not(kind):
    found = _found(lambda p: kind(p, 0.003, maximize=True))
    assert found["negated"].severity == "error" and "maximize=True" in found["negated"].message
    assert "healthy" not in found and "negated" not in _found(lambda p: kind(p, 0.003))


def test_a_schedule_that_has_ended_is_named_and_one_that_anneals_is_not():
    found = _found(
        lambda p: torch.optim.SGD(p, 0.01), lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda k: max(0, 1 - k / 9))
    )
    assert "look at the schedule" in found["small_updates"].action
    found = _found(lambda p: torch.optim.SGD(p, 0.1), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 80))
    assert "small_updates" not in found
