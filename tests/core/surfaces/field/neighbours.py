"""Sound losses that stand right beside those that go wrong."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case

TIMES = torch.linspace(0, 6, 40)
COLUMN = torch.linspace(-1, 1, 11)[:, None]
WAVE = {"phase": (-math.pi, math.pi)}
LINE = {"slope": (-1.0, 4.0), "offset": (-2.0, 3.0)}


def sound(name, source, loss, axes, right, domain="free", **keywords):
    return Case(name, source, loss, axes, right, keywords=keywords, domain=domain)


TURNS = (
    sound(
        "an angle all round",
        "1 − cos over a whole turn",
        lambda theta: 1 - torch.cos(theta - 1.1),
        {"theta": (-math.pi, math.pi)},
        "one valley that goes on beyond the edge",
    ),
    sound(
        "a bearing in degrees",
        "1 − cos of degrees, with the target",
        lambda d: 1 - torch.cos(torch.deg2rad(d - 250.0)),
        {"d": (0.0, 360.0)},
        "what begins left of 70 leaves at 0 and comes to 250 a turn before",
        target={"d": (245.0, 255.0)},
    ),
    sound(
        "a fitted phase",
        "the phase of a sine by least squares",
        lambda phase, t: ((torch.sin(t + phase) - torch.sin(t - 1.2)) ** 2).mean(),
        WAVE,
        "one valley that goes on beyond the edge",
        fixed={"t": TIMES},
    ),
    sound(
        "phase and amplitude",
        "a phasor by least squares",
        lambda phase, size: (size * torch.cos(phase) + 0.9) ** 2 + (size * torch.sin(phase) - 1.2) ** 2,
        {"phase": (-math.pi, math.pi), "size": (0.4, 3.0)},
        "one valley that goes on beyond the edges of the phase",
    ),
)

PAIRS = (
    sound(
        "a column beside a column",
        "least squares of columns",
        lambda slope, offset, x, y: ((slope * x + offset - y) ** 2).mean(),
        LINE,
        "a bowl: both have one column",
        fixed={"x": COLUMN, "y": 2 * COLUMN + 0.5 + 0.1 * torch.sin(9 * COLUMN)},
    ),
    sound(
        "all distances on purpose",
        "distances of all pairs, a dimension put in for them",
        lambda slope, offset, x, y: (((slope * x + offset)[:, None] - y[None, :]) ** 2).mean(),
        LINE,
        "lowest where all outputs are the targets' mean, which is what is asked for",
        fixed={"x": COLUMN[:, 0], "y": 2 * COLUMN[:, 0] + 0.5},
    ),
    sound(
        "the density of columns",
        "a kernel's density, of samples in a column beside centres in a row",
        lambda h, x, centres: -torch.exp(-(((x - centres) / h) ** 2)).div(h).mean(1).log().mean(),
        {"h": (0.2, 3.0)},
        "every sample meets every centre, as it should",
        fixed={"x": COLUMN, "centres": torch.linspace(-1.2, 1.1, 11)},
    ),
    sound(
        "a field over a mesh",
        "rows and columns of an open mesh, beside values all over it",
        lambda slope, offset, x, y, values: ((slope * x - offset * y - values) ** 2).mean(),
        LINE,
        "a bowl: the pairs are the mesh's points",
        fixed={"x": COLUMN, "y": COLUMN[:, 0], "values": 2 * COLUMN - 0.4 * COLUMN[:, 0]},
    ),
)

UNITS = (
    sound(
        "a sharp von Mises",
        "an angle with its concentration",
        lambda mu, kappa, x: (torch.log(torch.special.i0e(kappa)) + kappa * (1 - torch.cos(mu - x))).mean(),
        {"mu": (-3.0, 3.0), "kappa": (0.5, 450.0)},
        "the angle's slope is many times as large, as its view is that much narrower",
        "in",
        fixed={"x": torch.tensor([0.3, 0.4, 0.52])},
    ),
    sound(
        "a normal by its precision",
        "a likelihood",
        lambda mu, tau, y: (0.5 * tau * (y - mu) ** 2 - 0.5 * torch.log(tau)).mean(),
        {"mu": (-1.0, 1.0), "tau": (0.5, 900.0)},
        "the mean's slope is many times as large, as its view is that much narrower",
        "in",
        fixed={"y": torch.tensor([0.05, -0.1, 0.1])},
    ),
)

SEAMS = (
    sound(
        "a quantile by where",
        "the pinball loss, its sides by torch.where",
        lambda q, y: torch.where(q < y, 0.8 * (y - q), 0.2 * (q - y)).mean(),
        {"q": (-4.0, 4.0)},
        "convex; its lowest point is a sample, where it has a kink",
        fixed={"y": 2 * torch.sin(1.7 * torch.arange(21.0))},
    ),
    sound(
        "a hinge by where",
        "a hinge with weight decay",
        lambda a: torch.where(a < 1, 1 - a, 0 * a) + 0.05 * a**2,
        {"a": (-3.0, 3.0)},
        "convex; lowest at its kink",
    ),
    sound(
        "too few and too many",
        "the cost of stock, dearer when it runs out",
        lambda q: torch.where(q < 10, 60 - 4 * q, 20 + 2 * (q - 10)),
        {"q": (0.0, 30.0)},
        "two straight lines that meet where it is lowest",
    ),
    sound(
        "a smooth seam",
        "two parabolas that go on for each other",
        lambda a: torch.where(a < 0.5, (a - 1) ** 2, 0.25 - (a - 0.5) + 3 * (a - 0.5) ** 2),
        {"a": (-2.0, 3.0)},
        "value and slope agree at the seam",
    ),
)


def _three(a, b):
    return torch.stack((a, b, torch.zeros_like(a)), -1)


_LOGITS = {"a": (-4.0, 5.0), "b": (-4.0, 5.0)}
INPUTS = (
    sound(
        "normalised twice",
        "cross_entropy of log_softmax",
        lambda a, b: F.cross_entropy(F.log_softmax(_three(a, b), -1)[None], torch.tensor([1])),
        _LOGITS,
        "log_softmax changes nothing the second time",
    ),
    sound(
        "logarithms of shares",
        "kl_div as it should be",
        lambda z, shares: F.kl_div(F.logsigmoid(torch.stack((z, -z))), shares, reduction="sum"),
        {"z": (-4.0, 4.0)},
        "convex, lowest where both agree",
        fixed={"shares": torch.tensor([0.25, 0.75])},
    ),
    sound(
        "shares made sharper",
        "a softmax of shares times ten, as in attention over attention",
        lambda a, b: (
            (torch.softmax(10 * torch.softmax(_three(a, b), -1), -1)[..., 0] - 0.6) ** 2 + 0.01 * (a**2 + b**2)
        ),
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "the factor is a temperature: it is meant",
    ),
    sound(
        "attention before the classes",
        "values weighed by a softmax, and cross_entropy of what comes of it",
        lambda a, b, values: F.cross_entropy((torch.softmax(_three(a, b), -1) @ values)[None], torch.tensor([0])),
        _LOGITS,
        "lowest where the best value has all the weight",
        fixed={"values": torch.tensor([[2.0, 0.0, 0.1], [0.3, 1.5, 0.0], [0.2, 0.1, 1.0]])},
    ),
)

_SPREAD = torch.tensor([-1.2, -0.5, 0.1, 0.8, 1.3])
_CLIP, _SOURCE = torch.tensor([1.0, 0.3, -0.6]), torch.tensor([0.9, 0.4, -0.5])


def _by_power(gain):
    heard = gain * _CLIP.to(gain)
    source = _SOURCE.to(gain)
    part = (heard @ source) / (source @ source + 1e-8) * source
    return -10 * torch.log10((part @ part) / ((heard - part) @ (heard - part) + 1e-8) + 1e-8)


ROUNDING_ALONE = (
    sound(
        "a variance and a shift",
        "the spread of what is shifted",
        lambda s, o: ((s * _SPREAD + o).var() - 0.9) ** 2,
        {"s": (0.05, 2.0), "o": (0.0, 10.0)},
        "it does not depend on o, whose gradient is nothing but rounding",
    ),
    sound(
        "logits and what they have in common",
        "cross_entropy of logits that are all shifted",
        lambda a, b: F.cross_entropy(torch.stack([a + b, b, b - 0.7])[None], torch.tensor([0]), label_smoothing=0.1),
        {"a": (-3.0, 5.0), "b": (-3.0, 3.0)},
        "it does not depend on b but for rounding",
    ),
    sound(
        "loudness that does not count",
        "a scale-invariant ratio in decibels with an eps",
        _by_power,
        {"gain": (0.1, 2.0)},
        "the eps alone changes it, by less than float32 shows",
    ),
    sound(
        "a probability's logarithm up to 1",
        "−log p with an eps, over all that p may be",
        lambda p: -torch.log(p + 1e-5),
        {"p": (0.05, 1.0)},
        "it falls beyond 1, where no p is",
    ),
    sound(
        "a tail at the edge",
        "a focal loss of what is right already",
        lambda z: torch.sigmoid(-z) ** 2 * F.softplus(-z),
        {"z": (-8.0, 8.0)},
        "lowest at the right edge",
    ),
)

NEIGHBOURS = (*TURNS, *PAIRS, *UNITS, *SEAMS, *INPUTS, *ROUNDING_ALONE)
