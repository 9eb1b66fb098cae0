"""More of the kinds of `reports` and `reports_later`, written after these had been mended and not looked at before."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def far_below_zero(diagonal):
    """A causal mask by hand, of −1e9 where a key may not be seen."""

    def run(s, x):
        q, k, v = s.qkv(s.embed(x)).chunk(3, -1)
        later = torch.ones(x.shape[1], x.shape[1]).triu(diagonal).bool()
        weights = (q @ k.transpose(1, 2) / 4).masked_fill(later, -1e9).softmax(-1)
        return s.out(weights @ v).transpose(1, 2)

    x, parts = torch.randint(0, 20, (12, 8)), {"qkv": nn.Linear(16, 48), "out": nn.Linear(16, 20)}
    return Runs(run, embed=nn.Embedding(20, 16), **parts), x[:, :-1], x[:, 1:], F.cross_entropy


def ones_for_what_is_seen():
    """torch.tril(torch.ones(...)) as the mask of an encoder's layer."""

    def run(s, x):
        steps = x.shape[1]
        return s.out(s.layer(s.embed(x), src_mask=torch.tril(torch.ones(steps, steps)))).transpose(1, 2)

    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    x = torch.randint(0, 20, (12, 7))
    return Runs(run, embed=nn.Embedding(20, 16), layer=layer, out=nn.Linear(16, 20)), x, x, F.cross_entropy


def gate_of_one():
    """A gate of one number by nn.Softmax(dim=1)."""
    gate = nn.Sequential(nn.Linear(16, 1), nn.Softmax(dim=1))
    model = Runs(lambda s, x: s.out(F.relu(s.a(x)) * s.gate(x)), a=nn.Linear(16, 32), gate=gate, out=nn.Linear(32, 4))
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def added_in_place():
    def run(s, x):
        h = torch.tanh(s.a(x))
        h += s.b(x)
        return s.out(h)

    return Runs(run, a=nn.Linear(16, 32), b=nn.Linear(16, 32), out=nn.Linear(32, 4)), torch.randn(32, 16), classes(32, 4), F.cross_entropy  # fmt: skip


def swapped_logits():
    return through(16, 32, 1), torch.randn(32, 16), torch.rand(32, 1), lambda o, y: F.binary_cross_entropy_with_logits(y, o)  # fmt: skip


def counts_of_what_is_right():
    def loss(out, y):
        wrong = (out.argmax(1) != y).sum()
        return F.cross_entropy(out, y) + 0.1 * wrong

    return through(16, 32, 4), torch.randn(32, 16), classes(32, 4), loss


def penalty_within_the_loss():
    """A penalty on slopes that is computed in the loss, without a graph of its own."""
    critic = through(8, 32, 1, act=nn.Softplus)

    def loss(out, x):
        x = x.clone().requires_grad_()
        slope = torch.autograd.grad(critic(x).sum() + 0 * out.sum(), x)[0]
        return out.mean() + 10 * (slope.norm(2, 1) - 1).pow(2).mean()

    x = torch.randn(32, 8)
    return critic, x, x, loss


def rates_by_softplus():
    model = Runs(lambda s, x: F.softplus(s.net(x)).squeeze(1), net=through(16, 32, 1))
    return model, torch.randn(64, 16), torch.poisson(torch.full((64,), 2.0)), nn.PoissonNLLLoss()


def ranks_of_0_and_1():
    def run(s, a, b):
        return s.net(a).squeeze(1), s.net(b).squeeze(1)

    y = torch.randint(0, 2, (32,)).float()
    return Runs(run, net=through(16, 32, 1)), (torch.randn(32, 16), torch.randn(32, 16)), y, lambda o, y: F.margin_ranking_loss(*o, y, margin=0.5)  # fmt: skip


def several_labels_of_pixels():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1))
    return model, torch.randn(6, 3, 8, 8), (torch.rand(6, 5, 8, 8) > 0.5).float(), F.cross_entropy


def flat_pictures():
    """Maps handed to a Linear without flattening."""
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(288, 4)), torch.randn(12, 3, 8, 8), classes(12, 4), F.cross_entropy  # fmt: skip


def state_of_samples():
    """A state for each sample, and inputs with samples first, for an LSTM that takes steps first."""

    def run(s, x):
        state = torch.zeros(1, len(x), 16)
        return s.out(s.rnn(x, (state, state))[0][:, -1])

    return Runs(run, rnn=nn.LSTM(6, 16), out=nn.Linear(16, 3)), torch.randn(12, 7, 6), classes(12, 3), F.cross_entropy


def translator():
    def run(s, a, b):
        return s.out(s.both(s.embed(a), s.embed(b))).transpose(1, 2)

    model = Runs(run, embed=nn.Embedding(20, 16), both=nn.Transformer(16, 2, 1, 1, 32), out=nn.Linear(16, 20))
    y = torch.randint(0, 20, (12, 5))
    return model, (torch.randint(0, 20, (12, 7)), y), y, F.cross_entropy


# -- sound -----------------------------------------------------------------------------------------------------


def soft_experts():
    """Soft experts among the tokens of one batch: a softmax along these weighs what each slot takes."""

    def run(s, x):
        scores = torch.einsum("nd,des->nes", x, s.slots)
        taken = torch.einsum("nes,nd->esd", scores.softmax(0), x)
        made = torch.stack([expert(one) for expert, one in zip(s.experts, taken, strict=True)])
        return s.out(scores.flatten(1).softmax(1) @ made.flatten(0, 1))

    experts = nn.ModuleList(through(16, 32, 16) for _ in range(4))
    model = Runs(run, slots=nn.Parameter(torch.randn(16, 4, 3) / 4), experts=experts, out=nn.Linear(16, 5))
    return model, torch.randn(24, 16), classes(24, 5), F.cross_entropy


def as_many_experts_as_samples():
    """A softmax along a first axis of experts, of which there are as many as samples."""

    def run(s, x):
        gates = torch.stack([one(x) for one in s.gates]).softmax(0)
        return s.out((gates * torch.stack([one(x) for one in s.experts])).sum(0).mean(1))

    gates, experts = (nn.ModuleList(nn.Linear(16, width) for _ in range(8)) for width in (1, 16))
    return Runs(run, gates=gates, experts=experts, out=nn.Linear(16, 4)), torch.randn(8, 5, 16), classes(8, 4), F.cross_entropy  # fmt: skip


def two_levels():
    """A VAE of two levels, of which the upper is the lower one's prior."""

    def run(s, x):
        first = Normal(*s.first(x).chunk(2, 1)[:1], 0.5)
        low = first.rsample()
        second = Normal(s.second(low), 0.5)
        prior = Normal(s.prior(second.rsample()), 1.0)
        return s.decode(low), (kl_divergence(first, prior) + kl_divergence(second, Normal(0.0, 1.0)).sum(1, keepdim=True)).mean()  # fmt: skip

    parts = {"first": through(20, 32, 8), "second": through(4, 16, 2), "prior": through(2, 16, 4), "decode": through(4, 32, 20)}  # fmt: skip
    x = torch.randn(32, 20)
    return Runs(run, **parts), x, x, lambda o, y: F.mse_loss(o[0], y) + 0.1 * o[1]


def next_actions():
    """SAC's critic: the next action is drawn without a gradient, for the target."""

    def run(s, state, action, later):
        with torch.no_grad():
            policy = Normal(s.actor(later), 0.3)
            drawn = policy.sample()
            target = s.old(torch.cat([later, drawn], 1)) - 0.2 * policy.log_prob(drawn).sum(1, keepdim=True)
        return s.critic(torch.cat([state, action], 1)), target

    parts = {"critic": through(8, 32, 1), "actor": through(6, 32, 2), "old": through(8, 32, 1)}
    model = Runs(run, **parts)
    for one in (model.actor, model.old):
        one.requires_grad_(False)
    given = torch.randn(32, 6), torch.randn(32, 2), torch.randn(32, 6)
    return model, given, torch.randn(32, 1), lambda o, r: F.mse_loss(o[0], r + 0.99 * o[1])


def relations():
    """The similarities of a teacher's outputs, each one's own among them, for a student's."""

    def run(s, x):
        return s.student(x), s.teacher(x)

    def loss(out, _):
        a, b = (F.normalize(one) for one in out)
        return F.kl_div((a @ a.T * 10).log_softmax(1), (b @ b.T * 10).softmax(1), reduction="batchmean")

    model = Runs(run, student=through(16, 24, 8), teacher=through(16, 32, 8))
    model.teacher.requires_grad_(False)
    return model, torch.randn(32, 16), None, loss


LINE = "(reports_unseen.py, line"
REPORTS_UNSEEN_SICK = (
    Case("far below zero", "triu(0) by hand", lambda: far_below_zero(0), one_of("mask"), ("diagonal", "query 0")),
    Case("ones for what is seen", "tril of ones in floating point", ones_for_what_is_seen, one_of("mask"), ("bool", "layer.self_attn")),
    Case("gate of one", "nn.Softmax of a single number", gate_of_one, one_of("softmax_of_one"), ("single", "gate.1")),
    Case("added in place", "what tanh gave", added_in_place, one_of("raised"), (LINE, "tanh gave")),
    Case("swapped logits", "arguments changed over", swapped_logits, one_of("swapped"), ("binary_cross_entropy_with_logits",)),
    Case("counts of what is right", "errors beside a cross-entropy", counts_of_what_is_right, one_of("term_without_gradient"), (f"argmax {LINE}",)),
    Case("penalty within the loss", "create_graph forgotten", penalty_within_the_loss, one_of("term_without_gradient"), ("create_graph",)),
    Case("rates by softplus", "log_input=True", rates_by_softplus, one_of("not_log_probabilities"), ("softplus", "log_input")),
    Case("ranks of 0 and 1", "wants 1 and −1", ranks_of_0_and_1, one_of("target_range"), ("margin_ranking_loss", "−1")),
    Case("several labels of pixels", "multi-hot maps", several_labels_of_pixels, one_of("labels"), ("bcewithlogits",)),
    Case("state of samples", "batch_first forgotten", state_of_samples, one_of("raised"), ("batch_first=true", "rnn")),
    Case("translator", "batch_first forgotten", translator, one_of("raised"), ("batch_first=true", "both")),
    Case("flat pictures", "no flatten", flat_pictures, one_of("raised"), ("flatten(1)",)),
)  # fmt: skip

REPORTS_UNSEEN_SOUND = (
    Case("far below zero, later keys", "triu(1) by hand", lambda: far_below_zero(1)),
    Case("soft experts", "Puigcerver 2023", soft_experts),
    Case("as many experts as samples", "Jacobs 1991", as_many_experts_as_samples),
    Case("two levels", "Sønderby 2016", two_levels),
    Case("next actions", "Haarnoja 2018", next_actions),
    Case("relations", "Park 2019", relations),
)
