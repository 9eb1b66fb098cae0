"""Numbers one by one, in two shapes of which every one meets every other."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of

ROW = torch.linspace(-1, 1, 11)
COLUMN, TARGETS = ROW[:, None], 2 * ROW + 0.5
LINE = {"slope": (-1.0, 4.0), "offset": (-2.0, 3.0)}
ROWS = torch.linspace(-1, 1, 48).reshape(6, 8).sin() + torch.linspace(-0.3, 0.5, 6)[:, None]
_SCALE = nn.Linear(1, 1, bias=False)


def gone_wrong(name, source, loss, right, *words, axes=LINE, **fixed):
    return Case(name, source, loss, axes, right, (one_of("broadcast"),), words, {"fixed": fixed})


def _errors(scale, shift, e):
    return scale * e + shift


def _invariant(x):
    return (x.var(dim=1) + 0.15 * x.mean(dim=1, keepdim=True) ** 2).sqrt().mean()


def _of_rows(x):
    return x.std(dim=1) / x.mean(dim=1, keepdim=True)


UNMEANT_PAIRS = (
    gone_wrong(
        "a square by hand of a column and a row",
        "a network of one output, by hand",
        lambda slope, offset, x, y: ((slope * x + offset - y) ** 2).mean(),
        "121 pairs in place of 11: lowest where the slope is 0",
        "(11, 1)",
        "(11, 11)",
        "squeeze",
        x=COLUMN,
        y=TARGETS,
    ),
    gone_wrong(
        "a column of targets under a logarithm",
        "a Cauchy loss by hand",
        lambda slope, offset, x, y: torch.log1p((y - (slope * x + offset)) ** 2).sum(),
        "every output meets every target",
        "difference",
        x=ROW,
        y=TARGETS[:, None],
    ),
    gone_wrong(
        "weights in a row",
        "squares in a column, weighted by a row",
        lambda slope, offset, x, y, w: (w * (slope * x + offset - y) ** 2).mean(),
        "every square gets every weight, that is the weights' mean",
        "product",
        x=COLUMN,
        y=TARGETS[:, None],
        w=ROW**2 + 0.2,
    ),
    gone_wrong(
        "a layer's column beside a row",
        "the output of a linear layer of one unit",
        lambda slope, offset, x, y: (slope * _SCALE(x[:, None]) + offset - y).abs().mean(),
        "every output meets every target",
        "difference",
        x=ROW,
        y=TARGETS,
    ),
    gone_wrong(
        "counts in a row",
        "torch's Poisson loss, which does not warn",
        lambda slope, offset, x, y: F.poisson_nll_loss(slope * x + offset, y),
        "every rate meets every count",
        "poisson_nll_loss",
        axes={"slope": (-1.0, 2.0), "offset": (-2.0, 2.0)},
        x=COLUMN,
        y=torch.tensor([0.0, 1, 0, 2, 1, 1, 3, 2, 4, 3, 6]),
    ),
    gone_wrong(
        "a mean with its dimension kept beside a variance without",
        "a scale-invariant error of depths, a row an image",
        lambda scale, shift, e: _invariant(_errors(scale, shift, e)),
        "every variance meets every mean",
        "sum",
        "(6, 1)",
        "(6, 6)",
        "squeeze",
        axes={"scale": (0.2, 2.0), "shift": (-1.0, 1.0)},
        e=ROWS,
    ),
    gone_wrong(
        "a spread over a kept mean",
        "coefficients of variation, held at a half",
        lambda scale, shift, e: (_of_rows(_errors(scale, shift, e) + 3) - 0.5).square().mean(),
        "every spread is divided by every mean",
        "quotient",
        "(6, 6)",
        axes={"scale": (0.2, 4.0), "shift": (-1.0, 1.0)},
        e=ROWS,
    ),
    gone_wrong(
        "one output for four targets",
        "a critic's loss of as many targets as there are actions",
        lambda slope, offset, x, y: F.mse_loss(slope * x + offset, y),
        "every output is compared with four targets, and ends at their mean",
        "mse_loss",
        "(11, 1)",
        "4 targets",
        x=COLUMN,
        y=TARGETS[:, None] + torch.tensor([-0.3, 0.0, 0.1, 0.4]),
    ),
)
