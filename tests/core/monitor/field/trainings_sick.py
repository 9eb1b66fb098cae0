"""Trainings with a planted fault, each with what must be said of its record."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.layers.field.case import one_of
from tests.core.monitor.field.helpers import against
from tests.core.monitor.field.training import (
    Gru,
    Training,
    adam,
    adversaries,
    clipped,
    cross_entropy,
    digits,
    frozen,
    mlp,
    plain,
    sgd,
    train,
    watched,
)
from tests.core.monitor.field.trainings_clean import of_ink, shuffled, with_

ADDED = one_of("added_up")
NOT_FINITE = one_of("non_finite")
WILD = one_of("large_updates", "diverging", "died", "non_finite")


def nan_at(step):
    return lambda loss, model, now: loss * float("nan") if now == step else loss


def root_of_zero(loss, model, step):
    """A NaN in one gradient, and none in the loss."""
    return loss + (torch.sqrt(model[0].weight[0, 0] * 0) * 0 if step == 50 else 0)


def pushed_down(loss, model, step):
    """Biases that a step has thrown far below 0."""
    if step == 30:
        with torch.no_grad():
            model[0].bias.sub_(50)
    return loss


def too_early(model, optimizer, step):
    optimizer.zero_grad()


def all_black():
    inputs, labels = digits()
    return 0 * inputs, labels


def tracked():
    """An optimizer that holds the first layer alone, found by the monitor itself."""
    torch.manual_seed(0)
    inputs, labels = (one[:64] for one in digits())
    model = plain()
    optimizer = torch.optim.Adam(model[0].parameters(), 1e-3)
    with GradientMonitor(model, every=2) as monitor:
        for _ in range(60):
            cross_entropy(model, inputs, labels).backward()
            optimizer.step()
            model.zero_grad()
    return diagnose(monitor.history)


class Aside(nn.Module):
    """A layer that forward forgets."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.aside = plain(), nn.Linear(3, 3)

    def forward(self, inputs):
        return self.body(inputs)


FORGOTTEN = {"zero": None}
TANH = {"make": lambda: mlp(64, 48, 48, 48, 10, act=nn.Tanh)}
# As they were when the checks were written.
FIRST = (
    Training("zero_grad forgotten, SGD", "gradients add up", with_(**FORGOTTEN), ADDED),
    Training("zero_grad forgotten, momentum", "gradients add up", with_(**FORGOTTEN, optimizer=sgd(0.01, momentum=0.9)), ADDED),
    Training("zero_grad forgotten, Adam", "gradients add up", with_(**FORGOTTEN, optimizer=adam(1e-3)), ADDED),
    Training("zero_grad forgotten, clipped", "gradients add up behind a clip", with_(**FORGOTTEN, before_step=clipped(1.0)), ADDED),
    Training("zero_grad forgotten, two batches a step", "gradients add up", with_(**FORGOTTEN, micro=2), ADDED),
    Training("zero_grad forgotten, GRU", "gradients add up", with_(**FORGOTTEN, make=Gru, optimizer=adam(1e-3)), ADDED),
    Training("zero_grad forgotten, no optimizer given", "gradients add up", with_(**FORGOTTEN, given=False), ADDED),
    Training("zero_grad forgotten for the critic", "the gradients of one of two optimizers add up", lambda: adversaries(forget="critic"), ADDED),
    Training("zero_grad before the step", "no step has a gradient", with_(before_step=too_early), one_of("no_gradient")),
    Training("first layer not given", "no optimizer holds it", with_(held=lambda model: model[2:].parameters()), one_of("unheld")),
    Training("only the first layer given", "no optimizer holds the others", tracked, one_of("unheld")),
    Training("NaN in the loss", "one batch", with_(changed=nan_at(50)), NOT_FINITE),
    Training("NaN in a gradient", "a root of 0, and the loss is finite", with_(changed=root_of_zero), NOT_FINITE),
    Training("NaN of a learning rate", "5 for a mean square", with_(make=lambda: mlp(64, 32, 1), loss=of_ink, optimizer=sgd(5.0)), NOT_FINITE),
    Training("Adam, 1", "three decades too much", with_(optimizer=adam(1.0)), one_of("large_updates", "diverging", "died")),
    Training("Adam, 0.3, tanh", "two decades too much", with_(**TANH, optimizer=adam(0.3)), one_of("large_updates", "died")),
    Training("1e-9", "nothing moves", with_(optimizer=sgd(1e-9)), one_of("small_updates")),
    Training("0", "nothing moves at all", with_(optimizer=sgd(0.0)), one_of("no_rate")),
    Training("Adam, 1e-9", "nothing moves", with_(optimizer=adam(1e-9)), one_of("small_updates")),
    Training("pushed down", "units die at step 30", with_(changed=pushed_down), one_of("died")),
    Training("SGD, 8", "units die, or it diverges", with_(optimizer=sgd(8.0)), one_of("died", "diverging", "non_finite")),
    Training("shuffled labels", "nothing to learn", with_(data=shuffled, optimizer=sgd(0.02)), one_of("guessing")),
    Training("black pictures", "nothing to tell by", with_(data=all_black), one_of("guessing")),
    Training("deep sigmoid", "the gradient does not come through", with_(make=lambda: mlp(64, 32, 32, 32, 32, 10, act=nn.Sigmoid)), one_of("guessing")),
    Training("wrong sign", "up the hill", with_(optimizer=sgd(0.05, maximize=True), steps=200), one_of("diverging", "non_finite")),
    Training("wrong sign, Adam", "up the hill", with_(optimizer=adam(3e-3, maximize=True)), one_of("diverging")),
    Training("beyond 2/λ", "the curvature is told", with_(lr=0.1, largest_curvature=60.0), one_of("beyond_stable")),
    Training("always clipped", "0.01 where norms are 1", with_(before_step=clipped(0.01)), one_of("always_clipped")),
    Training("always clipped, told", "the limit is known", with_(before_step=clipped(0.05), max_norm=0.05), one_of("always_clipped")),
    Training("a layer aside", "forward forgets it", with_(make=Aside), one_of("unused")),
)  # fmt: skip


# -- written before the verdicts on them were seen ------------------------------------------------------------


def head_changed():
    """A head made after the optimizer, which still holds the one before."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    model[-1] = nn.Linear(32, 10)

    def one_step(step):
        some = torch.randint(len(inputs), (32,))
        loss = cross_entropy(model, inputs[some], labels[some])
        model.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, optimizer=optimizer)


class Features(nn.Module):
    """Its body runs under no_grad, left over from an evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.out = mlp(64, 48, 32), nn.Linear(32, 10)

    def forward(self, inputs):
        with torch.no_grad():
            x = self.body(inputs)
        return self.out(F.relu(x))


def all_dead():
    model = plain()
    nn.init.constant_(model[0].bias, -20.0)
    return model


class Wild(nn.Module):
    """Recurrent weights that let the state grow."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.RNN(1, 32, batch_first=True, nonlinearity="relu")
        self.out = nn.Linear(32, 10)
        nn.init.orthogonal_(self.rows.weight_hh_l0, 1.3)

    def forward(self, inputs):
        return self.out(self.rows(inputs[..., None])[0][:, -1])


def in_half(model, inputs, labels):
    """A sum of squares in float16, which ends at 65,504."""
    return cross_entropy(model, inputs, labels) + 1e-6 * (1e3 * model(inputs)).half().square().sum().float()


def bytes_():
    inputs, labels = digits()
    return 255 * inputs, labels


def log_of_probabilities(model, inputs, labels):
    """A logarithm without anything added, of a probability that is 0 once a picture is far out."""
    return -model(inputs).softmax(1).log()[torch.arange(len(labels)), labels].mean()


def one_far_out(inputs, step, size):
    some = torch.randint(len(inputs) - 1, (size,))
    some[0] = len(inputs) - 1 if step == 70 else some[0]
    return some


def with_one_far_out():
    inputs, labels = digits()
    inputs = inputs.clone()
    inputs[-1] *= 1e4
    return inputs, labels


def clipped_by_value(model, optimizer, step):
    nn.utils.clip_grad_value_(model.parameters(), 1e-5)


def scaled(loss, model, step):
    return 65536.0 * loss


def unequal():
    """Seven of ten are a zero, and no picture shows what its label says."""
    inputs, labels = digits()
    drawn = torch.rand(len(labels))
    return inputs, torch.where(drawn < 0.7, 0, labels)[torch.randperm(len(labels))]


def forgotten_lbfgs():
    torch.manual_seed(0)
    inputs, labels = (one[:256] for one in digits())
    model = mlp(64, 16, 10)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.01, max_iter=1)

    def closure():
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        return loss

    return watched(model, lambda step: optimizer.step(closure).detach(), 40, optimizer, every=1)


def forgotten_while_warming():
    return train(
        make=lambda: frozen(plain(), 0), zero=None, optimizer=lambda p: torch.optim.AdamW(p, 1e-3),
        schedule=lambda o: lr_scheduler.LinearLR(o, 0.01, total_iters=40),
    )  # fmt: skip


def zeroed_elsewhere():
    """zero_grad is called on the copy that is kept for evaluation."""
    kept = []

    def wrong(optimizer, step):
        kept[0].zero_grad()

    def make():
        model = plain()
        kept.append(copy.deepcopy(model))
        return model

    return train(make, zero=wrong, optimizer=sgd(0.005))


def millions():
    inputs, _ = digits()
    return inputs, 3e6 + 4e5 * inputs.sum(1)


def summed(model, inputs, labels):
    return F.cross_entropy(model(inputs), labels, reduction="sum")


NEW = (
    Training("head changed", "the optimizer holds the head before", head_changed, one_of("unheld")),
    Training("body under no_grad", "it never has a gradient", with_(make=Features), one_of("cut", "no_gradient")),
    Training("schedule by batch", "a decay meant for epochs: after a third of the record nothing moves", with_(schedule=lambda o: lr_scheduler.ExponentialLR(o, 0.8), steps=200), one_of("small_updates")),
    Training("decay of 1", "the weights are drawn to 0, and it guesses", with_(optimizer=sgd(0.1, weight_decay=1.0)), one_of("decay")),
    Training("dead from the start", "biases of −20", with_(make=all_dead), one_of("died", "no_gradient")),
    Training("wild memory", "a recurrence that grows over 64 steps", with_(make=Wild, optimizer=sgd(0.05)), WILD),
    Training("half overflows", "a square above 65,504", with_(loss=in_half), NOT_FINITE),
    Training("bytes into sigmoids", "the units are saturated: it guesses, or hardly moves", with_(make=lambda: mlp(64, 32, 32, 10, act=nn.Sigmoid), data=bytes_, optimizer=sgd(0.01)), one_of("guessing", "small_updates")),
    Training("logarithm of 0", "one picture far out, at step 71", with_(loss=log_of_probabilities, data=with_one_far_out, rows=one_far_out), NOT_FINITE),
    Training("clipped by value", "1e-5 where elements are 1e-2: all that is left are signs", with_(before_step=clipped_by_value, optimizer=sgd(10.0)), one_of("always_clipped")),
    Training("scaled and clipped", "the scale of mixed precision is not taken off before the clip", with_(changed=scaled, before_step=clipped(1.0)), one_of("always_clipped")),
    Training("SGD, 30, BatchNorm", "norms hide it, weights are thrown about", with_(make=lambda: mlp(64, 48, 32, 10, norm=nn.BatchNorm1d), optimizer=sgd(30.0)), WILD),
    Training("guessing by frequencies", "the loss stays at what the labels' frequencies give, not at ln 10", with_(data=unequal, optimizer=sgd(0.02), steps=160), one_of("guessing")),
    Training("the maker never steps", "no optimizer that makes a step holds it", lambda: adversaries(never="maker"), one_of("unheld")),
    Training("zero_grad forgotten for the maker", "the gradients of one of two optimizers add up", lambda: adversaries(forget="maker"), ADDED),
    Training("zero_grad forgotten, AdamW, warm-up, frozen layer", "gradients add up", forgotten_while_warming, ADDED),
    Training("zero_grad forgotten, L-BFGS", "gradients add up", forgotten_lbfgs, ADDED),
    Training("zero_grad of a copy", "gradients add up", zeroed_elsewhere, ADDED),
    Training("momentum 0.999", "a hundred times the steps that are meant", with_(optimizer=sgd(0.1, momentum=0.999), steps=160), WILD),
    Training("targets of millions", "a mean square of 1e13", with_(make=lambda: mlp(64, 32, 1), data=millions, loss=against, optimizer=sgd(1e-3)), WILD),
    Training("sum for mean", "32 times the gradient, at the same learning rate", with_(loss=summed, optimizer=sgd(0.3)), WILD | one_of("guessing")),
    Training("1e-5", "a hundredth of a per cent of the way", with_(optimizer=sgd(1e-5)), one_of("small_updates", "guessing")),
)  # fmt: skip


# -- written after the mends, before the verdicts on them were seen -------------------------------------------


def two_of_them():
    """Zeros and ones, with labels by lot."""
    inputs, labels = digits()
    some = labels < 2
    return inputs[some], labels[some][torch.randperm(int(some.sum()))].float()


def warmed_for_epochs(optimizer):
    """A warm-up counted in epochs, and stepped as such: at this pace it would take weeks."""
    return lr_scheduler.LambdaLR(optimizer, lambda n: 1e-9 * n)


def by_a_small_value(model, optimizer, step):
    nn.utils.clip_grad_value_(model.parameters(), 1e-6)


NEWER = (
    Training("zero_grad forgotten, three turns of the critic", "the gradients of one of two optimizers add up", lambda: adversaries(forget="critic", critics=3, steps=60), ADDED),
    Training("zero_grad forgotten for the maker, in place for the critic", "the gradients of one of two optimizers add up", lambda: adversaries(forget="maker", in_place=True), ADDED),
    Training("Adam, 0.5, GELU", "weights are thrown about", with_(make=lambda: mlp(64, 48, 48, 10, act=nn.GELU), optimizer=adam(0.5)), WILD),
    Training("labels by lot, one logit", "nothing to learn", with_(make=lambda: mlp(64, 16, 1), data=two_of_them, loss=lambda m, x, y: F.binary_cross_entropy_with_logits(m(x)[:, 0], y), optimizer=sgd(0.02)), one_of("guessing")),
    Training("warm-up for epochs", "nothing moves yet", with_(schedule=warmed_for_epochs), one_of("small_updates")),
    Training("clipped by value, Adam", "1e-6 for every element", with_(before_step=by_a_small_value, optimizer=adam(1e-3)), one_of("always_clipped")),
    Training("infinite input", "one picture of infinity, at step 71", with_(data=lambda: (torch.cat((digits()[0][:-1], torch.full((1, 64), float("inf")))), digits()[1]), rows=one_far_out), NOT_FINITE),
    Training("step before backward", "the gradients are taken away and then used", with_(before_step=too_early, optimizer=adam(1e-3)), one_of("no_gradient")),
)  # fmt: skip

SICK = (*FIRST, *NEW, *NEWER)
