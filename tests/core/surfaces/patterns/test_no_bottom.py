"""A loss that is lowest at an edge of the view is said to fall without end beyond it where it does, and only there."""

import math

import pytest
import torch

from gradwidgets import check_loss

SAMPLES = torch.tensor([0.5, 1.2, 2.0, 0.7], dtype=torch.float64)


def gamma(shape, rate, samples):
    """The negative log-likelihood of a gamma distribution, per sample."""
    logs, mean = math.log(samples) if isinstance(samples, float) else samples.log().mean(), samples
    mean = samples if isinstance(samples, float) else samples.mean()
    return torch.lgamma(shape) - shape * torch.log(rate) - (shape - 1) * logs + rate * mean


def by_branch(a):
    return -a if float(a) > 0 else -2 * a


ENDLESS = {
    # All samples are the same: the shape and the rate grow together for ever, along a valley that lies aslant.
    "a gamma distribution of one value": (lambda k, r: gamma(k, r, 1.3), {"k": (0.5, 20.0), "r": (0.5, 20.0)}),
    "the same by their logarithms": (
        lambda k, r: gamma(k.exp(), r.exp(), 1.3), {"k": (-1.0, 4.0), "r": (-1.0, 4.0)},
    ),
    "a shape without its normaliser": (lambda k: -k * math.log(1.7) - 0.5 * torch.log(k), {"k": (0.5, 6.0)}),
    "a rate whose penalty is missing": (lambda r: -2.5 * torch.log(r), {"r": (0.1, 5.0)}),
    "a scale towards zero": (lambda s: torch.log(s), {"s": (0.05, 5.0)}),
    "a scale towards zero from afar": (lambda m, s: torch.log(s) + m * m, {"m": (-1.0, 2.0), "s": (1.0, 9.0)}),
    "a line": (lambda a, b: b * b - a, {"a": (-1.0, 2.0), "b": (-1.0, 1.5)}),
    "a line by branches": (by_branch, {"a": (0.5, 2.0)}),
}  # fmt: skip
BOUNDED = {
    "a gamma distribution of several values": (
        lambda k, r: gamma(k, r, SAMPLES), {"k": (0.1, 2.0), "r": (0.1, 2.0)},
    ),
    "the same by its rate": (lambda r: gamma(torch.full_like(r, 2.0), r, SAMPLES), {"r": (0.05, 1.0)}),
    "a reciprocal": (lambda a: 1 / a, {"a": (0.5, 4.0)}),
    "a slow reciprocal": (lambda a: 1 / torch.log(a), {"a": (2.0, 9.0)}),
    "a slow root": (lambda a: a**-0.1, {"a": (0.5, 4.0)}),
    "an exponential": (lambda a: torch.exp(-a), {"a": (0.0, 5.0)}),
    "a cross entropy of a class": (lambda z: torch.nn.functional.softplus(-z), {"z": (-6.0, 6.0)}),
    "a minimum far out": (lambda a: (a / 1000 - 3) ** 2, {"a": (-1.0, 1.0)}),
    "a minimum at the end of its domain": (lambda a: torch.sqrt(a) + a, {"a": (0.05, 4.0)}),
    "a valley that turns up": (
        lambda a, b: (b - a) ** 2 + (a / 300 - 1) ** 2, {"a": (-1.0, 2.0), "b": (-1.0, 2.0)},
    ),
}  # fmt: skip


def tells(loss, axes):
    return any("without end" in one.message for one in check_loss(loss, axes).findings if one.name != "singular")


@pytest.mark.parametrize("name", ENDLESS)
def test_what_falls_without_end_is_said_to(name):
    assert tells(*ENDLESS[name])


@pytest.mark.parametrize("name", BOUNDED)
def test_what_has_a_bottom_is_not(name):
    assert not tells(*BOUNDED[name])
