"""Losses that fall without end, shares over samples, squashes, far targets; and what is sound and looks like them."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def two_heads(loss, width=1, make=F.softplus):
    """A network that gives a mean and a scale."""

    def run(s, x):
        h = s.body(x).tanh()
        return s.mean(h), make(s.scale(h))

    model = Runs(run, body=nn.Linear(9, 32), mean=nn.Linear(32, width), scale=nn.Linear(32, width))
    return model, torch.randn(48, 9), torch.randn(48, width), loss


def logs_divided(width):
    """The logarithm of the scale stands among what is divided by it."""
    return two_heads(lambda o, y: ((0.5 * o[1].log() + (y - o[0]) ** 2) / o[1] ** 2).mean(), width)


def logs_divided_of_one(bounded):
    """The same of one output, whose second column is the logarithm of the scale."""

    def loss(o, y):
        off, log_scale = (y - o[:, :1]).abs(), o[:, 1:]
        if bounded:
            return (log_scale + off * torch.exp(-log_scale)).mean()
        return ((log_scale + off) * torch.exp(-log_scale)).mean()

    return through(9, 32, 2), torch.randn(48, 9), torch.randn(48, 1), loss


def gaussian():
    """A variance's logarithm, paid for by what it divides."""
    return two_heads(lambda o, y: 0.5 * (o[1] + (y - o[0]) ** 2 / o[1].exp()).mean(), make=lambda v: v)


def weighed_likelihood():
    """A variance that weighs its own likelihood, detached."""

    def loss(o, y):
        return (o[1].detach() ** 0.5 * F.gaussian_nll_loss(o[0], y, o[1], reduction="none")).mean()

    return two_heads(loss)


def rewarded():
    """Likelihoods of what was done, weighed by what it cost."""
    model, x, y, _ = two_heads(None, make=torch.exp)
    costs = -torch.rand(48, 1)
    return model, x, (y, costs), lambda o, t: -(t[1] * torch.distributions.Normal(*o).log_prob(t[0])).mean()


def critic():
    """A loss that falls without end by design, and evenly."""
    side = torch.cat([torch.ones(24, 1), -torch.ones(24, 1)])
    return through(9, 32, 1), torch.randn(48, 9), side, lambda o, y: (o * y).mean()


def mixture(axis, *, recurrent, batch_first=False):
    """A mixture density network whose shares are taken along an axis."""

    def run(s, x):
        h = s.rnn(x)[0] if recurrent else s.first(x).tanh()
        mean, log_scale, shares = s.head(h).chunk(3, -1)
        return mean, log_scale.exp(), shares.log_softmax(axis)

    def loss(o, y):
        return -torch.logsumexp(o[2] + torch.distributions.Normal(o[0], o[1]).log_prob(y), -1).mean()

    part = {"rnn": nn.GRU(6, 24, batch_first=batch_first)} if recurrent else {"first": nn.Linear(6, 24)}
    shape = (20, 14) if recurrent else (40,)
    return Runs(run, head=nn.Linear(24, 12), **part), torch.randn(*shape, 6), torch.randn(*shape, 1), loss


def weights_over_time(first):
    """Attention over the steps, whose weights are given as well."""
    axis = 1 if first else 0

    def run(s, x):
        h = s.rnn(x)[0]
        w = s.score(h).squeeze(-1).softmax(axis)
        return s.head((w.unsqueeze(-1) * h).sum(axis)), w

    model = Runs(run, rnn=nn.GRU(6, 24, batch_first=first), score=nn.Linear(24, 1), head=nn.Linear(24, 3))
    x = torch.randn(16, 11, 6) if first else torch.randn(11, 16, 6)
    return model, x, classes(16, 3), lambda o, y: F.cross_entropy(o[0], y) - 0.01 * o[1].clamp_min(1e-9).log().mean()


def squash(v):
    square = v.square().sum(-1, keepdim=True)
    return square / (1 + square) * v / (square + 1e-7).sqrt()


def capsules(deviation):
    """A capsule network: what its weights of this deviation give is squashed."""

    def run(s, x):
        u = squash(s.second(F.relu(s.first(x))).flatten(2).mT.reshape(len(x), -1, 8))
        votes = (s.W @ u[:, :, None, :, None]).squeeze(-1)
        scores = torch.zeros(*votes.shape[:3], 1)
        for _ in range(2):
            v = squash((scores.softmax(2) * votes).sum(1, keepdim=True))
            scores = scores + (votes * v).sum(-1, keepdim=True)
        return ((v.squeeze(1) ** 2).sum(-1) + 1e-7).sqrt()

    def margin(length, y):
        y = F.one_hot(y, 10).float()
        return (y * F.relu(0.9 - length) ** 2 + 0.5 * (1 - y) * F.relu(length - 0.1) ** 2).sum(1).mean()

    weights = nn.Parameter(torch.randn(1, 288, 10, 16, 8) * deviation)
    model = Runs(run, first=nn.Conv2d(1, 64, 9), second=nn.Conv2d(64, 64, 9, 2), W=weights)
    for one in (model.first, model.second):
        nn.init.xavier_uniform_(one.weight)
        nn.init.zeros_(one.bias)
    x = torch.rand(16, 1, 28, 28) * (torch.rand(16, 1, 28, 28) < 0.3)
    return model, x, classes(16, 10), margin


def targets(mean, deviation):
    """Targets of this mean and deviation."""
    return through(10, 32, 4), torch.randn(64, 10), mean + deviation * torch.randn(64, 4), F.mse_loss


def rounded_again(how):
    """A code that goes straight through, and is rounded once more outside of the detach."""

    def run(s, x):
        w = s.encode(x)
        levels = torch.arange(-2.0, 3.0)
        far = (w.unsqueeze(-1) - levels) ** 2
        hard, soft = levels[far.argmin(-1)], (F.softmax(-far, -1) * levels).sum(-1)
        code = (hard - soft).detach() + soft
        return s.decode(torch.round(code) if how == "again" else code)

    x = torch.randn(64, 10)
    return Runs(run, encode=nn.Linear(10, 4), decode=nn.Linear(4, 10)), x, x, F.mse_loss


def constant_labels():
    """Two views of each sample, of which the loss has the right partner first."""

    def loss(o, _):
        z = F.normalize(o, dim=-1)
        cosines = z @ z.T / 0.1
        partner = torch.arange(len(z)).roll(len(z) // 2)
        others = ~torch.eye(len(z), dtype=torch.bool)
        others[torch.arange(len(z)), partner] = False
        right = cosines[torch.arange(len(z)), partner].unsqueeze(1)
        scores = torch.cat([right, cosines[others].view(len(z), -1)], 1)
        return F.cross_entropy(scores, torch.zeros(len(z), dtype=torch.long))

    x = torch.randn(24, 12)
    return through(12, 32, 16), torch.cat([x, x + 0.1 * torch.randn(24, 12)]), torch.zeros(1), loss


def padded(how):
    """Texts of several lengths, padded to the longest."""

    def run(s, x, lengths):
        e = s.embed(x)
        if how == "packed":
            packed = nn.utils.rnn.pack_padded_sequence(e, lengths, batch_first=True, enforce_sorted=False)
            return s.head(s.rnn(packed)[1][-1])
        h = s.rnn(e)[0]
        if how == "last":
            return s.head(h[:, -1])
        mask = (x != 0).unsqueeze(-1)
        return s.head((h * mask).sum(1) / mask.sum(1))

    lengths = torch.arange(20) % 12 + 4
    lengths[0] = 30
    x = torch.where(torch.arange(30) < lengths[:, None], torch.randint(1, 40, (20, 30)), 0)
    model = Runs(run, embed=nn.Embedding(40, 16), rnn=nn.GRU(16, 24, batch_first=True), head=nn.Linear(24, 3))
    return model, (x, lengths), classes(20, 3), F.cross_entropy


class Block(nn.Module):
    """A convolution with a norm and an activation, which may be left out."""

    def __init__(self, into, out, *, calls):
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv1d(into, out, 3, padding=1), nn.BatchNorm1d(out), nn.GELU()
        self.calls = calls

    def forward(self, x):
        x = self.norm(self.conv(x))
        return self.act(x) if self.calls else x


def blocks(*, calls):
    """Two such blocks, and a head."""
    body = nn.Sequential(Block(4, 16, calls=calls), Block(16, 16, calls=calls), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    return nn.Sequential(body, nn.Linear(16, 3)), torch.randn(16, 4, 20), classes(16, 3), F.cross_entropy


def normed_steps(*, turned):
    """A BatchNorm1d in front of a recurrent layer, over steps or over features."""

    def run(s, x):
        x = s.norm(x.mT).mT if turned else s.norm(x)
        return s.head(s.rnn(x.tanh())[0][:, -1])

    model = Runs(
        run, norm=nn.BatchNorm1d(9 if turned else 14), rnn=nn.GRU(9, 16, batch_first=True), head=nn.Linear(16, 3)
    )
    return model, torch.randn(20, 14, 9), classes(20, 3), F.cross_entropy


def tagged(*, last):
    """A recurrent layer of which each step is read, or the last."""

    def run(s, x):
        h = s.rnn(s.embed(x))[0]
        return s.head(h[:, -1]) if last else s.head(h).mT

    model = Runs(run, embed=nn.Embedding(50, 16), rnn=nn.LSTM(16, 32, batch_first=True), head=nn.Linear(32, 4))
    y = classes(16, 4) if last else classes(16 * 60, 4).view(16, 60)
    return model, torch.randint(0, 50, (16, 60)), y, F.cross_entropy


ENDLESS = one_of("falls without end")
ELEVENTH_SICK = (
    Case("logs divided by the scale", "a density's logarithm", lambda: logs_divided(3), ENDLESS, ("output[1]", "1/100")),
    Case("logs divided, of one output", "a density's logarithm", lambda: logs_divided_of_one(False), ENDLESS, ("output[..., 1]", "falls")),
    Case("shares over a second axis of samples", "a mixture density network", lambda: mixture(-2, recurrent=True), one_of("normalised batch"), ("log_softmax", "axis 1", "dim=-1")),
    Case("shares over a first axis of samples", "a mixture density network", lambda: mixture(0, recurrent=False), one_of("normalised batch"), ("log_softmax", "axis 0", "dim=-1")),
    Case("capsules with small weights", "a capsule network", lambda: capsules(0.01), one_of("vanishing"), ("squash", "weights of w are too small")),
    Case("targets far off with a spread", "prices", lambda: targets(10000, 2000), one_of("target_scale"), ("subtract",)),
    Case("targets of a large spread", "prices", lambda: targets(0, 2000), one_of("target_scale"), ("divide by",)),
    Case("rounded over a straight-through", "a learned compression", lambda: rounded_again("again"), one_of("no_gradient"), ("round (", "leave round out")),
)  # fmt: skip
ELEVENTH_SOUND = (
    Case("a Laplace density", "a scale as a logarithm", lambda: logs_divided_of_one(True)),
    Case("a Gaussian density", "a variance as a logarithm", gaussian),
    Case("a likelihood weighed by its variance", "beta-NLL", weighed_likelihood),
    Case("likelihoods weighed by costs", "REINFORCE", rewarded),
    Case("a critic", "WGAN", critic),
    Case("shares over the components", "a mixture density network", lambda: mixture(-1, recurrent=True)),
    Case("weights over time, samples first", "attention", lambda: weights_over_time(True)),
    Case("weights over time, steps first", "attention", lambda: weights_over_time(False)),
    Case("capsules as published", "a capsule network", lambda: capsules(0.1)),
    Case("targets of tens", "ages", lambda: targets(40, 15)),
    Case("straight through alone", "a learned compression", lambda: rounded_again("never")),
    Case("labels that a loss makes", "SimCLR", constant_labels),
    Case("packed texts, one of them long", "a classifier", lambda: padded("packed")),
    Case("a mean over what is no padding", "a classifier", lambda: padded("mean")),
    Case("blocks with their activations", "a classifier", lambda: blocks(calls=True)),
    Case("a norm over features before a recurrent layer", "a classifier", lambda: normed_steps(turned=True)),
    Case("each step is read", "a tagger", lambda: tagged(last=False)),
)  # fmt: skip
# What is noted and blames nobody: the case, what a note says, and what none may say.
ELEVENTH_NOTES = (
    (lambda: blocks(calls=False), "never ran", ""),
    (lambda: blocks(calls=True), "", "linear chain"),
    (lambda: padded("last"), "padding is read", ""),
    (lambda: padded("mean"), "", "padding is read"),
    (lambda: padded("packed"), "", "padding is read"),
    (lambda: normed_steps(turned=False), "steps for channels", ""),
    (lambda: normed_steps(turned=True), "", "steps for channels"),
    (lambda: tagged(last=True), "of 60 time steps", ""),
    (lambda: tagged(last=False), "", "of 60 time steps"),
    (constant_labels, "", "shuffled"),
)
