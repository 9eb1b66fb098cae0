"""Losses that are meant as they are, beside those that went wrong at a sixth look."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case
from tests.core.surfaces.field.gone_wrong.sixth_look import DEPTHS, GUESSES, LAGGED, PICTURE, PIXELS, SERIES

BOX = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
LOW_AND_HIGH = torch.cat([0.5 * LAGGED[:12] / 3 - 2, 2 + 0.8 * SERIES[:28] / 3])


def sound(name, source, loss, axes, **keywords):
    return Case(name, source, loss, axes, "nothing is wrong", keywords=keywords, domain="in")


def safe_root(a):
    return torch.where(a.abs() > 1, torch.sqrt(torch.where(a.abs() > 1, a.abs(), 1.0)), 0.5 + 0.5 * a * a)


def cosines_with_an_eps(a, b):
    pair = torch.stack([a * DEPTHS, b * DEPTHS], -1) + 5
    return 1 - F.cosine_similarity(pair, torch.stack([GUESSES, GUESSES.flip(0)], -1), dim=-1, eps=1e-8).mean()


def overlap_of_shares(shift):
    p = torch.sigmoid(4 * PICTURE + shift)
    return 1 - (2 * (p * PIXELS).sum() + 1) / torch.clip(p.sum() + PIXELS.sum() + 1, 1e-8)


def spread_from_below(s):
    return (SERIES**2).mean() / (9 * s.clamp(min=0.1)) + s.clamp(min=0.1).log() + 0.01 * (s - 1) ** 2


def angle_of_cosines(a, b):
    pair = torch.stack([a + 2, b + 3], -1)
    cosine = F.cosine_similarity(pair, torch.tensor([1.0, -2.0], dtype=pair.dtype), dim=-1)
    return torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))


def parts_of_unlike_weight(m, n, y):
    first = math.log(0.3 / 0.5) - 0.5 * ((y - m) / 0.5) ** 2
    return -torch.logaddexp(first, math.log(0.7) - 0.5 * (y - n) ** 2).mean()


def densities_added(m, n, y):
    density = 0.3 * torch.exp(-2 * (y - m) ** 2) / 0.5 + 0.7 * torch.exp(-0.5 * (y - n) ** 2)
    return -torch.log(density).mean()


def reversed_huber_of_sizes(shift):
    gap = GUESSES + shift - DEPTHS
    limit = 0.2 * gap.abs().max().detach()
    return torch.where(gap.abs() <= limit, gap.abs(), (gap**2 + limit**2) / (2 * limit)).mean()


SIXTH_SOUND = (
    sound("a root that is safe in the branch not taken", "two branches", safe_root, {"a": (-3.0, 3.0)}),
    sound("an eps of cosines that never binds", "cosine similarity", cosines_with_an_eps, BOX),
    sound("a clip of an overlap of shares", "a soft overlap", overlap_of_shares, {"shift": (-6.0, 6.0)}),
    sound("steep by an exponential, a bound that never binds", "a barrier",
          lambda a: torch.exp(-a) + a / torch.clamp(a * a + 1, min=1e-6), {"a": (-12.0, 12.0)}),
    sound("a spread that is kept from below", "a likelihood with a floor", spread_from_below, {"s": (-1.0, 3.0)}),
    sound("an angle of true cosines", "an angular error", angle_of_cosines, BOX),
    sound("a mixture of parts of unlike weight", "a mixture density", parts_of_unlike_weight,
          {"m": (-5.0, 5.0), "n": (-5.0, 5.0)}, fixed={"y": LOW_AND_HIGH}),
    sound("a mixture of densities that are added", "a mixture density", densities_added,
          {"m": (-3.0, 3.0), "n": (-3.0, 3.0)}, fixed={"y": LOW_AND_HIGH}),
    sound("a limit of the largest size, held", "a reversed Huber", reversed_huber_of_sizes, {"shift": (-3.0, 3.0)}),
    sound("a Poisson likelihood with its logarithm", "counts", lambda rate: rate - 3 * torch.log(rate),
          {"rate": (0.2, 8.0)}, target={"rate": 3.0}),
    sound("a divergence as it should be", "a variational term", lambda m, s: 0.5 * (
        torch.exp(2 * s) + m**2 - 1 - 2 * s), {"m": (-2.0, 2.0), "s": (-2.0, 2.0)}, target={"m": 0.0, "s": 0.0}),
)  # fmt: skip
