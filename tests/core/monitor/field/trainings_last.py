"""Trainings written after the mends for those in trainings_later.py, before the verdicts on them were seen."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.monitor.field.helpers import GUESSES, Next, each, nine_in_ten, of_words, uneven, until, words
from tests.core.monitor.field.training import (
    STEPS,
    Training,
    adam,
    clipped,
    cross_entropy,
    digits,
    looped,
    mlp,
    plain,
    rows_of,
    sgd,
    train,
    watched,
)
from tests.core.monitor.field.trainings_clean import in_place, with_
from tests.core.monitor.field.trainings_sick import ADDED


def as_rows(*, by_lot=False, mixed=False):
    """Labels as rows of zeros and one 1, by lot, or mixed two and two."""

    def data():
        inputs, labels = digits()
        rows = F.one_hot(labels, 10).float()
        if by_lot:
            rows = rows[torch.randperm(len(rows))]
        if mixed:
            other, share = torch.randperm(len(rows)), torch.rand(len(rows), 1)
            inputs, rows = (share * inputs + (1 - share) * inputs[other], share * rows + (1 - share) * rows[other])
        return inputs, rows

    return data


def each_for_itself(model, inputs, rows):
    return F.binary_cross_entropy_with_logits(model(inputs), rows)


def squares(model, inputs, rows):
    return F.mse_loss(model(inputs), rows)


def two_of_ten_by_lot():
    inputs, _ = digits()
    return inputs, (torch.rand(len(inputs)) < 0.2).long()


def at_random():
    """Between one and three batches for a step, by lot."""
    drawn = torch.randint(1, 4, (STEPS,), generator=torch.Generator().manual_seed(3)).tolist()
    return uneven(0, lambda step: drawn[step])


def scaled_down():
    """Mixed precision's scaler, on the CPU: its first steps overflow and are left out."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        optimizer.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    return watched(model, one_step, STEPS, optimizer)


def thawed():
    """The body is frozen for 40 steps."""
    model = plain()
    for one in model[:-1].parameters():
        one.requires_grad_(False)

    def thaw(model, optimizer, step):
        if step == 40:
            model.requires_grad_(True)

    return train(make=lambda: model, after_step=thaw, optimizer=adam(2e-3))


def a_second_loss():
    """From the middle on another loss goes back by itself, into the same gradients."""

    def before(model, optimizer, step):
        if step >= 60:
            inputs, _ = digits()
            (1e-3 * model(inputs[:32]).square().mean()).backward()

    return train(before_step=before, optimizer=adam(2e-3))


def without_biases():
    return nn.Sequential(nn.Linear(64, 48, bias=False), nn.ReLU(), nn.Linear(48, 10, bias=False))


def to_one(model, optimizer, step):
    """Rows of weights of norm 1, at each step."""
    with torch.no_grad():
        for one in model.parameters():
            one.copy_(F.normalize(one, dim=1))


def two_optimizers():
    """One for the body and one for the head, which step one after the other."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizers = [torch.optim.Adam(model[:-1].parameters(), 1e-3), torch.optim.SGD(model[-1].parameters(), 0.1)]

    def one_step(step):
        some = rows_of(inputs, step, 32)
        loss = cross_entropy(model, inputs[some], labels[some])
        loss.backward()
        for one in optimizers:
            one.step()
            one.zero_grad()
        return loss.detach()

    return watched(model, one_step, STEPS, every=1)


def reinforced_singly():
    """REINFORCE, one picture and one try a step: the loss wavers about 0 while it learns."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model, base = mlp(64, 32, 10), [0.1]
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def one_step(step):
        some = rows_of(inputs, step, 1)
        chosen = torch.distributions.Categorical(logits=model(inputs[some]))
        arm = chosen.sample()
        pay = float(arm == labels[some])
        loss = -(chosen.log_prob(arm) * (pay - base[0])).mean()
        base[0] = 0.99 * base[0] + 0.01 * pay
        return loss

    return looped(model, one_step, 400, optimizer)


LAST_SICK = (
    Training("zero_grad every tenth step, Adam", "nine of ten steps go by a sum", with_(zero=each(10), optimizer=adam(3e-4), every=1), ADDED),
    Training("forgotten from the middle, no optimizer given", "gradients add up from there", with_(zero=until(60), given=False), ADDED),
    Training("forgotten from the middle, two batches a step, clipped", "gradients add up from there", with_(zero=until(60), micro=2, before_step=clipped(1.0)), ADDED),
    Training("forgotten for a while", "from step 40 to step 80", with_(zero=lambda o, step: None if 40 <= step < 80 else o.zero_grad(), optimizer=sgd(0.02), every=1), ADDED),
    Training("rows by lot, each class for itself", "the entropy of each column's base rate", with_(data=as_rows(by_lot=True), loss=each_for_itself, optimizer=adam(2e-3), steps=240), GUESSES),
    Training("rows by lot, squares", "the variance of each column", with_(data=as_rows(by_lot=True), loss=squares, optimizer=adam(1e-3), steps=240), GUESSES),
    Training("words by lot", "the entropy of single words", with_(make=Next, data=words(by_lot=True), loss=of_words, optimizer=adam(2e-2), steps=240), GUESSES),
    Training("two in ten by lot", "far below ln 2, and it knows nothing", with_(make=lambda: mlp(64, 16, 2), data=two_of_ten_by_lot, optimizer=sgd(0.05), steps=240), GUESSES),
    Training("nine in ten by lot, batches of 4", "the entropy of the frequencies", with_(data=nine_in_ten(by_lot=True), optimizer=sgd(0.02), size=4, steps=400), GUESSES),
)  # fmt: skip

LAST_CLEAN = (
    Training("batches by lot", "one to three for a step", at_random),
    Training("accumulate 3 in place, clipped", "the memory is kept, zeroed and clipped", with_(micro=3, before_step=clipped(1.0), zero=in_place, every=1)),
    Training("scaled down", "the scaler leaves out the steps that overflow", scaled_down),
    Training("thawed", "layers are trained from the middle on", thawed),
    Training("a second loss", "two passes back a step from the middle on", a_second_loss),
    Training("rows of norm 1", "weights whose norm is given, without biases", with_(make=without_biases, after_step=to_one, optimizer=adam(1e-2), every=1)),
    Training("two optimizers", "for one loss, one after the other", two_optimizers),
    Training("REINFORCE, singly", "a loss that says nothing, by single samples", reinforced_singly),
    Training("rows, each class for itself", "below the base rates' entropy", with_(data=as_rows(), loss=each_for_itself, optimizer=adam(3e-3), steps=240)),
    Training("rows, squares", "below the variance", with_(data=as_rows(), loss=squares, optimizer=adam(2e-3), steps=240)),
    Training("mixed pictures", "labels in parts", with_(data=as_rows(mixed=True), optimizer=adam(3e-3), steps=240)),
    Training("words", "the next word can be told from the one before", with_(make=Next, data=words(by_lot=False), loss=of_words, optimizer=adam(1e-2), steps=240)),
    Training("words, slowly", "the frequencies first, then what follows what", with_(make=Next, data=words(by_lot=False), loss=of_words, optimizer=adam(1e-3), steps=400)),
)  # fmt: skip
