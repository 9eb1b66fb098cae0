"""More of the kinds of `kinds_drawn`, written after these had been mended and not looked at before."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def full_covariance():
    """A VAE of pictures whose code comes of a MultivariateNormal by sample()."""

    def run(s, x):
        h = F.relu(s.conv(x)).flatten(1)
        mean, spread = s.mean(h), F.softplus(s.spread(h)) + 0.1
        posterior = MultivariateNormal(mean, scale_tril=torch.diag_embed(spread))
        prior = MultivariateNormal(torch.zeros(4), torch.eye(4))
        return s.decode(posterior.sample()).view_as(x), kl_divergence(posterior, prior).mean()

    x = torch.rand(16, 1, 8, 8)
    model = Runs(run, conv=nn.Conv2d(1, 4, 3, 2), mean=nn.Linear(36, 4), spread=nn.Linear(36, 4), decode=through(4, 32, 64))  # fmt: skip
    return model, x, x, lambda o, y: F.mse_loss(o[0], y) + 0.01 * o[1]


def drawn_weights():
    """Weights drawn about their means by sample(): only the divergence moves the means."""

    def run(s, x):
        drawn = Normal(s.mean, F.softplus(s.rho))
        return s.out(F.relu(F.linear(x, drawn.sample()))), kl_divergence(drawn, Normal(0.0, 1.0)).sum()

    model = Runs(run, mean=nn.Parameter(torch.randn(32, 16) / 4), rho=nn.Parameter(torch.full((32, 16), -3.0)), out=nn.Linear(32, 4))  # fmt: skip
    return model, torch.randn(32, 16), classes(32, 4), lambda o, y: F.cross_entropy(o[0], y) + 1e-3 * o[1]


def skipped_tokens():
    """A transformer that drops tokens by draws, whose chances only a budget reaches."""

    def run(s, x):
        h = s.embed(x)
        kept = Bernoulli(logits=s.keep(h)).sample()
        y = s.block(h * kept)
        return s.out(y.mean(1)), torch.sigmoid(s.keep(h)).mean()

    block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
    model = Runs(run, embed=nn.Linear(8, 16), keep=nn.Linear(16, 1), block=block, out=nn.Linear(16, 4))
    return model, torch.randn(16, 7, 8), classes(16, 4), lambda o, y: F.cross_entropy(o[0], y) + (o[1] - 0.5).abs()


def two_generators():
    """ELECTRA: a discriminator of tokens that a small generator draws, which its own cross-entropy trains."""

    def run(s, x):
        hidden = torch.rand(x.shape) < 0.3
        said = s.generator(x.masked_fill(hidden, 0))
        drawn = torch.distributions.Categorical(logits=said).sample()
        mixed = torch.where(hidden, drawn, x)
        return said, s.discriminator(mixed).squeeze(-1), hidden, mixed

    def loss(out, x):
        said, real, hidden, mixed = out
        first = F.cross_entropy(said[hidden], x[hidden])
        return first + F.binary_cross_entropy_with_logits(real, (mixed == x).float())

    def part(out):
        return nn.Sequential(nn.Embedding(20, 16), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, out))

    x = torch.randint(1, 20, (16, 9))
    return Runs(run, generator=part(20), discriminator=part(1)), x, x, loss


def scored_by_a_number():
    """REINFORCE for a Gaussian policy, whose reward is one number for each episode."""

    def run(s, state):
        policy = Normal(s.policy(state), s.log_deviation.exp())
        action = policy.sample()
        return policy.log_prob(action).sum(), -(action - 1).pow(2).sum(), policy.entropy().mean()

    def loss(out, _):
        return -out[0] * out[1] - 0.01 * out[2]

    return Runs(run, policy=through(6, 32, 2), log_deviation=nn.Parameter(torch.zeros(2))), torch.randn(20, 6), None, loss  # fmt: skip


def decoder_steps_first():
    """Queries that look at a memory, both with samples first, by an attention that takes steps first."""

    def run(s, x, memory):
        h = s.embed(x)
        return s.out((h + s.attend(h, s.read(memory), s.read(memory))[0]).amax(1))

    model = Runs(run, embed=nn.Linear(6, 16), read=nn.Linear(5, 16), attend=nn.MultiheadAttention(16, 2), out=nn.Linear(16, 3))  # fmt: skip
    return model, (torch.randn(12, 7, 6), torch.randn(12, 7, 5)), classes(12, 3), F.cross_entropy


def softmax_without_a_dim():
    """nn.Softmax() of three axes takes the first."""

    def run(s, x):
        h = s.embed(x)
        return s.out((s.soft(h @ h.transpose(1, 2) / 4) @ h).mean(1))

    return Runs(run, embed=nn.Linear(6, 16), soft=nn.Softmax(), out=nn.Linear(16, 3)), torch.randn(12, 7, 6), classes(12, 3), F.cross_entropy  # fmt: skip


def next_word_steps_first():
    """A language model over (steps, samples), as torch's own example has it."""

    def run(s, x):
        return s.out(s.rnn(s.embed(x))[0]).flatten(0, 1)

    x = torch.randint(0, 20, (14, 6))
    return Runs(run, embed=nn.Embedding(20, 16), rnn=nn.LSTM(16, 16), out=nn.Linear(16, 20)), x, torch.randint(0, 20, (84,)), F.cross_entropy  # fmt: skip


def looks_back_steps_first():
    """Bahdanau's attention over (steps, samples, features): its softmax runs along the steps."""

    def run(s, x):
        y, last = s.rnn(x)
        weights = s.score(torch.tanh(s.a(y) + s.b(last))).softmax(0)
        return s.out((weights * y).sum(0))

    model = Runs(run, rnn=nn.GRU(6, 16), a=nn.Linear(16, 16), b=nn.Linear(16, 16), score=nn.Linear(16, 1), out=nn.Linear(16, 3))  # fmt: skip
    return model, torch.randn(9, 12, 6), classes(12, 3), F.cross_entropy


def steps_by_reshape():
    """(samples, steps, features) reshaped to (samples, features, steps) for a convolution."""
    model = Runs(lambda s, x: s.out(F.relu(s.conv(x.reshape(len(x), 6, 11))).mean(2)), conv=nn.Conv1d(6, 16, 3), out=nn.Linear(16, 3))  # fmt: skip
    return model, torch.randn(12, 11, 6), classes(12, 3), F.cross_entropy


def heads_never_turned_back():
    """(samples, heads, steps, part) reshaped to (samples, steps, width)."""

    def run(s, x):
        b, t, w = x.shape
        q, k, v = (one.view(b, t, 4, w // 4).transpose(1, 2) for one in s.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v)
        return s.out((x + s.back(y.reshape(b, t, w))).mean(1))

    return Runs(run, qkv=nn.Linear(16, 48), back=nn.Linear(16, 16), out=nn.Linear(16, 3)), torch.randn(12, 7, 16), classes(12, 3), F.cross_entropy  # fmt: skip


def stacked_frames():
    """Listen, attend and spell: two frames become one of twice the width."""

    def run(s, x):
        h = s.first(x)[0]
        h = h.reshape(len(h), 6, 32)
        return s.out(s.second(h)[0][:, -1])

    model = Runs(run, first=nn.GRU(5, 16, batch_first=True), second=nn.GRU(32, 16, batch_first=True), out=nn.Linear(16, 3))  # fmt: skip
    return model, torch.randn(10, 12, 5), classes(10, 3), F.cross_entropy


def groups_by_hand():
    """A norm over groups of channels, as many groups as a map is high."""

    def run(s, x):
        h = s.conv(x)
        g = h.view(len(h), 4, -1)
        g = (g - g.mean(2, keepdim=True)) / (g.std(2, keepdim=True) + 1e-5)
        return s.out(F.relu(g.view_as(h)).mean((2, 3)))

    return Runs(run, conv=nn.Conv2d(3, 16, 3, 2), out=nn.Linear(16, 3)), torch.randn(10, 3, 9, 9), classes(10, 3), F.cross_entropy  # fmt: skip


def by_log_softmax():
    """All pairs' cosines by log_softmax and nll_loss."""

    def loss(z, _):
        z = F.normalize(z)
        return F.nll_loss(F.log_softmax(z @ z.T * 10, 1), (torch.arange(24) + 12) % 24)

    x = torch.randn(12, 16)
    return through(16, 32, 8), torch.cat([x, x + 0.2 * torch.randn(12, 16)]), None, loss


def by_logsumexp():
    def loss(z, _):
        z = F.normalize(z)
        scores = torch.einsum("id,jd->ij", z, z) / 0.3
        return (scores.logsumexp(1) - scores.diagonal(12)[0] - (z * z.roll(12, 0)).sum(1) / 0.3).mean()

    x = torch.randn(12, 16)
    return through(16, 32, 8), torch.cat([x, x + 0.2 * torch.randn(12, 16)]), None, loss


def spread_out():
    """Density by kernels, each sample's own included: an entropy of what a network gives."""

    def loss(z, _):
        near = -torch.cdist(z, z).pow(2)
        return near.logsumexp(1).mean() + z.pow(2).mean()

    return through(16, 32, 8), torch.randn(24, 16), None, loss


def with_a_queue():
    def run(s, a, b):
        a, b = F.normalize(s.net(a)), F.normalize(s.net(b)).detach()
        return torch.cat([(a * b).sum(1, keepdim=True), a @ s.queue.T], 1) / 0.2

    x = torch.randn(24, 16)
    model = Runs(run, net=through(16, 32, 8))
    model.register_buffer("queue", F.normalize(torch.randn(40, 8)))
    return model, (x, x + 0.1 * torch.randn(24, 16)), torch.zeros(24, dtype=torch.long), F.cross_entropy


def classes_counted():
    """Intersection over union of the classes decided for each pixel."""

    def loss(out, y):
        chosen, wanted = F.one_hot(out.argmax(1), 3), F.one_hot(y, 3)
        both = (chosen * wanted).sum((0, 1, 2)).float()
        return 1 - (both / ((chosen + wanted) > 0).sum((0, 1, 2))).mean() + 0.0 * out.mean()

    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1))
    return model, torch.randn(6, 3, 8, 8), torch.randint(0, 3, (6, 8, 8)), loss


def by_its_sign():
    """A linear machine's output is turned into ±1 before the loss."""
    model = Runs(lambda s, x: torch.sign(s.net(x)), net=through(16, 32, 1))
    return model, torch.randn(32, 16), torch.sign(torch.randn(32, 1)), F.mse_loss


def functional_norm_of_one():
    def run(s, x):
        h = F.layer_norm(s.a(x).unsqueeze(-1), (1,)).squeeze(-1)
        return s.out(h + s.b(x))

    return Runs(run, a=nn.Linear(16, 32), b=nn.Linear(16, 32), out=nn.Linear(32, 3)), torch.randn(32, 16), classes(32, 3), F.cross_entropy  # fmt: skip


def groups_of_features():
    model = nn.Sequential(nn.Linear(16, 32), nn.GroupNorm(32, 32), nn.GELU(), nn.Linear(32, 3))
    return model, torch.randn(32, 16), classes(32, 3), F.cross_entropy


def one_group_of_pooled():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.GroupNorm(1, 16), nn.Flatten(), nn.Linear(16, 3))  # fmt: skip
    return model, torch.randn(12, 3, 8, 8), classes(12, 3), F.cross_entropy


def bytes_into_convolutions():
    """Bytes into tanh called as a function."""
    model = Runs(lambda s, x: s.out(torch.tanh(s.b(torch.tanh(s.a(x)))).mean((2, 3))), a=nn.Conv2d(3, 8, 5), b=nn.Conv2d(8, 8, 3), out=nn.Linear(8, 3))  # fmt: skip
    return model, torch.randint(0, 256, (12, 3, 12, 12)).float(), classes(12, 3), F.cross_entropy


def equivariant():
    """EGNN for a number of each graph: the last layer moves points that nobody looks at."""

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.edge, self.node, self.move = through(17, 16, 16, act=nn.SiLU), through(24, 16, 8, act=nn.SiLU), through(16, 16, 1, act=nn.SiLU)  # fmt: skip

        def forward(self, h, x):
            n = len(h)
            apart = x[:, None] - x[None]
            m = self.edge(torch.cat([h[:, None].expand(n, n, 8), h[None].expand(n, n, 8), (apart**2).sum(-1, keepdim=True)], -1))  # fmt: skip
            return h + self.node(torch.cat([h, m.sum(1)], 1)), x + (apart * self.move(m)).mean(1)

    def run(s, h, x):
        h = s.embed(h)
        for layer in s.layers:
            h, x = layer(h, x)
        return s.out(h)

    model = Runs(run, embed=nn.Linear(5, 8), layers=nn.ModuleList(Layer() for _ in range(3)), out=nn.Linear(8, 1))
    return model, (torch.randn(10, 5), torch.randn(10, 3)), torch.randn(10, 1), F.mse_loss


def cast_by_autocast(kind):
    def run(s, x):
        with torch.autocast("cpu", dtype=kind):
            return s.net(x).float()

    model = Runs(run, net=through(16, 32, 32, 4))
    return model, torch.randn(32, 16), classes(32, 4), lambda o, y: 1e-7 * F.cross_entropy(o, y)


LINE = "(kinds_drawn_later.py, line"
DRAWN_LATER_SICK = (
    Case("full covariance", "MultivariateNormal.sample()", full_covariance, one_of("drawn"), (f"sample {LINE}", "rsample", "mean")),
    Case("weights by sample", "Bayes by sample()", drawn_weights, one_of("drawn"), (f"sample {LINE}", "rsample")),
    Case("skipped tokens", "Bernoulli.sample()", skipped_tokens, one_of("drawn"), (f"sample {LINE}", "straight", "keep")),
    Case("decoder, steps first", "batch_first forgotten", decoder_steps_first, one_of("mixed samples"), ("batch_first", "attend")),
    Case("softmax without a dim", "nn.Softmax()", softmax_without_a_dim, one_of("mixed samples"), ("softmax", "dim")),
    Case("steps by reshape", "reshape for transpose", steps_by_reshape, one_of("mixed axes"), (f"reshape {LINE}", "transpose")),
    Case("heads never turned back", "no transpose", heads_never_turned_back, one_of("mixed axes"), (f"reshape {LINE}", "transpose")),
    Case("pairs by log_softmax", "no mask", by_log_softmax, one_of("self_similarity"), ("itself", "mask")),
    Case("pairs by logsumexp", "no mask", by_logsumexp, one_of("self_similarity"), ("itself", "mask")),
    Case("classes counted", "argmax and one_hot", classes_counted, one_of("no_gradient"), (f"argmax {LINE}",)),
    Case("by its sign", "sign before the loss", by_its_sign, one_of("no_gradient"), (f"sign {LINE}",)),
    Case("functional norm of one", "F.layer_norm over one", functional_norm_of_one, one_of("norm_of_one"), ("layer_norm", "one number")),
    Case("groups of features", "GroupNorm(32, 32) of features", groups_of_features, one_of("norm_of_one"), ("1", "one number")),
    Case("bytes into convolutions", "0 … 255", bytes_into_convolutions, one_of("input_scale"), ("255", "flat")),
    Case("underflows by autocast", "float16 and a loss of 1e−7", lambda: cast_by_autocast(torch.float16), one_of("no_gradient"), ("underflow", "bfloat16")),
)  # fmt: skip

DRAWN_LATER_SOUND = (
    Case("two generators", "Clark 2020", two_generators),
    Case("scored by a number", "Williams 1992", scored_by_a_number),
    Case("next word, steps first", "torch's example", next_word_steps_first),
    Case("looks back, steps first", "Bahdanau 2014", looks_back_steps_first),
    Case("stacked frames", "Chan 2015", stacked_frames),
    Case("groups by hand", "Wu 2018", groups_by_hand),
    Case("spread out", "kernels", spread_out),
    Case("with a queue", "He 2019", with_a_queue),
    Case("one group of pooled", "Wu 2018", one_group_of_pooled),
    Case("equivariant", "Satorras 2021", equivariant),
    Case("brain floats", "bfloat16", lambda: cast_by_autocast(torch.bfloat16)),
)
