"""Weights that begin at 0: one factor of a product, as is often meant, and both of them."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def zeros(*layers: nn.Module) -> None:
    for one in layers:
        for parameter in one.parameters():
            nn.init.zeros_(parameter)


def turned_pictures():
    """A spatial transformer, whose localisation begins at the identity."""

    def run(s, x):
        grid = F.affine_grid(s.place(s.look(x).flatten(1)).view(-1, 2, 3), x.shape, align_corners=False)
        return s.net(F.grid_sample(x, grid, align_corners=False))

    place = through(128, 16, 6)
    zeros(place[-1])
    place[-1].bias.data.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))
    look = nn.Sequential(nn.Conv2d(1, 8, 5), nn.MaxPool2d(3), nn.ReLU())
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 10))
    return Runs(run, place=place, look=look, net=net), torch.randn(8, 1, 16, 16), classes(8, 10), F.cross_entropy


def adapter(*both: str):
    """A frozen layer, and a product of two narrow ones beside it."""
    parts = {"base": nn.Linear(16, 32), "a": nn.Linear(16, 4, bias=False), "b": nn.Linear(4, 32, bias=False)}
    model = Runs(lambda s, x: s.out(F.relu(s.base(x) + s.b(s.a(x)))), out=nn.Linear(32, 4), **parts)
    model.base.requires_grad_(False)
    zeros(*(parts[name] for name in both))
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def gated(scale: float):
    """A branch times a gate that begins at 0, and times a scale."""

    def run(s, x):
        h = s.first(x)
        return s.out(h + s.gate * s.scale * s.branch(h))

    gates = {"gate": nn.Parameter(torch.zeros(1)), "scale": nn.Parameter(torch.full((32,), scale))}
    model = Runs(run, first=nn.Linear(16, 32), branch=through(32, 32, 32), out=nn.Linear(32, 4), **gates)
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def rated(*both: str):
    """Tables of users and items, multiplied."""
    tables = {"users": nn.Embedding(20, 8), "items": nn.Embedding(20, 8)}
    zeros(*(tables[name] for name in both))
    model = Runs(lambda s, u, i: (s.users(u) * s.items(i)).sum(1), **tables)
    return model, (classes(64, 20), classes(64, 20)), torch.randn(64), F.mse_loss


def conditioned(*both: str):
    """A branch times what a condition gives."""

    def run(s, x, c):
        h = s.first(x)
        return s.out(h + s.condition(c) * s.branch(h))

    parts = {"condition": nn.Linear(6, 32), "branch": nn.Linear(32, 32)}
    zeros(*(parts[name] for name in both))
    model = Runs(run, first=nn.Linear(16, 32), out=nn.Linear(32, 4), **parts)
    return model, (torch.randn(32, 16), torch.randn(32, 6)), classes(32, 4), F.cross_entropy


NONE = one_of("no_gradient")
ZEROS_SICK = (
    Case("an adapter of two zeros", "LoRA, A too", lambda: adapter("a", "b"), NONE, ("a, b", "all 0")),
    Case("a gate and a scale of zeros", "two factors", lambda: gated(0.0), NONE, ("gate", "scale", "multiplied with each other and are all 0")),
    Case("two tables of zeros", "factors", lambda: rated("users", "items"), NONE, ("users, items", "all 0")),
    Case("a condition and its branch of zeros", "two factors", lambda: conditioned("condition", "branch"), NONE, ("condition, branch", "all 0")),
)  # fmt: skip
ZEROS_SOUND = (
    Case("spatial transformer from the identity", "Jaderberg 2015", turned_pictures),
    Case("an adapter whose second factor is 0", "Hu 2021", lambda: adapter("b")),
    Case("a gate of zeros", "Bachlechner 2020", lambda: gated(1.0)),
    Case("one table of zeros", "", lambda: rated("users")),
    Case("a condition of zeros", "Perez 2018", lambda: conditioned("condition")),
)  # fmt: skip
