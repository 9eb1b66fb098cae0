"""Losses whose cure is not an eps."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of


def log_negative(a):
    return torch.log(a - 0.3) ** 2 + 0.1 * a


def sqrt_discriminant(a, b):
    return (torch.sqrt(a * a - 1.3 * b) - 0.7) ** 2


def divisor_crosses(x):
    return ((0.6 - 0.2 * x) / (x - 0.37)) ** 2 * 0.1 + 0.05 * (x + 0.4) ** 2


def empty_mean(a, b, mask):
    e = (torch.stack([a, b]) - 0.4) ** 2
    return (e * mask).sum() / mask.sum() + 0.1 * (a * a + b * b)


def empty_selected(a, b, keep):
    e = (torch.stack([a, b]) - 0.4) ** 2
    return e[keep].mean() + 0.1 * (a * a + b * b)


def std_of_one(a, b):
    return (torch.stack([a]).std() - b) ** 2 + a * a


def clip_only(logr):
    return -(torch.exp(logr).clamp(0.8, 1.2) * 1.3)


def hinge_wrong_side(s):
    return torch.clamp(0.9 - s, max=0) + 0


def log1m(p, q):
    return -torch.log(1 - p * q) + p * p


def frac_pow(x):
    return (x - 0.2) ** 1.5 + 0.1 * x


def relative_err(p, q):
    return (p - 0.3 * q) ** 2 / (q - 0.1 * p) * 0.1 + q * q


def value_clip(v):
    return ((v.clamp(0.3, 0.7)) - 0.9) ** 2


def dice_no_smooth(a, b):
    p, q = F.relu(a), F.relu(b)
    return 1 - 2 * (p * q) / (p * p + q * q)


def double_softmax(a, b):
    z = torch.stack([a, b, 0 * a], -1)
    p = z.softmax(-1)
    return -p.log_softmax(-1)[..., 0]


def poisson_neg_rate(lam):
    return lam - 3.2 * torch.log(lam)


def cos_embedding_target(a):
    return torch.acos(torch.clamp(torch.cos(a - 0.4), -1, 1))


def ranking_same(a, b):
    return F.relu(0.5 - (a - b).detach()) + 0.1 * (a - 0.3) ** 2 + 0.1 * (b - 0.1) ** 2


REMEDIED = (
    Case(
        "a logarithm of what may be negative",
        "a rate that is not bound",
        log_negative,
        {"a": (-1.0, 2.0)},
        "below 0.3 the logarithm's input is negative: no eps helps",
        (one_of("non_finite"),),
        ("log", "negative|below zero", "softplus"),
        {},
    ),
    Case(
        "a discriminant",
        "a root of a quadratic",
        sqrt_discriminant,
        {"a": (-1.0, 2.0), "b": (-1.0, 2.0)},
        "where the discriminant is negative there is no root",
        (one_of("non_finite"),),
        ("sqrt", "negative|below zero", "clamp"),
        {},
    ),
    Case(
        "a divisor that changes its sign",
        "a quotient of two linear functions",
        divisor_crosses,
        {"x": (-1.4, 1.6)},
        "a pole at 0.37, which an eps only moves",
        (one_of("non_finite", "singular"),),
        ("changes", "sign"),
        {},
    ),
    Case(
        "a mean over an empty mask",
        "a masked loss over a batch without targets",
        empty_mean,
        {"a": (-1.0, 2.0), "b": (-1.0, 2.0)},
        "0 by 0, whatever the parameters",
        (one_of("non_finite"),),
        ("empty", "clamp"),
        {"fixed": {"mask": torch.tensor([0.0, 0.0])}},
    ),
    Case(
        "a mean over nothing selected",
        "loss[mask].mean() of a batch without targets",
        empty_selected,
        {"a": (-1.0, 2.0), "b": (-1.0, 2.0)},
        "the mean of an empty tensor is NaN",
        (one_of("non_finite"),),
        ("empty",),
        {"fixed": {"keep": torch.tensor([False, False])}},
    ),
    Case(
        "the spread of one value",
        "torch.std of one sample",
        std_of_one,
        {"a": (-1.0, 2.0), "b": (-1.0, 2.0)},
        "an unbiased spread of one value divides by 0",
        (one_of("non_finite"),),
        ("std", "one|single", "correction|unbiased"),
        {},
    ),
    Case(
        "a clipped ratio alone",
        "PPO without the unclipped half",
        clip_only,
        {"logr": (-2.0, 2.0)},
        "beyond the clip nothing moves, and there is no way back",
        (one_of("dead_zone"),),
        ("clamp", "unclipped"),
        {},
    ),
    Case(
        "a hinge that is turned round",
        "clamp(max=0) where clamp(min=0) is meant",
        hinge_wrong_side,
        {"s": (-3.0, 3.0)},
        "what is wrong has no gradient, what is right falls without end",
        (one_of("dead_zone"),),
        ("clamp", "min="),
        {},
    ),
    Case(
        "one minus a product",
        "a noisy or of what is no probability",
        log1m,
        {"p": (-1.0, 2.0), "q": (-1.0, 2.0)},
        "beyond pq = 1 the logarithm's input is negative",
        (one_of("non_finite"),),
        ("below zero",),
        {},
    ),
    Case(
        "a power of what may be negative",
        "a residual to the power 1.5",
        frac_pow,
        {"x": (-1.0, 2.0)},
        "a negative base has no such power",
        (one_of("non_finite"),),
        ("pow", "below zero"),
        {},
    ),
    Case(
        "relative to a difference",
        "an error relative to a difference",
        relative_err,
        {"p": (-1.0, 2.0), "q": (-1.0, 2.0)},
        "the divisor changes its sign along a line",
        (one_of("non_finite", "singular"),),
        ("changes its sign",),
        {},
    ),
    Case(
        "a value that is clamped",
        "a critic's clipped value alone",
        value_clip,
        {"v": (-1.0, 2.0)},
        "beyond the clip nothing moves",
        (one_of("dead_zone"),),
        ("clamp", "bound it smoothly"),
        {},
    ),
    Case(
        "dice without smoothing",
        "dice of two empty masks",
        dice_no_smooth,
        {"a": (-1.0, 2.0), "b": (-1.2, 2.0)},
        "0 by 0 where nothing is predicted",
        (one_of("non_finite"),),
        ("div",),
        {},
    ),
    Case(
        "softmax twice, far out",
        "softmax before a cross-entropy",
        double_softmax,
        {"a": (-12.0, 14.0), "b": (-12.0, 12.0)},
        "a surely wrong answer has as good as no gradient",
        (one_of("dead_zone"),),
        ("softmax",),
        {},
    ),
    Case(
        "a Poisson rate that is not bound",
        "a Poisson loss of the rate itself",
        poisson_neg_rate,
        {"lam": (-1.0, 6.0)},
        "below 0 the logarithm's input is negative",
        (one_of("non_finite"),),
        ("log", "below zero"),
        {},
    ),
    Case(
        "an angle by acos of a cosine",
        "an angular loss",
        cos_embedding_target,
        {"a": (-1.5, 2.0)},
        "at the minimum acos is asked for its slope at 1",
        (one_of("non_finite", "singular"),),
        ("acos",),
        {},
    ),
    Case(
        "a margin that is detached",
        "a ranking loss of detached scores",
        ranking_same,
        {"a": (-1.0, 1.5), "b": (-1.0, 1.2)},
        "the ranking has no gradient",
        (one_of("gradient_mismatch"),),
        ("detach",),
        {},
    ),
)
