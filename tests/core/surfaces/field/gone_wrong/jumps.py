"""Jumps."""

import math

import torch

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import NOT_FINITE, UNIT


def wing_with_a_decimal_logarithm(r):
    size, bend = r.abs(), 10 - 10 * math.log10(1 + 10 / 2)
    return torch.where(size < 10, 10 * torch.log1p(size / 2), size - bend)


def smooth_l1_undivided(r):
    size = r.abs()
    return torch.where(size < 2, 0.5 * size**2, size - 0.5)


def two_pieces(x):
    return x * x + 1 if x > 0.4 else x * x


JUMPS = (
    Case(
        "a penalty by comparison",
        "a comparison in a loss",
        lambda a, b: a * a + b * b + torch.where(a > 0.3, 5.0, 0.0),
        {"a": (-1.0, 1.0), "b": (-1.0, 1.0)},
        "5 higher right of a 0.3, of which no gradient knows",
        (one_of("jump"),),
        ("jump|step|discontinu", "0.3"),
    ),
    Case(
        "wing with a decimal logarithm",
        "TropComplique/wing-loss#9",
        wing_with_a_decimal_logarithm,
        {"r": (-30.0, 30.0)},
        "the constant that joins the two branches is wrong: down by 10 at ±10",
        (one_of("jump"),),
        ("10",),
    ),
    Case(
        "smooth L1 undivided",
        "pytorch/pytorch#17447",
        smooth_l1_undivided,
        {"r": (-6.0, 6.0)},
        "the square is not divided by its width 2: down by 0.5 at ±2",
        (one_of("jump"),),
        ("r 2|r −2|r -2|±2",),
    ),
    Case(
        "an angle's remainder",
        "MizuhoAOKI/python_simple_mppi#9",
        lambda yaw: torch.remainder(yaw - 0.7, 2 * math.pi) ** 2,
        {"yaw": (-2.5, 3.0)},
        "39.5 higher just left of the minimum at 0.7: half a turn should be subtracted again",
        (one_of("jump"),),
        ("0.7",),
    ),
    Case(
        "steps of a floor",
        "a level counted in whole steps",
        lambda x, y: (x - 0.3) ** 2 + (y - 0.1) ** 2 + 0.4 * torch.floor(x + 0.37 * y),
        {"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        "steps of 0.4 across the view, of which no gradient knows",
        (one_of("jump"),),
        ("jump|step|discontinu",),
    ),
    Case(
        "phase of a complex number",
        "pytorch/pytorch#98276",
        lambda x, y: (torch.atan2(y, x) - 0.6) ** 2,
        UNIT,
        "cut along the negative x, and towards the origin its slope grows without bound",
        (one_of("jump"), NOT_FINITE),
    ),
    Case(
        "an angle past its cut",
        "a heading of sine and cosine beside one near π",
        lambda s, c: (torch.atan2(s, c) - 2.9) ** 2,
        {"s": (-1.0, 1.0), "c": (-1.6, -0.3)},
        "the cut lies beside the minimum: one turn away it is as far as can be",
        (one_of("jump"),),
        ("atan2 turns over", "1 − cos"),
    ),
    Case(
        "a mask as a factor",
        "a hard mask, multiplied",
        lambda x, y: ((x - 0.3) ** 2 + 2) * (x + y > 0.7) + y * y,
        {"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        "2 and more higher beyond a slanting line",
        (one_of("jump"),),
        ("a comparison", "sigmoid"),
    ),
    Case(
        "a level of its own",
        "a penalty on a rounded count",
        lambda n: (n - 2.3) ** 2 + 0.7 * torch.ceil(1.3 * n),
        {"n": (0.0, 5.0)},
        "steps of 0.7",
        (one_of("jump"),),
        ("ceil", "straight-through"),
    ),
    Case(
        "two pieces by an if",
        "an if of Python's",
        two_pieces,
        {"x": (-2.0, 2.0)},
        "1 higher right of 0.4",
        (one_of("jump"),),
        ("an if of python", "0.4"),
    ),
)
