"""Models gone wrong as they are asked about in public, each by another mechanism, and published ones of other fields."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def rates_twice():
    """Counts by a network that gives a rate, into a loss that takes its logarithm."""
    model = Runs(lambda s, x: s.net(x).exp(), net=through(16, 32, 1))
    return model, torch.randn(64, 16), torch.poisson(torch.full((64, 1), 3.0)), F.poisson_nll_loss


def pairs_of_0_and_1():
    """Pairs that differ have the label 0, where the loss takes −1."""

    def run(s, a, b):
        return s.net(a), s.net(b)

    def loss(out, y):
        return F.cosine_embedding_loss(*out, y)

    y = torch.randint(0, 2, (32,)).float()
    return Runs(run, net=through(16, 32, 8)), (torch.randn(32, 16), torch.randn(32, 16)), y, loss


def padding_of_0_and_1():
    """A mask of 0 and 1 in floating point, which is added to the scores."""

    def run(s, x, keep):
        h = s.embed(x)
        q, k, v = (f(h).unflatten(-1, (4, 8)).transpose(1, 2) for f in (s.q, s.k, s.v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=keep[:, None, None].float())
        return s.out((h + y.transpose(1, 2).flatten(2)).mean(1))

    keep = torch.arange(9) < torch.randint(2, 10, (16, 1))
    parts = {name: nn.Linear(32, 32) for name in "qkv"}
    model = Runs(run, embed=nn.Embedding(30, 32), out=nn.Linear(32, 4), **parts)
    return model, (torch.randint(0, 30, (16, 9)), keep), classes(16, 4), F.cross_entropy


def causal(diagonal):
    def run(s, x):
        steps = x.shape[1]
        later = torch.triu(torch.ones(steps, steps, dtype=torch.bool), diagonal)
        return s.out(s.blocks(s.embed(x), mask=later)).transpose(1, 2)

    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    model = Runs(run, embed=nn.Embedding(30, 32), blocks=blocks, out=nn.Linear(32, 30))
    return model, torch.randint(0, 30, (8, 7)), torch.randint(0, 30, (8, 7)), F.cross_entropy


def parameter_times_a_number():
    """`nn.Parameter(...) * 0.1` is a tensor, and no parameter."""

    def run(s, x):
        h = s.norm(x + s.places)
        return s.out(s.net(h).mean(1))

    model = Runs(run, norm=nn.LayerNorm(16), net=through(16, 32, 16), out=nn.Linear(16, 4))
    model.places = nn.Parameter(torch.randn(1, 6, 16)) * 0.1
    return model, torch.randn(32, 6, 16), classes(32, 4), F.cross_entropy


def numbers_as_tokens():
    """Standardised numbers cast to whole ones for an embedding: nearly all become 0."""
    model = Runs(lambda s, x: s.net(s.embed(x.long().clamp(0, 9)).flatten(1)), embed=nn.Embedding(10, 8), net=through(64, 32, 4))  # fmt: skip
    return model, torch.rand(32, 8), classes(32, 4), F.cross_entropy


def norm_of_zeros():
    """Weight normalisation of a layer that is drawn as zeros: 0 / 0."""
    layer = nn.Linear(32, 32)
    nn.init.zeros_(layer.weight)
    layer = nn.utils.parametrizations.weight_norm(layer)
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), layer, nn.ReLU(), nn.Linear(32, 4)), torch.randn(32, 16), classes(32, 4), F.cross_entropy  # fmt: skip


def channels_last():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    return model, torch.randn(16, 12, 12, 3), classes(16, 4), F.cross_entropy


def sure_from_the_start():
    """A detector's last bias with the wrong sign and size: a sigmoid that gives 1 for all."""
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1), nn.Sigmoid())
    nn.init.constant_(model[2].bias, 30.0)
    return model, torch.randn(8, 1, 10, 10), (torch.rand(8, 1, 10, 10) > 0.9).float(), nn.BCELoss()


def heads_by_view():
    """(samples, steps, width) viewed as (samples, heads, steps, part of width)."""

    def run(s, x):
        b, t, w = x.shape
        q, k, v = (f(x).view(b, 4, t, w // 4) for f in (s.q, s.k, s.v))
        y = (q @ k.transpose(-1, -2) / 8**0.5).softmax(-1) @ v
        return s.out((x + y.transpose(1, 2).reshape(b, t, w)).mean(1))

    parts = {name: nn.Linear(32, 32) for name in "qkv"}
    return Runs(run, out=nn.Linear(32, 4), **parts), torch.randn(16, 7, 32), classes(16, 4), F.cross_entropy


def columns_by_view():
    """A text line's picture, (samples, channels, height, width), viewed as (samples, width, channels · height)."""

    def run(s, x):
        h = F.max_pool2d(F.relu(s.conv(x)), 2)
        b, c, high, wide = h.shape
        y, _ = s.rnn(h.view(b, wide, c * high))
        return s.out(y).transpose(1, 2)

    model = Runs(run, conv=nn.Conv2d(1, 16, 3, padding=1), rnn=nn.GRU(64, 16, batch_first=True), out=nn.Linear(16, 6))
    return model, torch.randn(16, 1, 8, 20), torch.randint(0, 6, (16, 10)), F.cross_entropy


def logarithm_for_a_variance():
    def loss(out, y):
        return F.gaussian_nll_loss(out[:, 0], y, out[:, 1])

    return through(16, 32, 2), torch.randn(64, 16), torch.randn(64), loss


def weights_of_one():
    """Attention pooling whose softmax runs along the last axis, which has one entry."""

    def run(s, x):
        y, _ = s.rnn(x)
        return s.out((s.score(y).softmax(-1) * y).sum(1))

    model = Runs(run, rnn=nn.GRU(8, 16, batch_first=True), score=nn.Linear(16, 1), out=nn.Linear(16, 4))
    return model, torch.randn(32, 7, 8), classes(32, 4), F.cross_entropy


def written_over():
    """What a sigmoid gave is changed in place before its way back needs it."""

    def run(s, x):
        gate = torch.sigmoid(s.gate(x))
        gate *= s.a(x)
        return s.out(gate)

    return (
        Runs(run, gate=nn.Linear(16, 32), a=nn.Linear(16, 32), out=nn.Linear(32, 4)),
        torch.randn(32, 16),
        classes(32, 4),
        F.cross_entropy,
    )


# -- sound -----------------------------------------------------------------------------------------------------


def forecaster():
    """DeepAR with some of its own draws fed back in."""

    def run(s, x):
        state, given, means, deviations = torch.zeros(len(x), 16), x[:, :1], [], []
        for t in range(1, x.shape[1]):
            state = s.cell(given, state)
            mean, deviation = s.mean(state), F.softplus(s.deviation(state)) + 1e-3
            means.append(mean)
            deviations.append(deviation)
            drawn = torch.distributions.Normal(mean, deviation).sample()
            given = torch.where(torch.rand(len(x), 1) < 0.3, drawn, x[:, t : t + 1])
        return torch.cat(means, 1), torch.cat(deviations, 1)

    def loss(out, x):
        return -torch.distributions.Normal(*out).log_prob(x[:, 1:]).mean()

    x = torch.randn(16, 8)
    return Runs(run, cell=nn.GRUCell(1, 16), mean=nn.Linear(16, 1), deviation=nn.Linear(16, 1)), x, x, loss


def soft_actor():
    """SAC's actor: what it draws goes through the critic."""

    def run(s, state):
        mean, log_deviation = s.actor(state).chunk(2, 1)
        policy = torch.distributions.Normal(mean, log_deviation.clamp(-5, 2).exp())
        drawn = policy.rsample()
        action = torch.tanh(drawn)
        chance = (policy.log_prob(drawn) - torch.log(1 - action**2 + 1e-6)).sum(1)
        return chance, s.critic(torch.cat([state, action], 1)).squeeze(1)

    def loss(out, _):
        return (0.2 * out[0] - out[1]).mean()

    return Runs(run, actor=through(6, 32, 4), critic=through(8, 32, 1)), torch.randn(32, 6), None, loss


def discrete_codes():
    """A discrete VAE by Gumbel's softmax, with its divergence from even chances."""

    def run(s, x):
        logits = s.encode(x).unflatten(1, (4, 8))
        return s.decode(F.gumbel_softmax(logits, tau=0.9).flatten(1)), logits

    def loss(out, x):
        chance = out[1].softmax(-1)
        return F.mse_loss(out[0], x) + 0.01 * (chance * out[1].log_softmax(-1)).sum(-1).mean()

    x = torch.randn(32, 20)
    return Runs(run, encode=through(20, 32, 32), decode=through(32, 32, 20)), x, x, loss


def relative_places():
    """Transformer-XL's shift: a column of zeros, and a view that moves each row on by one."""

    def run(s, x):
        b, t, _ = x.shape
        q, k, v = s.qkv(x).chunk(3, -1)
        near = q @ s.places.T
        near = F.pad(near, (1, 0)).view(b, t + 1, t)[:, 1:]
        weights = ((q @ k.transpose(1, 2) + near) / 4).softmax(-1)
        return s.out((x + weights @ v).mean(1))

    model = Runs(run, qkv=nn.Linear(16, 48), places=nn.Parameter(torch.randn(9, 16) * 0.1), out=nn.Linear(16, 4))
    return model, torch.randn(16, 9, 16), classes(16, 4), F.cross_entropy


def decorrelated():
    """Barlow Twins: the correlation of two views over the batch is brought to one."""

    def run(s, a, b):
        return s.net(a), s.net(b)

    def loss(out, _):
        a, b = ((one - one.mean(0)) / one.std(0) for one in out)
        c = a.T @ b / len(a)
        return (c.diagonal() - 1).pow(2).sum() + 0.005 * (c - torch.diag(c.diagonal())).pow(2).sum()

    x = torch.randn(32, 16)
    net = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 24))
    return Runs(run, net=net), (x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)), None, loss


def bag_of_instances():
    """Ilse 2018: the batch is one bag, over whose instances attention pools."""

    def run(s, x):
        h = s.net(x)
        weights = torch.softmax(s.score(torch.tanh(s.v(h)) * torch.sigmoid(s.u(h))), 0)
        return s.out((weights * h).sum(0, keepdim=True))

    model = Runs(run, net=through(16, 32, 32), v=nn.Linear(32, 16), u=nn.Linear(32, 16), score=nn.Linear(16, 1), out=nn.Linear(32, 2))  # fmt: skip
    return model, torch.randn(24, 16), classes(1, 2), F.cross_entropy


def drawn_weights():
    """Bayes by backprop: weights are drawn about their means."""

    class Bayes(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.mean, self.rho = nn.Parameter(torch.randn(b, a) / a**0.5), nn.Parameter(torch.full((b, a), -4.0))

        def forward(self, x):
            deviation = F.softplus(self.rho)
            drawn = torch.distributions.Normal(self.mean, deviation)
            self.divergence = torch.distributions.kl_divergence(drawn, torch.distributions.Normal(0.0, 1.0)).sum()
            return F.linear(x, drawn.rsample())

    def run(s, x):
        return s.b(F.relu(s.a(x))), s.a.divergence + s.b.divergence

    def loss(out, y):
        return F.cross_entropy(out[0], y) + 1e-3 * out[1]

    return Runs(run, a=Bayes(16, 32), b=Bayes(32, 4)), torch.randn(32, 16), classes(32, 4), loss


def prior_of_its_own():
    """A conditional VAE whose prior is a network too."""

    def run(s, x):
        a, b = s.posterior(x).chunk(2, 1)
        c, d = s.prior(x[:, :8]).chunk(2, 1)
        q, p = (torch.distributions.Normal(m, (v / 2).exp()) for m, v in ((a, b), (c, d)))
        return s.decode(torch.cat([q.rsample(), x[:, :8]], 1)), torch.distributions.kl_divergence(q, p).sum(1).mean()

    def loss(out, x):
        return F.mse_loss(out[0], x) + 0.1 * out[1]

    x = torch.randn(32, 20)
    parts = {"posterior": through(20, 32, 8), "prior": through(8, 32, 8), "decode": through(12, 32, 20)}
    return Runs(run, **parts), x, x, loss


def straight_through_states():
    """Dreamer's states: drawn classes, whose gradient goes to the chances."""

    def run(s, x):
        h, states = torch.zeros(len(x), 32), []
        for t in range(x.shape[1]):
            chance = s.posterior(torch.cat([h, x[:, t]], 1)).unflatten(1, (4, 4)).softmax(-1)
            drawn = torch.distributions.OneHotCategorical(probs=chance).sample()
            state = (drawn + chance - chance.detach()).flatten(1)
            h = s.cell(state, h)
            states.append(torch.cat([h, state], 1))
        return s.decode(torch.stack(states, 1))

    x = torch.randn(16, 6, 10)
    model = Runs(run, posterior=nn.Linear(42, 16), cell=nn.GRUCell(16, 32), decode=through(48, 32, 10))
    return model, x, x, F.mse_loss


def masked_pixels():
    """PixelCNN: convolutions whose weights look back only."""

    class Masked(nn.Conv2d):
        def forward(self, x):
            mask = torch.ones_like(self.weight)
            mask[:, :, 1, 2:] = 0
            mask[:, :, 2:] = 0
            return F.conv2d(x, self.weight * mask, self.bias, padding=1)

    model = nn.Sequential(Masked(1, 16, 3), nn.ReLU(), Masked(16, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 1))
    x = torch.rand(8, 1, 10, 10)
    return model, x, (x[:, 0] * 7.99).long(), F.cross_entropy


def two_stages():
    """Proposals without a gradient, and a second stage that refines them."""

    def run(s, x):
        h = F.relu(s.conv(x))
        score, box = s.score(h).flatten(1), s.box(h).flatten(2).transpose(1, 2)
        best = score.topk(4, 1).indices
        chosen = box.gather(1, best[..., None].expand(-1, -1, 4)).detach()
        parts = h.flatten(2).transpose(1, 2).gather(1, best[..., None].expand(-1, -1, 16))
        return score, box, s.refine(torch.cat([parts, chosen], -1)) + chosen

    def loss(out, t):
        score, box, refined = out
        first = F.binary_cross_entropy_with_logits(score, t[0]) + F.smooth_l1_loss(box, t[1])
        return first + F.smooth_l1_loss(refined, t[2])

    model = Runs(run, conv=nn.Conv2d(3, 16, 3, 2, 1), score=nn.Conv2d(16, 1, 1), box=nn.Conv2d(16, 4, 1), refine=through(20, 32, 4))  # fmt: skip
    t = torch.rand(8, 36).round(), torch.rand(8, 36, 4), torch.rand(8, 4, 4)
    return model, torch.randn(8, 3, 12, 12), t, loss


def left_padding():
    """A language model over sentences padded on the left: no key is left for the padding itself."""

    def run(s, x, keep):
        h = s.embed(x)
        q, k, v = (f(h).unflatten(-1, (4, 8)).transpose(1, 2) for f in (s.q, s.k, s.v))
        steps = torch.arange(x.shape[1])
        mask = (steps <= steps[:, None]) & keep[:, None, None]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return s.out(h + y.transpose(1, 2).flatten(2)).transpose(1, 2)

    keep = torch.arange(8) >= torch.randint(1, 5, (16, 1))
    y = torch.randint(0, 30, (16, 8)).masked_fill(~keep, -100)
    parts = {name: nn.Linear(32, 32) for name in "qkv"}
    model = Runs(run, embed=nn.Embedding(30, 32), out=nn.Linear(32, 30), **parts)
    return model, (torch.randint(0, 30, (16, 8)), keep), y, F.cross_entropy


REPORTS_SICK = (
    Case("rates twice", "exp before log_input=True", rates_twice, one_of("not_log_probabilities", "not_logits"), ("poisson_nll_loss", "exp", "log_input")),
    Case("pairs of 0 and 1", "CosineEmbeddingLoss wants 1 and −1", pairs_of_0_and_1, one_of("target_range", "labels"), ("cosine_embedding_loss", "−1")),
    Case("padding of 0 and 1", "a float mask is added", padding_of_0_and_1, one_of("mask"), ("bool", "added")),
    Case("mask with its diagonal", "triu(…, 0)", lambda: causal(0), one_of("mask", "non_finite"), ("diagonal", "key")),
    Case("parameter times a number", "no parameter any more", parameter_times_a_number, one_of("unlisted"), ("places",)),
    Case("numbers as tokens", "long() of numbers below 1", numbers_as_tokens, one_of("no_gradient", "constant_inputs", "tokens"), ("embed", "long|token|row")),
    Case("norm of zeros", "weight_norm of a zero draw", norm_of_zeros, one_of("non_finite"), ("0 / 0|norm", "2")),
    Case("channels last", "NHWC into Conv2d", channels_last, one_of("raised"), ("permute",)),
    Case("sure from the start", "a last bias of 30", sure_from_the_start, one_of("saturated"), ("bias|sigmoid", "3")),
    Case("heads by view", "no transpose", heads_by_view, one_of("mixed axes", "mixed samples"), ("view (reports.py, line", "transpose")),
    Case("columns by view", "no permute", columns_by_view, one_of("mixed axes", "mixed samples"), ("view (reports.py, line", "permute")),
    Case("logarithm for a variance", "var below 0", logarithm_for_a_variance, one_of("raised", "target_range"), ("exp|softplus", "var")),
    Case("weights of one", "softmax along an axis of 1", weights_of_one, one_of("softmax_of_one"), ("softmax", "one|single")),
    Case("written over", "in place", written_over, one_of("raised"), ("in place|inplace|in-place", "reports.py, line")),
)  # fmt: skip

REPORTS_SOUND = (
    Case("forecaster", "Salinas 2017", forecaster),
    Case("soft actor", "Haarnoja 2018", soft_actor),
    Case("discrete codes", "Jang 2016", discrete_codes),
    Case("relative places", "Dai 2019", relative_places),
    Case("decorrelated", "Zbontar 2021", decorrelated),
    Case("bag of instances", "Ilse 2018", bag_of_instances),
    Case("drawn weights", "Blundell 2015", drawn_weights),
    Case("prior of its own", "Sohn 2015", prior_of_its_own),
    Case("straight-through states", "Hafner 2020", straight_through_states),
    Case("masked pixels", "van den Oord 2016", masked_pixels),
    Case("two stages", "Ren 2015", two_stages),
    Case("left padding", "generation's batches", left_padding),
)
