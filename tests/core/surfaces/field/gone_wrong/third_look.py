"""Losses that are wrong at the place that is told, for the reason that is told, with a cure that cures."""

import torch

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import NOT_FINITE

ROW = torch.linspace(-1, 1, 11)
EXACT = one_of("gradient_mismatch")


def margin(m, z):
    d = m + torch.sign(m) * 1e-10
    return torch.nn.functional.softplus(1 - z / d) * d.abs()


def guarded_by_a_sign(x):
    return (0.3 / (x + torch.sign(x) * 1e-9) - 1).abs() * (x - 1) ** 2


def cosine(a, b):
    return 1 - (3 * a + b) / (torch.sqrt(a * a + b * b) * 10**0.5)


def correlation(a, b, x):
    p = a * x + b * x**3
    p = p - p.mean()
    t = x - x.mean()
    return 1 - (p * t).sum() / (p.square().sum().sqrt() * t.square().sum().sqrt())


def slope_of_a_quotient(r):
    other = torch.where(r.abs() > 0, r, torch.ones_like(r))
    return (torch.where(r.abs() > 0, torch.expm1(r) / other, torch.ones_like(r)) - 2) ** 2


def vector_of_a_quaternion(w, x):
    s = x.abs()
    angle = 2 * torch.atan2(s, w)
    other = torch.where(s > 0, s, torch.ones_like(s))
    return (torch.where(s > 0, angle / other, 2 * torch.ones_like(s)) * x - 0.3) ** 2


def determinant(s):
    return torch.log(torch.linalg.det(s * torch.eye(60, dtype=s.dtype))) + 0.6 / s


def scaled_band(s):
    band = torch.eye(50, dtype=s.dtype) + 0.3 * torch.diag(torch.ones(49, dtype=s.dtype), 1)
    return 0.5 * torch.log(torch.det(s * (band @ band.T))) + 0.2 / s


def share_by_reciprocal(shift, eps):
    places = torch.tensor([0.0, 1.0, 3.0]).to(shift)
    k = torch.exp(-((shift - places) ** 2) / eps)
    return ((k * (1 / k.sum())) * places).sum()


def gone_wrong(name, loss, axes, right, findings, *words, unsaid=(), **keywords):
    return Case(name, "a fresh look", loss, axes, right, (findings,), words, keywords, unsaid=unsaid)


THIRD_LOOK = (
    gone_wrong(
        "a sign that keeps nothing off 0",
        margin,
        {"m": (-1.0, 1.0), "z": (-1.0, 2.0)},
        "sign(0) is 0, so the divisor is 0 at m 0",
        NOT_FINITE,
        "sign(0)",
        "torch.where(x >= 0",
    ),
    gone_wrong(
        "an eps with a sign",
        guarded_by_a_sign,
        {"x": (-1.0, 2.0)},
        "0 / 0 at x 0",
        NOT_FINITE,
        "sign(0)",
    ),
    gone_wrong(
        "the cosine of nothing",
        cosine,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "0 / 0 at the origin, and a root of 0 under it",
        NOT_FINITE,
        "under each root",
    ),
    gone_wrong(
        "the correlation of a constant",
        correlation,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "0 / 0 where the prediction does not vary",
        NOT_FINITE,
        "under each root",
        fixed={"x": ROW},
    ),
    gone_wrong(
        "a number by its own size",
        lambda a: 1 - a / torch.sqrt(a * a),
        {"a": (-2.0, 1.5)},
        "it jumps by 2 at 0, and the divisor only touches 0",
        one_of("jump"),
        "own size",
        unsaid=("changes its sign", "does not depend"),
    ),
    gone_wrong(
        "an angle of a pair",
        lambda re, im: (torch.atan2(im, re) - 0.5) ** 2,
        {"re": (-1.0, 1.0), "im": (-1.0, 1.0)},
        "it jumps by 2π along im 0, re < 0, and has no angle at the origin",
        one_of("jump"),
        "jumps by 6.28",
        "along im 0",
    ),
    gone_wrong(
        "an angle about another middle",
        lambda re, im: (torch.atan2(im - 0.3, re - 0.2) + 0.4) ** 2,
        {"re": (-1.0, 1.0), "im": (-1.0, 1.0)},
        "it jumps along im 0.3, re < 0.2",
        one_of("jump"),
        "along im 0.3",
    ),
    gone_wrong(
        "a distance from its squares",
        lambda a, b: torch.sqrt(a**2 + b**2 - 2 * a * b),
        {"a": (90.0, 110.0), "b": (90.0, 110.0)},
        "rounding alone is under the root where a is b",
        one_of("non_finite", "precision"),
        "take the difference first|take the difference of points before",
    ),
    gone_wrong(
        "a distance to a place from its squares",
        lambda a: torch.sqrt(a * a + 9 - 6 * a),
        {"a": (1.0, 5.5)},
        "the same at a 3",
        one_of("non_finite", "precision"),
        "take the difference first|take the difference of points before",
    ),
    gone_wrong(
        "the logarithm of a determinant of 60 rows",
        determinant,
        {"s": (0.01, 1.0)},
        "the determinant underflows in float32",
        one_of("precision"),
        "slogdet",
    ),
    gone_wrong(
        "the logarithm of a band's determinant",
        scaled_band,
        {"s": (0.02, 1.0)},
        "the determinant underflows in float32",
        one_of("precision"),
        "slogdet",
    ),
    gone_wrong(
        "shares of a kernel by a reciprocal",
        share_by_reciprocal,
        {"shift": (-2.0, 6.0), "eps": (0.01, 1.0)},
        "every exp underflows where the width is small",
        one_of("precision", "non_finite"),
        "logsumexp",
    ),
    gone_wrong(
        "a limit without its slope",
        slope_of_a_quotient,
        {"r": (-2.0, 3.0)},
        "exactly at 0 the gradient is 0, and the slope is not",
        EXACT,
        "exactly at r 0",
        "branch",
    ),
    gone_wrong(
        "a limit that holds for one number alone",
        vector_of_a_quaternion,
        {"w": (0.5, 3.0), "x": (-1.0, 1.0)},
        "on x 0 the gradient is 2 in place of 2 / w",
        EXACT,
        "exactly at x 0 all along",
        "branch",
    ),
    gone_wrong(
        "an eps that half precision has not",
        lambda w, v: (torch.sqrt(w * w + v * v + 1e-12) - 0.3) ** 2,
        {"w": (-1.0, 3.0), "v": (-1.0, 1.0)},
        "the eps is 0 in float16",
        one_of("precision"),
        "0.001 and more",
        unsaid=("nearly the same",),
        dtype="float16",
    ),
    gone_wrong(
        "an eps under a logarithm in half precision",
        lambda w: (torch.log(w * w + 1e-9) + 1) ** 2,
        {"w": (-1.0, 2.0)},
        "the eps is 0 in float16",
        one_of("precision"),
        "0.001 and more",
        dtype="float16",
    ),
    gone_wrong(
        "a column made for a row's sake",
        lambda w, b, x, y: ((w * x[:, None] + b) - y).pow(2).mean(),
        {"w": (-1.0, 4.0), "b": (-1.0, 3.0)},
        "121 pairs in place of 11",
        one_of("broadcast"),
        "(11, 1)",
        fixed={"x": ROW, "y": 2 * ROW + 0.5},
    ),
    gone_wrong(
        "targets made a column",
        lambda w, b, x, y: 0.5 * torch.square(w * x + b - y.unsqueeze(1)).sum(),
        {"w": (-1.0, 4.0), "b": (-1.0, 3.0)},
        "every output meets every target",
        one_of("broadcast"),
        "difference",
        fixed={"x": ROW, "y": 2 * ROW + 0.5},
    ),
)
