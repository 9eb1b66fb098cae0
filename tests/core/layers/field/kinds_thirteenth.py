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


def applied_again(scale, times, *, cell=False):
    """One block, applied again and again."""

    def run(s, x):
        h = F.relu(s.first(x))
        for _ in range(times):
            h = s.step(x, h) if cell else h + F.relu(s.step(h))
        return s.out(h)

    step = nn.RNNCell(12, 32, nonlinearity="relu") if cell else nn.Linear(32, 32)
    model = Runs(run, first=nn.Linear(12, 32), step=step, out=nn.Linear(32, 4))
    with torch.no_grad():
        (step.weight_hh if cell else step.weight).mul_(scale)
    return model, torch.randn(32, 12), classes(32, 4), F.cross_entropy


class Steep(torch.autograd.Function):
    """A step, with the slope of a narrow bell."""

    @staticmethod
    def forward(ctx, x, width):
        ctx.save_for_backward(x)
        ctx.width = width
        return (x > 0).to(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.exp(-((x / ctx.width) ** 2)), None


def of_steps(width, layers=4):
    """Layers of steps, one after the other."""

    def run(s, x):
        for k in range(layers):
            x = Steep.apply(getattr(s, f"l{k}")(x), width)
        return s.out(x)

    parts = {f"l{k}": nn.Linear(16 if not k else 48, 48) for k in range(layers)}
    return Runs(run, out=nn.Linear(48, 3), **parts), torch.randn(64, 16), classes(64, 3), F.cross_entropy


class Looks(nn.Module):
    """Attention with weights of its own, as matrices."""

    def __init__(self, width, scale, size):
        super().__init__()
        self.scale = scale
        self.q, self.k, self.v = (nn.Parameter(size * torch.randn(width, width) / width**0.5) for _ in range(3))

    def forward(self, x):
        """Queries, keys and values of the same."""
        scores = (x @ self.q) @ (x @ self.k).transpose(1, 2) * self.scale
        return scores.softmax(-1) @ (x @ self.v)


def looks(width, scale, size=1.0):
    """A layer of it, normed before."""
    model = nn.Sequential(nn.LayerNorm(width), Looks(width, scale, size), nn.Flatten(), nn.Linear(20 * width, 3))
    return model, torch.randn(16, 20, width), classes(16, 3), F.cross_entropy


def embedded(offset, *, hinge):
    """Embeddings under a loss of the hardest pairs."""

    def loss(e, y):
        d = ((e[:, None] - e[None]) ** 2).sum(-1).add(1e-12).sqrt()
        same = y[:, None] == y[None]
        far, near = d.masked_fill(~same, 0).amax(1), d.masked_fill(same, 1e9).amin(1)
        return (F.relu(far - near + 0.3) if hinge else F.softplus(far - near)).mean()

    model = nn.Sequential(nn.Linear(20, 48), nn.ReLU(), nn.Linear(48, 16))
    with torch.no_grad():
        model[2].bias.add_(offset)
        model[2].weight.mul_(0.02 if offset else 1.0)
    return model, torch.randn(32, 20), torch.arange(8).repeat_interleave(4), loss


THIRTEENTH_SICK = (
    Case("lengths_all_one", "squashed vectors that are all 1 long", lambda: lengths(60.0), one_of("same output"), ("votes", "smaller")),
    Case("gates_all_open", "gates of a kind of one's own, all open", lambda: gates_and_more(3e4), one_of("same output"), ("gate", "smaller")),
    Case("block_applied_again", "one block, 24 times", lambda: applied_again(2.0, 24), one_of("exploding", "cliff"), ("step, applied 24 times in turn",)),
    Case("cell_applied_again", "one cell, 16 times", lambda: applied_again(4.0, 16, cell=True), one_of("exploding along time"), ("the gradient of step grows",)),
    Case("steep_steps", "steps with a narrow slope", lambda: of_steps(0.004), one_of("cliff", "vanishing"), ("steep (kinds_thirteenth.py, line", "of your own")),
    Case("looks_unscaled", "attention that is not divided by the root of the width", lambda: looks(100, 1.0), one_of("saturated"), ("standard deviation", "root of the queries' width")),
)  # fmt: skip
THIRTEENTH_SOUND = (
    Case("lengths_apart", "squashed vectors", lambda: lengths(0.3)),
    Case("gates_apart", "gates of a kind of one's own", lambda: gates_and_more(1.0)),
    Case("with_prior", "a prior, the same for all", with_prior),
    Case("with_lengths", "lengths that are 1 by design", with_lengths),
    Case("begun_at_its_bias", "a head that begins at its bias", begun_at_its_bias),
    Case("block_applied_often", "one block, 8 times", lambda: applied_again(1.0, 8)),
    Case("cell_applied_often", "one cell, 10 times", lambda: applied_again(2.0, 10, cell=True)),
    Case("wide_steps", "steps with a wide slope", lambda: of_steps(1.0)),
    Case("looks_scaled", "attention with a scale", lambda: looks(100, 0.1)),
    Case("looks_small", "attention without a scale, of smaller weights", lambda: looks(64, 1.0, size=0.35)),
    Case("embedded", "embeddings of hard pairs", lambda: embedded(0.0, hinge=True)),
    Case("sure_of_all", "a discriminator, sure of all", sure_of_all),
)  # fmt: skip
THIRTEENTH_NOTES = (
    (lambda: embedded(3.0, hinge=False), "nearly collapsed to one point", ""),
    (lambda: embedded(-2.0, hinge=True), "that of a single point for all", "loss_met"),
    (lambda: looks(49, 1.0), "root of the queries' width", "of your own"),
)
