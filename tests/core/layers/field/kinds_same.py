"""Axes changed over by views, also in the loss; and models that say the same of every sample."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def tokens_of_a_map(turn, width: int = 16, *, positions: bool = True):
    """A small vision transformer, whose map of patches becomes tokens by `turn`."""

    def run(s, x):
        z = turn(s.patches(x))
        z = s.block(z + s.places if positions else z)
        return s.head(z.mean(1))

    parts = {"places": nn.Parameter(torch.randn(1, 64, width) * 0.02)} if positions else {}
    block = nn.TransformerEncoderLayer(width, 2, 32, dropout=0.0, batch_first=True, norm_first=True)
    return Runs(run, patches=nn.Conv2d(3, width, 2, 2), block=block, head=nn.Linear(width, 4), **parts), torch.randn(8, 3, 16, 16), classes(8, 4), F.cross_entropy  # fmt: skip


def by_view(z):
    return z.view(z.shape[0], -1, z.shape[1])


def map_of_tokens(turn):
    """Tokens that become a map again, for a head that convolves."""

    def run(s, x):
        z = s.block(s.patches(x).flatten(2).transpose(1, 2))
        return s.head(turn(z))

    block = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU())
    return Runs(run, patches=nn.Conv2d(3, 32, 2, 2), block=block, head=nn.Conv2d(32, 1, 3, padding=1)), torch.randn(8, 3, 16, 16), torch.randn(8, 1, 8, 8), F.mse_loss  # fmt: skip


def attention_by_hand(join):
    """Four heads over sixteen steps, joined again by `join`."""

    def run(s, x):
        q, k, v = (part(x).view(8, 16, 4, 8).transpose(1, 2) for part in (s.q, s.k, s.v))
        return s.head(s.out(join((q @ k.transpose(-2, -1) / 8**0.5).softmax(-1) @ v)).mean(1))

    parts = {name: nn.Linear(32, 32) for name in ("q", "k", "v", "out")}
    return Runs(run, head=nn.Linear(32, 4), **parts), torch.randn(8, 16, 32), classes(8, 4), F.cross_entropy


def channels_last_pictures(turn):
    """Pictures of four channels as they are stored, given to a convolution."""
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4))
    return Runs(lambda s, x: s.net(turn(x)), net=net), torch.rand(8, 16, 16, 4), classes(8, 4), F.cross_entropy


def groups_by_hand_as_many_as_places():
    """A norm of 16 groups by hand, of a map of 16 places."""

    def run(s, x):
        z = s.conv(x)
        g = z.view(8, 16, 64)
        g = (g - g.mean(-1, keepdim=True)) / g.std(-1, keepdim=True)
        return s.head(F.relu(g.view(8, 64, 4, 4)).flatten(1))

    return Runs(run, conv=nn.Conv2d(3, 64, 3, 2, 1), head=nn.Linear(1024, 4)), torch.randn(8, 3, 8, 8), classes(8, 4), F.cross_entropy  # fmt: skip


def stacked_pairs(turn):
    """Frames taken together, as many as there are features."""

    def run(s, x):
        return s.head(F.relu(s.hidden(turn(F.relu(s.frames(x))))).mean(1))

    return Runs(run, frames=nn.Linear(5, 16), hidden=nn.Linear(32, 32), head=nn.Linear(32, 4)), torch.randn(8, 32, 5), classes(8, 4), F.cross_entropy  # fmt: skip


def next_word(loss, *, steps_first: bool = False):
    """A word model that gives (samples, 12, 24), or (12, samples, 24), and a loss of its own."""
    net = nn.Sequential(nn.Embedding(24, 16), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 24))
    x = torch.randint(0, 24, (8, 12))
    return Runs(lambda s, x: s.net(x.T if steps_first else x), net=net), x, torch.randint(0, 24, (8, 12)), loss


def flat(o, t):
    return F.cross_entropy(o.reshape(-1, 24), t.reshape(-1))


def overlap_of_shares(o, t):
    """A soft overlap, as Dice's, of classes on the second axis."""
    share = o.reshape(8, 24, 12).softmax(1)
    wanted = F.one_hot(t, 24).transpose(1, 2)
    return 1 - (2 * (share * wanted).sum((0, 2)) / (share + wanted).sum((0, 2)).clamp_min(1e-6)).mean()


def forecast(loss, *shape):
    """Three channels, sixteen steps ahead."""
    net = nn.Sequential(nn.Linear(7, 32), nn.ReLU(), nn.Linear(32, 48), nn.Unflatten(1, (16, 3)))
    return net, torch.randn(32, 7), torch.randn(32, *shape), loss


def sentences(read, kind=nn.LSTM, *, steps: int = 100, dropout: float = 0.0, front: bool = False):
    """A recurrent reader of short sentences that are padded to many steps."""
    x = torch.zeros(12, steps, dtype=torch.long)
    for i in range(12):
        words = torch.randint(1, 30, (5 + i % 4,))
        x[i, slice(steps - len(words), None) if front else slice(len(words))] = words
    parts = {"embed": nn.Embedding(30, 12, padding_idx=0), "net": kind(12, 16, batch_first=True)}
    return Runs(lambda s, x: s.head(s.drop(read(s, x))), drop=nn.Dropout(dropout), head=nn.Linear(16, 2), **parts), x, classes(12, 2), F.cross_entropy  # fmt: skip


def last_step(s, x):
    return s.net(s.embed(x))[0][:, -1]


def last_state(s, x):
    return s.net(s.embed(x))[1][-1]


def last_word(s, x):
    return s.net(s.embed(x))[0][torch.arange(len(x)), (x > 0).sum(1) - 1]


def packed(s, x):
    lengths = (x > 0).sum(1)
    read = nn.utils.rnn.pack_padded_sequence(s.embed(x), lengths, batch_first=True, enforce_sorted=False)
    return s.net(read)[1][0][-1]


def scaled_away():
    """Features that a factor makes as good as nothing."""
    return Runs(lambda s, x: s.head(torch.tanh(s.body(x)) * 1e-9), body=nn.Linear(8, 16), head=nn.Linear(16, 3)), torch.randn(32, 8), classes(32, 3), F.cross_entropy  # fmt: skip


def read_at_a_fixed_place():
    """Sentences of which a place behind the last word is read."""
    x = torch.zeros(16, 12, dtype=torch.long)
    x[:, :5] = torch.randint(1, 20, (16, 5))
    return Runs(lambda s, x: s.head(F.gelu(s.mix(s.embed(x)[:, 8]))), embed=nn.Embedding(20, 8), mix=nn.Linear(8, 16), head=nn.Linear(16, 3)), x, classes(16, 3), F.cross_entropy  # fmt: skip


def with_a_head(weight: float, bias: float):
    """A regression whose last layer begins at a weight and a bias."""
    net = through(8, 32, 32, 1)
    nn.init.normal_(net[-1].weight, std=weight)
    nn.init.constant_(net[-1].bias, bias)
    return net, torch.randn(32, 8), bias + torch.randn(32, 1), F.mse_loss


LINE = "(kinds_same.py, line"
SAME_SICK = (
    Case("tokens by view", "view for transpose", lambda: tokens_of_a_map(by_view), one_of("mixed axes"), (f"view {LINE}", "transpose")),
    Case("wide tokens by reshape", "view for transpose", lambda: tokens_of_a_map(lambda z: z.reshape(8, -1, 32), 32, positions=False), one_of("mixed axes"), (f"reshape {LINE}", "transpose")),
    Case("a map by view", "no transpose", lambda: map_of_tokens(lambda z: z.reshape(8, 32, 8, 8)), one_of("mixed axes"), (f"reshape {LINE}", "transpose")),
    Case("four heads never turned back", "no transpose", lambda: attention_by_hand(lambda z: z.reshape(8, 16, 32)), one_of("mixed axes"), (f"reshape {LINE}", "transpose")),
    Case("stored pictures by view", "no permute", lambda: channels_last_pictures(lambda x: x.view(8, 4, 16, 16)), one_of("mixed axes"), ("view", "permute")),
    Case("classes by view in the loss", "view for transpose", lambda: next_word(lambda o, t: F.cross_entropy(o.view(8, 24, 12), t)), one_of("mixed axes"), (f"view {LINE}", "transpose(1, 2)")),
    Case("shares by reshape in the loss", "view for transpose", lambda: next_word(overlap_of_shares), one_of("mixed axes"), (f"reshape {LINE}", "transpose(1, 2)")),
    Case("classes by view, with a temperature", "view for transpose", lambda: next_word(lambda o, t: F.cross_entropy(o.view(8, 24, 12) / 2, t, label_smoothing=0.1)), one_of("mixed axes"), (f"view {LINE}", "transpose(1, 2)")),
    Case("output turned, targets not", "one transpose of two", lambda: next_word(lambda o, t: flat(o.transpose(0, 1), t)), one_of("mixed axes"), ("(12, 8)", "transpose(0, 1)")),
    Case("steps first, targets not", "no transpose", lambda: next_word(flat, steps_first=True), one_of("mixed axes", "mixed samples"), ("transpose(0, 1)",)),
    Case("forecast by view", "view for transpose", lambda: forecast(lambda o, t: F.mse_loss(o.view(32, 3, 16), t), 3, 16), one_of("mixed axes"), (f"view {LINE}", "transpose(1, 2)")),
    Case("reads padding last", "padded behind", lambda: sentences(last_step), one_of("same output"), ("net (LSTM)", "head", "pack_padded_sequence", "gather")),
    Case("reads padding last, and drops", "padded behind", lambda: sentences(last_step, nn.GRU, dropout=0.5), one_of("same output"), ("net (GRU)", "pack_padded_sequence")),
    Case("state after padding", "padded behind", lambda: sentences(last_state, nn.GRU), one_of("same output"), ("pack_padded_sequence",)),
    Case("scaled away", "a factor of 1e−9", scaled_away, one_of("cliff"), ("1e|mul", "head|body")),
    Case("read at a fixed place", "an index behind the words", read_at_a_fixed_place, one_of("same output"), ("all 16 samples", "between embed (embedding)", "mix (linear)")),
)  # fmt: skip
SAME_SOUND = (
    Case("tokens by transpose", "Dosovitskiy 2020", lambda: tokens_of_a_map(lambda z: z.flatten(2).transpose(1, 2))),
    Case("tokens by permute", "", lambda: tokens_of_a_map(lambda z: z.permute(0, 2, 3, 1).reshape(8, 64, 16))),
    Case("a map by transpose", "", lambda: map_of_tokens(lambda z: z.transpose(1, 2).reshape(8, 32, 8, 8))),
    Case("four heads turned back", "", lambda: attention_by_hand(lambda z: z.transpose(1, 2).reshape(8, 16, 32))),
    Case("stored pictures by permute", "", lambda: channels_last_pictures(lambda x: x.permute(0, 3, 1, 2))),
    Case("as many groups as places", "Wu 2018", groups_by_hand_as_many_as_places),
    Case("pairs of frames", "Chan 2015", lambda: stacked_pairs(lambda z: z.reshape(8, 16, 32))),
    Case("classes by transpose in the loss", "", lambda: next_word(lambda o, t: F.cross_entropy(o.transpose(1, 2), t))),
    Case("both turned alike", "", lambda: next_word(lambda o, t: flat(o.transpose(0, 1), t.T))),
    Case("neither turned", "", lambda: next_word(flat)),
    Case("steps first, turned in the loss", "", lambda: next_word(lambda o, t: flat(o.transpose(0, 1), t), steps_first=True)),
    Case("steps first, targets turned", "", lambda: next_word(lambda o, t: flat(o, t.T), steps_first=True)),
    Case("forecast, both by view", "", lambda: forecast(lambda o, t: F.mse_loss(o.view(32, 3, 16), t.view(32, 3, 16)), 16, 3)),
    Case("forecast by transpose", "", lambda: forecast(lambda o, t: F.mse_loss(o.transpose(1, 2), t), 3, 16)),
    Case("reads the last word", "", lambda: sentences(last_word)),
    Case("packed sentences", "", lambda: sentences(packed)),
    Case("padded in front", "Sutskever 2014", lambda: sentences(last_step, front=True)),
    Case("mean over all steps", "", lambda: sentences(lambda s, x: s.net(s.embed(x))[0].mean(1), steps=30)),
    Case("head of zeros", "", lambda: with_a_head(0.0, 0.1)),
    Case("head near zero", "Balakrishnan 2018", lambda: with_a_head(1e-7, 0.1)),
    Case("bias at the mean", "large targets", lambda: with_a_head(0.2, 3e5)),
)  # fmt: skip
