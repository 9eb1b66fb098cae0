"""Heads that are mixed, connections that begin at 0, tokens nobody reads, single keys, calls, and what a pass writes."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def talking(how, axis=-1):
    """Attention whose shares are mixed across heads before they weigh the values."""

    def run(s, x):
        q, k, v = s.qkv(x).view(*x.shape[:2], 3, 3, 8).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / 8**0.5
        shares = scores.softmax(axis)
        if how == "einsum":
            shares = torch.einsum("bhij,hg->bgij", shares, s.mixing)
        elif how == "last":
            shares = s.norm(shares.permute(0, 2, 3, 1) @ s.mixing).permute(0, 3, 1, 2)
        return s.out((shares @ v).transpose(1, 2).flatten(2).mean(1))

    parts = {"qkv": nn.Linear(10, 72), "norm": nn.LayerNorm(3) if how == "last" else nn.Identity()}
    parts |= {} if how == "plain" else {"mixing": nn.Parameter(torch.randn(3, 3))}
    model = Runs(run, **parts, out=nn.Linear(24, 4))
    return model, torch.randn(12, 7, 10), classes(12, 4), F.cross_entropy


class Streams(nn.Module):
    """Two factors, each made of the norm of what comes in by weights that begin at 0."""

    def __init__(self, width: int, how: str) -> None:
        super().__init__()
        self.norm, self.layer, self.how = nn.LayerNorm(width), nn.Linear(width, width), how
        self.scale, self.shift = (nn.Parameter(torch.zeros(width, width)) for _ in range(2))
        self.begun, self.moved = nn.Linear(width, width), nn.Linear(width, width)
        for one in (self.begun, self.moved):
            nn.init.zeros_(one.weight)
            nn.init.zeros_(one.bias)

    def forward(self, x):
        h = self.norm(x)
        if self.how == "layers":
            return F.gelu(self.layer(x)) * (1 + self.begun(h)) + self.moved(h)
        scale, shift = h @ self.scale, h @ self.shift
        if self.how == "rectified":
            return self.layer(x) * (1 + scale.relu()) + shift.relu()
        return self.layer(x) * (1 + 0.01 * scale.tanh()) + (0.1 * shift).tanh()


def streams(how, depth=3):
    """Several of them in a row."""
    parts = [Streams(14, how) for _ in range(depth)]
    for one in parts:
        if how == "layers":
            del one.scale, one.shift
        else:
            del one.begun, one.moved
    return nn.Sequential(*parts, nn.Linear(14, 3)), torch.randn(30, 14), classes(30, 3), F.cross_entropy


class Parted(nn.Module):
    """A block with layers of its own for the first token and for the others."""

    def __init__(self, width: int, first: bool) -> None:
        super().__init__()
        self.mix = nn.MultiheadAttention(width, 2, batch_first=True)
        self.one, self.others, self.first = nn.Linear(width, width), through(width, 20, width, act=nn.GELU), first

    def forward(self, x):
        x = x + self.mix(x, x, x)[0]
        if self.first:
            return torch.cat((self.one(x[:, :1]), self.others(x[:, 1:])), 1)
        return torch.cat((self.others(x[:, :-1]), self.one(x[:, -1:])), 1)


def parted(first):
    """Blocks of them, behind which one token alone is read."""
    model = nn.Sequential(*(Parted(12, first) for _ in range(3)))
    head = nn.Linear(12, 5)
    run = Runs(lambda s, x: s.head(s.blocks(x)[:, 0 if first else -1]), blocks=model, head=head)
    return run, torch.randn(16, 6, 12), classes(16, 5), F.cross_entropy


def joined(how):
    """Two branches side by side: one is left out afterwards, or flat where what both give is rectified."""

    def run(s, x):
        both = torch.cat((s.left(x), s.right(x)), 1)
        if how == "left out":
            return s.out(both[:, :12])
        if how == "flat":
            return s.out(F.relu(both))
        return s.out(torch.maximum(s.left(x), s.right(x) + 100) / 100)

    model = Runs(run, left=nn.Linear(9, 12), right=nn.Linear(9, 12), out=nn.Linear(24 if how == "flat" else 12, 3))
    if how == "flat":
        nn.init.constant_(model.right.bias, -60)
    return model, torch.randn(32, 9), classes(32, 3), F.cross_entropy


class Stage(nn.Module):
    """Attention to pooled keys, how many of which is a question of the map."""

    def __init__(self, width: int, pool: int, how: str) -> None:
        super().__init__()
        self.q, self.kv, self.pool = nn.Conv2d(width, width, 1), nn.Conv2d(width, 2 * width, pool, pool), pool
        self.soft = nn.Softmax(-1)
        self.how = how

    def forward(self, x):
        q, (k, v) = self.q(x).flatten(2).mT, (one.flatten(2).mT for one in self.kv(x).chunk(2, 1))
        if self.how == "fused":
            given = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            given = self.soft(q @ k.mT / q.shape[-1] ** 0.5) @ v
        return F.avg_pool2d(x + given.mT.reshape(x.shape), 2)


def pyramid(how, stages=3):
    """Stages whose maps get smaller, down to a single key."""
    model = Runs(
        lambda s, x: s.head(s.stages(s.stem(x)).flatten(1)),
        stem=nn.Conv2d(3, 8, 1),
        stages=nn.Sequential(*(Stage(8, 4, how) for _ in range(stages))),
        head=nn.Linear(8 * (16 >> stages) ** 2, 4),
    )
    return model, torch.randn(8, 3, 16, 16), classes(8, 4), F.cross_entropy


def lone(how):
    """Attention over a sequence of one step, or of several."""

    def run(s, x):
        q, k, v = s.q(x), s.k(x), s.v(x)
        if how == "fused":
            return s.out(F.scaled_dot_product_attention(q, k, v).mean(1))
        return s.out(((q @ k.mT / 4).softmax(-1) @ v).mean(1))

    steps = 5 if how == "several" else 1
    parts = {name: nn.Linear(11, 16) for name in ("q", "k", "v")}
    return Runs(run, **parts, out=nn.Linear(16, 3)), torch.randn(20, steps, 11), classes(20, 3), F.cross_entropy


class FromFirst(nn.Module):
    """Takes a scale from the first batch that it sees, or makes its weights anew at each."""

    def __init__(self, width: int, how: str) -> None:
        super().__init__()
        self.how, self.seen = how, False
        self.weight = nn.Parameter(torch.randn(width, width))
        self.register_buffer("spread", torch.ones(width))
        self.layer = nn.Linear(width, width)

    def forward(self, x):
        x = self.layer(x) if self.how == "late" else x
        if self.how in ("buffer", "eps", "late") and not self.seen:
            self.seen = True
            self.spread.copy_(1 / (x.detach().std(0) + (0.5 if self.how == "eps" else 0)))
        if self.how in ("rows", "length"):
            with torch.no_grad():
                self.weight /= self.weight.norm(dim=1, keepdim=True)
        return (x * self.spread) @ self.weight.T


def first(how):
    """A net with such a part, and a feature that is the same for all or a row that is 0."""
    model = nn.Sequential(FromFirst(10, how), nn.ReLU(), nn.Linear(10, 3))
    x = torch.randn(40, 10)
    if how != "late":
        del model[0].layer
    if how in ("buffer", "eps"):
        x[:, 4] = 2.0
    if how == "late":
        nn.init.zeros_(model[0].layer.weight[2].data)
    if how == "rows":
        nn.init.zeros_(model[0].weight.data[3])
    if how == "spoilt":
        nn.init.constant_(model[0].weight.data[3], torch.nan)
    return model, x, classes(40, 3), F.cross_entropy


def one_relu(how):
    """One ReLU for all layers."""
    act = nn.ReLU()
    if how == "maps":
        model = nn.Sequential(
            nn.Conv2d(3, 12, 3),
            act,
            nn.Conv2d(12, 12, 3),
            act,
            nn.Conv2d(12, 12, 3),
            act,
            nn.Flatten(),
            nn.Linear(48, 3),
        )
        nn.init.constant_(model[4].bias, -80)
        return model, torch.randn(16, 3, 8, 8), classes(16, 3), F.cross_entropy
    model = nn.Sequential(nn.Linear(9, 40), act, nn.Linear(40, 40), act, nn.Linear(40, 40), act, nn.Linear(40, 3))
    with torch.no_grad():
        if how == "rows":
            model[2].bias -= 80
        if how == "some":
            model[2].bias[:24] -= 80
    return model, torch.randn(48, 9), classes(48, 3), F.cross_entropy


EIGHTH_SICK = (
    Case("shares along queries, mixed across heads", "softmax(-2)", lambda: talking("einsum", -2), one_of("softmax axis"), ("axis 2",)),
    Case("shares along queries", "softmax(-2)", lambda: talking("plain", -2), one_of("softmax axis"), ("axis 2",)),
    Case("factors of 0 behind a ReLU", "relu(x @ zeros)", lambda: streams("rectified"), one_of("no_gradient"), ("zero init",)),
    Case("a branch that a slice leaves out", "cat((a, b))[:, :12]", lambda: joined("left out"), one_of("no_gradient"), ("right", "nan in its place")),
    Case("a branch that is flat beside another", "biases of −60", lambda: joined("flat"), one_of("no_gradient"), ("right", "was not found")),
    Case("a branch that is never the larger one", "maximum(a, b + 100)", lambda: joined("larger"), one_of("no_gradient"), ("left", "was not found")),
    Case("attention to itself alone", "a sequence of one", lambda: lone("plain"), one_of("no_gradient"), ("q, k", "one key")),
    Case("attention to itself alone, fused", "a sequence of one", lambda: lone("fused"), one_of("no_gradient"), ("q, k", "one key")),
    Case("a scale of the first batch, of a constant", "copy_(1 / std)", lambda: first("buffer"), one_of("non_finite"), ("0.spread was finite before the pass", "1 of 10 divisors", "(kinds_eighth.py, line")),
    Case("a scale of the first batch, behind a layer", "copy_(1 / std)", lambda: first("late"), one_of("non_finite"), ("0.spread was finite before the pass", "1 of 10 divisors")),
    Case("rows made of length 1, and one is 0", "weight /= norm", lambda: first("rows"), one_of("non_finite"), ("0.weight was finite before the pass", "0 / 0")),
    Case("weights that were spoilt before", "NaN", lambda: first("spoilt"), one_of("non_finite"), ("spoilt, by an earlier step",)),
    Case("one ReLU, dead at its second call", "biases of −80", lambda: one_relu("rows"), one_of("dead_units"), ("1 (call 2 of 3) after 2",)),
    Case("one ReLU, dead at its last call", "biases of −80", lambda: one_relu("maps"), one_of("dead_units"), ("1 (call 3 of 3) after 4",)),
)  # fmt: skip
EIGHTH_SOUND = (
    Case("heads that talk", "CaiT, DeepViT", lambda: talking("einsum")),
    Case("heads that talk, last and normed", "DeepViT", lambda: talking("last")),
    Case("factors that begin at 0, in a row", "hyper connections", lambda: streams("parameters")),
    Case("factors that begin at 0, by layers", "adaLN-Zero", lambda: streams("layers")),
    Case("layers of the tokens that nobody reads", "specialised class tokens", lambda: parted(True)),
    Case("layers of the steps that nobody reads", "the last step is read", lambda: parted(False)),
    Case("a pyramid down to one key", "Twins-SVT", lambda: pyramid("module")),
    Case("a pyramid down to one key, fused", "Twins-SVT", lambda: pyramid("fused")),
    Case("attention to several", "five steps", lambda: lone("several")),
    Case("a scale of the first batch with an eps", "copy_(1 / (std + eps))", lambda: first("eps")),
    Case("rows made of length 1", "weight /= norm", lambda: first("length")),
    Case("one ReLU for all", "act = nn.ReLU()", lambda: one_relu("sound")),
    Case("one ReLU, some units of which are off", "act = nn.ReLU()", lambda: one_relu("some")),
)  # fmt: skip
