"""Sound losses that look like those of the eighth look."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case

DRAW = torch.Generator().manual_seed(41)
SCORES = torch.randn(9, 5, generator=DRAW)
Z = torch.randn(50, generator=DRAW)
LABELS = (Z + 0.5 * torch.randn(50, generator=DRAW) > 0).float()
SAMPLE = 1 + 0.7 * torch.randn(80, generator=DRAW)


def sound(name, source, loss, axes, right, **keywords):
    return Case(name, source, loss, axes, right, keywords=keywords, domain="in")


def left_out_by_infinity(s):
    kept = torch.where(SCORES > 0, s * SCORES.to(s), -torch.inf)
    return torch.sigmoid(kept).mean() + (s - 1) ** 2


def without_a_negative(s):
    far = (s * SCORES.to(s)).abs()
    far = far.masked_fill(torch.arange(9)[:, None] < 2, math.inf)  # two rows have none
    return F.relu(3 - far.amin(1)).mean() + 0.5 * s**2


def values_of_two_states(first, second):
    values, following = torch.stack([first, second]), torch.stack([second, first]).detach()
    return ((torch.tensor([0.5, 1.0]).to(first) + 0.6 * following - values) ** 2).mean()


def focal(w, b):
    logits = w * Z.to(w) + b
    share = torch.where(LABELS == 1, logits.sigmoid(), (-logits).sigmoid())
    each = F.binary_cross_entropy_with_logits(logits, LABELS.to(w), reduction="none")
    return ((1 - share).detach() ** 2 * each).mean()


def weighed_likelihood(mean, log_var):
    variance = log_var.exp()
    each = 0.5 * ((SAMPLE.to(mean) - mean) ** 2 / variance + variance.log())
    return (each * variance.detach() ** 0.5).mean()


def with_an_eps(w):
    return torch.log(((w * Z.to(w) - 1.5 * Z.to(w)) ** 2).mean() + 1e-3)


def chosen(s, t):
    z = s * SCORES.to(s) + t
    return ((z[torch.arange(9), SCORES.argmax(1)] - 1.3) ** 2).mean()


EIGHTH_SOUND = (
    sound("left out by an infinity", "a mask", left_out_by_infinity, {"s": (0.2, 2.0)}, "one minimum"),
    sound("rows that have no negative", "batch-hard triplets", without_a_negative, {"s": (0.0, 2.0)}, "one minimum"),
    sound("a held target", "temporal differences", values_of_two_states, {"first": (-2.0, 3.0), "second": (-2.0, 3.0)},
          "both are learnt"),
    sound("a held weight", "a focal loss", focal, {"w": (-4.0, 4.0), "b": (-3.0, 3.0)}, "it only weighs"),
    sound("a likelihood with a held weight", "beta-NLL", weighed_likelihood,
          {"mean": (-3.0, 4.0), "log_var": (-4.0, 3.0)}, "it only weighs"),
    sound("a box that begins at the minimum", "a target", lambda a: (a - 0.5) ** 2, {"a": (-1.0, 2.0)}, "one minimum",
          target={"a": (0.5, 1.0)}),
    sound("a predicate that begins at the minimum", "a target", lambda a, b: a**2 + (b - 0.3) ** 2,
          {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}, "one minimum", target=lambda a, b: (a >= 0) & (b >= 0)),
    sound("the logarithm of an error and an eps", "a PSNR", with_an_eps, {"w": (0.0, 3.0)}, "one minimum"),
    sound("an index by argmax", "the best score", chosen, {"s": (0.1, 2.0), "t": (-1.0, 1.0)}, "no cut"),
)  # fmt: skip
