"""Likelihoods that fit a sample exactly."""

import math

import torch

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import in_dtype

SAMPLES = torch.tensor([0.31, -1.4, 1.9, 0.8])
THREE = torch.tensor([0.4, -1.2, 2.1])


def gmm(mu, log_sigma, y):
    one = -0.5 * ((y - mu) / torch.exp(log_sigma)) ** 2 - log_sigma + math.log(0.4)
    two = -0.5 * (y / 1.3) ** 2 - math.log(1.3) + math.log(0.6)
    return -torch.logaddexp(one, two).mean()


def gmm_sigma(mu, sigma, y):
    one = torch.exp(-0.5 * ((y - mu) / sigma) ** 2) / sigma * 0.5
    two = torch.exp(-0.5 * (y / 1.5) ** 2) / 1.5 * 0.5
    return -torch.log(one + two).sum()


def student_spike(mu, log_s, y):
    z = (y - mu) / torch.exp(log_s)
    one = -1.5 * torch.log1p(z**2 / 2) - log_s - 1.0
    two = -1.5 * torch.log1p((y / 1.4) ** 2 / 2) - math.log(1.4) - 1.0
    return -torch.logaddexp(one, two).mean()


def hetero(slope, log_sigma):
    x, y = in_dtype([0.5, 1.3], slope), in_dtype([0.35, 0.91], slope)
    return sum(log_sigma + 0.5 * ((y[i] - slope * x[i]) / torch.exp(log_sigma)) ** 2 for i in range(2)) / 2


def gmm3(mu, log_sigma, y):
    k = torch.stack(
        [
            -0.5 * ((y - mu) / torch.exp(log_sigma)) ** 2 - log_sigma,
            -0.5 * ((y + 1) / 0.7) ** 2 - math.log(0.7),
            -0.5 * ((y - 1) / 0.9) ** 2 - math.log(0.9),
        ]
    )
    return -torch.logsumexp(k - math.log(3), 0).mean()


def inv_precision(mu, log_prec, y):
    one = -0.5 * (y - mu) ** 2 * torch.exp(log_prec) + 0.5 * log_prec
    two = -0.5 * (y / 1.2) ** 2 - math.log(1.2)
    return -torch.logaddexp(one, two).sum()


def direction(mu, log_kappa):
    return -(torch.exp(log_kappa) * (torch.cos(mu - 0.4) - 1) + 0.5 * log_kappa)


# What spikes in mean and scale spikes aslant where each of the two parameters moves both.
ASLANT = (
    Case(
        "a mixture of both ends of an interval",
        "a component told by log σ = a − b and mean a + b",
        lambda a, b: gmm(a + b, a - b, SAMPLES.to(a)),
        {"a": (-3.0, 1.0), "b": (-1.5, 3.0)},
        "along the lines a + b of a sample the loss falls without end",
        (one_of("no_bottom"),),
        ("without end", "slanting", "floor"),
    ),
    Case(
        "heavy tails, the scale tied to the mean",
        "a location in units of its own scale's logarithm",
        lambda m, t: student_spike(m + 0.3 * t, t, THREE.to(m)),
        {"m": (-3.0, 3.4), "t": (-7.0, 1.5)},
        "the same, along valleys that cross the view",
        (one_of("no_bottom"),),
        ("without end", "slanting", "floor"),
    ),
)

SPIKES = (
    *ASLANT,
    Case(
        "a direction met once",
        "von Mises' likelihood of one direction",
        direction,
        {"mu": (-1.0, 1.8), "log_kappa": (-1.0, 12.0)},
        "the concentration grows and the loss falls without end where mu is that direction",
        (one_of("no_bottom"),),
        ("without end", "floor"),
    ),
    Case(
        "a mixture that fits one sample",
        "mixture density networks",
        gmm,
        {"mu": (-3.0, 3.4), "log_sigma": (-8.0, 1.5)},
        "beside each sample the loss falls without end as σ goes to 0",
        (one_of("no_bottom"),),
        ("floor", "without end"),
        {"fixed": {"y": SAMPLES}},
    ),
    Case(
        "the same with σ itself",
        "mixture density networks",
        gmm_sigma,
        {"mu": (-3.0, 3.4), "sigma": (0.001, 0.5)},
        "beside each sample the loss falls without end as σ goes to 0",
        (one_of("no_bottom"),),
        ("floor", "without end"),
        {"fixed": {"y": SAMPLES}},
        domain="in",
    ),
    Case(
        "heavy tails that fit one sample",
        "a mixture of Student's t",
        student_spike,
        {"mu": (-2.7, 3.1), "log_s": (-7.0, 1.2)},
        "beside each sample it falls without end as the scale goes to 0",
        (one_of("no_bottom"),),
        ("floor", "without end"),
        {"fixed": {"y": SAMPLES}},
    ),
    Case(
        "a line through all of the data",
        "a Gaussian's variance learned beside an exact fit",
        hetero,
        {"slope": (-1.0, 2.0), "log_sigma": (-7.0, 1.0)},
        "where the line fits exactly σ goes to 0 and the loss to −∞",
        (one_of("no_bottom"),),
        ("floor", "without end"),
        {},
    ),
    Case(
        "one of three components",
        "mixture density networks",
        gmm3,
        {"mu": (-2.8, 3.1), "log_sigma": (-9.0, 1.0)},
        "beside each sample the loss falls without end as σ goes to 0",
        (one_of("no_bottom"),),
        ("floor",),
        {"fixed": {"y": THREE}},
    ),
    Case(
        "a precision that grows",
        "a precision learned in place of a variance",
        inv_precision,
        {"mu": (-2.8, 3.1), "log_prec": (-2.0, 14.0)},
        "beside each sample the loss falls without end as the precision grows",
        (one_of("no_bottom"),),
        ("without end",),
        {"fixed": {"y": THREE}},
    ),
)
