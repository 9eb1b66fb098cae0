"""More reports: losses given what they do not take, terms without a gradient, states and draws; and what is sound."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def several_labels():
    """Yes or no for each of several labels, into a loss of one class."""
    return through(16, 32, 6), torch.randn(32, 16), torch.randint(0, 2, (32, 6)).float(), F.cross_entropy


def hard_term():
    """A cross-entropy, and an overlap of what is decided beside it, which trains nothing."""

    def loss(out, y):
        chosen = (torch.sigmoid(out) > 0.5).float()
        overlap = 2 * (chosen * y).sum() / (chosen.sum() + y.sum() + 1)
        return F.binary_cross_entropy_with_logits(out, y) + (1 - overlap)

    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
    return model, torch.randn(4, 1, 12, 12), (torch.rand(4, 1, 12, 12) > 0.7).float(), loss


def checkpointed(reentrant):
    """A checkpoint around the first layers, to which no input comes that asks for a gradient."""

    def run(s, x):
        return s.out(checkpoint(s.first, x, use_reentrant=reentrant))

    first = nn.Sequential(nn.Linear(16, 32), nn.ReLU())
    return Runs(run, first=first, out=nn.Linear(32, 4)), torch.randn(32, 16), classes(32, 4), F.cross_entropy


def cold_codes(tau):
    """Gumbel's softmax at a temperature."""

    def run(s, x):
        return s.decode(F.gumbel_softmax(s.encode(x).unflatten(1, (4, 8)), tau=tau).flatten(1))

    x = torch.randn(64, 20)
    return Runs(run, encode=through(20, 32, 32), decode=through(32, 32, 20)), x, x, F.mse_loss


def swapped_chances():
    """binary_cross_entropy(labels, probabilities)."""
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
    return model, torch.randn(32, 16), torch.randint(0, 2, (32, 1)).float(), lambda o, y: F.binary_cross_entropy(y, o)


def swapped_variance():
    """gaussian_nll_loss(mean, variance, target)."""

    def loss(out, y):
        return F.gaussian_nll_loss(out[:, :1], F.softplus(out[:, 1:]), y)

    return through(16, 32, 2), torch.randn(64, 16), torch.rand(64, 1) + 0.5, loss


def the_other_divergence():
    """The divergence of the student from the teacher, not of the teacher from the student."""

    def loss(out, y):
        return F.kl_div(y.log(), out.softmax(1), reduction="batchmean")

    return through(16, 32, 6), torch.randn(32, 16), torch.randn(32, 6).softmax(1), loss


def rectified_in_place():
    model = nn.Sequential(nn.Linear(16, 32), nn.Sigmoid(), nn.Hardtanh(0.1, 0.9, inplace=True), nn.Linear(32, 4))
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def weightless_classes():
    """Weights of classes that are 0 for all that occur."""
    weight = torch.tensor([0.0, 0.0, 1.0, 1.0])
    return through(16, 32, 4), torch.randn(32, 16), classes(32, 2), lambda o, y: F.cross_entropy(o, y, weight=weight, reduction="sum")  # fmt: skip


def mean_of_a_choice():
    """Expected boxes by soft-argmax, with the hard one taken after all."""

    def run(s, x):
        heat = s.conv(x).flatten(2).squeeze(1).softmax(1)
        place = heat.max(1).indices
        return torch.stack([place // 8, place % 8], 1).float().requires_grad_()

    return (
        Runs(run, conv=nn.Conv2d(3, 1, 3, padding=1)),
        torch.randn(12, 3, 8, 8),
        torch.rand(12, 2) * 8,
        F.smooth_l1_loss,
    )


def penalty_without_its_graph(create):
    """A critic's gradient penalty."""

    def run(s, real, fake):
        middle = (0.5 * real + 0.5 * fake).requires_grad_()
        slope = torch.autograd.grad(s.net(middle).sum(), middle, create_graph=create)[0]
        return s.net(real), s.net(fake), (slope.norm(2, 1) - 1).pow(2).mean()

    def loss(out, _):
        return out[1].mean() - out[0].mean() + 10 * out[2]

    return Runs(run, net=through(8, 32, 32, 1, act=nn.Softplus)), (torch.randn(32, 8), torch.randn(32, 8)), None, loss


# -- sound -----------------------------------------------------------------------------------------------------


def mixed_up():
    y = F.one_hot(classes(32, 4), 4).float()
    return through(16, 32, 4), torch.randn(32, 16), 0.7 * y + 0.3 * y.flip(0), F.cross_entropy


def weighed_by_doubt():
    """Kendall: two losses, each with a logarithm of its variance that is trained."""

    def run(s, x):
        h = F.relu(s.body(x))
        return s.a(h), s.b(h), s.doubts

    def loss(out, t):
        first, second, doubts = F.cross_entropy(out[0], t[0]), F.mse_loss(out[1], t[1]), out[2]
        return first * (-doubts[0]).exp() + second * (-doubts[1]).exp() + doubts.sum()

    model = Runs(
        run, body=nn.Linear(16, 32), a=nn.Linear(32, 4), b=nn.Linear(32, 1), doubts=nn.Parameter(torch.zeros(2))
    )
    return model, torch.randn(32, 16), (classes(32, 4), torch.randn(32, 1)), loss


def surrogate():
    """The value of one loss with the gradient of another."""

    def loss(out, y):
        told, meant = F.cross_entropy(out, y), (out.argmax(1) != y).float().mean()
        return told + (meant - told).detach()

    return through(16, 32, 4), torch.randn(32, 16), classes(32, 4), loss


def watched_by_its_accuracy():
    """A loss that also counts what is right, and keeps that for itself."""
    seen = []

    def loss(out, y):
        seen.append((out.argmax(1) == y).float().mean())
        return F.cross_entropy(out, y)

    return through(16, 32, 4), torch.randn(32, 16), classes(32, 4), loss


def weighed_by_its_hits():
    """Losses of samples weighed by whether they are right already."""

    def loss(out, y):
        hard = (out.argmax(1) != y).float() + 0.1
        return (F.cross_entropy(out, y, reduction="none") * hard).sum() / hard.sum()

    return through(16, 32, 4), torch.randn(32, 16), classes(32, 4), loss


def spread_of_counts():
    """A Gaussian with a variance for each output, as the loss takes it."""

    def loss(out, y):
        return F.gaussian_nll_loss(out[:, :1], y, F.softplus(out[:, 1:]) + 1e-3)

    return through(16, 32, 2), torch.randn(64, 16), torch.rand(64, 1) + 0.5, loss


def taught_both_ways():
    """Two networks that teach each other: each one's divergence from the other, which stands still."""

    def run(s, x):
        return s.a(x), s.b(x)

    def loss(out, y):
        a, b = out
        first = F.kl_div(a.log_softmax(1), b.detach().softmax(1), reduction="batchmean")
        second = F.kl_div(b.log_softmax(1), a.detach().softmax(1), reduction="batchmean")
        return first + second + F.cross_entropy(a, y) + F.cross_entropy(b, y)

    return Runs(run, a=through(16, 32, 4), b=through(16, 24, 4)), torch.randn(32, 16), classes(32, 4), loss


def trained_by_its_own_labels():
    """FixMatch: labels of what is sure, for another view of the same."""

    def run(s, weak, strong):
        return s.net(weak), s.net(strong)

    def loss(out, y):
        chance = out[0].detach().softmax(1)
        most, label = chance.max(1)
        again = (F.cross_entropy(out[1], label, reduction="none") * (most > 0.3)).mean()
        return F.cross_entropy(out[0][:8], y) + again

    return Runs(run, net=through(16, 32, 4)), (torch.randn(32, 16), torch.randn(32, 16)), classes(8, 4), loss


def even_experts():
    """Switch: the largest chance weighs its expert, and a term of counts evens them out."""

    def run(s, x):
        chance = s.gate(x).softmax(1)
        most, which = chance.max(1)
        y = torch.stack([one(x) for one in s.experts], 1)
        y = y.gather(1, which[:, None, None].expand(-1, 1, 16))[:, 0] * most[:, None]
        count = F.one_hot(which, 3).float().mean(0)
        return s.out(x + y), 3 * (count * chance.mean(0)).sum()

    model = Runs(
        run, gate=nn.Linear(16, 3), experts=nn.ModuleList(through(16, 32, 16) for _ in range(3)), out=nn.Linear(16, 4)
    )
    return model, torch.randn(64, 16), classes(64, 4), lambda o, y: F.cross_entropy(o[0], y) + 0.01 * o[1]


REPORTS_LATER_SICK = (
    Case("several labels", "multi-hot into cross_entropy", several_labels, one_of("labels"), ("cross_entropy", "sum", "bcewithlogits|binary_cross_entropy_with_logits")),
    Case("hard term", "a Dice of decisions beside BCE", hard_term, one_of("term_without_gradient"), ("the comparison gt (reports_later.py, line",)),
    Case("checkpointed, re-entrant", "no input asks for a gradient", lambda: checkpointed(True), one_of("no_gradient"), ("checkpoint", "use_reentrant")),
    Case("swapped chances", "arguments changed over", swapped_chances, one_of("swapped"), ("binary_cross_entropy", "first")),
    Case("swapped variance", "arguments changed over", swapped_variance, one_of("swapped"), ("gaussian_nll_loss", "var")),
    Case("rectified in place", "a sigmoid's output", rectified_in_place, one_of("raised"), ("in place", "sigmoid gave", "2")),
    Case("weightless classes", "weights of 0", weightless_classes, one_of("constant_loss"), ("weight",)),
    Case("mean of a choice", "max().indices", mean_of_a_choice, one_of("no_gradient"), ("max (reports_later.py, line|floor_divide|max",)),
    Case("penalty without its graph", "create_graph forgotten", lambda: penalty_without_its_graph(False), one_of("term_without_gradient"), ("create_graph",)),
)  # fmt: skip

REPORTS_LATER_SOUND = (
    Case("the other divergence", "Minka 2005", the_other_divergence),
    Case("mixed up", "Zhang 2017", mixed_up),
    Case("checkpointed", "Chen 2016", lambda: checkpointed(False)),
    Case("warm codes", "Jang 2016", lambda: cold_codes(0.7)),
    Case("weighed by doubt", "Kendall 2017", weighed_by_doubt),
    Case("surrogate", "another value, the same gradient", surrogate),
    Case("watched by its accuracy", "a measure beside", watched_by_its_accuracy),
    Case("weighed by its hits", "hard examples", weighed_by_its_hits),
    Case("spread of counts", "Nix 1994", spread_of_counts),
    Case("taught both ways", "Zhang 2018", taught_both_ways),
    Case("trained by its own labels", "Sohn 2020", trained_by_its_own_labels),
    Case("even experts", "Fedus 2021", even_experts),
    Case("penalty with its graph", "Gulrajani 2017", lambda: penalty_without_its_graph(True)),
)
