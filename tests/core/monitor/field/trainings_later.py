"""Trainings written once the first kinds were settled, before the verdicts on them were seen: sick and clean."""

# ruff: noqa: E501

import copy

import torch
from torch.optim import lr_scheduler

from tests.core.layers.field.case import one_of
from tests.core.monitor.field.helpers import GUESSES, against, each, nine_in_ten, uneven, until, whether
from tests.core.monitor.field.training import (
    STEPS,
    Training,
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
from tests.core.monitor.field.trainings_clean import with_
from tests.core.monitor.field.trainings_sick import ADDED

STILL = one_of("no_step")


def one_in_ten_by_lot():
    inputs, labels = digits()
    return inputs, (labels == 9).float()[torch.randperm(len(labels))]


def ink(*, by_lot=False, noise=0.0):
    """How much ink there is, of mean 0 and spread 1; by lot, or with noise that nobody can know."""

    def data():
        inputs, _ = digits()
        value = inputs.sum(1)
        value = (value - value.mean()) / value.std()
        value = value + noise * torch.randn(len(value))
        return inputs, value[torch.randperm(len(value))] if by_lot else value

    return data


def no_step():
    """The loop forgets the optimizer's step."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        optimizer.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        loss.backward()
        return loss.detach()

    return watched(model, one_step, STEPS, optimizer)


def optimizer_of_another():
    """The model is copied once its optimizer is made, and the copy is what is trained."""
    torch.manual_seed(0)
    inputs, labels = digits()
    before = plain()
    optimizer = torch.optim.Adam(before.parameters(), 1e-3)
    model = copy.deepcopy(before)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        model.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        loss.backward()
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, STEPS)


def put_back():
    """The weights of a checkpoint are read again at each step, left over from a trial."""
    kept = {}

    def read_again(model, optimizer, step):
        if not kept:
            torch.manual_seed(1)
            kept.update(copy.deepcopy(plain().state_dict()))
        model.load_state_dict(kept)

    return train(after_step=read_again)


def steps_of_old_gradients():
    """A backward pass every third step only, though the optimizer steps at each, and nothing is taken away between."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        loss = cross_entropy(model, inputs[some], labels[some])
        if step % 3 == 0:
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, STEPS, optimizer, every=1)


def never_warmed(optimizer):
    """A warm-up from 0 whose scheduler is never stepped."""
    lr_scheduler.LambdaLR(optimizer, lambda n: n / 100)

    class Left:
        def step(self):
            pass

    return Left()


LATER_SICK = (
    Training("zero_grad forgotten from step 40 on", "gradients add up from there", with_(zero=until(40)), ADDED),
    Training("zero_grad forgotten from the middle, Adam, clipped", "gradients add up behind a clip", with_(zero=until(60), optimizer=adam(1e-3), before_step=clipped(1.0), every=1), ADDED),
    Training("zero_grad once an epoch", "29 steps of 30 go by a sum", with_(zero=each(30), optimizer=sgd(0.02)), ADDED),
    Training("zero_grad in place, forgotten from step 50 on", "gradients add up from there", with_(zero=until(50, in_place=True)), ADDED),
    Training("nine in ten by lot, Adam", "it learns the frequencies and no more", with_(data=nine_in_ten(by_lot=True), optimizer=adam(2e-3), steps=200), GUESSES),
    Training("one in ten by lot, one logit", "the entropy of the base rate", with_(make=lambda: mlp(64, 16, 1), data=one_in_ten_by_lot, loss=whether, optimizer=adam(3e-3), steps=200), GUESSES),
    Training("ink by lot", "the mean square is the targets' variance", with_(make=lambda: mlp(64, 16, 1), data=ink(by_lot=True), loss=against, optimizer=adam(1e-3), steps=200), GUESSES),
    Training("no step", "the optimizer never steps", no_step, STILL),
    Training("an optimizer of another model", "it holds the weights of a model that was copied", optimizer_of_another, STILL),
    Training("a warm-up that never steps", "the learning rate stays at 0", with_(schedule=never_warmed, optimizer=adam(1e-3)), one_of("no_rate")),
    Training("weights put back", "each step is undone", put_back, one_of("put_back")),
    Training("clipped to nothing", "1e-9, far below Adam's ε", with_(before_step=clipped(1e-9), optimizer=adam(1e-3)), one_of("always_clipped", "small_updates")),
    Training("steps of old gradients", "two of three steps go by the gradient of the one before", steps_of_old_gradients, one_of("stale")),
)  # fmt: skip


# -- clean -----------------------------------------------------------------------------------------------------


def clipped_by_hand(model, optimizer, step):
    """Only where the norm is too large: the memory is written to at some steps once more than at others."""
    norm = torch.cat([one.grad.flatten() for one in model.parameters()]).norm()
    if norm > 0.6 or step < 10:
        for one in model.parameters():
            one.grad.mul_(0.6 / norm)


def first_in_place(optimizer, step):
    optimizer.zero_grad(set_to_none=step >= 60)


def then_in_place(optimizer, step):
    optimizer.zero_grad(set_to_none=step < 60)


def on_the_sphere(model, optimizer, step):
    """Each weight is brought back to a norm of 4."""
    with torch.no_grad():
        for one in model.parameters():
            if one.ndim == 2:
                one.mul_(4 / one.norm())


LATER_CLEAN = (
    Training("accumulate 4, every step seen", "an optimizer's step only after the four", with_(micro=4, optimizer=adam(1e-3), every=1)),
    Training("accumulate 4, 1 at an epoch's end", "the last batches of an epoch are fewer", lambda: uneven(4, lambda step: 1 if step % 4 == 3 else 0)),
    Training("accumulate more and more", "1, 2, 4 and 8 batches for a step", lambda: uneven(0, lambda step: 2 ** (step // 30))),
    Training("clipped by hand, in place", "the memory is written to once more where it is clipped, at first above all", with_(before_step=clipped_by_hand, zero=lambda optimizer, step: optimizer.zero_grad(set_to_none=False), every=1)),
    Training("in place, then not", "zero_grad lets go of the memory from the middle on", with_(zero=first_in_place)),
    Training("not in place, then so", "zero_grad keeps the memory from the middle on", with_(zero=then_in_place)),
    Training("one in ten is a nine", "below the entropy of the frequencies", with_(data=nine_in_ten(by_lot=False), optimizer=adam(2e-3), steps=200)),
    Training("one in ten, just begun", "still on its way to the frequencies", with_(data=nine_in_ten(by_lot=False), optimizer=sgd(0.05), steps=60)),
    Training("one in ten, slowly", "passes the entropy of the frequencies and falls on", with_(data=nine_in_ten(by_lot=False), optimizer=sgd(0.05), steps=300)),
    Training("ink, slowly", "begins at the targets' variance and falls", with_(make=lambda: mlp(64, 32, 1), data=ink(), loss=against, optimizer=sgd(2e-3), steps=200)),
    Training("ink under noise", "a fifth of the variance can be known, and is", with_(make=lambda: mlp(64, 16, 1), data=ink(noise=2.0), loss=against, optimizer=adam(2e-3), steps=200, size=128)),
    Training("one sample a step, and it learns", "noisy, and it falls", with_(size=1, optimizer=sgd(0.02), steps=900)),
    Training("one sample, 16 for a step", "a batch all the same", with_(size=1, micro=16, optimizer=sgd(0.1), steps=160)),
    Training("on the sphere", "weights whose norm is given, and that turn", with_(after_step=on_the_sphere, optimizer=sgd(0.1))),
)  # fmt: skip
