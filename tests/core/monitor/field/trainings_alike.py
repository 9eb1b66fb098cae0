"""Trainings whose answers become all alike, whose targets run away, or whose schedule looks the wrong way."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import (
    Training,
    digits,
    mlp,
    of_digits,
    plain,
    rows_of,
    watched,
)
from tests.core.monitor.field.trainings_parts import stepped


def trained(model, optimizer, loss, steps=200):
    """On `loss(step)`, left to itself."""
    return stepped(model, optimizer, steps, loss=loss)


def policy(optimizer, baseline=False, bonus=0.0, reward=5.0, actions=4, steps=200, states=6):
    """Each state has an action of its own that gives one more."""
    torch.manual_seed(0)
    model = mlp(states, 32, actions, act=nn.Tanh)
    level = [0.0]

    def loss(step):
        state = torch.randint(states, (48,))
        odds = torch.distributions.Categorical(logits=model(F.one_hot(state, states).float()))
        action = odds.sample()
        gain = reward + (action == state % actions).float()
        value = -(odds.log_prob(action) * (gain - level[0])).mean() - bonus * odds.entropy().mean()
        if baseline:
            level[0] += 0.1 * (float(gain.mean()) - level[0])
        return value

    return trained(model, optimizer(model.parameters()), loss, steps)


def bandit():
    """One state, so one best action."""
    torch.manual_seed(0)
    model = nn.Linear(1, 5)

    def loss(step):
        odds = torch.distributions.Categorical(logits=model(torch.ones(32, 1)))
        action = odds.sample()
        return -(odds.log_prob(action) * ((action == 2).float() - 0.2)).mean()

    return trained(model, torch.optim.Adam(model.parameters(), 0.1), loss)


def views(model, kind, rate=3e-3, noise=0.1, steps=200, optimizer=torch.optim.Adam):
    """Two noisy views of each picture are to have one embedding."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = model()
    normal = lambda one: F.normalize(one, dim=1)  # noqa: E731

    def loss(step):
        some = inputs[rows_of(inputs, step, 64)]
        a, b = (model(some + noise * torch.randn_like(some)) for _ in range(2))
        if kind == "cosine":
            return -F.cosine_similarity(a, b).mean()
        if kind == "distance":
            return (normal(a) - normal(b)).square().sum(1).mean()
        if kind == "contrast":
            return F.cross_entropy(normal(a) @ normal(b).T / 0.2, torch.arange(64))
        spread = sum(F.relu(1 - (one.var(0) + 1e-4).sqrt()).mean() for one in (a, b))
        covariance = sum((torch.cov(one.T) - torch.diag(one.var(0))).square().sum() / 16 for one in (a, b))
        return 25 * (a - b).square().mean() + 25 * spread + covariance

    return trained(model, optimizer(model.parameters(), rate), loss, steps)


class SimSiam(nn.Module):
    """Embedding and prediction."""

    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16), nn.BatchNorm1d(16))
        self.h = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 16))

    def forward(self, inputs):
        """What is predicted, and what is to be."""
        made = self.f(inputs)
        return self.h(made), made.detach()


def siamese():
    """It has a predictor and a stop of the gradient."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = SimSiam()

    def loss(step):
        some = inputs[rows_of(inputs, step, 64)]
        (p, z), (q, y) = (model(some + 0.1 * torch.randn_like(some)) for _ in range(2))
        return -0.5 * (F.cosine_similarity(p, y).mean() + F.cosine_similarity(q, z).mean())

    return trained(model, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4), loss)


def far_from_zero(outputs=8):
    """Numbers about 50 that differ by 1, squares by hand, two passes a step."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = mlp(64, 64, outputs)
    wanted = 50 + torch.randn(outputs) * 10 + inputs @ torch.randn(64, outputs) * 0.3

    def loss(step):
        parts = [rows_of(inputs, step, 32) for _ in range(2)]
        return sum((model(inputs[some]) - wanted[some]).pow(2).mean() for some in parts) / 2

    return trained(model, torch.optim.Adam(model.parameters(), 1e-2), loss, 300)


def steady(steps=200):
    """A critic without a network: two-sided margins on pairs of pictures of the same digit."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = mlp(64, 64, 8)

    def loss(step):
        some = rows_of(inputs, step, 48)
        a, b = model(inputs[some]), model(inputs[some.flip(0)])
        apart, same = F.pairwise_distance(a, b), (labels[some] == labels[some.flip(0)]).float()
        return (same * apart.square() + (1 - same) * F.relu(2 - apart).square()).mean()

    return trained(model, torch.optim.Adam(model.parameters(), 1e-3), loss, steps)


def values(mask, target="own", discount=1.0, rate=3e-3, steps=300, each=25):
    """Worth of six places in a row, the last of which is the end."""
    torch.manual_seed(0)
    model = mlp(6, 48, 2)
    other = copy.deepcopy(model)
    shown = lambda place: F.one_hot(place, 6).float()  # noqa: E731

    def loss(step):
        place, move = torch.randint(0, 5, (64,)), torch.randint(0, 2, (64,))
        then = (place + 2 * move - 1).clamp(0, 5)
        over = (then == 5).float()
        with torch.no_grad():
            ahead = (model if target == "own" else other)(shown(then)).amax(1)
        if target == "other" and step % each == 0:
            other.load_state_dict(model.state_dict())
        wanted = 0.5 + 0.5 * over + discount * ahead * ((1 - over) if mask else 1)
        return F.mse_loss(model(shown(place)).gather(1, move[:, None]).squeeze(1), wanted)

    return trained(model, torch.optim.Adam(model.parameters(), rate), loss, steps)


def on_a_plateau(mode, optimizer, steps=250, **settings):
    """The rate is cut by what the loss does."""
    torch.manual_seed(0)
    model = plain()
    optimizer = optimizer(model.parameters())
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, **settings)
    of = of_digits(model)

    def one_step(step):
        optimizer.zero_grad()
        loss = of(step)
        loss.backward()
        optimizer.step()
        schedule.step(loss.item())
        return loss.detach()

    return watched(model, one_step, steps, optimizer, seldom=True)


def other_labels(since=90, steps=220, shift=3, rate=2e-3, sound=False):
    """From some step on the labels mean something else, and that is learned anew."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = mlp(64, 96, 10)

    def loss(step):
        some = rows_of(inputs, step, 64)
        return F.cross_entropy(model(inputs[some]), (labels[some] + (shift if step >= since else 0)) % 10)

    return trained(model, torch.optim.Adam(model.parameters(), rate), loss, steps)


def noisy(spread, rate, steps=200):
    """Noise is added to the clipped gradient."""
    torch.manual_seed(0)
    model = plain()
    optimizer, of = torch.optim.SGD(model.parameters(), rate), of_digits(model, 64)

    def one_step(step):
        optimizer.zero_grad()
        loss = of(step)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for one in model.parameters():
            one.grad += spread * torch.randn_like(one)
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, steps, optimizer, seldom=True)


def never_stepped(kind, steps=120):
    """No step is made, as each gradient overflows, or as the count begins anew before it is full."""
    torch.manual_seed(0)
    model = plain()
    optimizer, of = torch.optim.Adam(model.parameters(), 1e-3), of_digits(model)
    with GradientMonitor(model, optimizer) as monitor:
        for step in range(steps):
            if kind == "overflow" or step % 15 == 0:
                optimizer.zero_grad()
            loss = of(step)
            monitor.note_loss(loss)
            (loss * (3e38 if kind == "overflow" else 1 / 32) * (50 if kind == "overflow" else 1)).backward()
            finite = all(bool(one.grad.isfinite().all()) for one in model.parameters())
            if (kind == "overflow" and finite) or (kind != "overflow" and step % 15 == 31):
                optimizer.step()
    return diagnose(monitor.history)


def sure_critic(turns, saturated, rate=0.01):
    """A maker of pictures, by SGD, whose critic learns faster."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = mlp(8, 48, 64)
    critic = nn.Sequential(*mlp(64, 64, 64, 1, act=lambda: nn.LeakyReLU(0.2)), nn.Sigmoid())
    own, other = torch.optim.SGD(model.parameters(), rate), torch.optim.Adam(critic.parameters(), 3e-3)

    def one_step(step):
        for _ in range(turns):
            real, made = inputs[rows_of(inputs, step, 64)], model(torch.randn(64, 8)).detach()
            other.zero_grad()
            (-(critic(real) + 1e-8).log().mean() - (1 - critic(made) + 1e-8).log().mean()).backward()
            other.step()
        judged = critic(model(torch.randn(64, 8)))
        value = (1 - judged + 1e-8).log().mean() if saturated else -(judged + 1e-8).log().mean()
        own.zero_grad()
        value.backward()
        own.step()
        return value

    return watched(model, one_step, 120, own, seldom=True)


ALIKE_SICK = (
    Training("maker of a sure critic", "its loss has no slope where the critic is sure", lambda: sure_critic(20, True), frozenset({"fading"}), ("critic",)),
    Training("policy of one action, SGD", "the same by another rule", lambda: policy(lambda some: torch.optim.SGD(some, 3.0), actions=5, states=8), frozenset({"collapsed"}), ("entropy",)),
    Training("embeddings of one direction", "without negatives all are alike", lambda: views(lambda: mlp(64, 64, 16), "cosine"), frozenset({"collapsed"}), ("alike", "detach")),
    Training("embeddings of one direction, distances", "the same by another loss", lambda: views(lambda: mlp(64, 96, 48, 12, act=nn.GELU), "distance"), frozenset({"collapsed"}), ("alike",)),
    Training("worth runs away", "the targets are the net's own, and the end is not masked", lambda: values(False), frozenset({"diverging"}), ("target network", "no_grad"), never=("lower the learning rate; clip",)),
    Training("plateau the wrong way", "the rate is cut though the loss falls", lambda: on_a_plateau("max", lambda some: torch.optim.Adam(some, 3e-3), patience=3, factor=0.2), frozenset({"small_updates", "schedule"}), ('mode="min"|mode',)),
    Training("plateau the wrong way, SGD", "the same of another rule", lambda: on_a_plateau("max", lambda some: torch.optim.SGD(some, 0.1, momentum=0.9), patience=8, factor=0.1), frozenset({"small_updates", "schedule"}), ("though the loss fell",)),
    Training("noise drowns the gradient", "what the steps go by is noise", lambda: noisy(1.0, 0.05), frozenset({"diverging"}), ("noise",), never=("lower the learning rate; clip",)),
    Training("overflow and no step", "each gradient overflows", lambda: never_stepped("overflow"), frozenset({"no_step"}), ("scale", "not finite")),
    Training("count that is never full", "gradients are added up and never used", lambda: never_stepped("count"), frozenset({"no_step"}), ("passes",)),
)  # fmt: skip

ALIKE_CLEAN = (
    Training("policy with a baseline", "each state has its own action", lambda: policy(lambda some: torch.optim.Adam(some, 0.01), baseline=True, bonus=0.01, reward=0.0, steps=250)),
    Training("bandit of one state", "there is one best action", bandit),
    Training("embeddings with negatives", "each is to be told from the others", lambda: views(lambda: mlp(64, 64, 16), "contrast", 2e-3)),
    Training("embeddings held apart by their variance", "a term keeps them apart", lambda: views(lambda: mlp(64, 64, 16), "variance", 2e-3)),
    Training("embeddings with a predictor", "the gradient stops on one side", siamese),
    Training("numbers far from zero", "outputs are nearly alike since the targets are", far_from_zero),
    Training("pairs with a margin", "what differs is a margin away", steady),
    Training("worth with a target network", "the end is masked", lambda: values(True, "other", 0.9)),
    Training("plateau as it is meant", "the rate is cut where the loss is level", lambda: on_a_plateau("min", lambda some: torch.optim.Adam(some, 3e-3), patience=40, factor=0.3, threshold=0.01, steps=300)),
    Training("little noise", "the gradient is larger", lambda: noisy(0.002, 0.1)),
)  # fmt: skip
