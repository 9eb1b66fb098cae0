"""Sound losses that look like those of the seventh look."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case

DRAW = torch.Generator().manual_seed(29)
NOISE = torch.randn(24, generator=DRAW)
SCORES = torch.randn(6, generator=DRAW)
IMAGES, TEXTS = torch.randn(7, 4, generator=DRAW), torch.randn(7, 4, generator=DRAW)


def sound(name, source, loss, axes, right, **keywords):
    return Case(name, source, loss, axes, right, keywords=keywords, domain="in")


def filled(lowest):
    def loss(a):
        energy = (a[..., None] * SCORES.to(a)).masked_fill(SCORES > 0.5, lowest or torch.finfo(a.dtype).min)
        return -energy.log_softmax(-1)[..., int(SCORES.argmin())] + 0.1 * a**2

    return loss


def both_ways(scale, shift):
    near = F.normalize(IMAGES.to(scale), dim=1) @ F.normalize(IMAGES + shift * TEXTS, dim=1).to(scale).T
    places = torch.arange(7)
    return (F.cross_entropy(scale * near, places) + F.nll_loss((scale * near).log_softmax(0).T, places)) / 2


def two_masks(error, limit):
    near, far = (error.abs() <= limit).float(), (error.abs() > limit).float()
    return near * error**2 / 2 + far * limit * (error.abs() - limit / 2)


def two_sides(error, limit):
    return (error > limit).float() * (error - limit) - (error < -limit).float() * (error + limit)


def generator(score, shift):
    rebuilt = (shift + 0.1 * NOISE.to(shift)).abs().mean()
    return rebuilt - 0.8 * (score + NOISE.to(score)).mean()


SEVENTH_SOUND = (
    sound("a fill that bfloat16 holds", "attention", filled(-1e10), {"a": (-2.0, 2.0)}, "one minimum",
          dtype="bfloat16"),
    sound("a fill that fits in any precision", "attention", filled(None), {"a": (-2.0, 2.0)}, "one minimum",
          dtype="float16"),
    sound("pairs, both ways round", "a contrastive loss", both_ways, {"scale": (0.5, 12.0), "shift": (-2.0, 2.0)},
          "each has its own place"),
    sound("two masks that meet", "Huber by hand", two_masks, {"error": (-9.0, 9.0)}, "convex", fixed={"limit": 3.0}),
    sound("two sides of a tube", "support vectors", two_sides, {"error": (-3.0, 3.0)}, "convex", fixed={"limit": 0.5}),
    sound("a loss that saturates at its edges", "Welsch", lambda r, b: (
        1 - torch.exp(-r**2 / 2) + 0.1 * (b - 0.5) ** 2), {"r": (-4.0, 4.0), "b": (-2.0, 2.0)}, "one minimum"),
    sound("a share between its bounds", "a likelihood", lambda p: -0.3 * p.clamp(1e-4, 1 - 1e-4).log() - 0.7 * (
        1 - p.clamp(1e-4, 1 - 1e-4)).log(), {"p": (0.0, 1.0)}, "one minimum"),
    sound("a critic's raw score within a generator's loss", "CompVis/taming-transformers#137", generator,
          {"score": (-4.0, 4.0), "shift": (-1.0, 1.0)}, "nothing bounds the score, which is meant"),
)  # fmt: skip
