"""Attention among heads, first steps, modes, terms that cancel out, drawn states, and what a pooled batch gates."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def among_heads(how):
    """Attention of queries (samples, steps, heads, width) that were not transposed: heads look at heads."""

    def run(s, x):
        q, k, v = (one.unflatten(-1, (4, -1)) for one in s.qkv(x).chunk(3, -1))
        if how == "steps":
            q, k, v = (one.transpose(1, 2) for one in (q, k, v))
        if how == "fused":
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v
        y = y.transpose(1, 2) if how == "steps" else y
        return s.out(y.flatten(2)).mean(1) if how == "pooled" else s.out(y.flatten(2))

    model = Runs(run, qkv=nn.Linear(16, 48), out=nn.Linear(16, 5))
    if how == "pooled":
        return model, torch.randn(12, 9, 16), classes(12, 5), F.cross_entropy
    return (
        model,
        torch.randn(12, 9, 16),
        classes(12 * 9, 5).view(12, 9),
        lambda o, y: F.cross_entropy(o.flatten(0, 1), y.flatten()),
    )


def first_step(how):
    """A recurrent layer of which the first step is read, or the last."""

    def run(s, x):
        y = s.rnn(s.embed(x))[0]
        return s.head(
            {
                "first": y[:, 0],
                "last": y[:, -1],
                "mean": y.mean(1),
            }[how]
        )

    model = Runs(run, embed=nn.Embedding(30, 12), rnn=nn.LSTM(12, 16, batch_first=True), head=nn.Linear(16, 3))
    return model, torch.randint(0, 30, (16, 10)), classes(16, 3), F.cross_entropy


def convolved():
    """Convolutions along the steps, of which the last is read."""

    causal = [
        m for i in range(2) for m in (nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(8 if i == 0 else 12, 12, 3), nn.ReLU())
    ]
    model = Runs(lambda s, x: s.head(s.body(x.mT)[:, :, -1]), body=nn.Sequential(*causal), head=nn.Linear(12, 3))
    return model, torch.randn(16, 11, 8), classes(16, 3), F.cross_entropy


def always_drops(how):
    """Dropout by a function that is not told the mode."""

    def run(s, x):
        h = F.relu(s.first(x))
        return s.head(F.dropout(h, 0.5) if how == "always" else F.dropout(h, 0.5, s.training))

    model = Runs(run, first=nn.Linear(10, 40), head=nn.Linear(40, 3))
    return model, torch.randn(32, 10), classes(32, 3), F.cross_entropy


def momentum(value):
    """Batch norms with another momentum."""
    parts = [
        m
        for i in range(3)
        for m in (nn.Conv2d(3 if i == 0 else 8, 8, 3, padding=1), nn.BatchNorm2d(8, momentum=value), nn.ReLU())
    ]
    return (
        nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
        torch.randn(12, 3, 8, 8),
        classes(12, 4),
        F.cross_entropy,
    )


def additive(how):
    """Scores that are the sum of a part of the query and a part of the key, without an activation between."""

    def run(s, x):
        q, k = s.q(x[:, -1:]), s.k(x)
        if how == "tanh":
            scores = s.v(torch.tanh(q + k))
        elif how == "sum":
            scores = s.v(q + k)
        else:
            scores = s.one(q) + s.two(k)
        return s.head((scores.softmax(1) * x).sum(1))

    parts = {"q": nn.Linear(9, 12), "k": nn.Linear(9, 12), "head": nn.Linear(9, 3)}
    parts |= {"one": nn.Linear(12, 1), "two": nn.Linear(12, 1)} if how == "two" else {"v": nn.Linear(12, 1)}
    return Runs(run, **parts), torch.randn(20, 7, 9), classes(20, 3), F.cross_entropy


def styled(how):
    """A shift of each channel made of a style, and a norm of each channel after it."""

    def run(s, x, style):
        h = s.first(x)
        shift = s.style(style)[:, :, None, None]
        h = s.norm(h + shift) if how == "before" else s.norm(h) + shift
        return s.last(F.relu(h))

    model = Runs(
        run,
        first=nn.Conv2d(3, 8, 3, padding=1),
        style=nn.Linear(5, 8),
        norm=nn.InstanceNorm2d(8),
        last=nn.Conv2d(8, 3, 3, padding=1),
    )
    return model, (torch.randn(6, 3, 8, 8), torch.randn(6, 5)), torch.randn(6, 3, 8, 8), F.mse_loss


def triplets(how):
    """A triplet loss with the anchor as its own positive."""

    def loss(z, _):
        a, p, n = z.unbind(1)
        return F.triplet_margin_loss(a, a if how == "itself" else p, n, margin=1.0)

    body = through(14, 32, 8)
    return body, torch.randn(24, 3, 14), torch.zeros(24), loss


def classes_along_samples(how):
    """Logarithms of shares along the samples."""
    axis = 0 if how in ("log", "module") else 1
    last = nn.Softmax(dim=axis) if how == "module" else nn.LogSoftmax(dim=axis)
    loss = (lambda o, y: -o.gather(1, y[:, None]).log().mean()) if how == "module" else F.nll_loss
    return (
        nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 5), last),
        torch.randn(30, 12),
        classes(30, 5),
        loss,
    )


def ctc(how):
    """Connectionist temporal classification of what softmax gives."""

    def loss(o, y):
        given = o.softmax(-1) if how == "softmax" else o.log_softmax(-1)
        return F.ctc_loss(given.transpose(0, 1), y, torch.full((8,), 20), torch.full((8,), 5))

    model = Runs(lambda s, x: s.out(s.rnn(x)[0]), rnn=nn.GRU(6, 16, batch_first=True), out=nn.Linear(16, 12))
    return model, torch.randn(8, 20, 6), torch.randint(1, 12, (8, 5)), loss


def mixture(axis):
    """A mixture density whose shares are made along the samples."""

    def run(s, x):
        h = s.body(x)
        return s.shares(h).softmax(axis), s.means(h), F.softplus(s.sizes(h)) + 0.1

    def loss(o, y):
        shares, means, sizes = o
        density = torch.exp(torch.distributions.Normal(means, sizes).log_prob(y))
        return -(shares * density).sum(1).add(1e-8).log().mean()

    model = Runs(
        run,
        body=nn.Sequential(nn.Linear(4, 24), nn.Tanh()),
        shares=nn.Linear(24, 3),
        means=nn.Linear(24, 3),
        sizes=nn.Linear(24, 3),
    )
    return model, torch.randn(32, 4), torch.randn(32, 1), loss


class Steps(nn.Module):
    """A recurrent cell by hand, whose state may be detached at each step, or begun at random."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.cell, self.head = nn.GRUCell(6, 16), nn.Linear(16, 3)

    def forward(self, x):
        h = torch.randn(len(x), 16) if self.how == "drawn" else x.new_zeros(len(x), 16)
        for step in x.unbind(1):
            h = self.cell(step, h.detach() if self.how == "detached" else h)
        return self.head(h)


def steps(how):
    return Steps(how), torch.randn(20, 9, 6), classes(20, 3), F.cross_entropy


def forced(how):
    """A decoder that is given the very tokens that it is to predict, behind a causal mask."""

    def run(s, source, tokens):
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return s.out(s.decoder(s.embed(tokens), s.source(source), tgt_mask=mask))

    layer = nn.TransformerDecoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    model = Runs(
        run,
        embed=nn.Embedding(20, 16),
        source=nn.Linear(5, 16),
        decoder=nn.TransformerDecoder(layer, 1),
        out=nn.Linear(16, 20),
    )
    tokens = torch.randint(0, 20, (12, 9))
    given, wanted = (tokens, tokens) if how == "same" else (tokens[:, :-1], tokens[:, 1:])
    return model, (torch.randn(12, 7, 5), given), wanted, lambda o, y: F.cross_entropy(o.flatten(0, 1), y.flatten())


def squeezed(how):
    """Channels that are weighed by what a pool gives: of each map, or of all of the batch."""

    def run(s, x):
        h = F.relu(s.first(x))
        pooled = h.mean((0, 2, 3))[None] if how == "batch" else h.mean((2, 3))
        return s.head((h * s.gate(pooled)[:, :, None, None]).mean((2, 3)))

    gate = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8), nn.Sigmoid())
    return (
        Runs(run, first=nn.Conv2d(3, 8, 3), gate=gate, head=nn.Linear(8, 4)),
        torch.randn(12, 3, 9, 9),
        classes(12, 4),
        F.cross_entropy,
    )


TENTH_SICK = (
    Case("heads that look at heads", "no transpose(1, 2)", lambda: among_heads("plain"), one_of("steps apart"), ("heads", "transpose(1, 2)")),
    Case("heads that look at heads, pooled", "no transpose(1, 2)", lambda: among_heads("pooled"), one_of("steps apart"), ("heads", "transpose(1, 2)")),
    Case("heads that look at heads, fused", "no transpose(1, 2)", lambda: among_heads("fused"), one_of("steps apart"), ("heads", "transpose(1, 2)")),
    Case("the first step of an LSTM", "out[:, 0]", lambda: first_step("first"), one_of("unused state"), ("first step", "out[:, -1]")),
    Case("a momentum of 0.99", "Keras's momentum", lambda: momentum(0.99), one_of("norm momentum"), ("0.99", "0.01")),
    Case("queries that cancel out of a softmax", "v(q + k)", lambda: additive("sum"), one_of("cliff"), ("cancels out", "softmax", "tanh")),
    Case("scores of queries that cancel out", "one(q) + two(k)", lambda: additive("two"), one_of("cliff"), ("cancels out", "softmax", "tanh")),
    Case("a style that a norm takes away", "norm(h + shift)", lambda: styled("before"), one_of("cliff"), ("style", "cancels out", "behind the norm")),
    Case("an anchor that is its own positive", "triplet(a, a, n)", lambda: triplets("itself"), one_of("term_without_gradient"), ("itself",)),
    Case("log-shares along the samples", "LogSoftmax(0)", lambda: classes_along_samples("log"), one_of("not_log_probabilities"), ("dimension 0", "dim=1")),
    Case("shares along the samples", "Softmax(0)", lambda: classes_along_samples("module"), one_of("not_log_probabilities"), ("dimension 0", "dim=1")),
    Case("ctc of shares", "ctc_loss(softmax)", lambda: ctc("softmax"), one_of("not_log_probabilities"), ("log_softmax",)),
    Case("a mixture's shares along the samples", "softmax(0)", lambda: mixture(0), one_of("mixed samples"), ("softmax", "first axis")),
    Case("a state that is detached at each step", "h.detach()", lambda: steps("detached"), one_of("along time"), ("detached at every step",)),
    Case("tokens that are given and asked for", "tgt in and out", lambda: forced("same"), one_of("targets seen"), ("the inputs themselves", "shift")),
    Case("a gate of the whole batch", "mean((0, 2, 3))", lambda: squeezed("batch"), one_of("pooled samples"), ("mean", "x.mean((2, 3))")),
)  # fmt: skip
TENTH_SOUND = (
    Case("heads with steps", "transpose(1, 2)", lambda: among_heads("steps")),
    Case("the last step of an LSTM", "out[:, -1]", lambda: first_step("last")),
    Case("the mean of the steps of an LSTM", "out.mean(1)", lambda: first_step("mean")),
    Case("the last step of causal convolutions", "TCN", lambda: convolved()),
    Case("dropout that is told the mode", "F.dropout(x, p, self.training)", lambda: always_drops("told")),
    Case("a momentum of 0.1", "torch's", lambda: momentum(0.1)),
    Case("a momentum of none", "a mean over all batches", lambda: momentum(None)),
    Case("additive attention", "Bahdanau", lambda: additive("tanh")),
    Case("a style behind a norm", "AdaIN", lambda: styled("behind")),
    Case("anchors and positives apart", "FaceNet", lambda: triplets("apart")),
    Case("log-shares along the classes", "LogSoftmax(1)", lambda: classes_along_samples("classes")),
    Case("ctc of log-shares", "CTC", lambda: ctc("log")),
    Case("a mixture density", "MDN", lambda: mixture(1)),
    Case("a recurrent cell by hand", "GRUCell", lambda: steps("zeros")),
    Case("a decoder with tokens one step on", "teacher forcing", lambda: forced("next")),
    Case("squeeze and excitation of each", "SE", lambda: squeezed("each")),
)  # fmt: skip
