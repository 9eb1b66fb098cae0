"""Minima and bottoms."""

import math

import torch

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import in_dtype


def half_turn(p, t):
    apart = torch.abs(t - p)
    return torch.where(apart < math.pi / 2, apart, math.pi - apart)


def turn_taken_once(p, t):
    apart = torch.abs(t - p)
    return torch.where(apart < 180, apart, 360 - apart)


def fitted_frequency(w):
    x = torch.linspace(0, 3, 25, dtype=w.dtype)
    return ((torch.sin(w * x) - torch.sin(2 * x)) ** 2).mean()


def robust_centre(m):
    squares = (m - in_dtype([-0.2, 0.0, 0.1, 4.0, 4.1], m)) ** 2
    return (squares / (squares + 0.25)).sum()


MINIMA = (
    Case(
        "second minimum of a quartic",
        "a curve whose minima lie on grid points",
        lambda p: p * p * (3 + p * (p / 4 - 5 / 3)),
        {"p": (-1.0, 4.0)},
        "a minimum of its own at 3, 2.25 above the one at 0",
        (one_of("unexpected_minimum"),),
        ("p 3|p 2.99",),
    ),
    Case(
        "half a turn, at the edge",
        "cvg/DeepLSD#36",
        half_turn,
        {"p": (0.0, math.pi)},
        "what begins left of 1.23 descends to the edge at 0, 0.34 above the minimum at 2.8",
        (one_of("unexpected_minimum"),),
        ("p 0|edge",),
        {"fixed": {"t": 2.8}},
        "in",
    ),
    Case(
        "a turn taken once",
        "an angle that is wrapped once only",
        turn_taken_once,
        {"p": (-800.0, 800.0)},
        "falls without end beyond 180 degrees on either side; 40 is but a minimum of its own",
        (one_of("unexpected_minimum", "no_bottom"),),
        (),
        {"fixed": {"t": 40.0}},
    ),
    Case(
        "a fitted frequency",
        "the frequency of a sine by least squares",
        fitted_frequency,
        {"w": (0.5, 9.0)},
        "minima of their own at the wrong frequencies beyond the one at 2",
        (one_of("unexpected_minimum"),),
    ),
    Case(
        "a robust centre and two outliers",
        "Geman–McClure with a clump of outliers",
        robust_centre,
        {"m": (-3.0, 7.0)},
        "a minimum of its own among the outliers at 4, higher than the one at 0",
        (one_of("unexpected_minimum"),),
        ("4",),
    ),
    Case(
        "an angle with weight decay",
        "1 − cos with a small penalty, in a view as wide as two turns",
        lambda p: 1 - torch.cos(p - 0.5) + 0.02 * p**2,
        {"p": (-5.0, 6.0)},
        "what begins left of −2.7 ends at the left edge, far above the minimum near 0.5",
        (one_of("unexpected_minimum"),),
        ("edge|p −|p -",),
    ),
)
