"""Distances with a tip where their gradient is NaN, off every grid and seldom where the loss is lowest."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case
from tests.core.surfaces.field.gone_wrong.shared import NOT_FINITE

_PLANE = {"x": (-2.0, 2.0), "y": (-2.0, 2.0)}
_SITES = torch.tensor([[0.8371, -1.214], [-1.1173, 0.3339], [0.2718, 1.6021], [-0.4142, -0.7321]])


def _apart(x, y, across, up):
    return torch.sqrt((x - across) ** 2 + (y - up) ** 2)


def distances_to_sites(x, y):
    return sum(_apart(x, y, across, up) for across, up in _SITES)


def contrastive(x, y):
    return F.relu(1 - _apart(x, y, 0.31, 0.44)) ** 2 + 0.1 * ((x - 1) ** 2 + (y - 1) ** 2)


def triplet(x, y):
    return F.relu(_apart(x, y, 0.71, 0.43) - _apart(x, y, -0.62, 0.19) + 0.5) + 0.05 * (x**2 + y**2)


def springs(x, y):
    return (_apart(x, y, -0.43, 0.27) - 1) ** 2 + (_apart(x, y, 1.33, 0.61) - 1.1) ** 2


TIPS = (
    Case(
        "penalty on the length of a gradient",
        "a gradient penalty whose norm is a root without an eps",
        lambda x, y: (_apart(x, y, 0.137, -0.211) - 1) ** 2,
        _PLANE,
        "a ring is lowest; in its middle, at (0.137, −0.211), the gradient is NaN",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "sum of distances to sites",
        "the geometric median by gradient descent",
        distances_to_sites,
        _PLANE,
        "at every one of the sites, float32 numbers, the gradient is NaN",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "contrastive loss, apart",
        "pairs that should be a margin apart",
        contrastive,
        _PLANE,
        "highest where both are the same, and the gradient there NaN",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "triplets by their distances",
        "a margin between two distances",
        triplet,
        _PLANE,
        "at the other one, (−0.62, 0.19), the gradient is NaN",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "springs to two points",
        "layouts of graphs by stress",
        springs,
        _PLANE,
        "at both points, where the loss is not lowest, the gradient is NaN",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "hypotenuse",
        "torch.hypot at zero",
        lambda x, y: (torch.hypot(x - 0.137, y - 0.613) - 1) ** 2,
        _PLANE,
        "hypot has a NaN gradient where both are zero",
        (NOT_FINITE,),
        ("hypot",),
    ),
    Case(
        "a weak root on a bowl",
        "group lasso written as a root",
        lambda x, y: x**2 + y**2 + 0.05 * _apart(x, y, 0.91, 0.83),
        _PLANE,
        "hardly to be seen, yet at (0.91, 0.83) the gradient is NaN",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "a power between one and two",
        "a distance to the power of 1.5",
        lambda x, y: (((x - 0.77) ** 2 + (y - 1.21) ** 2) ** 0.75 - 1) ** 2,
        _PLANE,
        "smooth to the eye, but pow's gradient at zero is infinite, and times zero NaN",
        (NOT_FINITE,),
        ("pow",),
    ),
)
