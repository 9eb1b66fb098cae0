"""Losses that are lowest where two branches are joined, though neither is lowest there."""

import math

import torch

from tests.core.surfaces.field.case import Case, one_of


def tail_by_a_formula(k):
    exact = torch.log(k) - k - torch.log1p(-torch.exp(-2 * k))
    far = math.log(60.0) - k
    return -torch.where(k < 60, exact, far) - 0.985 * k


def ramp_after_a_square(q):
    return torch.where(q < 40, (q - 90) ** 2 / 500, 5 + 0.04 * (q - 40))


def joined_at_a_distance(r, m):
    size = torch.sqrt(r**2 + 0.01)
    return torch.where(size > 1.5, 1 + torch.log(size), 3.2 - size**2 / 1.25) + (m - 0.4) ** 2


def gone_wrong(name, source, loss, axes, right, *words):
    return Case(name, source, loss, axes, right, (one_of("seam"),), ("torch.where", *words))


SEAMS = (
    gone_wrong(
        "a normaliser's tail",
        "graphnet-team/graphnet#900",
        tail_by_a_formula,
        {"k": (4.0, 200.0)},
        "the tail keeps no logarithm: its slope has another sign than the exact formula's at 60",
        "k 60|k 59.99",
    ),
    gone_wrong(
        "a ramp after a square",
        "a square that is cut off by a ramp of the other sign",
        ramp_after_a_square,
        {"q": (0.0, 120.0)},
        "the square's minimum is at 90; it stops at 40, where the ramp begins to rise",
        "q 40|q 39.99",
    ),
    gone_wrong(
        "joined at a distance",
        "a repulsion that a logarithm goes on for",
        joined_at_a_distance,
        {"r": (0.2, 5.0), "m": (-2.0, 2.5)},
        "the two meet at a distance of 1.5, with slopes against each other",
        "r 1.5|r 1.49",
    ),
)
