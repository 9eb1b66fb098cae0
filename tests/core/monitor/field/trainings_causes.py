"""Trainings whose true cause has to be told first, and sound ones that look like them."""

# ruff: noqa: E501

import copy
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from tests.core.layers.field.case import one_of
from tests.core.monitor.field.helpers import (
    BEGINS,
    DECAY,
    NEGATED,
    NOTED,
    PENALTY,
    SMALL,
    SUM,
    UNHELD,
    UNLISTED,
    Block,
    InAList,
    Leading,
    Lstm,
    Next,
    against,
    critic,
    everything,
    ink,
    learned,
    minus,
    of_words,
    words,
)
from tests.core.monitor.field.training import (
    Gru,
    Training,
    adam,
    convolutions,
    digits,
    mlp,
    plain,
    sgd,
    train,
)
from tests.core.monitor.field.trainings_clean import shuffled, with_
from tests.core.monitor.field.trainings_sick import summed

# -- whose weights the optimizer holds -------------------------------------------------------------------------


def of_a_copy(make, optimizer):
    """The optimizer is given the weights of a copy, of which nothing is trained."""
    return lambda: train(make, optimizer, held=lambda model: copy.deepcopy(model).parameters())


def without_its_body():
    """Ten layers of a body that the optimizer was not given, and a head that it was."""
    make = lambda: mlp(64, *[32] * 10, 10)  # noqa: E731
    return train(make, adam(3e-3), held=lambda model: model[-1].parameters())


def master_copies():
    """Weights are kept twice, the optimizer's copies in float64, and handed back after each step."""
    held = []

    def handed_over(model):
        held.extend(one.detach().double().requires_grad_() for one in model.parameters())
        return held

    def before(model, optimizer, step):
        for one, mine in zip(model.parameters(), held, strict=True):
            mine.grad, one.grad = one.grad.double(), None

    def after(model, optimizer, step):
        with torch.no_grad():
            for one, mine in zip(model.parameters(), held, strict=True):
                one.copy_(mine)

    def too(model, optimizer, step):
        for one, mine in zip(model.parameters(), held, strict=True):
            mine.grad = one.grad.double()

    def clear(model, optimizer, step):
        after(model, optimizer, step)
        model.zero_grad()

    return train(held=handed_over, before_step=too, after_step=clear)


def one_of_two_watched():
    """Body and head have an optimizer each, and the monitor is told of the body's alone."""
    heads = []

    def second(model, optimizer, step):
        if not heads:
            heads.append(torch.optim.SGD(model[-1].parameters(), 0.1))
        heads[0].step()
        heads[0].zero_grad()

    return train(optimizer=adam(2e-3), held=lambda model: model[:-1].parameters(), after_step=second)


# -- how far a step goes ---------------------------------------------------------------------------------------


def long_warm_up(optimizer):
    return lr_scheduler.LinearLR(optimizer, 1e-4, total_iters=10_000)


# -- what the loss is ------------------------------------------------------------------------------------------


def penalty(weight, power=2):
    return lambda loss, model, step: loss + weight * sum(one.abs().pow(power).sum() for one in model.parameters())


def density(model, inputs, targets):
    """Of numbers whose spread is small: its logarithm's negative goes below 0."""
    mean, spread = model(inputs).chunk(2, 1)
    return F.gaussian_nll_loss(mean[:, 0], 0.01 * targets, F.softplus(spread[:, 0]) + 1e-6)


def counted_ink(*, black=False):
    """How many points of a picture are dark: whole numbers, and no classes. Of black pictures nobody can tell."""

    def data():
        inputs, _ = digits()
        return 0 * inputs if black else inputs, (inputs > 0.5).sum(1)

    return data


def whole(model, inputs, targets):
    return F.mse_loss(model(inputs).squeeze(1), targets.float())


def about_twenty():
    """Begins near the mean of those numbers."""
    model = mlp(64, 4, 1)
    nn.init.constant_(model[-1].bias, float(counted_ink()()[1].float().mean()))
    return model


def summed_over_words(model, inputs, following):
    return F.cross_entropy(model(inputs).flatten(0, 1), following.flatten(), reduction="sum") / len(inputs)


# -- how it begins ---------------------------------------------------------------------------------------------


class Tied(nn.Module):
    """Words whose vectors are the last layer's weights too."""

    def __init__(self, scale=1.0) -> None:
        super().__init__()
        self.words, self.mix = nn.Embedding(30, 64), nn.Linear(64, 64)
        with torch.no_grad():
            self.words.weight.mul_(scale)

    def forward(self, inputs):
        x = self.words(inputs)
        return (x + self.mix(x)) @ self.words.weight.T


def last_times(make, times):
    def made():
        model = make()
        with torch.no_grad():
            list(model.parameters())[-2].mul_(times)
        return model

    return made


class Tasks(nn.Module):
    """Eight heads that ask for the same."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.heads = mlp(64, 32, 32), nn.ModuleList(nn.Linear(32, 10) for _ in range(8))

    def forward(self, inputs):
        x = self.body(inputs).relu()
        return [head(x) for head in self.heads]


def of_tasks(model, inputs, labels):
    return sum(F.cross_entropy(one, labels) for one in model(inputs))


def of_he():
    """He's draw for every layer, the last one too."""
    model = mlp(64, 128, 128, 128, 10)
    for one in model:
        if isinstance(one, nn.Linear):
            nn.init.kaiming_normal_(one.weight, nonlinearity="relu")
    return model


# -- what the model does not list ------------------------------------------------------------------------------


class CellsInADict(nn.Module):
    """Recurrent cells in a Python dict."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.out = {"rows": nn.GRUCell(8, 24)}, nn.Linear(24, 10)

    def forward(self, inputs):
        state = inputs.new_zeros(len(inputs), 24)
        for row in inputs.reshape(-1, 8, 8).unbind(1):
            state = self.cells["rows"](row, state)
        return self.out(state)


CAUSE_SICK = (
    Leading("SGD of a copy's weights", "nobody moves these", of_a_copy(plain, sgd(0.1)), UNHELD, "another model|copy"),
    Leading("Adam of a copy's weights, convolutions", "nobody moves these", of_a_copy(convolutions, adam(1e-3)), UNHELD),
    Leading("a body not given", "it adds up, which is no harm, since nobody trains it", without_its_body, UNHELD),
    Leading("Adam, 1e-7, GRU", "nothing moves", with_(make=Gru, optimizer=adam(1e-7)), SMALL, "learning rate"),
    Leading("SGD, 1e-6, convolutions, no lengths", "nothing moves", with_(make=convolutions, optimizer=sgd(1e-6), updates=False), SMALL, "learning rate"),
    Leading("SGD, 1e-7, momentum, block", "nothing moves", with_(make=Block, optimizer=sgd(1e-7, momentum=0.9), updates=False), SMALL, "learning rate"),
    Leading("decay of 2, block", "weights shrink to nothing", with_(make=Block, optimizer=sgd(0.1, weight_decay=2.0), steps=160), DECAY, "weight decay"),
    Leading("Adam, decay of 5", "weights shrink to nothing", with_(optimizer=adam(3e-3, weight_decay=5.0), steps=200), DECAY, "weight decay"),
    Leading("AdamW, decay of 30, LSTM", "weights shrink to nothing", with_(make=Lstm, optimizer=lambda p: torch.optim.AdamW(p, 3e-3, weight_decay=30.0), steps=160), DECAY, "weight decay"),
    Leading("minus cross-entropy", "the loss falls without end", with_(changed=minus, optimizer=sgd(0.1)), NEGATED, "sign|negat"),
    Leading("minus cross-entropy, GRU, noted whole", "the loss falls without end", with_(make=Gru, changed=minus, optimizer=adam(5e-3), **NOTED), NEGATED, "sign|negat"),
    Leading("minus mean square", "the loss falls without end", with_(make=lambda: mlp(64, 32, 1), data=ink, loss=against, changed=minus, optimizer=adam(1e-2)), NEGATED, "sign|negat"),
    Leading("sum for mean, convolutions", "128 times the gradient", with_(make=convolutions, loss=summed, size=128, optimizer=sgd(0.1), **NOTED), SUM, "mean"),
    Leading("sum of squares for their mean", "128 times the gradient", with_(make=lambda: mlp(64, 32, 1), data=ink, loss=lambda m, x, y: F.mse_loss(m(x).squeeze(1), y, reduction="sum"), size=128, optimizer=sgd(0.05), **NOTED), SUM, "mean"),
    Leading("sum for mean, value alone", "64 times the gradient", with_(loss=summed, size=64, optimizer=sgd(0.3)), SUM, "mean"),
    Leading("a penalty of all weights", "it outweighs the data's loss", with_(changed=penalty(1.0), optimizer=adam(3e-3), steps=240, **NOTED), PENALTY, "penalty"),
    Leading("a penalty of sizes, block", "it outweighs the data's loss", with_(make=Block, changed=penalty(0.1, 1), optimizer=adam(3e-3), steps=240, **NOTED), PENALTY, "penalty"),
    Leading("tied words of spread 1", "it begins far above guessing", with_(make=Tied, data=words(by_lot=False), loss=of_words, optimizer=adam(1e-3)), BEGINS, "last layer|output"),
    Leading("a last layer of 300, convolutions", "it begins far above guessing", with_(make=last_times(convolutions, 300), optimizer=adam(1e-3), **NOTED), BEGINS, "last layer|output"),
    Leading("layers in a list", "nobody trains them", with_(make=InAList, **NOTED), UNLISTED, "ModuleList", "hidden[0]"),
    Leading("cells in a dict", "nobody trains them", with_(make=CellsInADict, optimizer=adam(3e-3)), UNLISTED, "cells"),
    Training("labels by lot, some decay", "nothing to learn, whatever the decay", with_(data=shuffled, optimizer=sgd(0.05, weight_decay=0.02), steps=240), one_of("guessing"), leads=True),
    Training("whole numbers, black pictures", "the mean square is the targets' variance", with_(make=about_twenty, data=counted_ink(black=True), loss=whole, optimizer=adam(3e-4), size=64, steps=240), one_of("guessing"), ("mean",)),
)  # fmt: skip

CAUSE_CLEAN = (
    Training("master copies", "the optimizer holds copies that are handed back", master_copies),
    Training("one of two optimizers watched", "the other moves the head", one_of_two_watched),
    Training("fine-tuned, Adam, 1e-5", "small steps are meant", with_(make=partial(learned, Block, new_head=True), optimizer=adam(1e-5))),
    Training("fine-tuned, AdamW, 5e-6", "small steps are meant", with_(make=partial(learned, Gru), optimizer=lambda p: torch.optim.AdamW(p, 5e-6))),
    Training("fine-tuned, SGD, 1e-3, no lengths", "small steps are meant", with_(make=partial(learned, convolutions), optimizer=sgd(1e-3), updates=False)),
    Training("a long warm-up's first steps", "they are to be tiny", with_(optimizer=adam(1e-4), schedule=long_warm_up, steps=30, every=1)),
    Training("learned long ago", "nothing is left to gain", with_(make=partial(learned, convolutions, steps=500, lr=1e-2), optimizer=sgd(0.01))),
    Training("AdamW, decay of 0.3, block", "a strong decay, and it learns", with_(make=Block, optimizer=lambda p: torch.optim.AdamW(p, 3e-3, weight_decay=0.3))),
    Training("decay of 5e-3, convolutions", "it learns", with_(make=convolutions, optimizer=sgd(0.1, weight_decay=5e-3))),
    Training("a small spread's density", "a loss below 0 by right", with_(make=lambda: mlp(64, 32, 2), data=ink, loss=density, optimizer=adam(3e-3), steps=240, **NOTED)),
    Training("a critic's loss", "below 0 by right", with_(make=lambda: mlp(64, 32, 1), loss=critic, optimizer=adam(2e-3), **NOTED)),
    Training("sum with small steps", "the learning rate is divided too", with_(loss=summed, optimizer=sgd(0.003), **NOTED)),
    Training("sum over a row's words", "it begins at ten times ln 30 by right", with_(make=Next, data=words(by_lot=False), loss=summed_over_words, optimizer=adam(1e-2), steps=240, **NOTED)),
    Training("a small penalty", "the data's loss leads", with_(changed=penalty(1e-4), optimizer=adam(3e-3), **NOTED)),
    Training("He's draw throughout", "it begins a little above guessing", with_(make=of_he, optimizer=adam(1e-3), **NOTED)),
    Training("eight tasks", "it begins at eight times ln 10 by right", with_(make=Tasks, loss=of_tasks, optimizer=adam(2e-3), **NOTED)),
    Training("tied words, scaled", "it begins near guessing", with_(make=lambda: Tied(0.125), data=words(by_lot=False), loss=of_words, optimizer=adam(3e-3), steps=240)),
    Training("a list that the optimizer holds", "it is trained all the same", with_(make=InAList, held=InAList.all, optimizer=adam(2e-3), **NOTED)),
    Training("all of the data expected", "batches are parts of it", with_(expected=everything(), optimizer=adam(2e-3), **NOTED)),
    Training("whole numbers", "counts, and no classes", with_(make=lambda: mlp(64, 32, 1), data=counted_ink(), loss=whole, optimizer=adam(3e-3), steps=160, **NOTED)),
    Training("whole numbers, value alone", "counts, and no classes", with_(make=lambda: mlp(64, 32, 1), data=counted_ink(), loss=whole, optimizer=adam(3e-3), steps=160)),
)  # fmt: skip
