"""Graph networks whose nodes become alike with depth, and some whose nodes do not."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, he, one_of

NODES = 60


def joined(loops: bool = True):
    """Who is joined to whom: a ring, and some more."""
    ring = torch.eye(NODES).roll(1, 0)
    near = (torch.rand(NODES, NODES) < 0.08).float() + ring
    near = ((near + near.T) > 0).float()
    return near.fill_diagonal_(1) if loops else near.fill_diagonal_(0)


def by_degrees():
    near = joined()
    way = near.sum(1).rsqrt()
    return way[:, None] * near * way


def means():
    near = joined()
    return near / near.sum(1, keepdim=True)


def by_matrix(layers: int, way, *, residual=False, norm=nn.Identity, act=F.relu, first=0.0):
    """Dense graph convolutions, the matrix given."""

    def run(s, x, a):
        h = begun = s.enter(x)
        for layer, one in zip(s.layers, s.norms, strict=True):
            z = act(a @ layer(one(h)))
            h = first * begun + (1 - first) * z + (h if residual else 0)
        return s.out(h)

    model = Runs(run, enter=nn.Linear(16, 32), layers=nn.ModuleList(nn.Linear(32, 32) for _ in range(layers)), norms=nn.ModuleList(norm(32) for _ in range(layers)), out=nn.Linear(32, 4))  # fmt: skip
    return he(model), (torch.randn(NODES, 16), way()), classes(NODES, 4), F.cross_entropy


def by_pairs(layers: int, *, jumps=False):
    """Means of messages over pairs, (2, pairs), in layers of their own; all layers side by side at last, or not."""

    def send(s, h, pairs):
        source, target = pairs
        total = torch.zeros_like(h).index_add(0, target, h[source])
        count = torch.zeros(len(h), 1).index_add(0, target, torch.ones(len(target), 1))
        return F.relu(s.linear(total / count))

    def run(s, x, pairs):
        seen = [s.enter(x)]
        for one in s.layers:
            seen.append(one(seen[-1], pairs))
        return s.out(torch.cat(seen, 1) if jumps else seen[-1])

    layer = [Runs(send, linear=nn.Linear(32, 32)) for _ in range(layers)]
    model = Runs(run, enter=nn.Linear(16, 32), layers=nn.ModuleList(layer), out=nn.Linear(32 * (layers + 1 if jumps else 1), 4))  # fmt: skip
    return he(model), (torch.randn(NODES, 16), joined().nonzero().T.contiguous()), classes(NODES, 4), F.cross_entropy


def by_attention(layers: int, *, residual=False):
    """Attention among neighbours, one head, who they are held as a buffer."""

    def attend(s, h, near):
        z = s.linear(h)
        scores = F.leaky_relu(s.one(z) + s.two(z).T, 0.2).masked_fill(~near, -torch.inf)
        return F.elu(scores.softmax(1) @ z) + (h if residual else 0)

    def run(s, x):
        h = s.enter(x)
        for one in s.layers:
            h = one(h, s.near)
        return s.out(h)

    layer = [Runs(attend, linear=nn.Linear(32, 32), one=nn.Linear(32, 1), two=nn.Linear(32, 1)) for _ in range(layers)]
    model = he(Runs(run, enter=nn.Linear(16, 32), layers=nn.ModuleList(layer), out=nn.Linear(32, 4)))
    model.register_buffer("near", joined().bool())
    return model, torch.randn(NODES, 16), classes(NODES, 4), F.cross_entropy


class PairNorm(nn.Module):
    """Takes the mean over nodes away, and brings what is left to one size."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, h):
        h = h - h.mean(0)
        return h / (1e-6 + h.square().sum(1).mean()).sqrt()


SMOOTHED = ("nodes", "over-smoothing", "residual")
GRAPHS_SICK = (
    Case("GCN of 24 layers", "Li 2018", lambda: by_matrix(24, by_degrees), one_of("nodes alike"), SMOOTHED),
    Case("means of neighbours, 12 layers", "Oono 2020", lambda: by_matrix(12, means), one_of("nodes alike"), SMOOTHED),
    Case("deep means behind norms", "LayerNorm alone", lambda: by_matrix(24, means, norm=nn.LayerNorm), one_of("nodes alike"), SMOOTHED),
    Case("messages by pairs, 16 layers", "Chen 2020", lambda: by_pairs(16), one_of("nodes alike"), SMOOTHED),
    Case("graph attention of 20 layers", "Wang 2019", lambda: by_attention(20), one_of("nodes alike"), SMOOTHED),
    Case("GCN of 40 layers, a sparse matrix", "Li 2018", lambda: by_matrix(40, lambda: by_degrees().to_sparse()), one_of("nodes alike"), SMOOTHED),
)  # fmt: skip
GRAPHS_SOUND = (
    Case("GCN of 3 layers", "Kipf 2016", lambda: by_matrix(3, by_degrees)),
    Case("means of 3 layers", "Hamilton 2017", lambda: by_matrix(3, means)),
    Case("residual, 8 layers, norms", "Li 2019", lambda: by_matrix(8, by_degrees, residual=True, norm=nn.LayerNorm)),
    Case("the first features again, 8 layers", "Chen 2020", lambda: by_matrix(8, by_degrees, first=0.2)),
    Case("all layers side by side, 6 of them", "Xu 2018", lambda: by_pairs(6, jumps=True)),
    Case("graph attention of 2 layers", "Velickovic 2018", lambda: by_attention(2)),
    Case("PairNorm, 8 layers", "Zhao 2020", lambda: by_matrix(8, by_degrees, norm=PairNorm)),
    Case("messages by pairs, 2 layers", "Gilmer 2017", lambda: by_pairs(2)),
)  # fmt: skip
