"""Codes of one row, norms over the whole batch, straight-through residuals, rows taken for columns, and graphs."""

# ruff: noqa: E501

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def waves(rows, width):
    """The sines and cosines of places."""
    places, rates = torch.arange(rows)[:, None], torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
    return torch.stack((torch.sin(places * rates), torch.cos(places * rates)), 2).flatten(1)


class Placed(nn.Module):
    """Adds a code of places, or what is taken for one."""

    def __init__(self, width: int, how: str) -> None:
        super().__init__()
        self.how = how
        if how.startswith("learned"):
            self.table = nn.Parameter(0.1 * torch.randn(1, 64, width))
        else:
            self.register_buffer("table", waves(64, width)[None])

    def forward(self, x, row=0):
        steps = x.shape[1]
        if self.how in ("one", "learned one"):
            return x + self.table[:, steps]
        if self.how == "last":
            return x + self.table[:, steps - 1 : steps]
        if self.how == "given":
            return x + self.table[0, row]
        return x + self.table[:, :steps]


def placed(how):
    """Tokens with places, and a layer of attention."""

    def run(s, x, row=0):
        h = s.places(s.embed(x), row)
        return s.head(h + s.mix(h, h, h)[0])

    model = Runs(run, embed=nn.Embedding(24, 16), places=Placed(16, how), mix=nn.MultiheadAttention(16, 2, batch_first=True), head=nn.Linear(16, 5))  # fmt: skip
    x = torch.randint(0, 24, (12, 9))
    given = (x, torch.tensor(7)) if how == "given" else x
    return model, given, classes(12 * 9, 5).view(12, 9), lambda o, y: F.cross_entropy(o.flatten(0, 1), y.flatten())


def depths(how):
    """A code of each layer's depth, or of one of three languages, for all places of a sequence."""

    def run(s, x):
        x = s.inp(x)
        for i, block in enumerate(s.blocks):
            x = x + block(x + (s.codes[i] if how == "depths" else s.codes[1]))
        return s.head(x.mean(1))

    codes = nn.Parameter(0.1 * torch.randn(12 if how == "depths" else 3, 10))
    model = Runs(run, inp=nn.Linear(6, 10), blocks=nn.ModuleList(through(10, 20, 10) for _ in range(3)), codes=codes, head=nn.Linear(10, 4))  # fmt: skip
    return model, torch.randn(16, 8, 6), classes(16, 4), F.cross_entropy


def normed(how, inside=True):
    """Features made of length 1, or of mean 0 and deviation 1: each of its own, or all of the batch together."""

    def norm(x):
        if how == "length":
            return x / x.norm()
        if how == "root":
            return x * torch.rsqrt(x.square().sum() + 1e-8)
        if how == "layer":
            return F.layer_norm(x, x.shape)
        if how == "deviation":
            return (x - x.mean()) / (x.std() + 1e-6)
        if how == "own":
            return x / x.norm(dim=1, keepdim=True)
        if how == "features":
            return (x - x.mean(0)) / (x.std(0) + 1e-5)
        return F.layer_norm(x, x.shape[1:])

    def run(s, x):
        h = s.body(x)
        return s.head(norm(h)) if inside else h

    def pairs(z, _):
        z = norm(z)
        return F.cross_entropy(z[::2] @ z[1::2].T / 0.1, torch.arange(len(z) // 2))

    model = Runs(run, body=through(14, 32, 12), head=nn.Linear(12, 3))
    if not inside:
        del model.head
    return model, torch.randn(40, 14), classes(40, 3), F.cross_entropy if inside else pairs


def scaled_weight(how):
    """A weight, or a relative error, or the nodes of one graph, divided by a norm of all of it."""

    def run(s, x, a=None):
        if how == "weight":
            return s.head(x @ (s.w / s.w.norm()).T * 4)
        if how == "nodes":
            h = a @ s.body(x)
            h = h - h.mean(0)
            return s.head(h / (1e-6 + h.square().sum(1).mean()).sqrt())
        return s.body(x)

    parts = {"w": nn.Parameter(torch.randn(20, 10)), "head": nn.Linear(20, 3)} if how == "weight" else {}
    parts = {"body": nn.Linear(10, 20), "head": nn.Linear(20, 3)} if how == "nodes" else parts
    model = Runs(run, **(parts or {"body": through(10, 20, 6)}))
    x = torch.randn(30, 10)
    if how == "relative":
        return model, x, torch.randn(30, 6), lambda o, y: (o - y).norm() / y.norm()
    if how == "nodes":
        ring = torch.eye(30) + torch.eye(30).roll(1, 0) + torch.eye(30).roll(-1, 0)
        return model, (x, ring / 3), classes(30, 3), F.cross_entropy
    return model, x, classes(30, 3), F.cross_entropy


class Codes(nn.Module):
    """Looks up the nearest code, going straight through."""

    def __init__(self, count: int, width: int, how: str) -> None:
        super().__init__()
        self.how = how
        self.codes = nn.Parameter(torch.randn(count, width)) if how == "learned" else None
        if how != "learned":
            self.register_buffer("fixed", torch.randn(count, width))

    def forward(self, x):
        table = self.fixed if self.codes is None else self.codes
        found = table[torch.cdist(x.detach(), table).argmin(-1)]
        error = F.mse_loss(x, found.detach()) + (F.mse_loss(found, x.detach()) if self.how == "learned" else 0)
        return x + (found - x).detach(), found, error


def residual(how, stages=3):
    """Quantizers in a row, each of what the one before has left."""

    def run(s, x):
        rest, total, errors = s.inp(x), 0, 0
        for one in s.stages:
            through_, found, error = one(rest)
            total = total + through_
            errors = errors + (error if how in ("fixed", "learned", "sound") else 0)
            rest = rest - (found.detach() if how == "sound" else through_)
        return s.out(total), errors

    kind = "learned" if how == "learned" else "fixed"
    model = Runs(run, inp=through(12, 24, 6), stages=nn.ModuleList(Codes(16, 6, kind) for _ in range(stages)), out=nn.Linear(6, 12))  # fmt: skip
    x = torch.randn(64, 12)
    return model, x, x, lambda o, y: F.mse_loss(o[0], y) + 0.25 * o[1]


def signs(how):
    """Numbers in bits: the sign of what is left, times half as much each time."""

    def run(s, x):
        rest, bits, size = s.inp(x), [], 1.0
        for _ in range(3):
            sign = torch.sign(rest) * size
            bit = rest + (sign - rest).detach()
            bits.append(bit)
            rest, size = rest - (sign.detach() if how == "sound" else bit), size / 2
        return s.out(torch.cat((sum(bits), s.left(rest)), -1))

    model = Runs(run, inp=nn.Linear(8, 10), left=nn.Linear(10, 10), out=nn.Linear(20, 4))
    return model, torch.randn(48, 8), classes(48, 4), F.cross_entropy


def timed(how):
    """The sines and cosines of a time: by columns, or by rows of the batch."""

    def code(t):
        e = t[:, None] * torch.exp(-torch.arange(16) * 0.5)
        if how in ("rows", "joined"):
            if how == "joined":
                return torch.stack((e[0::2].sin(), e[1::2].cos()), 1).flatten(0, 1)
            e[0::2], e[1::2] = e[0::2].sin(), e[1::2].cos()
        else:
            e[:, 0::2], e[:, 1::2] = e[:, 0::2].sin(), e[:, 1::2].cos()
        return e

    model = Runs(lambda s, x, t: s.out(F.silu(s.x(x) + s.t(code(t)))), x=nn.Linear(6, 32), t=through(16, 32, 32), out=nn.Linear(32, 6))  # fmt: skip
    return model, (torch.randn(32, 6), 100 * torch.rand(32)), torch.randn(32, 6), F.mse_loss


def by_rows():
    """Every second sample is left out of a gate, in place."""

    def run(s, x):
        h = s.body(x)
        gate = torch.ones_like(h)
        gate[1::2] = 0.1
        return s.head(h * gate)

    return Runs(run, body=through(9, 20, 20), head=nn.Linear(20, 3)), torch.randn(30, 9), classes(30, 3), F.cross_entropy  # fmt: skip


class Neighbours(nn.Module):
    """Takes of neighbours what attention weighs, or their mean."""

    def __init__(self, width: int, to: int, how: str) -> None:
        super().__init__()
        self.how = how
        self.layer, self.own = nn.Linear(width, to, bias=False), nn.Linear(width, to)
        self.one, self.other = (nn.Parameter(torch.randn(to) / to**0.5) for _ in range(2))
        if how != "own":
            del self.own
        if how == "means":
            del self.one, self.other

    def forward(self, x, near):
        h = self.layer(x)
        if self.how == "means":
            return near / near.sum(1, keepdim=True) @ h
        scores = F.leaky_relu((h @ self.one)[:, None] + (h @ self.other)[None], 0.2)
        taken = scores.masked_fill(near == 0, -math.inf).softmax(1) @ h
        return taken + self.own(x) if self.how == "own" else taken


def neighbours(how, ring=False, nodes=40):
    """Two or three such layers over all nodes, or over a ring."""

    def run(s, x, near):
        for one in s.layers[:-1]:
            x = F.elu(one(x, near))
        return s.layers[-1](x, near)

    layers = nn.ModuleList(Neighbours(a, b, how) for a, b in ((5, 16), (16, 16), (16, 3)))
    near = torch.eye(nodes) + torch.eye(nodes).roll(1, 0) if ring else torch.ones(nodes, nodes)
    return Runs(run, layers=layers), (torch.rand(nodes, 5), near), classes(nodes, 3), F.cross_entropy


def gates(how):
    """Experts that a gate weighs, shares of which are made along the experts, or along the samples."""

    def run(s, x):
        if how == "slots":
            slots = (x @ s.slots).softmax(0).T @ x
            return s.head((x @ s.slots).softmax(1) @ slots)
        shares = s.gate(x).softmax(1 if how == "sound" else 0)
        given = torch.stack([one(x) for one in s.experts], 1)
        if how == "einsum":
            return torch.einsum("be,bed->bd", shares, given)
        return (shares.unsqueeze(-1) * given).sum(1)

    parts = {"gate": nn.Linear(11, 4), "experts": nn.ModuleList(through(11, 16, 5) for _ in range(4))}
    if how == "slots":
        parts = {"slots": nn.Parameter(torch.randn(11, 6)), "head": nn.Linear(11, 5)}
    return Runs(run, **parts), torch.randn(36, 11), classes(36, 5), F.cross_entropy


def raw_keys(axis):
    """Queries of what is given, and keys and values that are what is given."""
    model = Runs(lambda s, x: s.out((s.q(x) @ x.mT / 3).softmax(axis) @ x), q=nn.Linear(9, 9), out=nn.Linear(9, 4))
    return model, torch.randn(14, 7, 9), torch.randn(14, 7, 4), F.mse_loss


def low(how):
    """Logarithms of what a clamp is to keep from 1, in few bits."""
    kind = torch.float16 if how == "acos" else torch.bfloat16

    def loss(o, y):
        p = torch.sigmoid(o * 30)
        if how == "acos":
            return torch.acos(torch.cos(o).clamp(-1 + 1e-6, 1 - 1e-6)).float().mean()
        return -(y * p.clamp(1e-7, 1 - 1e-7).log() + (1 - y) * (1 - p.clamp(1e-7, 1 - 1e-7)).log()).float().mean()

    x = torch.randn(64, 10)
    model = nn.Linear(10, 4)
    if how == "acos":
        nn.init.zeros_(model.weight)
        nn.init.zeros_(model.bias)
    return model.to(kind), x.to(kind), (torch.rand(64, 4) > 0.5).to(kind), loss


def overflowing(how):
    """log(1 + exp(x)) for large x, chosen by torch.where or not."""

    def loss(o, y):
        grown = torch.log(1 + torch.exp(o)) if how == "log" else torch.exp(-torch.log1p(torch.exp(o)))
        each = (grown - y * o) if how == "log" else grown * o.abs()
        return torch.where(y > 0, 0.25 * each, 0.75 * each).mean()

    return nn.Linear(8, 3), 100 * torch.randn(40, 8), (torch.rand(40, 3) > 0.5).float(), loss


def loose(how):
    """A parameter of the model's own, to which nothing comes."""

    def run(s, x):
        h = s.body(x)
        if how == "threshold":
            return s.head(h * torch.sign(h - s.least))
        return s.head(h * s.inner.factor.detach())

    parts = {"least": nn.Parameter(torch.tensor(0.1))} if how == "threshold" else {"inner": Runs(lambda s: s.factor, factor=nn.Parameter(torch.ones(12)))}  # fmt: skip
    model = Runs(run, body=through(7, 20, 12), head=nn.Linear(12, 3), **parts)
    return model, torch.randn(32, 7), classes(32, 3), F.cross_entropy


NINTH_SICK = (
    Case("one row of a table for all places", "pe[:, x.size(1)]", lambda: placed("one"), one_of("constant code"), ("row 9", "places.table", "all 9 places")),
    Case("the last row of a table for all places", "pe[:, n - 1 : n]", lambda: placed("last"), one_of("constant code"), ("row 8", "places.table")),
    Case("one row of a learned table for all places", "pos[:, n]", lambda: placed("learned one"), one_of("constant code"), ("row 9", "places.table")),
    Case("a length of the whole batch", "x / x.norm()", lambda: normed("length"), one_of("normalised batch"), ("all samples together", "dim=-1")),
    Case("a length of the whole batch, in the loss", "x * rsqrt(sum(x²))", lambda: normed("root", inside=False), one_of("normalised batch"), ("all samples together", "dim=-1")),
    Case("a layer norm of the whole batch", "layer_norm(x, x.shape)", lambda: normed("layer"), one_of("normalised batch"), ("all samples together",)),
    Case("a deviation of the whole batch", "(x - x.mean()) / x.std()", lambda: normed("deviation"), one_of("normalised batch"), ("all samples together",)),
    Case("what is left by codes that go straight through", "rest - straight", lambda: residual("fixed"), one_of("straight residual"), ("derivative", "detach")),
    Case("what is left, and codes that learn", "rest - straight", lambda: residual("learned", 2), one_of("straight residual"), ("derivative", "detach")),
    Case("what is left by signs, and read", "rest - straight", lambda: signs("straight"), one_of("straight residual"), ("derivative", "detach")),
    Case("sines of every second sample", "e[::2] = sin", lambda: timed("rows"), one_of("rows apart"), ("every second|every 2nd", "[:, ::2]|columns")),
    Case("sines of every second sample, joined", "e[::2].sin()", lambda: timed("joined"), one_of("rows apart"), ("every second|every 2nd", "[:, ::2]|columns")),
    Case("every second sample is kept small", "gate[1::2] = 0.1", by_rows, one_of("rows apart"), ("every second|every 2nd",)),
    Case("attention of all nodes to all", "GAT on a complete graph", lambda: neighbours("attention"), one_of("nodes alike"), ("same neighbours", "own")),
    Case("means over all nodes", "mean aggregation", lambda: neighbours("means"), one_of("nodes alike", "same output"), ("same neighbours", "own")),
    Case("a gate along the samples", "softmax(0)", lambda: gates("mul"), one_of("mixed samples"), ("softmax", "first axis")),
    Case("a gate along the samples, by einsum", "softmax(0)", lambda: gates("einsum"), one_of("mixed samples"), ("softmax", "first axis")),
    Case("shares along queries of raw keys", "softmax(-2)", lambda: raw_keys(-2), one_of("softmax axis"), ("axis 1",)),
    Case("a clamp that bfloat16 rounds to 1", "clamp(max=1 - 1e-7)", lambda: low("log"), one_of("non_finite"), ("bfloat16", "float32")),
    Case("a clamp that float16 rounds to 1", "acos(clamp(1 - 1e-6))", lambda: low("acos"), one_of("non_finite"), ("float16", "float32")),
    Case("an exp that overflows beside a where", "log(1 + exp(x))", lambda: overflowing("log"), one_of("non_finite"), ("overflows", "softplus")),
    Case("an exp that overflows on the way back alone", "log1p(exp(x))", lambda: overflowing("log1p"), one_of("non_finite"), ("overflows", "softplus")),
    Case("a threshold by sign", "sign(x - least)", lambda: loose("threshold"), one_of("no_gradient"), ("least",)),
    Case("a factor in a part, detached", "inner.factor.detach()", lambda: loose("factor"), one_of("no_gradient"), ("inner.factor",)),
)  # fmt: skip
NINTH_SOUND = (
    Case("a table of places", "pe[:, :n]", lambda: placed("all")),
    Case("a table of learned places", "pos[:, :n]", lambda: placed("learned")),
    Case("a row of a table that is asked for", "a time step for all", lambda: placed("given")),
    Case("a code of depth", "Universal Transformer", lambda: depths("depths")),
    Case("a code of a language", "one of three", lambda: depths("language")),
    Case("a length of each", "x / x.norm(dim=1)", lambda: normed("own")),
    Case("batch norm by hand", "mean(0), std(0)", lambda: normed("features")),
    Case("layer norm of each", "layer_norm", lambda: normed("each")),
    Case("a length of each, in the loss", "x / x.norm(dim=1)", lambda: normed("own", inside=False)),
    Case("a weight of length 1", "w / w.norm()", lambda: scaled_weight("weight")),
    Case("a relative error", "|o - y| / |y|", lambda: scaled_weight("relative")),
    Case("nodes of one graph normed together", "PairNorm", lambda: scaled_weight("nodes")),
    Case("what is left by detached codes", "rest - codes.detach()", lambda: residual("sound")),
    Case("sums of codes that go straight through", "RVQ without a term of the rest", lambda: residual("sums")),
    Case("what is left by detached signs", "rest - sign.detach()", lambda: signs("sound")),
    Case("sines of every second column", "e[:, ::2] = sin", lambda: timed("columns")),
    Case("attention of all nodes to all, and a layer of each", "GAT with a skip", lambda: neighbours("own")),
    Case("attention along a ring", "GAT", lambda: neighbours("attention", ring=True)),
    Case("means along a ring", "GCN", lambda: neighbours("means", ring=True)),
    Case("a gate along the experts", "softmax(1)", lambda: gates("sound")),
    Case("slots of samples", "Soft MoE", lambda: gates("slots")),
    Case("shares along raw keys", "softmax(-1)", lambda: raw_keys(-1)),
)  # fmt: skip
