"""Sound losses that look wrong from where a descent, a difference or a view has stopped."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case

ROW = torch.linspace(-1, 1, 11)


def _sinc(r):
    other = torch.where(r.abs() > 0, r, torch.ones_like(r))
    return (torch.where(r.abs() > 0, torch.sin(r) / other, torch.ones_like(r)) - 0.5) ** 2


def _spread_in_float64(shift, scale, z):
    x = shift.double() + scale.double() * z.double()
    return ((x**2).mean() - x.mean() ** 2 - 0.4) ** 2


def _floored(e, u):
    scale = 0.01 + F.softplus(u)
    return e.abs() / scale + torch.log(scale)


def sound(name, loss, axes, right, **keywords):
    return Case(name, "a fresh look", loss, axes, right, keywords=keywords)


FOLLOWED = (
    sound(
        "a curved valley with a target",
        lambda a, b: (1 - a) ** 2 + 100 * (b - a**2) ** 2,
        {"a": (-2.0, 2.0), "b": (-1.0, 3.0)},
        "all descents end at (1, 1), late",
        target=(1.0, 1.0),
    ),
    sound(
        "a valley along a cubic with a box",
        lambda a, b: (1 - a) ** 2 + 300 * (b - a**3) ** 2,
        {"a": (-1.5, 1.5), "b": (-2.0, 2.0)},
        "all descents end at (1, 1), late",
        target={"a": (0.9, 1.1), "b": (0.8, 1.2)},
    ),
    sound(
        "a floor beyond the view",
        _floored,
        {"e": (-2.0, 2.0), "u": (-2.0, 2.0)},
        "it levels off where softplus does",
    ),
    sound(
        "a floor of a variance's logarithm",
        lambda e, s: 0.5 * e**2 * torch.exp(-s.clamp(min=-7)) + 0.5 * s.clamp(min=-7),
        {"e": (-2.0, 2.0), "s": (-5.0, 3.0)},
        "it levels off at s −7, beyond the view",
    ),
    sound(
        "a limit that is even",
        _sinc,
        {"r": (-1.5, 3.0)},
        "the slope at 0 is 0 on both branches",
    ),
    sound(
        "a spread by moments in float64",
        _spread_in_float64,
        {"shift": (0.0, 20000.0), "scale": (0.1, 3.0)},
        "rounding hides its slope from differences, not from autograd",
        fixed={"z": ROW},
    ),
    sound(
        "a kernel of all pairs",
        lambda w, b, x, y: 1 - torch.exp(-((w * x[:, None] + b) - y).pow(2) / 8).mean(),
        {"w": (0.0, 2.0), "b": (-1.0, 1.0)},
        "the pairs are meant",
        fixed={"x": ROW, "y": ROW},
    ),
)
