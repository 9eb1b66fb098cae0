"""Losses that are wrong, of which the cure that comes first to mind is none."""

import torch

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import NOT_FINITE

POINTS = torch.tensor([-1.1, -0.3, 0.2, 0.7, 1.4])
PLACES = torch.tensor([0.3, 1.2, 2.4])
LOST = one_of("precision")


def spread_by_moments(scale, offset):
    z = scale * POINTS + offset
    return (torch.sqrt((z * z).mean() - z.mean() ** 2) - 1) ** 2


def logarithm_of_a_spread_by_moments(scale, offset):
    z = scale * POINTS + offset
    return torch.log(z.square().mean() - z.mean().square()).abs()


def distance_by_products(a, offset):
    u, v = a * POINTS[:3] + offset, POINTS[1:4] + offset
    return torch.sqrt((u * u).sum() + (v * v).sum() - 2 * (u * v).sum())


def shares_of_a_kernel(m):
    k = torch.exp(-((m - PLACES) ** 2) / 0.04)
    return ((k / k.sum() * PLACES).sum() - 1.1) ** 2


def scaled_to_marginals(shift):
    cost = ((POINTS[:3] + shift)[:, None] - PLACES[None]) ** 2
    kernel, row, column = torch.exp(-cost / 0.06), torch.full((3,), 1 / 3), torch.ones(3)
    for _ in range(4):
        row = (1 / 3) / (kernel @ column.to(kernel))
        column = (1 / 3) / (kernel.T @ row)
    return (row[:, None] * kernel * column[None] * cost).sum()


def square_of_a_share(z):
    return (torch.sigmoid(z) - 0.4) ** 2


def divergence_subtracted(mu, logvar):
    fit = 0.5 * ((mu - 0.8) ** 2 + torch.exp(logvar))
    return fit + 0.5 * (1 + logvar - mu**2 - torch.exp(logvar))


def quantile_with_one_sign(q):
    gap = POINTS - q
    return torch.where(gap > 0, 0.8 * gap, 0.2 * gap).mean()


def covariance_beside_its_fit(r):
    one = torch.ones_like(r)
    matrix = torch.stack([torch.stack([one, r]), torch.stack([r, one])])
    x = torch.tensor([0.9, 0.5]).to(matrix)
    return 0.5 * torch.logdet(matrix) + 0.5 * x @ torch.linalg.inv(matrix) @ x


def one_factor_of_data(a, b):
    return (a - 0.7) ** 2 + (a + b.data - 2.3) ** 2


SECOND_LOOK = (
    Case(
        "a spread by its moments, far from 0",
        "Project-MONAI/MONAI#1868",
        spread_by_moments,
        {"scale": (0.05, 2.0), "offset": (0.0, 8000.0)},
        "float32 cancels: below zero or 0 under the root, and wrong where it is finite; the offset does not count",
        (LOST,),
        ("centre first", "would only hide"),
        unsaid=("add a small eps", "times that of"),
    ),
    Case(
        "the logarithm of such a spread",
        "moments in one pass",
        logarithm_of_a_spread_by_moments,
        {"scale": (0.1, 2.0), "offset": (500.0, 9000.0)},
        "the same with a logarithm in place of the root",
        (LOST,),
        ("centre first",),
        unsaid=("clamp its input away",),
    ),
    Case(
        "a distance by products",
        "Gram matrices in place of differences",
        distance_by_products,
        {"a": (0.2, 2.0), "offset": (-3000.0, 3000.0)},
        "|u|² + |v|² − 2u·v cancels in float32: the difference of the points first",
        (LOST,),
        ("(x − y).norm()",),
        unsaid=("add a small eps",),
    ),
    Case(
        "shares of a kernel",
        "k / k.sum() far from all points",
        shares_of_a_kernel,
        {"m": (-7.0, 7.0)},
        "all exps underflow: 0 by 0; softmax of the exponents",
        (NOT_FINITE,),
        ("softmax of the exponents", "logsumexp"),
        unsaid=("add a small eps",),
    ),
    Case(
        "scaled to marginals",
        "PythonOT/POT#54",
        scaled_to_marginals,
        {"shift": (-5.0, 5.0)},
        "the kernel underflows, its sums divide: only logarithms go through",
        (one_of("non_finite", "precision"),),
        ("logsumexp",),
        unsaid=("add a small eps",),
    ),
    Case(
        "the square of a share",
        "a sigmoid beneath a square",
        square_of_a_share,
        {"z": (-30.0, 30.0)},
        "1 − σ is rounded to 0 in float32: no scale of the loss brings it back",
        (one_of("dead_zone"), LOST),
        ("1 − sigmoid is rounded to 0",),
        unsaid=("scale the loss", "backward of sigmoid underflows"),
    ),
    Case(
        "a divergence that is subtracted",
        "the sign of the KL term",
        divergence_subtracted,
        {"mu": (-3.0, 3.0), "logvar": (-4.0, 2.0)},
        "it falls without end: the divergence has the wrong sign",
        (one_of("no_bottom"),),
        ("sign", 'allow=["no_bottom"]'),
    ),
    Case(
        "a quantile with one sign",
        "scikit-learn/scikit-learn#6076",
        quantile_with_one_sign,
        {"q": (-3.0, 3.0)},
        "it falls without end to the right: the other branch has the wrong sign",
        (one_of("no_bottom"),),
        ("sign",),
    ),
    Case(
        "a covariance beside its fit",
        "logdet beyond correlation 1",
        covariance_beside_its_fit,
        {"r": (-1.5, 1.5)},
        "beyond ±1 the determinant is below zero, on a third of the view",
        (NOT_FINITE,),
        ("determinant is below zero", "l lᵀ"),
    ),
    Case(
        "one term's input is data",
        "tensor.data in place of the tensor",
        one_factor_of_data,
        {"a": (-2.0, 3.0), "b": (-2.0, 4.0)},
        "b gets no gradient; the loss is convex, and has no saddle",
        (one_of("no_gradient_path"),),
        (".data",),
        unsaid=("a saddle at",),
    ),
)
