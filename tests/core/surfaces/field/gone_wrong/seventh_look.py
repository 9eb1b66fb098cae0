"""Losses of which a change was offered that is no cure, or nothing was said, at a seventh look."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of

DRAW = torch.Generator().manual_seed(23)
SKEWED = torch.randn(240, generator=DRAW).exp()
UPPER = float(SKEWED.quantile(0.9))
REAL, FAKE = torch.randn(12, generator=DRAW), torch.randn(12, generator=DRAW)
KEYS, VALUES = torch.randn(5, 2, generator=DRAW), torch.randn(5, 3, generator=DRAW)
HIDDEN = torch.tensor([False, False, False, True, True])
LOGITS = 0.5 * torch.randn(18, 6, generator=DRAW)
LABELS = torch.randint(6, (18,), generator=DRAW)
RIGHT, ONE = F.one_hot(LABELS, 6).float(), F.one_hot(torch.full((18,), 2), 6).float()
OTHERS = 0.4 * torch.rand(7, generator=DRAW) - 0.2
SPREAD = 1 + 0.5 * torch.randn(90, generator=DRAW)
X = torch.randn(40, generator=DRAW)
Y = 1.7 * X - 0.4
OFF = "off_target|wrong_direction"
ALONG = {"right": RIGHT, "one": ONE}
CLASSES = {"right": (-4.0, 8.0), "one": (-4.0, 4.0)}
SCORES = {"real": (-7.0, 7.0), "fake": (-7.0, 7.0)}
CRITIC = {"real": (4.0, 7.0), "fake": (-7.0, -4.0)}
PLANE = {"w": (-4.0, 4.0), "b": (-3.0, 3.0)}


def case(name, source, loss, axes, right, findings, *words, unsaid=(), **keywords):
    found = tuple(one_of(*part.split("|")) for part in findings.split("+"))
    return Case(name, source, loss, axes, right, found, words, keywords, "in", unsaid)


def quantile_by_its_size(pred, y):
    size = (y - pred).abs()
    huber = torch.where(size < 1, 0.5 * size**2, size - 0.5)
    return ((0.9 - (size < 0).float()).abs() * huber).mean()


def both_are_real(real, fake):
    first = F.binary_cross_entropy_with_logits(real + REAL.to(real), torch.ones_like(REAL).to(real))
    second = F.binary_cross_entropy_with_logits(fake + FAKE.to(fake), torch.ones_like(FAKE).to(fake))
    return first + second


def attention(first, second, keys, values):
    energy = keys.to(first) @ torch.stack([first, second])
    share = energy.masked_fill(HIDDEN, -1e10).softmax(-1)
    return ((share @ values.to(first) - 0.3) ** 2).mean()


def left_out_by_a_number(a):
    energy = a * KEYS.flatten()[:5].to(a)
    return -torch.where(HIDDEN, torch.full_like(energy, -1e9), energy).log_softmax(-1)[0]


def added_margin(cosine, others):
    logit = torch.cos(torch.acos(cosine.clamp(-1 + 1e-7, 1 - 1e-7)) + 0.5)
    return F.cross_entropy(40 * torch.cat([logit[None], others.to(logit)])[None], torch.tensor([0]))


def one_sided(error, limit):
    near = (error.abs() <= limit).float()
    far = (error > limit).float()
    return near * error**2 / 2 + far * limit * (error.abs() - limit / 2)


def one_and_a_spread(mu, sigma, z):
    return (torch.log(sigma + 1) + (z - mu) ** 2 / (2 * sigma**2)).mean()


def rows_at_right_angles(t, size):
    first = torch.stack([torch.ones_like(t), torch.zeros_like(t)], -1)
    rows = size[..., None, None] * torch.stack([first, torch.stack([t.cos(), t.sin()], -1)], -2)
    return (rows @ rows.transpose(-1, -2) - torch.eye(2).to(t)).sum()


def parenthesis(mu, s):
    return s + (torch.exp(torch.tensor(-0.6)) + (mu - 0.5) ** 2 / (2 * torch.exp(2 * s)))


def lower_of_two(value):
    held = torch.clamp(value, -0.3, 0.3)
    return torch.minimum((value - 2) ** 2, (held - 2) ** 2)


SEVENTH_LOOK = (
    case(
        "a quantile whose sides are never told apart", "IntelLabs/coach#29", quantile_by_its_size,
        {"pred": (-1.0, 8.0)}, "the sign of the error is lost", OFF, "true at none of",
        "the abs of the difference in the comparison", "single changes tried only this one",
        unsaid=("log(pred)", "no other one"), fixed={"y": SKEWED},
        target={"pred": (UPPER - 0.6, UPPER + 0.6)},
    ),
    case(
        "a critic that takes all for real", "a target of the other kind", both_are_real, SCORES,
        "the second target must be 0", OFF, "a target of zeros in place of ones", target=CRITIC,
        unsaid=("entropy_with_logits − ",),
    ),
    case(
        "a fill that float16 does not hold", "IBM/pytorch-seq2seq#191", attention,
        {"first": (-5.0, 5.0), "second": (-5.0, 5.0)}, "1e10 is beyond 65504", "precision",
        "the −1e10 that masked_fill is given, in “share", "65504", "torch.finfo(x.dtype).min", unsaid=("autocast",),
        fixed={"keys": KEYS, "values": VALUES}, dtype="float16",
    ),
    case(
        "a number for minus infinity", "a mask by full_like", left_out_by_a_number, {"a": (-3.0, 3.0)},
        "1e9 is beyond 65504", "precision", "the −1e9 that full_like is given", "torch.finfo(x.dtype).min",
        unsaid=("autocast",), dtype="float16",
    ),
    case(
        "a log_softmax along the samples, and one of its own", "shares of a batch",
        lambda x, y: F.cross_entropy(x.log_softmax(0), y), CLASSES, "dim=1 is meant", "wrong_input", "dim 0", "dim=1",
        unsaid=("no fault",), fixed={"x": LOGITS, "y": LABELS}, directions=ALONG,
    ),
    case(
        "an angle beyond its margin", "KevinMusgrave/pytorch-metric-learning#537", added_margin,
        {"cosine": (-1.0, 1.0)}, "below cos(π − m) it falls to the edge", "unexpected_minimum", "hill",
        "cosine −0.8", unsaid=("nothing to change",), fixed={"others": OTHERS},
    ),
    case(
        "a limit on one side alone", "marlbenchmark/on-policy#47", one_sided, {"error": (-9.0, 9.0)},
        "below −3 neither mask is true", "jump", "“near = (error.abs() <= limit).float()”",
        "“far = (error > limit).float()”", "neither is true", fixed={"limit": 3.0},
    ),
    case(
        "a spread and one", "a likelihood's logarithm", one_and_a_spread, {"mu": (-1.0, 3.0), "sigma": (0.1, 3.0)},
        "the 1 does not belong there", OFF, "sigma in place of sigma + 1", fixed={"z": SPREAD},
        target=(float(SPREAD.mean()), float(SPREAD.std())),
    ),
    case(
        "entries that cancel", "kevinzakka/pytorch-goodies#7", rows_at_right_angles,
        {"t": (0.2, 2.9), "size": (0.3, 2.0)}, "an abs is missing", OFF, "the sum of the abs of the difference",
        target={"t": (1.5, 1.64), "size": (0.95, 1.05)},
    ),
    case(
        "errors that cancel", "a mean error", lambda w, b: (w * X.to(w) + b - Y.to(w)).mean(), PLANE,
        "an abs is missing", OFF, "the mean of the abs of the difference",
        target={"w": (1.5, 1.9), "b": (-0.6, -0.2)},
    ),
    case(
        "a term beside a fraction", "a divergence with a parenthesis too early", parenthesis,
        {"mu": (-1.0, 2.0), "s": (-1.5, 1.0)}, "the first term is divided too", OFF, "divided by the product too",
        target={"mu": (0.4, 0.6), "s": (-0.35, -0.25)},
    ),
    case(
        "the lower of a clipped loss and its own", "ray-project/ray#2233", lower_of_two, {"value": (-4.0, 4.0)},
        "there is no way back", "dead_zone", "torch.minimum takes", "in “held = ", "take torch.maximum",
    ),
)  # fmt: skip
