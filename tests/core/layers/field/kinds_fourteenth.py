"""Dropouts of everything, factors of 0 in weights, losses with the wrong sign, clamps at their bounds, unwritten memory."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def keeps_all(share, *, training=True):
    """The share to keep, given as the one to drop."""

    def run(s, x):
        h = F.dropout(F.relu(s.one(x)), share, s.training and training)
        return s.three(F.leaky_relu(s.two(h)))

    model = Runs(run, one=nn.Linear(12, 40), two=nn.Linear(40, 40), three=nn.Linear(40, 3))
    return model, torch.randn(32, 12), classes(32, 3), F.cross_entropy


def dropped_at_once(share):
    """Steps of a sequence, dropped before the first layer."""

    def run(s, x):
        h = F.relu(s.conv(F.dropout1d(x, p=share, training=s.training)))
        return s.head(h.mean(-1))

    model = Runs(run, conv=nn.Conv1d(6, 24, 3, padding=1), head=nn.Linear(24, 4))
    return model, torch.randn(24, 6, 20), classes(24, 4), F.cross_entropy


def never_filled(fill):
    """A mask that is kept in a buffer, before layers without a bias."""

    def run(s, x):
        return s.out(F.relu(s.second(s.first(x) * s.mask)))

    model = Runs(run, first=nn.Linear(10, 32), second=nn.Linear(32, 32, bias=False), out=nn.Linear(32, 2))
    model.register_buffer("mask", torch.full((32,), fill))
    return model, torch.randn(40, 10), torch.randn(40, 2), F.mse_loss


def words_that_occur():
    """Counts of words, most of which are 0."""
    counts = (torch.rand(32, 200) < 0.03).float()
    return through(200, 32, 4), counts, classes(32, 4), F.cross_entropy


def merged(down, up, *, frozen, grouped=False):
    """A product of two narrow matrices, added to the weight that is used."""

    def run(s, x):
        h = x
        for k in (1, 2):
            weight, one, other = (getattr(s, f"{name}{k}") for name in ("weight", "down", "up"))
            low = (other[:, :, None] * one[None]).sum(1) if grouped else other @ one
            h = F.leaky_relu(F.linear(h, weight + low))
        return s.out(h)

    parts = {"out": nn.Linear(24, 3)}
    for k in (1, 2):
        parts[f"weight{k}"] = nn.Parameter(torch.randn(24, 24) / 5, requires_grad=not frozen)
        parts[f"down{k}"] = nn.Parameter(down * torch.randn(4, 24))
        parts[f"up{k}"] = nn.Parameter(up * torch.randn(24, 4))
    return Runs(run, **parts), torch.randn(32, 24), classes(32, 3), F.cross_entropy


def yes_or_no(loss, share=0.4):
    """One logit for each sample."""
    return through(9, 32, 1), torch.randn(64, 9), (torch.rand(64, 1) < share).float(), loss


def asymmetric(sign):
    """Other powers for what is there and what is not."""

    def loss(o, y):
        p = torch.sigmoid(o)
        there = y * torch.log(p.clamp(min=1e-8)) * (1 - p)
        absent = (1 - y) * torch.log((1 - p).clamp(min=1e-8)) * p**4
        return sign * (there + absent).sum(1).mean()

    return through(9, 32, 6), torch.randn(64, 9), (torch.rand(64, 6) < 0.3).float(), loss


def by_row(sign):
    """A cross-entropy by hand, of labels that are rows."""

    def loss(o, y):
        return sign * (F.one_hot(y, 5) * o.log_softmax(1)).sum(1).mean()

    return through(9, 32, 5), torch.randn(64, 9), classes(64, 5), loss


def squares(sign):
    """A regression."""
    return through(7, 32, 2), torch.randn(48, 7), torch.randn(48, 2), lambda o, y: sign * ((o - y) ** 2).mean()


def fooled():
    """A generator's part of the game as it was first written down."""
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    absent = torch.zeros(64, 1)
    return model, torch.randn(64, 8), absent, lambda o, y: -F.binary_cross_entropy_with_logits(o, y)


def paid():
    """What was done, and a reward that is a cost."""
    torch.manual_seed(1)
    costs = -torch.rand(64)

    def loss(o, y):
        return -(costs * o.log_softmax(1).gather(1, y[:, None])[:, 0]).mean()

    return through(8, 32, 4), torch.randn(64, 8), classes(64, 4), loss


def likely():
    """A likelihood of narrow normal distributions, whose logarithm is above 0."""

    def loss(o, y):
        return -torch.distributions.Normal(o, 0.05).log_prob(y).mean()

    return through(7, 32, 2), torch.randn(48, 7) * 0.01, torch.zeros(48, 2).normal_(0, 0.01), loss


def close():
    """Cosines of two views, that are to be 1."""
    return through(7, 32, 16), torch.randn(48, 7), torch.randn(48, 16), lambda o, y: -F.cosine_similarity(o, y).mean()


def clamped_shares(bias, *, every=True, least=1e-3):
    """Probabilities, clamped in the loss."""

    def loss(o, y):
        p = o.clamp(least, 1 - least)
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4), nn.Sigmoid())
    with torch.no_grad():
        model[2].weight.mul_(0.05)
        model[2].bias.fill_(bias)
        if not every:
            model[2].bias[0] = 0.0
    return model, torch.randn(32, 8), (torch.rand(32, 4) < 0.2).float(), loss


def held_temperature(start):
    """A logarithm of a temperature, held within bounds."""

    def run(s, a):
        z = F.normalize(s.net(a), dim=1)
        return z @ z.T.detach() * torch.clamp(s.log_scale, 0.0, 4.6).exp()

    model = Runs(run, net=through(12, 32, 16), log_scale=nn.Parameter(torch.tensor(start)))
    return model, torch.randn(16, 12), torch.arange(16), F.cross_entropy


def gates_unwritten(numbers):
    """A parameter of a layer of one's own, never initialised."""

    def run(s, x):
        return s.out(torch.tanh(x @ s.mix + s.shift))

    model = Runs(run, mix=nn.Parameter(torch.zeros(12, 32)), shift=nn.Parameter(torch.zeros(32)), out=nn.Linear(32, 3))
    flat = model.mix.data.view(-1)
    for k, one in enumerate(numbers):
        flat[k :: len(numbers) + 1] = one
    return model, torch.randn(40, 12), classes(40, 3), F.cross_entropy


def hidden_by_least():
    """A mask of the least number, which is a parameter that is not trained, and faded weights."""

    def run(s, x):
        scores = s.query(x) @ s.key(x).transpose(1, 2) / 4 + s.mask
        return s.out(scores.softmax(-1) @ s.value(x))[:, -1]

    parts = {name: nn.Linear(16, 16) for name in ("query", "key", "value", "out")}
    mask = torch.full((6, 6), torch.finfo(torch.float32).min).triu(1)
    model = Runs(run, mask=nn.Parameter(mask, requires_grad=False), **parts)
    model.value.weight.data[3] *= 1e-39
    return model, torch.randn(16, 6, 16), classes(16, 16), F.cross_entropy


FOURTEENTH_SICK = (
    Case("share_to_keep", "a share of 1 to keep, as the share to drop", lambda: keeps_all(1.0), one_of("no_gradient"), ("p = 1 drops", "below 1")),
    Case("true_as_share", "True as the share to drop, before the first layer", lambda: dropped_at_once(True), one_of("no_gradient"), ("p = 1 drops", "below 1")),
    Case("mask_never_filled", "a buffer that is 0", lambda: never_filled(0.0), one_of("no_gradient"), ("the other factor is all 0",)),
    Case("merged_of_zeros", "low-rank weights that are both 0", lambda: merged(0, 0, frozen=True), one_of("no_gradient"), ("multiplied with each other|all factors are 0", "draw one of the factors")),
    Case("merged_beside_trained", "the same beside a weight that is trained", lambda: merged(0, 0, frozen=False, grouped=True), one_of("no_gradient"), ("multiplied with each other|all factors are 0", "draw one of the factors")),
    Case("asymmetric_sign", "an asymmetric loss without its minus", lambda: asymmetric(1), one_of("falls without end"), ("minus",)),
    Case("rows_sign", "a cross-entropy by hand without its minus", lambda: by_row(1), one_of("falls without end", "likelihood"), ("minus",)),
    Case("squares_sign", "squares with a minus", lambda: squares(-1), one_of("falls without end"), ("minus|sign",)),
    Case("clamped_shares", "all probabilities beyond a clamp", lambda: clamped_shares(-9.0), one_of("no_gradient"), ("clamp", "kinds_fourteenth.py, line", "128 of 128|all of its 128|all 128")),
    Case("held_temperature", "a parameter beyond its clamp", lambda: held_temperature(4.8), one_of("no_gradient"), ("log_scale", "clamp", "kinds_fourteenth.py, line")),
    Case("unwritten_memory", "torch.empty", lambda: gates_unwritten((-1.7e31, 4.6e-41, 4.1e-37)), one_of("uninitialised"), ("mix", "1.7e+31|1.7e31|1.7·10³¹")),
    Case("unwritten_twice", "torch.empty, other numbers", lambda: gates_unwritten((3.1e18, 2.2e-38, 1.4e-43, 7.1e-35)), one_of("uninitialised"), ("mix",)),
)  # fmt: skip
FOURTEENTH_SOUND = (
    Case("share_out_of_training", "a share of 1 to drop, never used", lambda: keeps_all(1.0, training=False)),
    Case("usual_share", "a usual share to drop", lambda: dropped_at_once(0.3)),
    Case("mask_of_ones", "a buffer that is 1", lambda: never_filled(1.0)),
    Case("words_that_occur", "inputs that are mostly 0", words_that_occur),
    Case("merged_up_of_zeros", "one of two factors is 0", lambda: merged(1, 0, frozen=True)),
    Case("merged_drawn", "both are drawn", lambda: merged(0.1, 0.1, frozen=False)),
    Case("asymmetric_loss", "an asymmetric loss", lambda: asymmetric(-1)),
    Case("rows_of_labels", "a cross-entropy by hand", lambda: by_row(-1)),
    Case("squares_by_hand", "squares", lambda: squares(1)),
    Case("fooled", "a saturating generator's loss", fooled),
    Case("paid", "likelihoods, weighed by costs", paid),
    Case("likely", "a likelihood below 0", likely),
    Case("close_views", "cosines", close),
    Case("some_clamped_shares", "most probabilities beyond a clamp, and one column within", lambda: clamped_shares(-4.0, every=False, least=0.05)),
    Case("temperature_within", "a parameter within its clamp", lambda: held_temperature(2.6)),
    Case("hidden_by_least", "the least number as a mask, and weights that have faded", hidden_by_least),
)  # fmt: skip
