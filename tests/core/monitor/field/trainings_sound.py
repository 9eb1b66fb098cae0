"""Sound trainings of many kinds, as people write them: losses that rise, level or waver by rights."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.monitor.field.training import (
    Training,
    adversaries,
    digits,
    mlp,
    rows_of,
    watched,
)
from tests.core.monitor.field.trainings_parts import stepped


def penalised_critic(watch="critic", steps=150):
    """Wasserstein with a penalty on the gradient's length, five turns of the critic each."""
    torch.manual_seed(0)
    inputs, _ = digits()
    maker, critic = mlp(8, 64, 64), mlp(64, 64, 64, 1, act=lambda: nn.LeakyReLU(0.2))
    of_maker, of_critic = (torch.optim.Adam(one.parameters(), 1e-3, (0.0, 0.9)) for one in (maker, critic))

    def cost():
        real, made = inputs[torch.randint(len(inputs), (64,))], maker(torch.randn(64, 8)).detach()
        share = torch.rand(64, 1)
        mixed = (share * real + (1 - share) * made).requires_grad_()
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        return critic(made).mean() - critic(real).mean() + 10 * (slope.norm(2, 1) - 1).square().mean()

    def turn_of_critic(step=0):
        of_critic.zero_grad()
        value = cost()
        value.backward()
        of_critic.step()
        return value

    def turn_of_maker(step=0):
        for _ in range(4):
            turn_of_critic()
        of_maker.zero_grad()
        value = -critic(maker(torch.randn(64, 8))).mean()
        value.backward()
        of_maker.step()
        return value

    def of_both(step):
        value = turn_of_critic()
        if step % 5 == 4:
            turn_of_maker()
        return value

    one_step = of_both if watch == "critic" else turn_of_maker
    return watched(
        critic if watch == "critic" else maker,
        one_step,
        steps,
        of_critic if watch == "critic" else of_maker,
        seldom=True,
    )


def hinge(watch, steps=200):
    """Maker and critic by the hinge."""
    torch.manual_seed(0)
    inputs, _ = digits()
    maker, critic = mlp(8, 64, 64), mlp(64, 64, 1, act=lambda: nn.LeakyReLU(0.2))
    of_maker, of_critic = (torch.optim.Adam(one.parameters(), 1e-3, (0.5, 0.999)) for one in (maker, critic))

    def one_step(step):
        real, made = inputs[rows_of(inputs, step, 64)], maker(torch.randn(64, 8))
        of_critic.zero_grad()
        told = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(made.detach())).mean()
        told.backward()
        of_critic.step()
        of_maker.zero_grad()
        value = -critic(made).mean()
        value.backward()
        of_maker.step()
        return value if watch == "maker" else told

    own = (maker, of_maker) if watch == "maker" else (critic, of_critic)
    return watched(own[0], one_step, steps, own[1], seldom=True)


class Byol(nn.Module):
    """Embedding, projection, prediction."""

    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16))
        self.h = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, inputs):
        """What is predicted."""
        return self.h(self.f(inputs))


def own_latent():
    """The target is a slow copy of the embedding."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = Byol()
    slow = copy.deepcopy(model.f)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def loss(step):
        with torch.no_grad():
            for one, other in zip(slow.parameters(), model.f.parameters(), strict=True):
                one.lerp_(other, 0.02)
        some = inputs[rows_of(inputs, step, 64)]
        a, b = some + 0.1 * torch.randn_like(some), some + 0.1 * torch.randn_like(some)
        with torch.no_grad():
            wanted = slow(a), slow(b)
        return 2 - F.cosine_similarity(model(b), wanted[0]).mean() - F.cosine_similarity(model(a), wanted[1]).mean()

    return stepped(model, optimizer, loss=loss)


def two_views(heat=0.5):
    """NT-Xent of both views in one pass."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = mlp(64, 64, 32)

    def loss(step):
        some = inputs[rows_of(inputs, step, 32)]
        made = F.normalize(model(torch.cat((some, some)) + 0.1 * torch.randn(64, 64)), dim=1)
        likeness = (made @ made.T / heat).masked_fill(torch.eye(64, dtype=torch.bool), -1e9)
        return F.cross_entropy(likeness, torch.arange(64).roll(32))

    return stepped(model, torch.optim.Adam(model.parameters(), 1e-3), loss=loss)


class Actor(nn.Module):
    """Policy and worth upon one body."""

    def __init__(self):
        super().__init__()
        self.body, self.pi, self.v = nn.Sequential(nn.Linear(6, 48), nn.Tanh()), nn.Linear(48, 3), nn.Linear(48, 1)

    def forward(self, state):
        """Logits and worth."""
        hidden = self.body(state)
        return self.pi(hidden), self.v(hidden).squeeze(1)


def proximal(epochs=4, rounds=60):
    """Clipped ratios, four epochs of each round."""
    torch.manual_seed(0)
    model = Actor()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    held = {}

    def loss(step):
        if step % epochs == 0:
            place = torch.randint(6, (128,))
            shown = F.one_hot(place, 6).float()
            with torch.no_grad():
                odds, worth = model(shown)
            odds = torch.distributions.Categorical(logits=odds)
            act = odds.sample()
            reward = (act == place % 3).float() + 0.1 * torch.randn(128)
            gain = reward - worth
            held.update(
                shown=shown,
                act=act,
                old=odds.log_prob(act),
                reward=reward,
                gain=(gain - gain.mean()) / (gain.std() + 1e-8),
            )
        logits, worth = model(held["shown"])
        odds = torch.distributions.Categorical(logits=logits)
        ratio = (odds.log_prob(held["act"]) - held["old"]).exp()
        kept = torch.min(ratio * held["gain"], ratio.clamp(0.8, 1.2) * held["gain"]).mean()
        return -kept + 0.5 * F.mse_loss(worth, held["reward"]) - 0.01 * odds.entropy().mean()

    return stepped(model, optimizer, epochs * rounds, loss=loss)


def deep_q(steps=300):
    """Rows of a memory that fills, a target network that is copied."""
    torch.manual_seed(0)
    model = mlp(6, 48, 2)
    target = copy.deepcopy(model)
    shown = lambda place: F.one_hot(place, 6).float()  # noqa: E731
    memory = []

    def loss(step):
        place, move = torch.randint(0, 5, (16,)), torch.randint(0, 2, (16,))
        with torch.no_grad():
            greedy = model(shown(place)).argmax(1)
        move = torch.where(torch.rand(16) < max(0.1, 1 - step / 100), move, greedy)
        memory.append((place, move))
        places, moves = (torch.cat(one)[-2000:] for one in zip(*memory, strict=True))
        some = torch.randint(len(places), (64,))
        place, move = places[some], moves[some]
        then = (place + 2 * move - 1).clamp(0, 5)
        over = (then == 5).float()
        if step % 25 == 0:
            target.load_state_dict(model.state_dict())
        with torch.no_grad():
            wanted = over + 0.9 * (1 - over) * target(shown(then)).amax(1)
        return F.smooth_l1_loss(model(shown(place)).gather(1, move[:, None]).squeeze(1), wanted)

    return stepped(model, torch.optim.Adam(model.parameters(), 3e-3), steps, loss=loss)


SOUND_CLEAN = (
    Training("critic with a penalty on its slope", "its loss is a distance, below 0", penalised_critic),
    Training("maker of a critic with a penalty", "its loss has no level of its own", lambda: penalised_critic("maker", 80)),
    Training("maker by the hinge", "its loss wavers about 0", lambda: hinge("maker")),
    Training("critic by the hinge", "it may stay where it can tell half", lambda: hinge("critic")),
    Training("a critic of three turns", "what it learns is the maker's loss", lambda: adversaries(critics=3)),
    Training("a critic of two turns", "the same, slower", lambda: adversaries(critics=2, steps=200)),
    Training("two views in one pass", "each is to be found among all", two_views),
    Training("target that follows slowly", "its predictor and the slow copy keep it from one point", own_latent),
    Training("clipped ratios", "the loss is near 0 throughout", proximal),
    Training("worth from a memory", "targets move with the copy", deep_q),
)  # fmt: skip
