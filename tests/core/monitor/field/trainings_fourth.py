"""Trainings whose noted loss, batches, groups or schedule mislead, written before the mends for them were made."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import (
    Training,
    adam,
    cross_entropy,
    digits,
    frozen,
    mlp,
    of_digits,
    plain,
    rows_of,
    sgd,
    train,
    watched,
)

SLOW = sgd(0.1)
LOWER = "lower the learning rate"


def running(*, epoch=0, mean=False, model=plain, optimizer=SLOW):
    """What is noted is the sum of all losses so far, from the start or of an epoch; or their mean."""
    told = {"sum": 0.0, "of": 0}

    def noted(loss):
        if epoch and told["of"] % epoch == 0:
            told.update(sum=0.0, of=0)
        told.update(sum=told["sum"] + float(loss), of=told["of"] + 1)
        return torch.tensor(told["sum"] / (told["of"] if mean else 1))

    return train(model, optimizer, steps=200, noted=noted, told=False, updates=False)


def climbing():
    """The loss is climbed, by clipped steps, and noted as it is."""
    torch.manual_seed(0)
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.2)
    loss = of_digits(model)

    def one_step(step):
        value = loss(step)
        optimizer.zero_grad()
        (-value).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return value.detach()

    return watched(model, one_step, 160, optimizer)


def cut_off(rate=0.5):
    """An encoder behind which the graph is cut, and a decoder whose steps are too long: the loss that is noted rises."""
    torch.manual_seed(0)
    encoder, decoder = mlp(64, 16), mlp(16, 32, 64)
    inputs, _ = digits()
    first, second = torch.optim.SGD(encoder.parameters(), 0.05), torch.optim.SGD(decoder.parameters(), rate)

    def one_step(step):
        rows = inputs[rows_of(inputs, step, 32)]
        loss = F.mse_loss(decoder(encoder(rows).detach()), rows, reduction="none").sum(1).mean()
        first.zero_grad()
        second.zero_grad()
        loss.backward()
        first.step()
        second.step()
        return loss.detach()

    return watched(encoder, one_step, 160, first, seldom=True)


def odd(*, of_targets=False, at=60, momentum=0.0, factor=1e4, after=False):
    """One batch that is unlike the others, in a training that goes well until then."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = mlp(64, 32, 1) if of_targets else plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=momentum)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        rows, wanted = inputs[some], labels[some]
        times = factor if step == at else 1.0
        if of_targets:
            loss = F.mse_loss(model(rows).squeeze(1), wanted / 10 * times)
        else:
            loss = cross_entropy(model, rows[torch.randperm(32)] * times, wanted)
        optimizer.zero_grad()
        loss.backward()
        if not after:
            optimizer.step()
        return loss.detach()

    return watched(model, one_step, 160, optimizer, seldom=True)


class Reader(nn.Module):
    """A sequence of shades read by a recurrent layer of ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.out = nn.RNN(4, 24, nonlinearity="relu", batch_first=True), nn.Linear(24, 1)
        with torch.no_grad():
            self.rows.weight_hh_l0.copy_(1.02 * torch.eye(24) + 0.03 * torch.randn(24, 24))

    def forward(self, rows):
        return self.out(self.rows(rows)[0][:, -1])


def lengths(length, rate=2e-3):
    """Sequences of `length(step)` each, whose last numbers are to be summed."""
    torch.manual_seed(0)
    model = Reader()
    optimizer = torch.optim.SGD(model.parameters(), rate)

    def one_step(step):
        rows = torch.randn(32, length(step), 4)
        loss = F.mse_loss(model(rows), rows[:, -3:, 0].sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1e6)
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, 200, optimizer, seldom=True)


class Bag(nn.Module):
    """The mean of the words that are there."""

    def __init__(self, *, log=False) -> None:
        super().__init__()
        self.words, self.out, self.log = nn.Embedding(30, 16), nn.Linear(16, 2), log

    def forward(self, words):
        there = (words > 0).float()
        count = there.sum(1, keepdim=True)
        whole = (self.words(words) * there[..., None]).sum(1)
        return self.out(whole / 10 + count.log() if self.log else whole / count)


def empty(*, log=False, at=70):
    """One batch has a row without any word."""
    torch.manual_seed(0)
    model = Bag(log=log)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    with GradientMonitor(model, optimizer) as monitor:
        for step in range(140):
            words = torch.randint(1, 30, (16, 9))
            wanted = (words > 15).sum(1).gt(4).long()
            words[5] = words[5] * (step != at)
            loss = F.cross_entropy(model(words), wanted)
            optimizer.zero_grad()
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return diagnose(monitor.history)


def learned(steps=400):
    """A model that knows the digits already."""
    torch.manual_seed(0)
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    loss = of_digits(model)
    for step in range(steps):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
    return model


def renumbered(make=learned):
    """The digits have other numbers than those that the model has learned."""
    inputs, labels = digits()
    return train(
        make,
        adam(1e-3),
        data=lambda: (inputs, (labels + 3) % 10),
        noted=lambda loss: loss,
        told=False,
        steps=200,
        seldom=True,
    )


class Coder(nn.Module):
    """A variational autoencoder of twelve numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = mlp(12, 32, 6), mlp(3, 32, 12)

    def forward(self, rows):
        mean, log = self.into(rows).chunk(2, 1)
        return self.out(mean + torch.randn_like(mean) * (log / 2).exp()), mean, log


def annealed(*, plain_number=False, begin=80, over=120):
    """The weight of the divergence goes up by and by."""
    torch.manual_seed(0)
    model, mix = Coder(), torch.randn(3, 12)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def one_step(step):
        rows = torch.randn(64, 3) @ mix + 0.2 * torch.randn(64, 12)
        made, mean, log = model(rows)
        apart = -0.5 * (1 + log - mean**2 - log.exp()).sum(1).mean()
        loss = (made - rows).square().sum(1).mean() + min(1.0, max(0.0, (step - begin) / over)) * apart
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item() if plain_number else loss.detach()

    return watched(model, one_step, 280, optimizer, seldom=True)


def pairs(rate, noise=0.0):
    """Rows of the same digit are to be near, others a margin away: all that are one point cost the margin."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = mlp(64, 128, 128, 8)
    optimizer = torch.optim.Adam(model.parameters(), rate)

    def one_step(step):
        some = rows_of(inputs, step, 48)
        made, wanted = model(inputs[some] + noise * torch.randn(48, 64)), labels[some]
        apart, same = torch.cdist(made, made), wanted[:, None] == wanted[None]
        loss = F.relu((apart * same).amax(1) - (apart + 1e9 * same).amin(1) + 1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, 200, optimizer, seldom=True)


def of_ends(rate, steps=200):
    """Numbers are predicted by a model that ends in a ReLU."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = nn.Sequential(*mlp(64, 32, 1), nn.ReLU())
    optimizer = torch.optim.Adam(model.parameters(), rate)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        loss = (model(inputs[some]).squeeze(1) - labels[some] / 4 - 1).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, steps, optimizer, seldom=True)


def hinged(constant=0.0):
    """Two classes that are easily told apart, by a hinge that is satisfied before the end."""
    torch.manual_seed(0)
    model = mlp(8, 32, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def one_step(step):
        sign = torch.randint(0, 2, (32,)) * 2.0 - 1
        rows = torch.randn(32, 8) * 0.3 + 2 * sign[:, None]
        loss = F.relu(1 - sign * model(rows).squeeze(1)).mean() + constant
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, 200, optimizer, seldom=True)


def made(*, saturating, times=4, rate=5e-3, steps=200):
    """A maker against a critic that learns faster; the maker alone is watched."""
    torch.manual_seed(1)
    inputs, _ = digits()
    maker, critic = mlp(8, 48, 64), mlp(64, 48, 1, act=nn.Tanh)
    own, other = torch.optim.SGD(maker.parameters(), 0.02, momentum=0.5), torch.optim.Adam(critic.parameters(), rate)

    def one_step(step):
        for _ in range(times):
            real, false = inputs[rows_of(inputs, step, 64)], maker(torch.randn(64, 8)).detach()
            loss = F.softplus(-critic(real)).mean() + F.softplus(critic(false)).mean()
            other.zero_grad()
            loss.backward()
            other.step()
        told = critic(maker(torch.randn(64, 8)))
        loss = -F.softplus(told).mean() if saturating else F.softplus(-told).mean()
        own.zero_grad()
        loss.backward()
        own.step()
        return loss

    return watched(maker, lambda step: one_step(step), steps, own, seldom=True)


def actor(cost=-1.0, rate=2e-2):
    """A policy whose wrong choices cost something, and which comes to make none."""
    torch.manual_seed(0)
    model, mix = mlp(4, 32, 3, act=nn.Tanh), torch.randn(4, 3)
    optimizer = torch.optim.Adam(model.parameters(), rate)

    def one_step(step):
        rows = torch.randn(64, 4)
        drawn = torch.distributions.Categorical(logits=model(rows))
        chosen = drawn.sample()
        reward = cost * (chosen != (rows @ mix).argmax(1)).float()
        loss = -(drawn.log_prob(chosen) * reward).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return watched(model, one_step, 300, optimizer, seldom=True)


def warming(whole, steps=200, rate=1e-3, noam=False):
    """The rate goes up in even steps, to be what it should be after `whole` of them."""

    def schedule(optimizer):
        shares = (lambda step: 64**-0.5 * min((step + 1) ** -0.5, (step + 1) * whole**-1.5)) if noam else (
            lambda step: min(1.0, (step + 1) / whole)
        )  # fmt: skip
        return torch.optim.lr_scheduler.LambdaLR(optimizer, shares)

    return train(optimizer=adam(1.0 if noam else rate), schedule=schedule, steps=steps, told=False, seldom=True)


def halved(optimizer, steps=300, told=False):
    """Weights of bfloat16."""
    inputs, labels = digits()
    return train(
        lambda: plain().bfloat16(),
        optimizer,
        data=lambda: (inputs.bfloat16(), labels),
        steps=steps,
        told=told,
        seldom=True,
    )


def grouped(*rates, make=plain, kind=torch.optim.SGD, **settings):
    """Each linear layer has a rate of its own."""

    def held(model):
        layers = [one for one in model.modules() if isinstance(one, nn.Linear)]
        return [{"params": list(one.parameters()), "lr": rate} for one, rate in zip(layers, rates, strict=True)]

    return train(make, lambda groups: kind(groups, lr=0.1, **settings), held=held, steps=240, told=False, seldom=True)


def summed(passes, divided=False, rate=0.1):
    """Gradients of many small batches are added up for a step."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)

    def one_step(step):
        optimizer.zero_grad()
        whole = 0.0
        for _ in range(passes):
            some = rows_of(inputs, step, 4)
            loss = cross_entropy(model, inputs[some], labels[some])
            (loss / passes if divided else loss).backward()
            whole += float(loss) / passes
        optimizer.step()
        return whole

    return watched(model, one_step, 100, optimizer, seldom=True)


def skipping(*, at=0, wait=False):
    """A scale by hand that is never lowered: gradients overflow, and the step is left out each time."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        optimizer.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        (loss * (3e38 * 100 if step >= at and not wait else 1.0)).backward()
        if not wait and all(bool(one.grad.isfinite().all()) for one in model.parameters()):
            optimizer.step()
        return loss.detach()

    return watched(model, one_step, 80, optimizer, seldom=True)


class Two(nn.Module):
    """A choice and a value on one trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.choice, self.value = mlp(6, 32, 32, act=nn.Tanh), nn.Linear(32, 3), nn.Linear(32, 1)

    def forward(self, rows):
        inner = self.trunk(rows).tanh()
        return self.choice(inner), self.value(inner).squeeze(1)


def returns(size):
    """Returns of some size, by which the value's loss is as large squared."""
    torch.manual_seed(0)
    model, mix = Two(), torch.randn(6, 3)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def one_step(step):
        rows = torch.randn(48, 6)
        logits, value = model(rows)
        drawn = torch.distributions.Categorical(logits=logits)
        chosen = drawn.sample()
        reward = size * (3 + (chosen == (rows @ mix).argmax(1)).float())
        apart = reward - value.detach()
        loss = -(drawn.log_prob(chosen) * (apart - apart.mean()) / apart.std()).mean() + F.mse_loss(value, reward)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, 200, optimizer, seldom=True)


def weighed(factor, squares=False):
    """A penalty on all weights, by their sizes or squares."""
    torch.manual_seed(0)
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    of_data, size = of_digits(model), torch.square if squares else torch.abs

    def one_step(step):
        loss = of_data(step) + factor * sum(size(one).sum() for one in model.parameters())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return watched(model, one_step, 300, optimizer, seldom=True)


FOURTH_SICK = (
    Training("sum of an epoch", "what is noted is a running sum", lambda: running(epoch=50), frozenset({"running_sum"}), ("step's own loss",), never=("diverging", LOWER)),
    Training("sum since the start", "what is noted is a running sum", lambda: running(model=lambda: mlp(64, 64, 10), optimizer=adam(2e-3)), frozenset({"running_sum"}), ("step's own loss",), never=("diverging", LOWER)),
    Training("climbs by clipped steps", "the loss rises", climbing, frozenset({"diverging", "negated"}), never=("running_sum",)),
    Training("cut behind an encoder", "no gradient comes, and nothing moves", cut_off, frozenset({"no_gradient"}), never=("diverging", LOWER)),
    Training("odd targets", "the batch of step 61", lambda: odd(of_targets=True), frozenset({"non_finite", "leap", "diverging"}), ("batch of step 61",), never=("too long",)),
    Training("odd inputs under momentum", "the batch of step 91", lambda: odd(at=90, momentum=0.9, factor=1e6), frozenset({"non_finite", "leap", "diverging"}), ("batch of step 91",), never=("too long",)),
    Training("longer sequences", "inputs of another shape from step 101 on", lambda: lengths(lambda step: 8 if step < 100 else 200), frozenset({"non_finite", "leap", "diverging"}), ("shape", "step 101|step 102"), never=("tenfold",)),
    Training("no word at all", "0 / 0 in the mean", empty, frozenset({"non_finite"}), ("div takes 0",), never=(LOWER,)),
    Training("logarithm of no word", "log of 0", lambda: empty(log=True), frozenset({"non_finite"}), ("log is taken of 0",), never=(LOWER,)),
    Training("all at one point", "embeddings collapse, no gradient any more", lambda: pairs(3e-2, 1.5), frozenset({"no_gradient"}), ("from step|from about step", "exactly 0")),
    Training("ends in a ReLU that dies", "no gradient any more", lambda: of_ends(0.3), frozenset({"no_gradient", "died"}), ("exactly 0",)),
    Training("a maker under a saturated loss", "its gradient is gone", lambda: made(saturating=True), frozenset({"fading"}), ("non-saturating",)),
    Training("warms up for ever", "the rate is at 2 % of what it should be", lambda: warming(10_000), frozenset({"warming"}), ("warm-up",)),
    Training("warms up for longer", "the rate is at 1 % of what it should be", lambda: warming(15_000, rate=3e-4), frozenset({"warming"}), ("warm-up",)),
    Training("bfloat16 by small steps", "steps are rounded away", lambda: halved(adam(2e-5)), frozenset({"rounding"}), ("float32",)),
    Training("rates by depth", "the first layers hardly move", lambda: grouped(1e-8, 1e-5, 1e-3), frozenset({"slow_groups", "small_updates"}), ("learning rate",)),
    Training("rates by depth, of AdamW", "the first layers hardly move", lambda: grouped(1e-9, 1e-8, 1e-7, 1e-6, 1e-5, make=lambda: mlp(64, 32, 32, 32, 32, 10), kind=torch.optim.AdamW), frozenset({"slow_groups", "small_updates"}), ("learning rate",)),
    Training("forty batches added up", "the loss is not divided", lambda: summed(40, rate=0.2), frozenset({"diverging", "non_finite", "leap", "large_updates"}), ("divide the loss",)),
    Training("skips each step", "the scale is never lowered", skipping, frozenset({"no_step"}), ("scale", "not finite")),
    Training("skips each step from some on", "the scale is never lowered", lambda: skipping(at=20), frozenset({"stopped", "no_step"}), ("scale", "not finite")),
    Training("returns that are large", "the value takes all of the clip", lambda: returns(300.0), frozenset({"always_clipped"}), ("value",), never=("raise max_norm",)),
    Training("absolute weights", "the penalty leads", lambda: weighed(0.1), frozenset({"penalty"})),
)  # fmt: skip

FOURTH_CLEAN = (
    Training("mean of an epoch", "a running mean may be noted", lambda: running(epoch=50, mean=True)),
    Training("sequences of all lengths", "as they come", lambda: lengths(lambda step: 4 + step % 7, 1e-3)),
    Training("learned before, renumbered", "weights are not drawn anew", renumbered),
    Training("learned before, the last layer held back", "nobody trains the last layer", lambda: renumbered(lambda: frozen(learned(), 4))),
    Training("a divergence that is annealed", "the loss rises by design", annealed),
    Training("a divergence that is annealed, as a number", "the loss rises by design", lambda: annealed(plain_number=True)),
    Training("a hinge that is satisfied", "nothing is left to learn", hinged),
    Training("a hinge and a constant", "nothing is left to learn", lambda: hinged(0.1)),
    Training("pairs told apart", "a small rate", lambda: pairs(1e-3)),
    Training("a ReLU at the end", "that lives", lambda: of_ends(1e-3)),
    Training("a maker that learns", "a loss that does not saturate", lambda: made(saturating=False, times=1, rate=1e-3)),
    Training("a policy that makes no mistakes", "its loss comes up to 0", actor),
    Training("a short warm-up", "over long before the end", lambda: warming(60)),
    Training("a warm-up to most of the rate", "it ends with the record", lambda: warming(220)),
    Training("a transformer's schedule", "its rate is 1 by name alone", lambda: warming(4000, noam=True)),
    Training("bfloat16 that learns", "steps are large enough", lambda: halved(adam(3e-3))),
    Training("rates by depth that learn", "slow below, as the layers know already", lambda: grouped(1e-6, 1e-3, 0.05, make=lambda: copy.deepcopy(learned(60)))),
    Training("forty batches, divided", "a mean", lambda: summed(40, divided=True)),
    Training("a small penalty", "beside the data's loss", lambda: weighed(1e-4, squares=True)),
)  # fmt: skip
