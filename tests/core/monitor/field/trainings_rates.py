"""Trainings whose learning rate goes where none should, or whose step, clip and zero_grad are not in one place."""

# ruff: noqa: E501

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from gradwidgets.core.monitor import GradientMonitor, diagnose
from gradwidgets.core.results.finding import Finding
from tests.core.monitor.field.helpers import (
    by_a_measure,
    clean,
    every_few,
    factor,
    once_an_epoch,
    set_to,
    sick,
    two_groups,
    zeroed,
)
from tests.core.monitor.field.training import (
    adam,
    clipped,
    cross_entropy,
    digits,
    mlp,
    plain,
    rows_of,
    sgd,
    train,
    watched,
)


def flagged(flag: str, part: int = 0) -> nn.Sequential:
    """The plain model, with an attribute on one of its layers that nothing reads."""
    model = plain()
    setattr(model[part], flag, False)
    return model


class Extractor(nn.Module):
    """Freezes itself, and says so by an attribute of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(64, 48)
        self.requires_grad = False
        self.body.requires_grad_(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Features."""
        return self.body(inputs).relu()


def a_frozen_norm() -> nn.Sequential:
    """A body with a batch norm that has seen digits, frozen and in evaluation mode, and a head."""
    body = nn.Sequential(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU())
    for _ in range(20):
        body(digits()[0][:256])
    return nn.Sequential(body.requires_grad_(False).eval(), nn.Linear(48, 10))


def of_micro_batches(calls: int, micro: int = 4, steps: int = 60) -> list[Finding]:
    """A scheduler that is called for each batch, made for so many calls; losses of all batches are noted."""
    torch.manual_seed(0)
    model, (inputs, labels) = plain(), digits()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda call: max(0.0, 1 - call / calls))
    with GradientMonitor(model, optimizer, every=4) as monitor:
        for _ in range(steps):
            optimizer.zero_grad()
            for batch in range(micro):
                some = rows_of(inputs, 0, 8)
                loss = cross_entropy(model, inputs[some], labels[some])
                (loss / micro).backward()
                monitor.note_loss(loss)
                if batch == micro - 1:
                    optimizer.step()
                scheduler.step()
    return diagnose(monitor.history)


def without_a_pass() -> list[Finding]:
    """A loop that forgets backward()."""
    torch.manual_seed(0)
    model, (inputs, labels) = plain(), digits()
    optimizer = torch.optim.Adam(model.parameters())

    def one_step(step: int) -> torch.Tensor:
        some = rows_of(inputs, step, 32)
        optimizer.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, optimizer=optimizer)


def with_a_penalty_now_and_then() -> list[Finding]:
    """A second backward pass at every eighth step, as of a penalty that is looked at seldom."""
    torch.manual_seed(0)
    model, (inputs, labels) = plain(), digits()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with GradientMonitor(model, optimizer, every=4) as monitor:
        for step in range(120):
            some = rows_of(inputs, step, 32)
            optimizer.zero_grad()
            loss = cross_entropy(model, inputs[some], labels[some])
            loss.backward()
            monitor.note_loss(loss)
            if step % 8 == 0:
                (1e-4 * F.mse_loss(model(inputs[some]), torch.zeros(32, 10))).backward()
            optimizer.step()
    return diagnose(monitor.history)


_CYCLE = partial(lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=120)
_RISES_AND_IS_BACK = set_to(lambda step: 0.1 * min(1, (step % 30 + 1) / 20))

RATES_SICK = (
    sick("line below 0", "half of it goes up the gradient", partial(train, optimizer=adam(2e-3), schedule=factor(lambda call: 1 - call / 60)), "negative_rate", "below 0 from step 62"),
    sick("group below 0", "one of two groups", partial(train, optimizer=two_groups, schedule=lambda one: lr_scheduler.LambdaLR(one, [lambda call: 1.0, lambda call: 1 - call / 60])), "negative_rate"),
    sick("cycle an epoch", "six calls of 120", partial(train, optimizer=sgd(0.1, momentum=0.9), schedule=once_an_epoch(_CYCLE)), "warming", "scheduler.step() after each"),
    sick("cosine an epoch", "six calls of 120", partial(train, optimizer=sgd(0.1), schedule=once_an_epoch(partial(lr_scheduler.CosineAnnealingLR, T_max=120))), "schedule", "once in 20 steps"),
    sick("line an epoch", "six calls of 120", partial(train, optimizer=adam(1e-3), schedule=once_an_epoch(lambda one: lr_scheduler.LinearLR(one, 1.0, 0.0, 120))), "schedule", "120 calls"),
    sick("called a batch", "0 after a quarter", partial(of_micro_batches, 60), "schedule", "batches that are added up"),
    sick("accuracy to min", "it rises, and the rate is cut", partial(train, optimizer=sgd(0.1), schedule=by_a_measure(float, factor=0.2, patience=1), steps=240), "schedule", 'mode="max"'),
    sick("score to min", "it rises, and the rate is cut", partial(train, optimizer=adam(5e-4), schedule=by_a_measure(lambda call: 1 - 1 / call, factor=0.1, patience=2), steps=200), "schedule", 'mode="max"'),
    sick("requires_grad of a module", "a plain attribute", partial(train, partial(flagged, "requires_grad")), "not_frozen", "requires_grad_(False)"),
    sick("trainable of a module", "a plain attribute", partial(train, partial(flagged, "trainable", 2)), "not_frozen", "requires_grad_(False)"),
    sick("warm-up an epoch", "it begins anew", partial(train, before_step=_RISES_AND_IS_BACK, steps=180), "swings", "starts again"),
    sick("warm-up never full", "it begins anew", partial(train, optimizer=adam(1e-3), before_step=set_to(lambda step: 1e-3 * (step % 30) / 100), steps=180), "swings", "every 30 steps"),
    sick("clip of a fourth", "the step is not under the condition", partial(train, before_step=every_few(clipped(0.05), 4)), "clipped_in_turns", "same condition"),
    sick("clip of a third, zeros in place", "the step is not under the condition", partial(train, before_step=every_few(clipped(0.05), 3), zero=zeroed(1, to_none=False)), "clipped_in_turns", "same condition"),
    sick("no pass", "backward() is forgotten", without_a_pass, "no_gradient", "call loss.backward()"),
    sick("decay that holds", "it takes back what is learned", partial(train, optimizer=sgd(0.1, weight_decay=0.5), steps=240), "decay", "smaller"),
)  # fmt: skip

RATES_CLEAN = (
    clean("cosine to 0", "it stays there", partial(train, optimizer=adam(2e-3), schedule=factor(lambda call: max(0.0, 1 - call / 120)))),
    clean("cycle a step", "as it is meant", partial(train, optimizer=sgd(0.05, momentum=0.9), schedule=_CYCLE)),
    clean("cycle begun", "the record ends early", partial(train, optimizer=sgd(0.05, momentum=0.9), schedule=partial(lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=1200))),
    clean("cosine of epochs", "made for six", partial(train, optimizer=sgd(0.1), schedule=once_an_epoch(partial(lr_scheduler.CosineAnnealingLR, T_max=6)))),
    clean("made for batches", "and called for each", partial(of_micro_batches, 240)),
    clean("loss to min", "it falls, and then it is level", partial(train, optimizer=sgd(0.1), schedule=by_a_measure(lambda call: 1 / min(call, 15), factor=0.2, patience=1), steps=240)),
    clean("up and down", "by design", partial(train, optimizer=sgd(0.1), schedule=lambda one: lr_scheduler.CyclicLR(one, 0.01, 0.1, 10))),
    clean("attribute of its own", "and it is frozen", partial(train, lambda: nn.Sequential(Extractor(), nn.Linear(48, 10)), held=lambda model: model[1].parameters())),
    clean("frozen norm in evaluation", "as it should be", partial(train, a_frozen_norm, held=lambda model: model[1].parameters())),
    clean("penalty now and then", "a second backward pass", with_a_penalty_now_and_then),
    clean("clip and zeros in place", "each step", partial(train, before_step=clipped(5.0), zero=zeroed(1, to_none=False), micro=3)),
    clean("small decay", "it takes little", partial(train, lambda: mlp(64, 48, 10), sgd(0.1, weight_decay=1e-3))),
)  # fmt: skip
