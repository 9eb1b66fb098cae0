"""One of several outputs is the same for all samples; own functions of autograd; scores and embeddings of an odd size."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def lengths(scale, *, power=2):
    """Lengths of squashed vectors, and a reconstruction."""

    def run(s, x):
        h = F.relu(s.first(x))
        v = torch.einsum("bi,kio->bko", h, s.votes)
        length = v.norm(dim=-1, keepdim=True)
        v = v / length * length**power / (1 + length**power)
        return v.norm(dim=-1), s.decode(v.flatten(1) + s.code(x))

    parts = {"first": nn.Linear(20, 32), "decode": nn.Linear(24, 20), "code": nn.Linear(20, 24)}
    model = Runs(run, votes=nn.Parameter(scale * torch.randn(3, 32, 8)), **parts)
    x, y = torch.randn(24, 20), F.one_hot(classes(24, 3), 3).float()

    def loss(o, t):
        there, absent = F.relu(0.9 - o[0]) ** 2, F.relu(o[0] - 0.1) ** 2
        return (t[0] * there + 0.5 * (1 - t[0]) * absent).sum(1).mean() + 0.1 * F.mse_loss(o[1], t[1])

    return model, x, (y, x), loss


def gates_and_more(scale):
    """A gate that is x / (1 + |x|) of something, and a class."""

    def run(s, x):
        h = torch.tanh(s.first(x))
        raw = h.abs() @ s.gate.weight.abs().T
        return s.head(h), raw / (1 + raw)

    model = Runs(run, first=nn.Linear(12, 40), gate=nn.Linear(40, 2), head=nn.Linear(40, 4))
    with torch.no_grad():
        model.gate.weight.mul_(scale)
    return (
        model,
        torch.randn(32, 12),
        (classes(32, 4), torch.rand(32, 2)),
        lambda o, y: F.cross_entropy(o[0], y[0]) + F.mse_loss(o[1], y[1]),
    )


def with_prior():
    """A variational model that returns its prior beside what it gives, the same for all."""

    def run(s, x):
        mean = s.encode(x)
        return s.decode(mean + torch.randn_like(mean)), mean, s.prior.expand(len(x), -1)

    model = Runs(run, encode=through(12, 32, 4), decode=through(4, 32, 12), prior=nn.Parameter(0.1 * torch.randn(1, 4)))
    x = torch.randn(32, 12)
    return model, x, x, lambda o, y: F.mse_loss(o[0], y) + 0.1 * ((o[1] - o[2]) ** 2).mean()


def with_lengths():
    """Embeddings of length 1, and that length."""

    def run(s, x):
        z = F.normalize(s.net(x), dim=1)
        return s.head(z), z.norm(dim=1)

    model = Runs(run, net=through(12, 32, 16), head=nn.Linear(16, 4))
    return (
        model,
        torch.randn(32, 12),
        classes(32, 4),
        lambda o, y: F.cross_entropy(o[0], y) + 0.01 * (o[1] - 1).pow(2).mean(),
    )


def begun_at_its_bias():
    """A second head that begins at its bias."""
    model = Runs(
        lambda s, x: (s.head(h := F.relu(s.net(x))), s.scale(h)),
        net=nn.Linear(12, 32),
        head=nn.Linear(32, 1),
        scale=nn.Linear(32, 1),
    )
    nn.init.normal_(model.scale.weight, std=1e-6)
    nn.init.constant_(model.scale.bias, -1.0)
    return (
        model,
        torch.randn(32, 12),
        torch.randn(32, 1),
        lambda o, y: (o[1] + (y - o[0]) ** 2 / (2 * (2 * o[1]).exp())).mean(),
    )


def sure_of_all():
    """A discriminator that is sure of real ones, all of them."""
    model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1))
    nn.init.constant_(model[2].bias, 3.0)
    return model, torch.randn(32, 12), torch.ones(32, 1), F.binary_cross_entropy_with_logits


THIRTEENTH_SICK = (
    Case("lengths_all_one", "squashed vectors that are all 1 long", lambda: lengths(60.0), one_of("same output"), ("votes", "smaller")),
    Case("gates_all_open", "gates of a kind of one's own, all open", lambda: gates_and_more(3e4), one_of("same output"), ("gate", "smaller")),
)  # fmt: skip
THIRTEENTH_SOUND = (
    Case("lengths_apart", "squashed vectors", lambda: lengths(0.3)),
    Case("gates_apart", "gates of a kind of one's own", lambda: gates_and_more(1.0)),
    Case("with_prior", "a prior, the same for all", with_prior),
    Case("with_lengths", "lengths that are 1 by design", with_lengths),
    Case("begun_at_its_bias", "a head that begins at its bias", begun_at_its_bias),
    Case("sure_of_all", "a discriminator, sure of all", sure_of_all),
)  # fmt: skip
