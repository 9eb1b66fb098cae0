"""Losses whose fault is found by a trial, or is one of the whole: a weight that nothing holds, a value that is none."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.fourth_look import ALONG, CLASSES, COUNTS, LABELS, LINE, SCORES, X, Y

PLANE = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}
PIXELS = torch.linspace(3.0, 620.0, 18)
HOLES = torch.where((torch.arange(12) == 3) | (torch.arange(12) == 8), -999.0, Y)
ONE_LEFT_OUT = torch.where(torch.arange(12) == 5, 1e5, X)
AT_THE_FIT = {"w": (1.2, 1.6), "b": (-0.6, -0.2)}


class OverItsFirst:
    """A loss over the mean of those before it; the first one is divided by itself."""

    def __init__(self):
        self.mean = None

    def __call__(self, w, b):
        value = (w - 0.7) ** 2 + (b + 0.4) ** 2 + 0.05
        held = value.detach().mean()
        self.mean = held if self.mean is None else 0.8 * self.mean + 0.2 * held
        return value / self.mean


def over_itself(w, b, x, y):
    value = F.smooth_l1_loss(w * x + b, y)
    return value / value.detach()


def unheld_precision(w, s, x, y):
    return 0.5 * (torch.exp(-s) * (w * x - 0.4 - y) ** 2).mean()


def two_covers(angle):
    pair = torch.stack([torch.cos(angle / 2), torch.sin(angle / 2)])
    return 1 - (pair * torch.tensor([math.cos(0.3), math.sin(0.3)]).to(pair)).sum(0)


def without_a_gradient(w, b, x, y):
    with torch.no_grad():
        output = torch.tanh(w * x + b)
    return F.mse_loss(output, y)


def hidden(r):
    return (torch.nan_to_num(torch.log(r + 0.2), nan=-1.5, neginf=-1.5) - 0.4) ** 2


def determinant(a, r):
    matrix = torch.stack([torch.stack([a, r]), torch.stack([r, a + 0.5])])
    return torch.trace(torch.linalg.inv(matrix)) + torch.logdet(matrix)


def ratio_to_silence(gain, estimate, source):
    left = gain * estimate - source
    return 10 * torch.log10((left * left).sum() / (source * source).sum())


def entropy_added(z):
    p = torch.sigmoid(z)
    entropy = -(p * F.logsigmoid(z) + (1 - p) * F.logsigmoid(-z))
    return -0.9 * p + 0.6 * entropy


def divergence(mu, scale):
    return 0.5 * (mu**2 + torch.exp(scale) - scale - 1)


def mirrored(logits):
    return F.cross_entropy(logits.reshape(4, 3), CLASSES)


def case(name, source, loss, axes, right, finding, *words, unsaid=(), **keywords):
    return Case(name, source, loss, axes, right, (one_of(*finding.split("|")),), words, keywords, unsaid=unsaid)


FIFTH_LOOK = (
    case(
        "squares of pixels in float16", "keypoints in pixels", lambda scale, shift, p: (
            (scale * p + shift - p) ** 2
        ).mean(), {"scale": (0.0, 2.5), "shift": (-150.0, 150.0)}, "what is squared passes 256", "precision",
        "pow overflows", unsaid=("cancellation",), fixed={"p": PIXELS}, dtype="float16",
    ),
    case(
        "a loss over itself", "terms of one size", over_itself, LINE, "the value is 1 whatever happens",
        "gradient_mismatch", "the value is 1 all over the view", unsaid=("arrows lead", "nothing to descend"),
        fixed={"x": X, "y": Y},
    ),
    case(
        "a loss over the mean of those before", "a running scale", OverItsFirst(),
        {"w": (-2.0, 3.0), "b": (-3.0, 2.0)}, "each first call is divided by itself",
        "gradient_mismatch", "the value is 1", "each call that is looked at",
        unsaid=("arrows lead",),
    ),
    case(
        "a learned precision that nothing holds", "uncertainty weighting", unheld_precision,
        {"w": (-2.0, 4.0), "s": (-3.0, 5.0)}, "the larger s the lower, at any w", "no_bottom",
        "s does nothing but weigh", "+ s", fixed={"x": X, "y": Y},
    ),
    case(
        "a scale with no logarithm", "a likelihood cut short", lambda mu, sigma, y: (((y - mu) / sigma) ** 2).mean(),
        {"mu": (-3.0, 3.0), "sigma": (0.4, 5.0)}, "the larger sigma the lower", "no_bottom",
        "sigma does nothing but weigh", "log σ", fixed={"y": Y},
    ),
    case(
        "one of two covers", "rotations by quaternions", two_covers, {"angle": (-6.0, 8.0)},
        "0.6 and 0.6 + 2π are one rotation, and the loss is highest at one of them", "off_target", "in the target too",
        "−q", target=lambda angle: torch.cos(angle - 0.6) > 0.98,
    ),
    case(
        "numbers for what is not known", "a table with -999", lambda w, b, x, y: ((w * x + b - y) ** 2).mean(), LINE,
        "y[3] and y[8] are no values", "off_target|wrong_direction", "y[3] is −999", "without them", "mask",
        unsaid=("missing log",), fixed={"x": X, "y": HOLES}, target=AT_THE_FIT,
    ),
    case(
        "a far number among the inputs", "a table with 1e5", lambda w, b, x, y: ((w * x + b - y) ** 2).mean(), LINE,
        "x[5] is no value", "off_target|wrong_direction", "x[5] is 100000", unsaid=("missing log",),
        fixed={"x": ONE_LEFT_OUT, "y": Y}, target=AT_THE_FIT,
    ),
    case(
        "a pinball turned round", "a difference the other way round",
        lambda q, y: torch.maximum(0.85 * (q - y), -0.15 * (q - y)).mean(), {"q": (-5.0, 5.0)},
        "it is the 0.15 quantile", "off_target|wrong_direction", "y − q in place of q − y", fixed={"y": Y},
        target=lambda q: (q > 0.9) & (q < 1.6),
    ),
    case(
        "an entropy that is added", "a bonus of the wrong sign", entropy_added, {"z": (-6.0, 6.0)},
        "it is lowest where nothing is tried", "off_target|wrong_direction", "+", "in place of", "in the target",
        target=(1.5,),
    ),
    case(
        "a spread for its logarithm", "a divergence from a normal", divergence,
        {"mu": (-2.0, 2.0), "scale": (0.1, 3.0)}, "lowest at a scale of 0", "off_target|wrong_direction",
        "log(scale) in place of scale", target={"mu": (-0.2, 0.2), "scale": (0.85, 1.15)},
    ),
    case(
        "a likeness taken for a distance", "a cosine without its minus", lambda a, b: (
            (0.8 * a + 0.6 * b) / torch.sqrt(a**2 + b**2 + 0.01)
        ), {"a": (0.3, 2.0), "b": (-2.0, 2.0)}, "it leads away", "off_target|wrong_direction", "negated",
        target=lambda a, b: (b / a - 0.75).abs() < 0.3,
    ),
    case(
        "a weight of the wrong class", "a balance turned round", lambda w, b, x, y: F.binary_cross_entropy_with_logits(
            w * x + b, y, pos_weight=torch.tensor(0.1).to(w)
        ), {"w": (-2.0, 6.0), "b": (-7.0, 7.0)}, "the rare ones count for less", "off_target|wrong_direction",
        "1 / pos_weight in place of pos_weight", fixed={"x": X, "y": LABELS},
        target=lambda w, b: (b > 0.8) & (b < 4),
    ),
    case(
        "scores taken apart", "a reshape for a transpose", mirrored, {"right": (-4.0, 8.0), "other": (-3.0, 3.0)},
        "rows of classes and samples are mixed", "off_target|wrong_direction", ".t() in place of reshape(4, 3)",
        fixed={"logits": SCORES.t().contiguous()},
        directions={name: one.t().contiguous() for name, one in ALONG.items()}, target=lambda right, other: right > 5,
    ),
    case(
        "a target that nothing leads to", "a wrong target", lambda a, b: (a - 1.1) ** 2 + (b - 0.7) ** 2, PLANE,
        "the formula is as it should be", "off_target", "none of them alone leads there",
        target={"a": (-0.6, -0.4), "b": (0.0, 0.1)},
    ),
    case(
        "an output under no_grad", "a model in eval", without_a_gradient, LINE, "the output is a constant",
        "no_gradient_path", "no_grad", "outside of that block", fixed={"x": X, "y": Y},
    ),
    case(
        "NaN that is hidden", "nan_to_num around a logarithm", hidden, {"r": (-2.0, 3.0)},
        "nothing is learnt below −0.2", "dead_zone", "nan_to_num that lets no gradient through",
        "hides what log makes of a number below zero",
    ),
    case(
        "a determinant below zero", "a covariance by its entries", determinant, {"a": (0.2, 3.0), "r": (-2.0, 2.0)},
        "beyond a line there is no logarithm", "non_finite", "logdet makes it", "cholesky", unsaid=("refuses",),
    ),
    case(
        "silence to be matched", "a ratio to the source's energy", ratio_to_silence, {"gain": (-2.0, 2.0)},
        "it is divided by 0", "non_finite", "silence", "eps", unsaid=("mask is empty",),
        fixed={"estimate": X, "source": torch.zeros(12)},
    ),
    case(
        "a score that is detached in a margin", "a hinge of held scores", lambda a, b: (
            F.relu(0.8 - (a - b).detach()) + 0.05 * (a**2 + b**2)
        ), PLANE, "the margin teaches nothing", "gradient_mismatch", "detach",
    ),
    case(
        "counts under their own form", "poisson_nll_loss of a rate",
        lambda rate, n: (torch.exp(rate) - n * rate).mean(), {"rate": (0.2, 8.0)}, "it takes the rate's logarithm",
        "off_target|wrong_direction", "log(rate) in place of rate", fixed={"n": COUNTS}, target=(3.25,),
    ),
)  # fmt: skip
