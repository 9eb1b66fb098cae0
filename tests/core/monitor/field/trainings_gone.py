"""Trainings whose gradient, rate or penalty keeps them from learning, written before the mends were made."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.monitor.field.training import (
    Training,
    adam,
    cross_entropy,
    digits,
    mlp,
    of_digits,
    plain,
    rows_of,
    train,
    watched,
)
from tests.core.monitor.field.trainings_batches import learned


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
            whole += float(loss.detach()) / passes
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


GONE_SICK = (
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

GONE_CLEAN = (
    Training("a hinge that is satisfied", "nothing is left to learn", hinged),
    Training("a hinge and a constant", "nothing is left to learn", lambda: hinged(0.1)),
    Training("pairs told apart", "a small rate", lambda: pairs(1e-3)),
    Training("a ReLU at the end", "that lives", lambda: of_ends(1e-3)),
    Training("a maker that learns by itself", "a loss that does not saturate", lambda: made(saturating=False, times=1, rate=1e-3)),
    Training("a policy that makes no mistakes", "its loss comes up to 0", actor),
    Training("a short warm-up", "over long before the end", lambda: warming(60)),
    Training("a warm-up to most of the rate", "it ends with the record", lambda: warming(220)),
    Training("a transformer's schedule", "its rate is 1 by name alone", lambda: warming(4000, noam=True)),
    Training("bfloat16 that learns", "steps are large enough", lambda: halved(adam(3e-3))),
    Training("rates by depth that learn", "slow below, as the layers know already", lambda: grouped(1e-6, 1e-3, 0.05, make=lambda: copy.deepcopy(learned(60)))),
    Training("forty batches, divided", "a mean", lambda: summed(40, divided=True)),
    Training("a small penalty beside it", "beside the data's loss", lambda: weighed(1e-4, squares=True)),
)  # fmt: skip
