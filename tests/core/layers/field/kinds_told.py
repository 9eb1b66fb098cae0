"""Masks of 0 and 1 that are added by hand, views in two steps, codes of places along samples, and two factors of 0."""

# ruff: noqa: E501

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of

STEPS, WIDTH, HEADS = 12, 32, 4
CAUSAL = torch.ones(STEPS, STEPS).tril()


def in_heads(z):
    return z.view(*z.shape[:2], HEADS, -1).transpose(1, 2)


def in_one(z):
    return z.transpose(1, 2).reshape(len(z), -1, WIDTH)


def attends(*, weigh=lambda s, scores, x: scores.softmax(-1), split=in_heads, join=in_one, steps: int = STEPS, **parts):
    """Attention by hand, of which a part is another."""

    def run(s, x):
        q, k, v = (split(part(x)) for part in (s.q, s.k, s.v))
        share = weigh(s, q @ k.transpose(-2, -1) / (WIDTH // HEADS) ** 0.5, x)
        return s.head(x.mean(1) + s.out(join(share @ v)).mean(1))

    layers = {name: nn.Linear(WIDTH, WIDTH) for name in ("q", "k", "v", "out")}
    model = Runs(run, head=nn.Linear(WIDTH, 4), **layers, **parts)
    return model, torch.randn(8, steps, WIDTH), classes(8, 4), F.cross_entropy


def dropped_and_masked():
    """torch's own attention, which drops weights out and is given 0 and 1."""

    def run(s, x):
        q, k, v = (in_heads(part(x)) for part in (s.q, s.k, s.v))
        return s.head(in_one(F.scaled_dot_product_attention(q, k, v, attn_mask=CAUSAL, dropout_p=0.1)).mean(1))

    layers = {name: nn.Linear(WIDTH, WIDTH) for name in ("q", "k", "v")}
    return Runs(run, head=nn.Linear(WIDTH, 4), **layers), torch.randn(8, STEPS, WIDTH), classes(8, 4), F.cross_entropy


def pooled(hide):
    """Words of a sentence weighed by a score, its padding left out by `hide`."""

    def run(s, x):
        z = s.embed(x)
        return s.head((hide(s.score(z)[..., 0], x == 0).softmax(1)[..., None] * z).sum(1))

    x = torch.randint(1, 30, (12, 9))
    for i in range(12):
        x[i, 9 - i // 3 :] = 0
    return Runs(run, embed=nn.Embedding(30, 16), score=nn.Linear(16, 1), head=nn.Linear(16, 3)), x, classes(12, 3), F.cross_entropy  # fmt: skip


def filled(s, scores, x):
    return (scores + s.places).masked_fill(CAUSAL == 0, -math.inf).softmax(-1)


def by_distance(s, scores, x):
    far = (torch.arange(STEPS)[:, None] - torch.arange(STEPS)).abs()
    return (scores - far * torch.tensor([0.5, 0.25, 0.125, 0.0625])[:, None, None]).softmax(-1)


def with_code(add, *, read=None, steps: int = 7, samples: int = 10, **parts):
    """A reader of measurements, to which `add` adds a code of places; `read` makes one vector of each sample's."""

    def run(s, x, *others):
        return s.head((read or mean_of_block)(s, add(s, s.embed(x), *others)))

    block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    parts = {"block": block, **parts} if read is None else parts
    model = Runs(run, embed=nn.Linear(5, 16), head=nn.Linear(16, 3), **parts)
    return model, torch.randn(samples, steps, 5), classes(samples, 3), F.cross_entropy


def mean_of_block(s, z):
    return s.block(z).mean(1)


def waves(count):
    return torch.sin(torch.arange(count)[:, None] * torch.logspace(0, -2, 16))


def steps_first():
    """A GRU that takes steps first, and a code along them."""
    model, x, _, loss = with_code(lambda s, z: z + s.code[: len(z)], read=lambda s, z: s.net(z)[0][-1], code=nn.Parameter(torch.randn(50, 1, 16)), net=nn.GRU(16, 16))  # fmt: skip
    return model, x, classes(7, 3), loss


def stations():
    """Stations of one network, each with a vector of its own, that mix by learned weights."""

    def run(s, x):
        z = s.embed(x) + s.own(torch.arange(len(x)))[:, None]
        return s.head(torch.einsum("ij,jtd->itd", s.edges.softmax(1), F.relu(z)))

    parts = {"own": nn.Embedding(10, 16), "edges": nn.Parameter(torch.randn(10, 10))}
    return Runs(run, embed=nn.Linear(5, 16), head=nn.Linear(16, 5), **parts), torch.randn(10, 7, 5), torch.randn(10, 7, 5), F.mse_loss  # fmt: skip


def told_the_time():
    """A denoiser, which is told how noisy each sample is."""

    def run(s, x, t):
        return s.out(F.silu(s.embed(x) + s.time(torch.sin(t[:, None] * torch.arange(1, 5)))[:, None]))

    layers = {"embed": nn.Linear(5, 16), "time": nn.Linear(4, 16), "out": nn.Linear(16, 5)}
    return Runs(run, **layers), (torch.randn(10, 7, 5), torch.rand(10)), torch.randn(10, 7, 5), F.mse_loss


def low_rank(first: float, second: float, *, modules: bool = True):
    """A frozen layer with a low-rank update, whose factors begin at such sizes."""
    if modules:
        parts = {"down": nn.Linear(12, 3, bias=False), "up": nn.Linear(3, 12, bias=False)}
        weights = parts["down"].weight, parts["up"].weight
    else:
        parts = {"down": nn.Parameter(torch.empty(3, 12)), "up": nn.Parameter(torch.empty(12, 3))}
        weights = parts["down"], parts["up"]
    for weight, size in zip(weights, (first, second), strict=True):
        nn.init.normal_(weight, std=size)

    def run(s, x):
        update = s.up(s.down(x)) if modules else (x @ s.down.T) @ s.up.T
        return s.head(F.gelu(s.whole(x) + 2 * update))

    model = Runs(run, whole=nn.Linear(12, 12).requires_grad_(False), head=nn.Linear(12, 3), **parts)
    return model, torch.randn(16, 12), classes(16, 3), F.cross_entropy


def in_windows():
    """Sixteen steps in four windows, whose parts are looked at one by one."""

    def run(s, x):
        return s.head(F.gelu(s.mix(s.embed(x).view(8, 4, 4, 32).flatten(0, 1))).mean(1).view(8, 4, 32).mean(1))

    return Runs(run, embed=nn.Linear(8, 32), mix=nn.Linear(32, 32), head=nn.Linear(32, 4)), torch.randn(8, 16, 8), classes(8, 4), F.cross_entropy  # fmt: skip


def shuffled_channels():
    """Groups of channels that are shuffled between two convolutions, and pixels that are made of channels."""

    def run(s, x):
        z = s.first(x).view(4, 4, 4, 6, 6).transpose(1, 2).reshape(4, 16, 6, 6)
        return s.second(z).view(4, 4, 2, 2, 6, 6).permute(0, 1, 4, 2, 5, 3).reshape(4, 4, 12, 12)

    model = Runs(run, first=nn.Conv2d(3, 16, 1), second=nn.Conv2d(16, 16, 3, padding=1, groups=4))
    return model, torch.randn(4, 3, 6, 6), torch.randn(4, 4, 12, 12), F.mse_loss


def two_views(z):
    return z.view(len(z), -1, HEADS, WIDTH // HEADS).view(len(z), HEADS, -1, WIDTH // HEADS)


def tokens_in_two_steps():
    """A map that becomes tokens by two views."""

    def run(s, x):
        return s.head(F.gelu(s.mix(s.patches(x).flatten(2).view(8, 16, 32))).mean(1))

    return Runs(run, patches=nn.Conv2d(3, 32, 2, 2), mix=nn.Linear(32, 32), head=nn.Linear(32, 4)), torch.randn(8, 3, 8, 8), classes(8, 4), F.cross_entropy  # fmt: skip


LINE = "(kinds_told.py, line"
TOLD_SICK = (
    Case("0 and 1 added to scores", "a mask that hides nothing", lambda: attends(weigh=lambda s, z, x: (z + CAUSAL).softmax(-1)), one_of("mask"), (f"add {LINE}", "hides nothing", "−inf")),
    Case("0 and 1 before a layer's softmax", "a mask that hides nothing", lambda: attends(weigh=lambda s, z, x: s.soft((1 - CAUSAL.T + z) / 2), soft=nn.Softmax(-1)), one_of("mask"), (f"add {LINE}", "hides nothing")),
    Case("padding of yes and no added", "a bool that is added", lambda: pooled(lambda scores, pad: scores + ~pad), one_of("mask"), (f"add {LINE}", "hides nothing")),
    Case("0 and 1 with dropout", "attn_mask=tril", dropped_and_masked, one_of("mask"), ("scaled_dot_product_attention (", "hides nothing")),
    Case("heads by two views", "view for transpose", lambda: attends(split=two_views), one_of("mixed axes"), (f"view {LINE}", "transpose")),
    Case("heads joined by two views", "view for transpose", lambda: attends(join=lambda z: z.reshape(8, STEPS, HEADS, -1).flatten(2)), one_of("mixed axes"), (f"reshape {LINE}", "transpose")),
    Case("tokens by two views", "view for transpose", tokens_in_two_steps, one_of("mixed axes"), (f"view {LINE}", "transpose")),
    Case("a fixed code by samples", "pe[:x.size(0)]", lambda: with_code(lambda s, z: z + waves(len(z))[:, None]), one_of("position code"), (f"add {LINE}", "10 samples", "x.size(1)")),
    Case("a learned code by samples", "pe[:x.size(0)]", lambda: with_code(lambda s, z: z + s.code[:, : len(z)].transpose(0, 1), code=nn.Parameter(torch.randn(1, 50, 16))), one_of("position code"), (f"add {LINE}", "all 7 places")),
    Case("a table's code by samples", "arange(len(x))", lambda: with_code(lambda s, z: z + s.code(torch.arange(len(z)))[:, None].expand_as(z), read=lambda s, z: s.net(z)[0][:, -1], code=nn.Embedding(50, 16), net=nn.GRU(16, 16, batch_first=True)), one_of("position code"), (f"add {LINE}", "place in the batch")),
    Case("both factors 0", "LoRA, A = B = 0", lambda: low_rank(0, 0), one_of("no_gradient"), ("down.weight, up.weight are multiplied", "one of the factors")),
    Case("both factors 0, as parameters", "LoRA, A = B = 0", lambda: low_rank(0, 0, modules=False), one_of("no_gradient"), ("down, up are multiplied", "one of the factors")),
)  # fmt: skip

TOLD_SOUND = (
    Case("filled, with a learned bias", "Shaw 2018", lambda: attends(weigh=filled, places=nn.Parameter(torch.randn(HEADS, STEPS, STEPS) * 0.02))),
    Case("added −10⁴", "Vaswani 2017", lambda: attends(weigh=lambda s, z, x: (z + (1 - CAUSAL) * -1e4).softmax(-1))),
    Case("lowered by distance", "Press 2021", lambda: attends(weigh=by_distance)),
    Case("more weight on its own key", "a bias of 1", lambda: attends(weigh=lambda s, z, x: (z + torch.eye(STEPS)).softmax(-1))),
    Case("padding of −∞ added", "pooling", lambda: pooled(lambda scores, pad: scores + torch.zeros(pad.shape).masked_fill(pad, -math.inf))),
    Case("as many steps as heads", "Vaswani 2017", lambda: attends(steps=HEADS)),
    Case("windows of parts", "Liu 2021", in_windows),
    Case("channels shuffled", "Zhang 2017, Shi 2016", shuffled_channels),
    Case("a code along places", "Vaswani 2017", lambda: with_code(lambda s, z: z + waves(z.shape[1]))),
    Case("as many places as samples", "Vaswani 2017", lambda: with_code(lambda s, z: (z.transpose(0, 1) + waves(9)[:, None]).transpose(0, 1), steps=9, samples=9)),
    Case("a code along steps that come first", "Sutskever 2014", steps_first),
    Case("noise of each sample", "Gal 2016", lambda: with_code(lambda s, z: z + 0.1 * torch.randn(len(z), 1, 16))),
    Case("a vector for each station", "Wu 2019", stations),
    Case("told the time", "Ho 2020", told_the_time),
    Case("second factor 0", "Hu 2021", lambda: low_rank(0.3, 0)),
    Case("first factor 0", "Hu 2021", lambda: low_rank(0, 0.3, modules=False)),
)  # fmt: skip
