"""Trainings as they are reported again and again, with one fault each; and recipes that look like them and are sound."""

# ruff: noqa: E501

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_
from torch.optim import lr_scheduler, swa_utils
from torch.utils.checkpoint import checkpoint

from tests.core.layers.field.case import one_of
from tests.core.monitor.field.helpers import factor
from tests.core.monitor.field.training import (
    Gru,
    Training,
    adam,
    clipped,
    cross_entropy,
    digits,
    plain,
    rows_of,
    sgd,
    train,
    watched,
)
from tests.core.monitor.field.trainings_shared import each_step, left_alone, normed

CUT, ORDER = one_of("cut"), one_of("one_class_a_batch")

# -- the order of the data -------------------------------------------------------------------------------------


def sliding(wide, each):
    """Rows from a window over the data in the order of their labels."""

    def rows(inputs, step, size):
        order = digits()[1].argsort()
        return order[int((len(order) - wide) * (step % each) / each) + torch.randint(wide, (size,))]

    return rows


def of_four_classes(inputs, step, size):
    """As many of each of four classes, drawn anew each time."""
    some = torch.randperm(10)[:4]
    return torch.cat([(digits()[1] == one).nonzero()[:, 0][torch.randint(170, (size // 4,))] for one in some])


# -- others ----------------------------------------------------------------------------------------------------


def lets_a_group_go():
    """Something takes the first group out of the optimizer."""
    two = lambda some: torch.optim.SGD([{"params": some[:2]}, {"params": some[2:]}], 0.05)  # noqa: E731
    return left_alone(
        optimizer=two, after_step=lambda model, one, step: one.param_groups.pop(0) if step == 60 else None, steps=200
    )


def new_head():
    """The head is replaced when the optimizer is made already."""
    torch.manual_seed(0)
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    model[-1] = nn.Linear(32, 10)

    def step(of):
        model.zero_grad()
        loss = of(0)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return each_step(model, optimizer, step)


def a_new_tensor():
    """What is passed backward is made of a number, and has no graph."""
    return left_alone(changed=lambda loss, model, step: torch.tensor(loss.item(), requires_grad=True))


def skips_all():
    """One pixel is no number, and a guard leaves out each step whose gradient is not finite."""
    torch.manual_seed(0)
    inputs, labels = digits()
    inputs = inputs.clone()
    inputs[:, 0] = torch.nan
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        optimizer.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        loss.backward()
        if all(bool(one.grad.isfinite().all()) for one in model.parameters()):
            optimizer.step()
        return loss.detach()

    return watched(model, one_step, 120, optimizer, seldom=True)


def clipped_while_scaled():
    """A scale of its own, taken away behind the clip."""

    def before(model, optimizer, step):
        clip_grad_norm_(model.parameters(), 1.0)
        for one in model.parameters():
            one.grad /= 2**14

    return left_alone(
        changed=lambda loss, model, step: loss * 2**14, before_step=before, noted=lambda loss: loss.detach() / 2**14
    )


class Saving(nn.Module):
    """A body that is computed again in the backward pass."""

    def __init__(self, *, reentrant):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Dropout(0.1))
        self.head, self.how = nn.Linear(48, 10), {"use_reentrant": reentrant}

    def forward(self, inputs):
        """Logits."""
        return self.head(checkpoint(self.body, inputs, **self.how))


def rate_at(step, rate):
    """Sets another rate behind that step."""
    return lambda model, optimizer, now: optimizer.param_groups[0].update(lr=rate) if now == step else None


def smoothed(by):
    """Labels that are smoothed by so much."""
    return lambda model, inputs, labels: F.cross_entropy(model(inputs), labels, label_smoothing=by)


def mixed(model, inputs, labels):
    """Pictures mixed two and two."""
    other, share = torch.randperm(len(inputs)), float(torch.rand(()))
    outputs = model(share * inputs + (1 - share) * inputs[other])
    return share * F.cross_entropy(outputs, labels) + (1 - share) * F.cross_entropy(outputs, labels[other])


def averaged_beside():
    """A running mean of the weights, in a model of its own."""
    means = []

    def after(model, optimizer, step):
        if not means:
            means.append(swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.99)))
        means[0].update_parameters(model)

    return left_alone(optimizer=adam(2e-3), after_step=after)


REPORTED_SICK = (
    Training("classes that slide", "the data are not shuffled", lambda: train(optimizer=sgd(0.1, momentum=0.9), rows=sliding(500, 80), steps=240, seldom=True), ORDER, ("shuffle", "slide")),
    Training("a group is let go", "its layers stay as they are", lets_a_group_go, one_of("unheld"), ("0.weight", "no more"), never=("replaced",)),
    Training("a head that came later", "no optimizer holds it", new_head, one_of("unheld"), ("4.weight",)),
    Training("backward of a new tensor", "there is no graph", a_new_tensor, one_of("no_gradient"), ("backward",)),
    Training("a guard that skips every step", "no gradient is finite", skips_all, one_of("no_step"), ("not finite",)),
    Training("clipped under a scale of its own", "what is left is tiny", clipped_while_scaled, one_of("always_clipped"), ("scaled",)),
    Training("StepLR for epochs, each step", "the rate is gone", lambda: left_alone(schedule=lambda one: lr_scheduler.StepLR(one, 10, 0.1), steps=200), one_of("small_updates", "schedule"), ("scheduler.step()",)),
    Training("a decay of 1", "the weights are drawn to 0", lambda: left_alone(normed, sgd(0.1, weight_decay=1.0)), one_of("decay"), ("1e-4",)),
    Training("a rate that jumps, with momentum", "what was learned is lost", lambda: left_alone(optimizer=sgd(0.05, momentum=0.95), after_step=rate_at(80, 1.0), steps=200), one_of("raised_rate"), ("0.05 to 1",)),
    Training("a search for a rate that goes on from there", "the rate goes up to 10", lambda: left_alone(optimizer=sgd(10.0, momentum=0.9), schedule=factor(lambda step: 1e-5 ** max(0.0, 1 - step / 60)), steps=200), one_of("raised_rate"), ("to 10",)),
    Training("a checkpoint without a gradient in", "the body is not trained", lambda: left_alone(partial(Saving, reentrant=True), adam(1e-3)), CUT, ("use_reentrant=False",)),
    Training("labels smoothed away", "nothing is left to learn", lambda: left_alone(optimizer=adam(1e-3), loss=smoothed(1.0), steps=160), one_of("guessing")),
)  # fmt: skip

REPORTED_CLEAN = (
    Training("four classes a batch, anew each time", "drawn anew each time", lambda: train(optimizer=sgd(0.1, momentum=0.9), rows=of_four_classes, steps=200, seldom=True)),
    Training("smoothed, cosine, Nesterov", "a recipe", lambda: left_alone(normed, sgd(0.1, momentum=0.9, nesterov=True, weight_decay=5e-4), loss=smoothed(0.1), schedule=lambda one: lr_scheduler.CosineAnnealingLR(one, 120))),
    Training("mixed two and two", "a recipe", lambda: left_alone(optimizer=adam(2e-3), loss=mixed)),
    Training("a mean beside the model", "a recipe", averaged_beside),
    Training("four batches a step, clipped", "a recipe", lambda: left_alone(Gru, lambda some: torch.optim.AdamW(some, 3e-3), micro=4, before_step=clipped(1.0), steps=80)),
    Training("one cycle, each step", "a recipe", lambda: left_alone(optimizer=sgd(0.1, momentum=0.9), schedule=lambda one: lr_scheduler.OneCycleLR(one, 0.3, total_steps=121))),
    Training("a checkpoint of the other kind", "a recipe", lambda: left_alone(partial(Saving, reentrant=False), adam(1e-3))),
)  # fmt: skip
