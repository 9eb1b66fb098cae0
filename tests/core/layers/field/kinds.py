"""Kinds of faults of a model, two of each on different architectures, and sound ones that look alike."""

# ruff: noqa: E501

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through

# -- samples that are mixed ------------------------------------------------------------------------------------


def steps_by_view():
    """(samples, steps, features) read as (steps, samples, features)."""
    model = Runs(
        lambda s, x: s.out(s.rnn(x.view(x.shape[1], x.shape[0], -1))[0][-1]), rnn=nn.GRU(8, 16), out=nn.Linear(16, 4)
    )
    return model, torch.randn(32, 6, 8), classes(32, 4), F.cross_entropy


def directions_by_view():
    """The last states of both directions, (2, samples, units), read as (samples, 2 · units)."""

    def run(s, x):
        state = s.rnn(s.embed(x))[1][0]
        return s.out(state.reshape(x.shape[0], -1))

    model = Runs(
        run, embed=nn.Embedding(30, 8), rnn=nn.LSTM(8, 16, batch_first=True, bidirectional=True), out=nn.Linear(32, 3)
    )
    return model, torch.randint(0, 30, (16, 9)), classes(16, 3), F.cross_entropy


def steps_by_transpose():
    def run(s, x):
        y = s.rnn(x.transpose(0, 1))[0]
        return s.out(y.transpose(0, 1).reshape(x.shape[0], -1))

    return Runs(run, rnn=nn.GRU(8, 16), out=nn.Linear(96, 4)), torch.randn(32, 6, 8), classes(32, 4), F.cross_entropy


def frames_and_batch_norm():
    """Frames as samples of a network with batch norm, and back; as many channels as samples."""

    def run(s, x):
        b, t = x.shape[:2]
        y = s.conv(x.reshape(b * t, *x.shape[2:])).mean((2, 3))
        return s.out(y.view(b, t, -1).mean(1))

    conv = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU()
    )
    return Runs(run, conv=conv, out=nn.Linear(8, 4)), torch.randn(8, 5, 3, 8, 8), classes(8, 4), F.cross_entropy


# -- all is multiplied by 0 ------------------------------------------------------------------------------------


def keeps_nothing():
    """A share to keep handed over as the share to drop, in a transformer's block."""

    def run(s, x):
        h = s.embed(x)
        h = h + s.drop(s.up(F.gelu(s.down(s.norm(h)))))
        return s.out(h.mean(1))

    model = Runs(
        run,
        embed=nn.Linear(16, 32),
        norm=nn.LayerNorm(32),
        down=nn.Linear(32, 64),
        up=nn.Linear(64, 32),
        drop=nn.Dropout(1.0),
        out=nn.Linear(32, 4),
    )
    return model, torch.randn(32, 6, 16), classes(32, 4), F.cross_entropy


def empty_mask():
    """A mask of channels that is 0 everywhere, in a convolutional network."""

    def run(s, x):
        h = F.relu(s.b(F.relu(s.a(x)) * s.mask))
        return s.out(h.mean((2, 3)))

    model = Runs(run, a=nn.Conv2d(3, 16, 3), b=nn.Conv2d(16, 16, 3), out=nn.Linear(16, 4))
    model.register_buffer("mask", torch.zeros(1, 16, 1, 1))
    return model, torch.randn(16, 3, 12, 12), classes(16, 4), F.cross_entropy


def much_dropout():
    model = nn.Sequential(
        nn.Linear(16, 64), nn.ReLU(), nn.Dropout(0.8), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.8), nn.Linear(64, 4)
    )
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def padded_steps():
    """A mask that is 0 for the padding, of all samples at the last steps."""

    def run(s, x, mask):
        h = s.rnn(x * mask[..., None])[0]
        return s.out((h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    mask = (torch.arange(9) < torch.randint(2, 7, (16, 1))).float()
    return (
        Runs(run, rnn=nn.GRU(8, 16, batch_first=True), out=nn.Linear(16, 4)),
        (torch.randn(16, 9, 8), mask),
        classes(16, 4),
        F.cross_entropy,
    )


# -- a clamp ---------------------------------------------------------------------------------------------------


def clamped_probability():
    model = Runs(lambda s, x: s.net(x).clamp(0, 1), net=through(20, 64, 1))
    nn.init.constant_(model.net[-1].bias, -5.0)
    return model, torch.randn(32, 20), torch.rand(32, 1), F.mse_loss


def clamped_picture():
    """A decoder whose outputs lie on both sides of the range that they are clamped to."""
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1))
    net[2].weight.data.mul_(40)
    return (
        Runs(lambda s, x: torch.clamp(s.net(x), 0, 1), net=net),
        torch.rand(8, 3, 12, 12),
        torch.rand(8, 3, 12, 12),
        F.mse_loss,
    )


def clamped_at_its_ends():
    """A restoring network: its input and a small correction, clamped to what a picture holds."""
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1))
    net[2].weight.data.mul_(0.1)
    return (
        Runs(lambda s, x: (x + s.net(x)).clamp(0, 1), net=net),
        torch.rand(8, 3, 12, 12),
        torch.rand(8, 3, 12, 12),
        F.l1_loss,
    )


def clamped_variance():
    def run(s, x):
        h = s.encode(x)
        mean, log_var = s.mean(h), s.log_var(h).clamp(-8, 8)
        return s.decode(mean + torch.randn_like(mean) * (log_var / 2).exp()), mean, log_var

    def loss(out, x):
        return F.mse_loss(out[0], x) + -0.05 * (1 + out[2] - out[1] ** 2 - out[2].exp()).mean()

    model = Runs(
        run, encode=through(20, 32, 32), mean=nn.Linear(32, 4), log_var=nn.Linear(32, 4), decode=through(4, 32, 20)
    )
    return model, torch.randn(32, 20), torch.randn(32, 20), loss


# -- what the loss is given, and what cuts it off ---------------------------------------------------------------


def rectified_logits():
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10), nn.ReLU()
    )
    return model, torch.randn(16, 3, 12, 12), classes(16, 10), F.cross_entropy


def hard_output():
    model = Runs(
        lambda s, x: s.out(s.rnn(x)[0][:, -1]).argmax(1).float(),
        rnn=nn.GRU(8, 16, batch_first=True),
        out=nn.Linear(16, 4),
    )
    return model, torch.randn(16, 6, 8), classes(16, 4).float(), F.mse_loss


def averaged_rectifier():
    """SqueezeNet's head: a mean of what a ReLU gives."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return model, torch.randn(16, 3, 12, 12), classes(16, 10), F.cross_entropy


def logarithms_twice():
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4), nn.LogSoftmax(1))
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


# -- attention -------------------------------------------------------------------------------------------------


def attention(scale, width=256, tokens=50, steps=16, values=None):
    """One head over tokens that repeat; `scale` multiplies the scores."""

    def run(s, x):
        h = s.embed(x)
        weights = (s.q(h) @ s.k(h).transpose(1, 2) * scale).softmax(-1)
        return s.out((weights @ s.v(h)).mean(1))

    parts = {name: nn.Linear(width, width) for name in "qkv"}
    for one in parts.values():
        nn.init.xavier_normal_(one.weight)
    model = Runs(run, embed=nn.Embedding(tokens, width), out=nn.Linear(width, 4), **parts)
    return model, torch.randint(0, tokens, (32, steps)), classes(32, 4), F.cross_entropy


def pools_by_a_query(gain=1.0):
    """One learnt query over four places of a picture."""

    def run(s, x):
        h = s.norm(F.relu(s.conv(x)).flatten(2).transpose(1, 2))
        weights = torch.softmax(s.query @ s.k(h).transpose(1, 2) * gain, -1)
        return s.out((weights @ h)[:, 0])

    model = Runs(
        run,
        conv=nn.Conv2d(3, 64, 4, 4),
        norm=nn.LayerNorm(64),
        k=nn.Linear(64, 64),
        query=nn.Parameter(torch.randn(1, 1, 64)),
        out=nn.Linear(64, 4),
    )
    nn.init.xavier_normal_(model.k.weight)
    return model, torch.randn(32, 3, 8, 8), classes(32, 4), F.cross_entropy


# -- a draw of zeros -------------------------------------------------------------------------------------------


def zero_in_the_middle():
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )
    for one in model[2].parameters():
        nn.init.zeros_(one)
    return model, torch.randn(16, 3, 12, 12), classes(16, 4), F.cross_entropy


def zero_behind_an_embedding():
    model = Runs(
        lambda s, x: s.out(torch.tanh(s.hidden(s.embed(x).mean(1)))),
        embed=nn.Embedding(30, 16),
        hidden=nn.Linear(16, 32),
        out=nn.Linear(32, 4),
    )
    for one in (*model.hidden.parameters(), *model.out.parameters()):
        nn.init.zeros_(one)
    return model, torch.randint(0, 30, (32, 7)), classes(32, 4), F.cross_entropy


def zero_head():
    model = through(16, 32, 32, 4)
    for one in model[-1].parameters():
        nn.init.zeros_(one)
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def zero_branches():
    """DiT's way: the last layer of each branch is 0."""

    def run(s, x):
        h = s.embed(x)
        for branch in s.branches:
            h = h + branch(h)
        return s.out(h)

    branches = nn.ModuleList(
        nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32)) for _ in range(3)
    )
    for one in branches:
        nn.init.zeros_(one[3].weight)
        nn.init.zeros_(one[3].bias)
    return (
        Runs(run, embed=nn.Linear(16, 32), branches=branches, out=nn.Linear(32, 4)),
        torch.randn(32, 16),
        classes(32, 4),
        F.cross_entropy,
    )


# -- a first loss far above guessing ---------------------------------------------------------------------------


def tied_without_a_scale(std=1.0):
    def run(s, x):
        h = s.embed(x)
        return s.out(h + s.inner(h)).transpose(1, 2)

    embed, out = nn.Embedding(200, 256), nn.Linear(256, 200, bias=False)
    nn.init.normal_(embed.weight, 0, std)
    out.weight = embed.weight
    tokens = torch.randint(0, 200, (16, 10))
    return (
        Runs(run, embed=embed, out=out, inner=through(256, 64, 256)),
        tokens,
        torch.randint(0, 200, (16, 10)),
        F.cross_entropy,
    )


def large_head(times=300.0):
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    )
    model[-1].weight.data.mul_(times)
    return model, torch.randn(16, 3, 12, 12), classes(16, 10), F.cross_entropy


def margin_of_angles():
    """ArcFace: cosines times 64, the label's moved by 0.5."""

    def run(s, x, y):
        cosines = F.normalize(s.net(x)) @ F.normalize(s.faces).T
        moved = torch.cos(torch.acos(cosines.clamp(-0.999, 0.999)) + 0.5)
        return 64 * torch.where(F.one_hot(y, 10).bool(), moved, cosines)

    y = classes(32, 10)
    return (
        Runs(run, net=through(20, 64, 16), faces=nn.Parameter(torch.randn(10, 16))),
        (torch.randn(32, 20), y),
        y,
        F.cross_entropy,
    )


# -- two causes at once ----------------------------------------------------------------------------------------


def cut_and_dropped():
    """A detached encoder, and a branch of which dropout leaves nothing."""

    def run(s, x):
        h = F.gelu(s.encoder(x)).detach()
        return s.out(h + s.drop(s.branch(h)))

    model = Runs(run, encoder=nn.Linear(16, 32), branch=nn.Linear(32, 32), drop=nn.Dropout(1.0), out=nn.Linear(32, 4))
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def flat_and_steep():
    """A saturated tanh before attention that looks at one key."""

    def run(s, x):
        h = torch.tanh(s.embed(x) * 30)
        weights = (s.q(h) @ s.k(h).transpose(1, 2)).softmax(-1)
        return s.out((weights @ h).mean(1))

    model = Runs(run, embed=nn.Linear(16, 128), q=nn.Linear(128, 128), k=nn.Linear(128, 128), out=nn.Linear(128, 4))
    for one in (model.q, model.k):
        nn.init.normal_(one.weight)
    return model, torch.randn(32, 9, 16), classes(32, 4), F.cross_entropy


def frozen_with_dropout():
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 4))
    model[0].requires_grad_(False)
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


KINDS_SICK = (
    Case("steps by view", "view where transpose was meant", steps_by_view, one_of("mixed samples"), ("kinds.py, line", "view", "transpose")),
    Case("directions by view", "h_n of both directions reshaped", directions_by_view, one_of("mixed samples"), ("reshape", "transpose")),
    Case("keeps nothing", "keep_prob handed over as p", keeps_nothing, one_of("no_gradient"), ("drop", "p = 1")),
    Case("mask of zeros", "a buffer of zeros nobody fills", empty_mask, one_of("no_gradient"), ("kinds.py, line", "all 0")),
    Case("clamped probability", "clamp(0, 1) for a probability", clamped_probability, one_of("dead_units", "saturated"), ("clamp", "sigmoid")),
    Case("clamped picture", "clamp(0, 1) in training", clamped_picture, one_of("saturated"), ("clamp", "sigmoid")),
    Case("rectified logits", "ReLU on the logits", rectified_logits, one_of("not_logits"), ("relu", "cross_entropy")),
    Case("hard output", "argmax in the model", hard_output, one_of("no_gradient"), ("argmax (kinds.py, line",)),
    Case("unscaled, tokens repeat", "no 1/√d", lambda: attention(1.0), one_of("saturated"), ("softmax", "root of")),
    Case("pools too sharply", "a temperature of 0.02 over four places", lambda: pools_by_a_query(50 / 8), one_of("saturated"), ("softmax",)),
    Case("temperature of 10,000", "a softmax that tells nothing apart", lambda: attention(1e-4 / 16), one_of("even attention"), ("softmax", "temperature|scale")),
    Case("zero in the middle", "zeros for one convolution", zero_in_the_middle, one_of("no_gradient"), ("zero init", "2")),
    Case("zero behind an embedding", "zeros for two layers", zero_behind_an_embedding, one_of("no_gradient"), ("zero init", "hidden, out")),
    Case("tied without a scale", "N(0, 1) as an embedding and as a head", tied_without_a_scale, one_of("first_loss"), ("guessing", "embed", "smaller")),
    Case("large head", "times 300", large_head, one_of("first_loss"), ("guessing", "5")),
    Case("cut and dropped", "detach and Dropout(1)", cut_and_dropped, one_of("no_gradient"), ("detach (", "encoder", "p = 1")),
    Case("flat and steep", "tanh and attention", flat_and_steep, one_of("saturated"), ("tanh", "softmax")),
)  # fmt: skip

KINDS_SOUND = (
    Case("steps by transpose", "a GRU over time first", steps_by_transpose),
    Case("frames and batch norm", "frames as samples", frames_and_batch_norm),
    Case("much dropout", "Dropout(0.8) twice", much_dropout),
    Case("padded steps", "a mask for the padding", padded_steps),
    Case("clamped at its ends", "a restored picture", clamped_at_its_ends),
    Case("clamped variance", "a VAE", clamped_variance),
    Case("averaged rectifier", "SqueezeNet's head", averaged_rectifier),
    Case("logarithms twice", "log_softmax before cross_entropy is harmless", logarithms_twice),
    Case("scaled, tokens repeat", "Vaswani 2017", lambda: attention(1 / 16)),
    Case("pools by a query", "attention pooling", lambda: pools_by_a_query(1 / 8)),
    Case("zero head", "as fine-tuning begins", zero_head),
    Case("zero branches", "Peebles 2022", zero_branches),
    Case("tied with a scale", "N(0, 1/d)", lambda: tied_without_a_scale(1 / math.sqrt(256))),
    Case("margin of angles", "Deng 2018, ArcFace", margin_of_angles),
    Case("frozen with dropout", "a frozen layer before a dropout", frozen_with_dropout),
)
