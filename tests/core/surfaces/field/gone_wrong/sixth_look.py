"""Losses of which a cause was named that was not the one, or none, at a sixth look."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import in_dtype

DRAW = torch.Generator().manual_seed(11)
PICTURE = 0.4 * torch.randn(150, generator=DRAW)
PIXELS = (torch.rand(150, generator=DRAW) < 0.2).float()
VECTORS, OTHERS = 1 + torch.rand(6, 3, generator=DRAW), 1 + torch.rand(6, 3, generator=DRAW)
SERIES = 3 * torch.randn(40, generator=DRAW)
LAGGED = SERIES + torch.randn(40, generator=DRAW)
DEPTHS = 1 + 3 * torch.rand(30, generator=DRAW)
GUESSES = DEPTHS + 0.3 * torch.randn(30, generator=DRAW)
LABELS = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
PAIRS = torch.tensor([1.0, 1.0, 1.0, 0.0])
MANY = torch.randn(2, 20_000, generator=DRAW)
ONES = (torch.rand(20_000, 2, generator=DRAW) < 0.5).float()
FREE = {"m": (-2.0, 2.0), "s": (-2.0, 2.0)}
OFF = "off_target|wrong_direction"


def case(name, source, loss, axes, right, findings, *words, unsaid=(), **keywords):
    found = tuple(one_of(*part.split("|")) for part in findings.split("+"))
    return Case(name, source, loss, axes, right, found, words, keywords, "in", unsaid)


def margin_of_an_angle(u, v):
    direction = F.normalize(torch.stack([u, v], -1), dim=-1)
    cosine = direction @ F.normalize(in_dtype([[1.0, 0.0], [-0.6, 0.8]], u), dim=-1).T
    sine = torch.sqrt((1 - cosine**2).clamp(0, 1))
    moved = torch.where(cosine > -0.9, 0.9 * cosine - 0.4 * sine, cosine - 0.2)
    return F.softplus(8 * (cosine[..., 1] - moved[..., 0]))


def near_and_far(a, b):
    distance = torch.sqrt((a - 0.5) ** 2 + (b + 0.25) ** 2)
    return torch.where(distance < 1, distance, 2 * distance - 1) ** 2


def overlap_of_logits(shift):
    x = PICTURE + shift
    return -(2 * (x * PIXELS).sum() + 1) / torch.clip(x.sum() + PIXELS.sum() + 1, 1e-8)


def quotient_of_what_is_cut_off(w, b):
    line = w * DEPTHS + b
    return ((line - 2) ** 2).sum() / (torch.relu(line.sum()) + 1e-7)


def direction_of_what_is_cut_off(a):
    v = torch.relu(a * DEPTHS[:9] - 0.5)
    return ((a - 1) ** 2 * DEPTHS[:9] / v.norm().clamp(min=1e-8)).sum()


def angle_of_all_at_once(k):
    product = (k * VECTORS * F.normalize(OTHERS, dim=-1)).sum()
    return torch.acos(product.clamp(-1 + 1e-6, 1 - 1e-6))


def fishers_z(k, x, y):
    covariance = (k * (x - x.mean()) * (y - y.mean())).mean()
    return (torch.atanh(covariance.clamp(-0.99999, 0.99999)) - 0.5) ** 2


def angle_of_what_is_no_cosine(k):
    return torch.acos((k * VECTORS * OTHERS).sum(-1) / 6).mean()


def one_logarithm(p):
    return -(torch.log(p + 1e-9) * LABELS + (1 - p + 1e-9) * (1 - LABELS)).mean()


def reversed_huber(shift):
    gap = GUESSES + shift - DEPTHS
    limit = 0.2 * gap.max()
    return torch.where(gap.abs() <= limit, gap.abs(), (gap**2 + limit**2) / (2 * limit)).mean()


def summed_before_it_is_divided(shift, x, ones):
    logits = x + shift
    missed = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits), reduction="none")
    wrong = F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits), reduction="none")
    return ((missed @ ones.to(missed.dtype) + wrong @ (1 - ones).to(missed.dtype)) / x.shape[1]).mean()


SIXTH_LOOK = (
    case(
        "an angle's margin, at an angle of 0", "ronghuaiyang/arcface-pytorch#68", margin_of_an_angle,
        {"u": (-2.0, 2.0), "v": (-2.0, 2.0)}, "the root is taken for u above 0", "non_finite",
        "add a small eps under the root", unsaid=("in the other one", "safe value"),
    ),
    case(
        "a distance in the branch that is taken", "a seam of two distances", near_and_far,
        {"a": (-1.0, 2.0), "b": (-1.25, 0.75)}, "the root is in the branch that is taken", "non_finite",
        "add a small eps under the root", unsaid=("in the other one", "safe value"),
    ),
    case(
        "an overlap of logits above a tiny bound", "ScrollPrize/villa#1771", overlap_of_logits, {"shift": (-1.0, 1.0)},
        "the clip holds the divisor in two fifths of the view", "singular", "holds the divisor of div at 1e−8",
        "sigmoid",
    ),
    case(
        "a quotient of what relu cuts off", "an eps that is added", quotient_of_what_is_cut_off,
        {"w": (-2.0, 2.0), "b": (-1.0, 2.0)}, "in a part of the view all is divided by 1e-7", "singular",
        "holds the divisor of div at 1e−7", "a larger eps", unsaid=("goes below 0",),
    ),
    case(
        "a direction of nothing", "a norm's clamp", direction_of_what_is_cut_off, {"a": (-1.0, 2.0)},
        "in half of the view all is divided by 1e-8", "singular", "holds the divisor of div at 1e−8",
        unsaid=("is dead",),
    ),
    case(
        "one angle of a whole batch", "yuanming-hu/fc4#33", angle_of_all_at_once, {"k": (0.5, 3.0)},
        "the sum over the batch is no cosine", "dead_zone", "clamp before acos", "normalise", "(−1 + eps, 1 − eps)",
        unsaid=("ppo",),
    ),
    case(
        "a covariance for a correlation", "Fisher's z", fishers_z, {"k": (0.5, 3.0)}, "beyond 1 all over", "dead_zone",
        "clamp before atanh", "normalise", unsaid=("ppo",), fixed={"x": SERIES, "y": LAGGED},
    ),
    case(
        "an angle of lengths", "a product that is no cosine", angle_of_what_is_no_cosine, {"k": (0.3, 3.0)},
        "beyond 1 for large k", "non_finite", "of a number beyond ±1", "normalise",
    ),
    case(
        "a policy's ratio, clipped and no more", "a policy without the minimum",
        lambda z: -1.3 * torch.clamp(torch.exp(z), 0.8, 1.2), {"z": (-2.0, 2.0)},
        "no way back beyond the clip", "dead_zone", "ppo", "torch.minimum",
    ),
    case(
        "a prediction that is clipped", "shares by a clamp",
        lambda w: ((torch.clamp(w * DEPTHS, 0, 1) - 0.4) ** 2).mean(), {"w": (-3.0, 6.0)}, "dead beyond both bounds",
        "dead_zone", "bound it smoothly", unsaid=("ppo",),
    ),
    case(
        "a logarithm of one of two", "deepjavalibrary/djl#1316", one_logarithm, {"p": (0.02, 0.98)},
        "log(1 − p) is meant", OFF, "with log(", "as a factor", target={"p": 0.3},
    ),
    case(
        "counts times the rate", "a Poisson likelihood", lambda rate: rate - 3 * rate, {"rate": (0.2, 8.0)},
        "3 · log(rate) is meant", OFF, "log(rate) in place of rate as a factor", target={"rate": 3.0},
    ),
    case(
        "a square for a logarithm of a square", "FluxML/model-zoo#147",
        lambda m, s: 0.5 * (torch.exp(2 * s) + m**2 - 1 + s**2), FREE, "−2 · s is meant", OFF,
        "−2 · s in place of s squared", target={"m": 0.0, "s": 0.0},
    ),
    case(
        "terms that do not balance", "a divergence with a term too many",
        lambda m, s: -s + (torch.exp(2 * s) + m**2) / 2 + 3 * F.softplus(-s), FREE, "the last term is too many",
        OFF, "−1.5 of softplus of s", "which do not balance", "cause was not found", target={"m": 0.0, "s": 0.0},
    ),
    case(
        "labels the other way round", "VinhLoiIT/signet-pytorch#2",
        lambda distance, y: ((1 - y) * distance**2 + y * torch.relu(1 - distance) ** 2), {"distance": (0.0, 2.0)},
        "y of 1 is a genuine pair", OFF, "with 1 − y in place of y, it is", fixed={"y": 1.0},
        target=lambda distance: distance < 0.1,
    ),
    case(
        "shares of swapped labels", "a cross entropy of the other class",
        lambda z, y: -(y * F.logsigmoid(-z) + (1 - y) * F.logsigmoid(z)).mean(), {"z": (-4.0, 4.0)},
        "lowest at the other class's share", OFF, "with 1 − y in place of y, it is", fixed={"y": PAIRS},
        target={"z": math.log(3)},
    ),
    case(
        "a cross entropy without its sign", "a missing minus",
        lambda z, y: (y * F.logsigmoid(z) + (1 - y) * F.logsigmoid(-z)).mean(), {"z": (-4.0, 4.0)},
        "the sign is missing", OFF, "the whole of it negated, it is", unsaid=("1 − y in place",), fixed={"y": PAIRS},
        target={"z": math.log(3)},
    ),
    case(
        "a limit of the largest difference", "dontLoveBugs/FCRN_pytorch#8", reversed_huber, {"shift": (-3.0, 3.0)},
        "below 0 where all guesses are too low", "non_finite|jump|singular", "goes below 0, to −",
        "(x − y).abs().max()",
    ),
    case(
        "products added up in float16", "huggingface/transformers#25938", summed_before_it_is_divided,
        {"shift": (-9.0, 9.0)}, "the sum of 20000 products passes 65504", "precision",
        "mm (matmul) adds up 20000 products", "divide a factor by the count", fixed={"x": MANY, "ones": ONES},
        dtype="float16", seconds=5,
    ),
)  # fmt: skip
