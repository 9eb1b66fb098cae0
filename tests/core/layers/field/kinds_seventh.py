"""Batches folded, batches of one, an eps by position, losses made anew, a thing with itself, shares, signs, pairs."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def folded(how):
    """A small convolutional net in whose view, or mean, the samples go under."""

    def run(s, x):
        h = F.relu(s.conv(x))
        if how == "view":
            return s.out(h.view(-1, 6 * 8 * 36))
        if how == "rows":
            return s.rows(h.view(-1, 6 * 18))
        if how == "mean":
            return s.pooled(h.mean(0, keepdim=True).mean((2, 3)))
        return s.pooled(h.mean((2, 3)))

    parts = {"conv": nn.Conv2d(3, 6, 3, padding=1)}
    name, wide = {"view": ("out", 6 * 8 * 36), "rows": ("rows", 6 * 18)}.get(how, ("pooled", 6))
    parts[name] = nn.Linear(wide, 4)
    loss = F.cross_entropy if how == "rows" else F.mse_loss
    return Runs(run, **parts), torch.randn(8, 3, 6, 6), classes(8, 4) if how == "rows" else torch.randn(8, 4), loss


def bag(kept):
    """One row for all, as of instances in a bag, or one for every group of samples."""

    def run(s, x):
        h = s.each(x)
        return s.out(h.mean(0, keepdim=True) if kept == 1 else h.view(kept, -1, 12).mean(1))

    model = Runs(run, each=through(7, 24, 12), out=nn.Linear(12, 2))
    return model, torch.randn(24, 7), torch.randn(kept, 2), F.mse_loss


def contrast(count, by_hand=False):
    """Two views of each sample, each to be told from those of all others."""

    def loss(o, _):
        a, b = (F.normalize(one, dim=1) for one in o)
        scores = a @ b.T / 0.2
        if by_hand:
            return -scores.log_softmax(1).diagonal().mean()
        return F.cross_entropy(scores, torch.arange(count))

    model = Runs(lambda s, a, b: (s.one(a), s.two(b)), one=through(9, 24, 6), two=through(5, 24, 6))
    return model, (torch.randn(count, 9), torch.randn(count, 5)), None, loss


def normed(norm, width=20, scale=1.0):
    """Blocks, each with a norm of some eps."""
    parts = [part for _ in range(4) for part in (nn.Linear(width, width), norm(width), nn.ReLU())]
    return nn.Sequential(*parts, nn.Linear(width, 3)), scale * torch.randn(40, width), classes(40, 3), F.cross_entropy


def anew(how):
    """A loss that is made anew of its number."""

    def loss(o, y):
        found = F.cross_entropy(o, y)
        if how == "variable":
            return torch.autograd.Variable(found.data, requires_grad=True)
        if how == "tensor":
            return torch.tensor(found.item(), requires_grad=True)
        return torch.zeros((), requires_grad=True) + found

    return through(9, 30, 5), torch.randn(24, 9), classes(24, 5), loss


def quiet():
    """A model that runs under no_grad, behind which the loss asks for a gradient all the same."""

    def run(s, x):
        with torch.no_grad():
            return s.layers(x)

    def loss(o, y):
        return torch.autograd.Variable(F.mse_loss(o, y), requires_grad=True)

    return Runs(run, layers=through(9, 30, 5)), torch.randn(24, 9), torch.randn(24, 5), loss


def itself(how):
    """A term that compares a thing with itself, beside one that trains."""
    teacher = torch.randn(32, 4).log_softmax(1)

    def loss(o, y):
        first, second = o[:16], o[16:]
        terms = {
            "teacher": lambda: F.kl_div(teacher, teacher.clone(), log_target=True, reduction="batchmean"),
            "triplet": lambda: F.triplet_margin_loss(first, first, second),
            "indexed": lambda: (o[torch.arange(16)] - o[torch.arange(16)]).square().sum(1).mean(),
            "neighbours": lambda: (o[:, 1:] - o[:, :-1]).square().mean(),
            "through": lambda: (o + (o.round() - o).detach()).square().mean(),
            "pairs": lambda: torch.cdist(o, o).mean(),
        }
        return F.cross_entropy(o, y) + 0.3 * terms[how]()

    return through(9, 30, 4), torch.randn(32, 9), classes(32, 4), loss


def shares(dim, how="mul"):
    """Soft targets, and logarithms of shares along some axis, multiplied by hand."""

    def loss(o, y):
        logs = o.log_softmax(dim) if how == "mul" else (o.softmax(dim) + 1e-9).log()
        return -(y * logs).sum(-1).mean()

    model = Runs(lambda s, x: s.layers(x).view(2, 18, 5), layers=through(9, 30, 5))
    return model, torch.randn(36, 9), (3 * torch.randn(2, 18, 5)).softmax(-1), loss


def weighed(*weights):
    """Classes with weights."""
    loss = nn.CrossEntropyLoss(weight=torch.tensor(weights))
    return through(9, 30, len(weights)), torch.randn(24, 9), classes(24, 2), loss


def interpolated():
    """Scores that are scaled up by a kernel that interpolates, behind convolutions that are drawn too large."""
    up, line = nn.ConvTranspose2d(5, 5, 4, 2, 1, bias=False), torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        up.weight.zero_()
        for k in range(5):
            up.weight[k, k] = line[:, None] * line
    layers = [part for i in range(5) for part in (nn.Conv2d(3 if i == 0 else 16, 16, 3, padding=1), nn.ReLU())]
    for one in layers[::2]:
        nn.init.normal_(one.weight, 0, 1.5)
    model = nn.Sequential(*layers, nn.Conv2d(16, 5, 1), up)
    return model, torch.randn(2, 3, 9, 9), torch.randint(0, 5, (2, 18, 18)), F.cross_entropy


class Optional(nn.Module):
    """A block that has a shortcut always, and uses it where the widths differ, or nowhere."""

    def __init__(self, before: int, width: int, used: bool) -> None:
        super().__init__()
        self.main, self.short = nn.Linear(before, width), nn.Linear(before, width)
        self.used, self.alike = used, before == width

    def forward(self, x):
        if not self.used:
            return F.relu(self.main(x))
        return F.relu(self.main(x) + (x if self.alike else self.short(x)))


def optional(used):
    """Blocks whose shortcut an `if` leaves out."""
    blocks = [Optional(a, b, used) for a, b in ((7, 16), (16, 16), (16, 24))]
    return nn.Sequential(*blocks, nn.Linear(24, 3)), torch.randn(24, 7), classes(24, 3), F.cross_entropy


def paired(how):
    """What belongs to each output, kept as a column: weighed with it, or against all of them on purpose."""
    column = torch.rand(32, 1)

    def loss(o, y):
        row = o.squeeze(1)
        if how == "weights":
            return (F.binary_cross_entropy_with_logits(row, y, reduction="none") * column).mean()
        if how == "pairs":
            return ((row - column) / 0.1).sigmoid().sum(1).sub(32 * y).square().mean()
        return (F.binary_cross_entropy_with_logits(row, y, reduction="none") * column.squeeze(1)).mean()

    return through(9, 30, 1), torch.randn(32, 9), classes(32, 2).float(), loss


def tagged(turned):
    """Tags of steps, as many as there are steps, of a layer that is given what lies apart in memory."""

    def run(s, x):
        out = s.out(s.rnn(x)[0])
        return out.transpose(1, 2) if turned else out

    model = Runs(run, rnn=nn.LSTM(6, 10, batch_first=True, bidirectional=True), out=nn.Linear(20, 9))
    return model, torch.randn(12, 9, 6), torch.randint(0, 9, (12, 9)), F.cross_entropy


def placed(how):
    """Tokens with a code of their places, and one of the sequence as a whole."""

    def run(s, x):
        places = torch.full((x.shape[1],), 2) if how == "alike" else torch.arange(x.shape[1])
        h = s.tokens(x) + s.places(places) + s.parts(torch.zeros_like(x))
        return s.out(s.attention(h, h, h)[0].mean(1))

    tables = {"tokens": nn.Embedding(40, 16), "places": nn.Embedding(24, 16), "parts": nn.Embedding(2, 16)}
    model = Runs(run, **tables, attention=nn.MultiheadAttention(16, 2, batch_first=True), out=nn.Linear(16, 3))
    return model, torch.randint(0, 40, (12, 10)), classes(12, 3), F.cross_entropy


def answered(how):
    """Yes or no of several things."""
    last = {
        "shares": nn.Softmax(1),
        "chances": nn.Sigmoid(),
        "rectified": nn.Sequential(nn.ReLU(), nn.Sigmoid()),
    }[how]
    return (
        nn.Sequential(through(9, 30, 6), last),
        torch.randn(40, 9),
        torch.randint(0, 2, (40, 6)).float(),
        F.binary_cross_entropy,
    )


def coded(sign):
    """An encoder of means and logarithms of variances, whose distance from N(0, 1) has some sign."""

    def run(s, x):
        h = s.encoder(x)
        mean, spread = s.mean(h), s.spread(h)
        return s.decoder(mean + torch.randn_like(mean) * (0.5 * spread).exp()), mean, spread

    def loss(o, y):
        kept, mean, spread = o
        return F.mse_loss(kept, y) + sign * 0.01 * (1 + spread - mean.square() - spread.exp()).sum(1).mean()

    parts = {"mean": nn.Linear(12, 4), "spread": nn.Linear(12, 4), "decoder": through(4, 30, 9)}
    x = torch.randn(24, 9)
    return Runs(run, encoder=nn.Sequential(through(9, 30, 12), nn.Tanh()), **parts), x, x, loss


def near():
    """A discrepancy of kernels, in which an exponential of a distance has a minus by rights."""

    def kernel(a, b):
        return (-(a[:, None] - b[None]).square().sum(-1) / 4).exp().mean()

    def loss(o, y):
        return kernel(o, o) + kernel(y, y) - 2 * kernel(o, y)

    return through(9, 30, 4), torch.randn(32, 9), torch.randn(32, 4), loss


def across(dim):
    """Attention of one query for each sample, whose scores stand in two axes."""

    def run(s, x):
        h = s.keys(x)
        scores = (s.query(h[:, -1:]) @ h.transpose(1, 2)).view(len(x), -1)
        return s.out((scores.softmax(dim).view(len(x), 1, -1) @ h)[:, 0])

    model = Runs(run, keys=nn.Linear(5, 12), query=nn.Linear(12, 12), out=nn.Linear(12, 3))
    return model, torch.randn(14, 9, 5), classes(14, 3), F.cross_entropy


SEVENTH_SICK = (
    Case("samples folded into features", "view(-1, …)", lambda: folded("view"), one_of("broadcast"), ("1 row for 8 samples", "(kinds_seventh.py, line", "x.size(0)")),
    Case("samples averaged away", "mean(0)", lambda: folded("mean"), one_of("broadcast"), ("1 row for 8 samples", "mean in")),
    Case("a contrast with nobody", "a batch of one", lambda: contrast(1), one_of("constant_loss"), ("one sample", "drop_last")),
    Case("a contrast with nobody, by hand", "a batch of one", lambda: contrast(1, True), one_of("constant_loss"), ("one sample", "two or more")),
    Case("an eps by position", "BatchNorm1d(20, 20)", lambda: normed(lambda n: nn.BatchNorm1d(n, n)), one_of("norm eps"), ("eps of 20", "second argument", "4 norms")),
    Case("an eps by position, of groups", "GroupNorm(5, 20, 20)", lambda: normed(lambda n: nn.GroupNorm(5, n, 20)), one_of("norm eps"), ("eps of 20", "third argument")),
    Case("an eps by position, of rows", "LayerNorm(20, 20)", lambda: normed(lambda n: nn.LayerNorm(n, 20)), one_of("norm eps"), ("eps of 20",)),
    Case("a loss wrapped anew", "Variable(loss, requires_grad=True)", lambda: anew("variable"), one_of("no_gradient"), ("new tensor", "as it was computed")),
    Case("a loss of a plain number", "torch.tensor(loss.item(), requires_grad=True)", lambda: anew("tensor"), one_of("no_gradient"), ("new tensor", "(kinds_seventh.py, line")),
    Case("a loss wrapped behind no_grad", "Variable(loss, requires_grad=True)", quiet, one_of("no_gradient"), ("no_grad", "new tensor")),
    Case("a teacher with a teacher", "kl_div(teacher, teacher)", lambda: itself("teacher"), one_of("term_without_gradient"), ("kl_div", "itself")),
    Case("an anchor that is its own partner", "triplet_margin_loss(a, a, n)", lambda: itself("triplet"), one_of("term_without_gradient"), ("itself",)),
    Case("a row and the same row", "o[i] - o[i]", lambda: itself("indexed"), one_of("term_without_gradient"), ("(kinds_seventh.py, line", "itself")),
    Case("shares along the samples, by hand", "log_softmax(dim=1)", lambda: shares(1), one_of("not_log_probabilities"), ("dim=2",)),
    Case("shares along the samples, then a logarithm", "softmax(dim=0)", lambda: shares(0, "log"), one_of("not_log_probabilities"), ("dim=2",)),
    Case("weights of classes that are all 0", "weight=zeros", lambda: weighed(0.0, 0.0, 0.0), one_of("constant_loss"), ("all 3 classes are 0",)),
    Case("weights of those in the batch are 0", "weight=(0, 0, 1)", lambda: weighed(0.0, 0.0, 1.0), one_of("constant_loss"), ("2 classes in this batch",)),
    Case("a shortcut that nobody uses", "self.short", lambda: optional(False), one_of("no_gradient"), ("0.short", "never ran")),
    Case("weights as a column", "(n,) * (n, 1)", lambda: paired("weights"), one_of("broadcast"), ("(32, 32)", "squeeze(-1)")),
    Case("as many tags as steps", "cross_entropy of (n, steps, tags)", lambda: tagged(False), one_of("labels"), ("transpose(1, 2)",)),
    Case("one place for all", "positions of 2", lambda: placed("alike"), one_of("constant code"), ("places", "torch.arange")),
    Case("shares where several are right", "softmax and bceloss", lambda: answered("shares"), one_of("labels"), ("softmax", "sigmoid")),
    Case("chances above a half", "relu, sigmoid", lambda: answered("rectified"), one_of("not_logits"), ("relu", "below 0.5")),
    Case("a divergence with a plus", "+0.5 * (1 + logvar − …)", lambda: coded(1), one_of("falls without end"), ("exp (kinds_seventh.py, line", "minus")),
    Case("scores weighed across samples", "softmax(dim=0) of (samples, keys)", lambda: across(0), one_of("mixed samples"), ("softmax (kinds_seventh.py, line", "dim=-1")),
    Case("a kernel that interpolates behind large weights", "init.normal_(0, 1.5)", interpolated, one_of("exploding"), ("smaller init|norm",)),
)  # fmt: skip
SEVENTH_SOUND = (
    Case("one row for a bag", "multiple instances", lambda: bag(1)),
    Case("a row for each group", "prototypes", lambda: bag(4)),
    Case("a contrast with others", "InfoNCE", lambda: contrast(16)),
    Case("an eps that is usual elsewhere", "BatchNorm1d(eps=1e-3)", lambda: normed(lambda n: nn.BatchNorm1d(n, 1e-3))),
    Case("an eps that meets far larger numbers", "BatchNorm1d(eps=1)", lambda: normed(lambda n: nn.BatchNorm1d(n, 1e-5) if n != 20 else nn.BatchNorm1d(n, 0.1), scale=9.0)),
    Case("a sum that begins at 0", "torch.zeros((), requires_grad=True)", lambda: anew("sum")),
    Case("neighbours of an output", "a penalty on differences", lambda: itself("neighbours")),
    Case("straight through, squared", "x + (round(x) − x).detach()", lambda: itself("through")),
    Case("distances of all from all", "cdist(o, o)", lambda: itself("pairs")),
    Case("shares along the classes, by hand", "log_softmax(dim=2)", lambda: shares(2)),
    Case("a weight of 0 for one class", "weight=(0, 1, 1)", lambda: weighed(0.0, 1.0, 1.0)),
    Case("a shortcut where it is needed", "an if in forward", lambda: optional(True)),
    Case("weights as a row", "(n,) * (n,)", lambda: paired("row")),
    Case("all pairs with a column", "soft ranks", lambda: paired("pairs")),
    Case("as many tags as steps, turned", "transpose(1, 2)", lambda: tagged(True)),
    Case("places and parts", "segment ids of 0", lambda: placed("counted")),
    Case("chances of several", "sigmoid and BCELoss", lambda: answered("chances")),
    Case("a divergence with a minus", "a variational autoencoder", lambda: coded(-1)),
    Case("a discrepancy of kernels", "MMD", near),
    Case("scores weighed along keys", "softmax(dim=1) of (samples, keys)", lambda: across(1)),
)  # fmt: skip
