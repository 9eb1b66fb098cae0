"""Kinds of faults of a model: draws, mixed samples, pairs, norms of one number, hard losses; and what looks alike."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through

# -- what is drawn ---------------------------------------------------------------------------------------------


def coder(draw, divergence=True):
    """A VAE whose code `draw` takes from a mean and a deviation."""

    def run(s, x):
        h = F.relu(s.encode(x))
        mean, log_var = s.mean(h), s.log_var(h)
        return s.decode(draw(mean, (log_var / 2).exp())), mean, log_var

    def loss(out, x):
        y, mean, log_var = out
        rest = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1).mean() if divergence else 0
        return ((y - x) ** 2).sum(1).mean() + rest

    x = torch.randn(32, 20)
    return Runs(run, encode=nn.Linear(20, 32), mean=nn.Linear(32, 4), log_var=nn.Linear(32, 4), decode=through(4, 32, 20)), x, x, loss  # fmt: skip


def drawn_and_dropped():
    """A VAE of torch.distributions with dropout, whose posterior is kept for its divergence."""

    def run(s, x):
        mean, raw = s.encode(x).chunk(2, 1)
        posterior = Normal(mean, F.softplus(raw))
        return s.decode(posterior.sample()), posterior

    def loss(out, x):
        return F.mse_loss(out[0], x) + 0.1 * kl_divergence(out[1], Normal(0.0, 1.0)).mean()

    x = torch.randn(32, 20)
    encode = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 8))
    return Runs(run, encode=encode, decode=through(4, 32, 20)), x, x, loss


def drawn_gates():
    """Gates drawn as 0 or 1 by their chances, which only a penalty reaches."""

    def run(s, x):
        h = F.relu(s.a(x))
        chance = torch.sigmoid(s.gate(x))
        return s.out(h * torch.bernoulli(chance)), chance

    def loss(out, y):
        return F.cross_entropy(out[0], y) + 0.1 * out[1].mean()

    return Runs(run, a=nn.Linear(16, 32), gate=nn.Linear(16, 32), out=nn.Linear(32, 4)), torch.randn(32, 16), classes(32, 4), loss  # fmt: skip


def drawn_words():
    """A discrete code by Categorical.sample, whose chances only an entropy reaches."""

    def run(s, x):
        code = Categorical(logits=s.encode(x).unflatten(1, (4, 8)))
        return s.decode(s.words(code.sample()).flatten(1)), code.entropy().mean()

    def loss(out, x):
        return F.mse_loss(out[0], x) - 0.01 * out[1]

    x = torch.randn(32, 20)
    return Runs(run, encode=nn.Linear(20, 32), words=nn.Embedding(8, 8), decode=through(32, 32, 20)), x, x, loss


def actor_that_samples():
    """SAC's actor by sample(): the critic's gradient does not reach it."""

    def run(s, state):
        mean, log_deviation = s.actor(state).chunk(2, 1)
        policy = Normal(mean, log_deviation.clamp(-5, 2).exp())
        action = policy.sample()
        return policy.entropy().sum(1), s.critic(torch.cat([state, torch.tanh(action)], 1)).squeeze(1)

    def loss(out, _):
        return -(0.2 * out[0] + out[1]).mean()

    return Runs(run, actor=through(6, 32, 4), critic=through(8, 32, 1)), torch.randn(32, 6), None, loss


def rewarded():
    """REINFORCE: the chance of what was drawn, times what came of it less a baseline."""

    def run(s, state):
        h = torch.tanh(s.body(state))
        policy = Categorical(logits=s.policy(h))
        action = policy.sample()
        return policy.log_prob(action), s.value(h).squeeze(1), action

    def loss(out, _):
        chance, value, action = out
        reward = (action == 2).float()
        return -(chance * (reward - value.detach())).mean() + F.mse_loss(value, reward)

    return Runs(run, body=nn.Linear(6, 32), policy=nn.Linear(32, 4), value=nn.Linear(32, 1)), torch.randn(64, 6), None, loss  # fmt: skip


def rewarded_by_a_critic():
    """A Gaussian policy by REINFORCE; what it draws goes through a critic, which is trained for itself."""

    def run(s, state):
        mean = s.policy(state)
        policy = Normal(mean, s.log_deviation.exp())
        action = policy.sample()
        return (
            policy.log_prob(action).sum(1),
            policy.entropy().sum(),
            s.critic(torch.cat([state, action], 1)).squeeze(1),
        )

    def loss(out, reward):
        chance, entropy, value = out
        return -(chance * value.detach()).mean() + F.mse_loss(value, reward) - 0.01 * entropy

    model = Runs(run, policy=through(6, 32, 2), critic=through(8, 32, 1), log_deviation=nn.Parameter(torch.zeros(2)))
    return model, torch.randn(64, 6), torch.randn(64), loss


def own_words():
    """A decoder that is given its own draws, and a cross-entropy on all of its chances."""

    def run(s, x):
        state, word, said = s.begin(x), torch.zeros(len(x), dtype=torch.long), []
        for _ in range(5):
            state = s.cell(s.words(word), state)
            said.append(s.out(state))
            word = torch.multinomial(said[-1].softmax(-1), 1).squeeze(1)
        return torch.stack(said, 2)

    model = Runs(run, begin=nn.Linear(16, 32), words=nn.Embedding(12, 8), cell=nn.GRUCell(8, 32), out=nn.Linear(32, 12))
    return model, torch.randn(32, 16), torch.randint(0, 12, (32, 5)), F.cross_entropy


def binary_and_straight():
    def run(s, x):
        chance = torch.sigmoid(s.encode(x))
        hard = Bernoulli(chance).sample()
        return s.decode(hard + chance - chance.detach()), chance

    def loss(out, x):
        return F.mse_loss(out[0], x) + 0.01 * out[1].mean()

    x = torch.randn(32, 20)
    return Runs(run, encode=through(20, 32, 16), decode=through(16, 32, 20)), x, x, loss


def noisy_inputs():
    """A denoising network that draws its noise, and a mask of what it may see."""

    def run(s, x):
        noisy = torch.normal(x, torch.full_like(x, 0.1)) * torch.bernoulli(torch.full_like(x, 0.8))
        return s.net(noisy)

    x = torch.randn(32, 20)
    return Runs(run, net=through(20, 32, 20)), x, x, F.mse_loss


# -- samples that are mixed ------------------------------------------------------------------------------------


def steps_first(kind, **keywords):
    """A module that takes steps first, given samples first."""

    def run(s, x):
        h = s.embed(x)
        y = s.layer(h, h, h) if isinstance(s.layer, nn.MultiheadAttention) else s.layer(h)
        y = y[0] if isinstance(y, tuple) else y
        return s.out(y[:, -1])

    return Runs(run, embed=nn.Embedding(30, 32), layer=kind(**keywords), out=nn.Linear(32, 4)), torch.randint(0, 30, (16, 9)), classes(16, 4), F.cross_entropy  # fmt: skip


def transformer(first):
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=first)
    return steps_first(lambda: nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))


def attention_over_samples(axis):
    def run(s, x):
        q, k, v = s.qkv(x).chunk(3, -1)
        weights = torch.softmax(q @ k.transpose(1, 2) / 4, dim=axis)
        return s.out((x + weights @ v).mean(1))

    return Runs(run, qkv=nn.Linear(16, 48), out=nn.Linear(16, 4)), torch.randn(24, 9, 16), classes(24, 4), F.cross_entropy  # fmt: skip


def gates_over_samples():
    """A squeeze-and-excitation of volumes whose softmax runs along the samples."""

    def run(s, x):
        h = F.relu(s.conv(x))
        gate = s.gate(h.mean((2, 3), keepdim=True)).softmax(0)
        return s.out((h * gate).mean((2, 3)))

    return Runs(run, conv=nn.Conv2d(3, 16, 3), gate=nn.Conv2d(16, 16, 1), out=nn.Linear(16, 4)), torch.randn(24, 3, 10, 10), classes(24, 4), F.cross_entropy  # fmt: skip


def classes_by_view():
    """(samples, steps, classes) viewed as (samples, classes, steps) for a cross-entropy."""
    model = Runs(lambda s, x: s.out(s.rnn(x)[0]).view(len(x), 5, -1), rnn=nn.GRU(6, 32, batch_first=True), out=nn.Linear(32, 5))  # fmt: skip
    return model, torch.randn(16, 9, 6), torch.randint(0, 5, (16, 9)), F.cross_entropy


def steps_first_by_right():
    """As many steps as samples, turned round before and after."""

    def run(s, x):
        h = x.transpose(0, 1)
        h = s.rnn(h)[0]
        return s.out((h + s.attend(h, h, h)[0])[-1])

    return Runs(run, rnn=nn.GRU(8, 16), attend=nn.MultiheadAttention(16, 2), out=nn.Linear(16, 4)), torch.randn(12, 12, 8), classes(12, 4), F.cross_entropy  # fmt: skip


def steps_first_inputs():
    """Batches that come with the steps first."""

    def run(s, x):
        return s.out(s.layers(s.embed(x))[-1])

    layer = nn.TransformerEncoderLayer(32, 4, 64)
    layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return Runs(run, embed=nn.Linear(8, 32), layers=layers, out=nn.Linear(32, 4)), torch.randn(9, 16, 8), classes(16, 4), F.cross_entropy  # fmt: skip


def one_sequence():
    """A tagger without a batch: the words of one sentence are its samples."""

    def run(s, x):
        return s.out(s.rnn(s.embed(x))[0])

    return Runs(run, embed=nn.Embedding(30, 8), rnn=nn.LSTM(8, 16), out=nn.Linear(16, 5)), torch.randint(0, 30, (20,)), classes(20, 5), F.cross_entropy  # fmt: skip


def pictures_and_words():
    """CLIP with both softmaxes in the model."""

    def run(s, a, b):
        a, b = F.normalize(s.a(a), dim=1), F.normalize(s.b(b), dim=1)
        scores = a @ b.T * s.scale.exp()
        return scores.log_softmax(0), scores.log_softmax(1)

    def loss(out, _):
        return -(out[0].diagonal() + out[1].diagonal()).mean() / 2

    model = Runs(run, a=through(20, 32, 16), b=through(12, 32, 16), scale=nn.Parameter(torch.tensor(2.6)))
    return model, (torch.randn(24, 20), torch.randn(24, 12)), None, loss


# -- pairs -----------------------------------------------------------------------------------------------------


def two_views():
    x = torch.randn(16, 20)
    return through(20, 64, 16), torch.cat([x, x + 0.3 * torch.randn(16, 20)]), None


def pairs(mask, temperature=0.1):
    """NT-Xent, with the similarity of each with itself masked or not."""

    def loss(z, _):
        z = F.normalize(z, dim=1)
        scores = z @ z.T / temperature
        if mask:
            scores = scores.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
        return F.cross_entropy(scores, torch.arange(len(z)).roll(len(z) // 2))

    return *two_views(), loss


def pairs_by_hand(mask):
    def loss(z, _):
        z = F.normalize(z, dim=1)
        near = torch.exp(torch.mm(z, z.t()) / 0.2)
        positive = torch.exp((z * z.roll(len(z) // 2, 0)).sum(1) / 0.2)
        total = (near * (1 - torch.eye(len(z)))).sum(1) if mask else near.sum(1)
        return -torch.log(positive / total).mean()

    return *two_views(), loss


def pairs_less_themselves():
    """Masked by taking e^(1/T) off again."""

    def loss(z, _):
        z = F.normalize(z, dim=1)
        near = torch.exp(z @ z.T * 5)
        positive = torch.exp((z * z.roll(len(z) // 2, 0)).sum(1) * 5)
        return -torch.log(positive / (near.sum(1) - 2.718281828**5)).mean()

    return *two_views(), loss


def pairs_in_a_model():
    """SimCLR whose model gives the similarities, by torch.cosine_similarity."""

    def run(s, x):
        z = s.net(x)
        return F.cosine_similarity(z[:, None], z[None], dim=-1) / 0.5

    def loss(scores, _):
        return F.cross_entropy(scores, torch.arange(len(scores)).roll(len(scores) // 2))

    net, x, _ = two_views()
    return Runs(run, net=net), x, None, loss


def supervised_pairs():
    """SupCon as it is published: the largest is taken off, and a mask counts the others."""

    def loss(z, y):
        z = F.normalize(z, dim=1)
        scores = z @ z.T / 0.1
        scores = scores - scores.max(1, keepdim=True).values.detach()
        others = 1 - torch.eye(len(z))
        same = (y[:, None] == y).float() * others
        chance = scores - torch.log((scores.exp() * others).sum(1, keepdim=True))
        return -((same * chance).sum(1) / same.sum(1).clamp(min=1)).mean()

    net, x, _ = two_views()
    return net, x, classes(16, 4).repeat(2), loss


def two_encoders():
    """CLIP: the diagonal is what is wanted."""

    def run(s, a, b):
        return F.normalize(s.a(a), dim=1) @ F.normalize(s.b(b), dim=1).T / 0.07

    def loss(scores, _):
        return F.cross_entropy(scores, torch.arange(24)) + F.cross_entropy(scores.T, torch.arange(24))

    return (
        Runs(run, a=through(20, 32, 16), b=through(12, 32, 16)),
        (torch.randn(24, 20), torch.randn(24, 12)),
        None,
        loss,
    )


# -- norms of one number ---------------------------------------------------------------------------------------


def norm_of_one():
    def run(s, x):
        h = F.relu(s.conv(x)).mean((2, 3))
        return s.out(s.norm(h[..., None])[..., 0])

    return Runs(run, conv=nn.Conv2d(3, 16, 3), norm=nn.LayerNorm(1), out=nn.Linear(16, 4)), torch.randn(16, 3, 8, 8), classes(16, 4), F.cross_entropy  # fmt: skip


def groups_of_one():
    """Instance-like GroupNorm behind a global pooling."""
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.GroupNorm(16, 16), nn.ReLU(), nn.Flatten(), nn.Linear(16, 4))  # fmt: skip
    return model, torch.randn(16, 3, 8, 8), classes(16, 4), F.cross_entropy


def groups_of_two():
    model = nn.Sequential(nn.Linear(16, 32), nn.GroupNorm(16, 32), nn.ReLU(), nn.Linear(32, 4))
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def normed_regression():
    """A LayerNorm behind the only output of a regression."""
    return nn.Sequential(through(16, 32, 1), nn.LayerNorm(1)), torch.randn(32, 16), torch.randn(32, 1), F.mse_loss


def groups_of_maps():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.GroupNorm(16, 16), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.GroupNorm(1, 16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 4))  # fmt: skip
    return model, torch.randn(16, 3, 8, 8), classes(16, 4), F.cross_entropy


# -- causes before what follows --------------------------------------------------------------------------------


def bytes_into_tanh():
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
    return model, torch.rand(32, 1, 12, 12) * 255, classes(32, 10), F.cross_entropy


def sensors_into_gates():
    model = Runs(lambda s, x: s.out(torch.sigmoid(s.b(torch.sigmoid(s.a(x))))), a=nn.Linear(8, 32), b=nn.Linear(32, 32), out=nn.Linear(32, 1))  # fmt: skip
    return model, 1000 + 300 * torch.randn(64, 8), torch.randn(64, 1), F.mse_loss


# -- hard losses -----------------------------------------------------------------------------------------------


def overlap(compare, extra=0.0):
    """A segmenting network, and an overlap of what is decided."""

    def loss(out, y):
        chosen = compare(torch.sigmoid(out))
        return 1 - (2 * (chosen * y).sum() + 1) / (chosen.sum() + y.sum() + 1) + extra * out.sum()

    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 1))
    return model, torch.randn(4, 1, 12, 12), (torch.rand(4, 1, 12, 12) > 0.7).float(), loss


def accuracy():
    def loss(out, y):
        return 1 - (out.argmax(1) == y).float().mean().requires_grad_()

    return through(16, 32, 4), torch.randn(32, 16), classes(32, 4), loss


def hard_overlap_beside():
    """Half of a loss is an overlap of what is decided: only a cross-entropy trains."""

    def loss(out, y):
        soft = torch.sigmoid(out)
        return F.binary_cross_entropy_with_logits(out, y) + 1 - (2 * (soft * y).sum() + 1) / (soft.sum() + y.sum() + 1)

    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
    return model, torch.randn(4, 1, 12, 12), (torch.rand(4, 1, 12, 12) > 0.7).float(), loss


# -- half precision --------------------------------------------------------------------------------------------


def halved(model):
    """The inner layers in half precision."""

    def run(s, x):
        return s.out(s.inner(s.first(x).half()).float())

    return Runs(run, first=nn.Linear(16, 32), inner=model.half(), out=nn.Linear(32, 4))


def underflows():
    """A small loss in half precision: what comes back is below 6e−8."""

    def loss(out, y):
        return F.cross_entropy(out, y) * 1e-6

    return halved(through(32, 32, 32)), torch.randn(64, 16), classes(64, 4), loss


def underflows_over_pixels():
    """A mean over many pixels, all of it in half precision."""
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1)).half()
    return Runs(lambda s, x: s.net(x.half()), net=model), torch.randn(8, 1, 64, 64), torch.zeros(8, 1, 64, 64), lambda o, y: 1e-3 * F.smooth_l1_loss(o.float(), y)  # fmt: skip


def halves_that_hold():
    return halved(through(32, 32, 32)), torch.randn(64, 16), classes(64, 4), F.cross_entropy


# -- an unused end ---------------------------------------------------------------------------------------------


def waves(blocks):
    """WaveNet: the last residual goes nowhere."""

    class Wave(nn.Module):
        def __init__(self, dilation):
            super().__init__()
            self.both = nn.Conv1d(8, 16, 2, dilation=dilation)
            self.on, self.aside = nn.Conv1d(8, 8, 1), nn.Conv1d(8, 16, 1)
            self.dilation = dilation

        def forward(self, x):
            a, b = self.both(F.pad(x, (self.dilation, 0))).chunk(2, 1)
            y = torch.tanh(a) * torch.sigmoid(b)
            return x + self.on(y), self.aside(y)

    def run(s, x):
        h, total = s.first(x), 0
        for block in s.blocks:
            h, aside = block(h)
            total = total + aside
        return s.out(F.relu(total))

    def run_lists(s, x):
        h, total = s.first(x), 0
        for i, block in enumerate(s.blocks):
            a, b = block.both(F.pad(h, (block.dilation, 0))).chunk(2, 1)
            y = torch.tanh(a) * torch.sigmoid(b)
            h, total = h + s.on[i](y), total + s.aside[i](y)
        return s.out(F.relu(total))

    made = nn.ModuleList(Wave(2**i) for i in range(4))
    parts = {"first": nn.Conv1d(1, 8, 1), "out": nn.Conv1d(16, 32, 1), "blocks": made}
    if not blocks:
        parts |= {"on": nn.ModuleList(one.on for one in made), "aside": nn.ModuleList(one.aside for one in made)}
        for one in made:
            del one.on, one.aside
    return Runs(run if blocks else run_lists, **parts), torch.randn(4, 1, 40).clamp(-1, 1), torch.randint(0, 32, (4, 40)), F.cross_entropy  # fmt: skip


def forgotten_head():
    """A head in the middle of others that the loss leaves out."""

    def run(s, x):
        h = F.relu(s.body(x))
        return [head(h) for head in s.heads]

    def loss(out, y):
        return F.cross_entropy(out[0], y) + F.cross_entropy(out[2], y)

    return Runs(run, body=nn.Linear(16, 32), heads=nn.ModuleList(nn.Linear(32, 4) for _ in range(3))), torch.randn(32, 16), classes(32, 4), loss  # fmt: skip


SAMPLE = ("sample (kinds_drawn.py, line", "rsample")
DRAWN_SICK = (
    Case("code by sample", "sample() for rsample()", lambda: coder(lambda m, d: Normal(m, d).sample()), one_of("drawn"), SAMPLE),
    Case("code by torch.normal", "torch.normal has a gradient of 0", lambda: coder(torch.normal), one_of("drawn", "no_gradient"), ("normal (kinds_drawn.py, line", "randn|rsample")),
    Case("code by sample alone", "no divergence either", lambda: coder(lambda m, d: Normal(m, d).sample(), divergence=False), one_of("no_gradient"), SAMPLE),
    Case("drawn and dropped", "sample() beside dropout", drawn_and_dropped, one_of("drawn"), SAMPLE),
    Case("drawn gates", "bernoulli of chances", drawn_gates, one_of("drawn", "no_gradient"), ("bernoulli (kinds_drawn.py, line", "straight|gumbel")),
    Case("drawn words", "Categorical.sample()", drawn_words, one_of("drawn"), ("sample (kinds_drawn.py, line", "gumbel|straight")),
    Case("actor that samples", "SAC by sample()", actor_that_samples, one_of("drawn"), SAMPLE),
    Case("recurrent, steps first", "batch_first forgotten", lambda: steps_first(nn.GRU, input_size=32, hidden_size=32), one_of("mixed samples"), ("batch_first", "layer")),
    Case("attention, steps first", "batch_first forgotten", lambda: steps_first(nn.MultiheadAttention, embed_dim=32, num_heads=4), one_of("mixed samples"), ("batch_first", "layer")),
    Case("transformer, steps first", "batch_first forgotten", lambda: transformer(False), one_of("mixed samples"), ("batch_first", "self_attn")),
    Case("attention over samples", "softmax(dim=0)", lambda: attention_over_samples(0), one_of("mixed samples"), ("softmax (kinds_drawn.py, line", "dim")),
    Case("gates over samples", "softmax(0)", gates_over_samples, one_of("mixed samples"), ("softmax (kinds_drawn.py, line", "dim")),
    Case("classes by view", "view for transpose", classes_by_view, one_of("mixed axes", "mixed samples"), ("view (kinds_drawn.py, line", "transpose")),
    Case("pairs with themselves", "NT-Xent without its mask", lambda: pairs(False), one_of("self_similarity"), ("itself", "mask")),
    Case("pairs by hand", "a sum over all", lambda: pairs_by_hand(False), one_of("self_similarity"), ("itself", "mask")),
    Case("pairs in a model", "cosine_similarity of all", pairs_in_a_model, one_of("self_similarity"), ("itself", "mask")),
    Case("norm of one", "LayerNorm(1)", norm_of_one, one_of("norm_of_one", "no_gradient"), ("norm", "one number|of one", "wide|feature|channel")),
    Case("groups of one", "GroupNorm of 1 × 1", groups_of_one, one_of("norm_of_one", "no_gradient"), ("3", "one number|of one")),
    Case("groups of two", "GroupNorm of pairs", groups_of_two, one_of("norm_of_one"), ("1", "two numbers|of two", "sign")),
    Case("normed regression", "LayerNorm(1) at the end", normed_regression, one_of("norm_of_one", "no_gradient", "constant_loss"), ("one number|of one", "1")),
    Case("bytes into tanh", "0 … 255", bytes_into_tanh, one_of("input_scale"), ("saturated|flat", "divide")),
    Case("sensors into gates", "1000 ± 300", sensors_into_gates, one_of("input_scale"), ("saturated|flat", "divide")),
    Case("overlap of decisions", "p > 0.5", lambda: overlap(lambda p: (p > 0.5).float()), one_of("no_gradient"), ("kinds_drawn.py, line", ">|gt")),
    Case("overlap kept alive", "p > 0.5, plus 0 × out", lambda: overlap(lambda p: (p > 0.5).float(), 0.0 * torch.ones(())), one_of("no_gradient"), ("kinds_drawn.py, line", ">|gt")),
    Case("overlap of rounded", "p.round()", lambda: overlap(torch.round), one_of("no_gradient", "constant_loss"), ("round", "kinds_drawn.py, line")),
    Case("accuracy", "1 − accuracy", accuracy, one_of("no_gradient", "detached_loss"), ("argmax (kinds_drawn.py, line",)),
    Case("underflows", "half precision, a loss of 1e−6", underflows, one_of("no_gradient"), ("half precision", "underflow", "bfloat16|scale")),
    Case("underflows over pixels", "half precision, a mean over pixels", underflows_over_pixels, one_of("no_gradient"), ("half precision", "underflow", "bfloat16|scale")),
    Case("forgotten head", "one of three", forgotten_head, one_of("no_gradient"), ("heads.1",)),
)  # fmt: skip

DRAWN_SOUND = (
    Case("code by rsample", "Kingma 2013", lambda: coder(lambda m, d: Normal(m, d).rsample())),
    Case("rewarded", "Williams 1992", rewarded),
    Case("rewarded by a critic", "actor and critic", rewarded_by_a_critic),
    Case("own words", "scheduled sampling", own_words),
    Case("binary and straight", "Bengio 2013", binary_and_straight),
    Case("noisy inputs", "Vincent 2008", noisy_inputs),
    Case("transformer, samples first", "batch_first=True", lambda: transformer(True)),
    Case("attention over keys", "softmax(−1)", lambda: attention_over_samples(-1)),
    Case("steps first by right", "transposed", steps_first_by_right),
    Case("steps first as inputs", "torch's own way", steps_first_inputs),
    Case("one sequence", "words as samples", one_sequence),
    Case("pictures and words", "Radford 2021", pictures_and_words),
    Case("pairs, masked", "Chen 2020", lambda: pairs(True)),
    Case("pairs by hand, masked", "Chen 2020", lambda: pairs_by_hand(True)),
    Case("pairs less themselves", "e^(1/T) taken off", pairs_less_themselves),
    Case("supervised pairs", "Khosla 2020", supervised_pairs),
    Case("two encoders", "Radford 2021", two_encoders),
    Case("groups of maps", "Wu 2018", groups_of_maps),
    Case("hard overlap beside", "soft Dice", hard_overlap_beside),
    Case("halves that hold", "half precision", halves_that_hold),
    Case("waves in blocks", "van den Oord 2016", lambda: waves(True)),
    Case("waves in lists", "van den Oord 2016", lambda: waves(False)),
)
